"""What is run where a user asks for everything, for something or for nothing."""

import numpy as np
import pytest

from neurocompile.data.sampling import Declared, Sampling
from neurocompile.data.stimulus import load_stimulus
from neurocompile.errors import BadInput

NOTHING = Sampling()


@pytest.fixture
def three(tmp_path):
    """A file of three samples."""
    np.savez(tmp_path / "three.npz", x=np.arange(6.0).reshape(3, 2))
    return str(tmp_path / "three.npz")


def test_what_was_not_asked_for_is_what_the_export_ran(three):
    found = load_stimulus(NOTHING, Declared(three, 2, 16, 5), 2)
    assert (len(found), found.steps, found.seed, found.data.name) == (2, 16, 5, three)
    np.testing.assert_array_equal(found.data.values, [[0, 1], [2, 3]])


def test_what_is_asked_for_is_run_also_where_it_is_seed_0(three):
    own = Declared("digits", 20, 16, 5)
    found = load_stimulus(Sampling(three, 1, 8, 0), own, 20)
    assert (len(found), found.steps, found.seed, found.data.name) == (1, 8, 0, three)


@pytest.mark.parametrize("usual", [None, 3, 20])
def test_a_number_that_nobody_asked_for_takes_what_there_is(three, usual):
    assert len(load_stimulus(NOTHING, Declared(three, 20, 16, 0), usual)) == 3


def test_a_number_that_was_asked_for_is_refused_where_there_are_fewer(three):
    with pytest.raises(BadInput, match=r"has 3 samples, but 4 were asked for. Ask for 1 to 3"):
        load_stimulus(Sampling(samples=4), Declared(three, 2, 16, 0), 2)


def test_without_any_source_the_option_that_names_one_is_named():
    with pytest.raises(BadInput, match=r"names no data\. Choose some, data= \(--data\): mnist5k"):
        load_stimulus(NOTHING, Declared("", 0, 16, 0))
