"""Arrays of a graph change behind nobody's back, and are copied only where they could."""

import numpy as np
import pytest

from neurocompile.errors import BadInput
from neurocompile.ir.arrays import frozen
from neurocompile.ir.chip_neurons import CHIP_NEURONS
from neurocompile.ir.fixed import CubaLIF, Synapse
from neurocompile.ir.nodes import Delay, Linear, Sparse


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


NOT_WHOLE = {
    "the value 1.5": (1.5, [1, 1.5], np.array([0, 1.5], np.float16)),
    "NaN": (np.nan, [[1, np.nan]], np.float32(np.nan)),
    "the value inf": (np.inf,),
    "the value -inf": (np.float16(-np.inf),),
    "the value 9.22337e": (2.0**63,),
    "the value 9223372036854775808": (2**63, np.array([2**63], np.uint64)),
    "a value of 71 bits": (2**70, [0, -(2**70)]),
    "a value of 16610 bits": (10**5000,),
    "a str": ("x",),
    "a complex": (1j,),
    "a NoneType": ([None],),
    "lists of different lengths": ([[1, 2], [3]],),
}
INTEGER_FIELDS = {
    "Synapse: its late": lambda value: Synapse(Linear(np.eye(2)), (2,), (2,), late=value),
    "Delay: its late": lambda value: Delay(1, value),
    "Sparse: its indices": lambda value: Sparse(np.ones(1), value, [0, 1], (1,), (1,)),
    "Sparse: its indptr": lambda value: Sparse(np.ones(1), [0], value, (1,), (1,)),
    **{
        f"{kind.__name__}: its {register}": lambda value, kind=kind, register=register: kind(
            (1,), **{**dict.fromkeys(kind.registers, 0), register: value}
        )
        for kind in CHIP_NEURONS
        for register in kind.registers
    },
}


@pytest.mark.parametrize("field", INTEGER_FIELDS)
def test_a_field_of_integers_refuses_by_name_what_a_conversion_would_change(field):
    for found, values in NOT_WHOLE.items():
        for value in values:
            with pytest.raises(BadInput) as refused:
                INTEGER_FIELDS[field](value)
            kind, name = field.split(": ")
            words = str(refused.value)
            assert words.startswith(f"{kind}: found {found}"), value
            assert f" in {name}, allowed are whole numbers of up to 64 bits" in words


@pytest.mark.parametrize("number", [3, 3.0, np.float16(3), np.uint64(3), np.array(3, object)])
def test_a_field_of_integers_takes_whole_numbers_of_any_type(number):
    vth = CubaLIF((1,), 4095, 0, number, 0, 0, 0).vth
    assert (vth.dtype, vth.shape, int(vth)) == (np.int64, (), 3)


def test_integers_of_the_right_type_are_not_looked_at(monkeypatch):
    own = np.arange(6)
    own.setflags(write=False)
    monkeypatch.setattr(np, "rint", None)
    assert Delay(1, own).late is own
    late = np.zeros((1, 2), np.int8)
    late.setflags(write=False)
    assert Synapse(Linear(np.eye(2)), (2,), (2,), late=late).late is late
