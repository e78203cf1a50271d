"""Stored words are hit where a draw says so, and nowhere else."""

import numpy as np
import pytest
from networks import lif

from neurocompile.faults.places import apart
from neurocompile.faults.weights import flipped, stuck, turned, words
from neurocompile.ir.fixed import SpikeInput, Synapse
from neurocompile.ir.graph import chain, same
from neurocompile.ir.nodes import Conv, Linear

NONE = np.zeros(0, np.int64)


def network():
    """Two weights of 8 bits, then a kernel of two of 4 bits that is used three times."""
    dense = Linear(np.array([[2], [-256]], np.int16))
    kernel = Conv(np.array([[[32, 64]]], np.int16), None, (1,), (1,), (1,), 1)
    return chain(
        {
            "input": SpikeInput((1,)),
            "first": Synapse(dense, (1,), (2,)),
            "hidden": lif((2,)),
            "second": Synapse(kernel, (1, 2), (1, 3), bits=4),
            "out": lif((1, 3)),
        }
    )


@pytest.mark.parametrize(
    ("weight", "bit", "bits", "after"),
    [
        (2, 0, 8, 0),  # 00000001 -> 00000000
        (0, 7, 8, -256),  # the sign of two's complement is worth -128 steps of 2
        (-256, 7, 8, 0),
        (254, 7, 8, -2),  # 01111111 -> 11111111 = -1
        (-2, 1, 8, -6),  # 11111111 -> 11111101 = -3
        (32, 3, 4, -224),  # 0001 -> 1001 = -7, in steps of 32
        (128, 0, 2, 0),  # 01 -> 00, in steps of 128
    ],
)
def test_a_turned_bit_changes_the_word_as_two_s_complement_says(weight, bit, bits, after):
    assert turned(np.array([weight], np.int16), np.array([bit]), bits).tolist() == [after]


@pytest.mark.parametrize("bits", range(2, 9))
def test_turned_words_stay_on_the_grid_and_turn_back(bits):
    step = 1 << (9 - bits)
    every = np.arange(-256, 256, step)
    for bit in range(bits):
        once = turned(every, np.full(every.shape, bit), bits)
        assert set(once) == set(every)
        assert (turned(once, np.full(every.shape, bit), bits) == every).all()


def test_numbers_run_through_all_layers_in_their_order():
    found = apart({"a": 2, "b": 0, "c": 3}, np.array([4, 0, 2]), np.array([0.4, 0.0, 0.2]))
    assert {name: (at.tolist(), luck.tolist()) for name, (at, luck) in found.items()} == {
        "a": ([0], [0.0]),
        "c": ([2, 0], [0.4, 0.2]),
    }
    assert apart({"a": 2}, NONE, NONE) == {}


def test_the_words_of_a_kernel_are_counted_once():
    assert words(network()) == {"first": 2, "second": 2}


def test_a_flip_hits_the_word_of_its_number_and_the_bit_of_its_luck():
    # Word 1 is -256 = 10000000, of 8 bits: 0.99 is bit 7. Word 2 is 32 = 0001, of 4 bits: 0.3 is
    # bit 1, which makes it 0011.
    found = flipped(network(), np.array([2, 1]), np.array([0.3, 0.99]))
    assert found.nodes["first"].op.weight.tolist() == [[2], [0]]
    assert found.nodes["second"].op.weight.tolist() == [[[96, 64]]]
    assert found.nodes["first"].op.weight.dtype == np.int16


def test_a_stuck_word_reads_zero():
    found = stuck(network(), np.array([0, 3]))
    assert found.nodes["first"].op.weight.tolist() == [[0], [-256]]
    assert found.nodes["second"].op.weight.tolist() == [[[32, 0]]]


def test_no_hits_leave_the_graph_as_it_is():
    graph = network()
    assert same(flipped(graph, NONE, NONE), graph)
    assert same(stuck(graph, NONE), graph)
