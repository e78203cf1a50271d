"""Arrays of a graph change behind nobody's back, and are copied only where they could."""

import numpy as np
import pytest

from neurocompile.ir.arrays import frozen


def test_an_array_that_somebody_can_write_is_copied():
    mine = np.arange(3.0)
    theirs = frozen(mine)
    mine[0] = 7
    assert theirs.tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="read-only"):
        theirs[0] = 7


def test_a_read_only_view_of_what_somebody_can_write_is_copied():
    mine = np.arange(3.0)
    view = mine[:]
    view.setflags(write=False)
    theirs = frozen(view)
    mine[0] = 7
    assert theirs.tolist() == [0, 1, 2]


def test_a_read_only_array_with_memory_of_its_own_is_taken_as_it_is():
    own = np.arange(6.0).reshape(2, 3).copy()
    own.setflags(write=False)
    assert frozen(own) is own
    assert frozen(own, np.float32) is not own
    assert frozen(own.T).flags.c_contiguous


def test_numbers_and_lists_become_arrays():
    assert frozen(2.0).shape == ()
    assert frozen([1, 2], np.int64).tolist() == [1, 2]
