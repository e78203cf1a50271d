"""Bits of synapse memory, worked out by hand.

An entry holds up to 64 synapses behind a header of 10 bits and is rounded up to 64 bits.
"""

import numpy as np
import pytest
import scipy.sparse as sp

from neurocompile.chip.read import load_chip
from neurocompile.errors import DoesNotFit
from neurocompile.ir.fixed import Synapse
from neurocompile.ir.linear import connections, sparse_op
from neurocompile.ir.nodes import Conv, Linear
from neurocompile.place.memory import lists

MEMORY = load_chip("loihi-sim").memory


def bits_of(synapse, rows=slice(None), wait=0, base=0):
    block = sp.csc_array(connections(synapse)[rows])
    block.sort_indices()
    return lists(synapse, block, MEMORY, wait, base)


def line(weight, length):
    """A convolution of one channel over a line, 3 wide, padded."""
    kernel = np.array(weight).reshape(1, 1, 3)
    return Synapse(Conv(kernel, None, (1,), (1,), (1,), 1), (1, length), (1, length))


@pytest.mark.parametrize(
    ("targets", "sources", "bits"),
    [
        (10, 128, 128 * 128),  # 10 * 8 + 10 = 90 -> 128 bits an axon
        (64, 3, 3 * 576),  # 64 * 8 + 10 = 522 -> 576
        (128, 64, 64 * 2 * 576),
        (65, 1, 576 + 64),  # a full entry, and one of 8 + 10 bits
    ],
)
def test_a_dense_list_holds_weights_without_index(targets, sources, bits):
    synapse = Synapse(Linear(np.full((targets, sources), 2)), (sources,), (targets,))
    assert bits_of(synapse).bits == bits


def test_a_weight_of_zero_takes_its_place_in_a_dense_list():
    synapse = Synapse(Linear(np.zeros((10, 128), dtype=np.int64)), (128,), (10,))
    assert bits_of(synapse).bits == 128 * 128


def test_fewer_weight_bits_take_less_memory_down_to_a_word():
    # 64 * 2 + 10 = 138 -> 192; 7 bits are stored in 8: 522 -> 576
    op = Linear(np.zeros((64, 1), dtype=np.int64))
    assert bits_of(Synapse(op, (1,), (64,), bits=2)).bits == 192
    assert bits_of(Synapse(op, (1,), (64,), bits=7)).bits == 576


def test_a_wait_widens_every_synapse_of_every_format():
    # 5 steps need 3 bits: 64 * 11 + 10 = 714 -> 768
    zeros = np.zeros((64, 1), dtype=np.int64)
    assert bits_of(Synapse(Linear(zeros), (1,), (64,)), wait=5).bits == 768
    # and beside an index of 6 bits 64 * 17 + 10 = 1098 -> 1152
    sparse = sparse_op(sp.csr_array(zeros + 2), (1,), (64,), None)
    assert bits_of(Synapse(sparse, (1,), (64,)), wait=5).bits == 1152
    # as one place that leads to 64 channels has
    kernel = Conv(zeros.reshape(64, 1, 1) + 2, None, (1,), (0,), (1,), 1)
    assert bits_of(Synapse(kernel, (1, 1), (64, 1)), wait=5).bits == 1152


def test_a_delay_beyond_the_widest_field_is_refused():
    op = Linear(np.zeros((64, 1), dtype=np.int64))
    with pytest.raises(DoesNotFit, match="8 bits"):
        bits_of(Synapse(op, (1,), (64,)), wait=128)


def test_a_sparse_list_holds_an_index_beside_each_weight():
    # 100 targets need 7 bits of index: lists of 5 and of 1 synapses;
    # 5 * 15 + 10 = 85 -> 128, 15 + 10 -> 64; an axon without synapses takes nothing
    dense = np.zeros((100, 3), dtype=np.int64)
    dense[[0, 1, 2, 3, 99], 0] = 2
    dense[50, 2] = 4
    op = sparse_op(sp.csr_array(dense), (3,), (100,), None)
    assert bits_of(Synapse(op, (3,), (100,))).bits == 128 + 64


def test_axons_of_a_convolution_share_equal_lists():
    # left edge (2 synapses), right edge (2 others), and one list for all six between: 3 words
    assert bits_of(line([2, 4, 6], 8)).bits == 3 * 64
    # with equal weights the two edges have one list too
    assert bits_of(line([2, 2, 2], 8)).bits == 2 * 64


def test_lists_are_shared_only_where_they_start_within_256_neurons():
    # firsts are 0 (edge), 0..254 (inside) | 256..297 (inside), 298 (edge), and 255 inside;
    # so one inner list for starts below 256, one for those from 256 on, and two edges
    assert bits_of(line([2, 4, 6], 300)).bits == 4 * 64


def test_a_part_of_the_targets_takes_lists_of_that_part_alone():
    # targets 0..3 of a line of 8: sources 0 (edge), 1 and 2 (inside), 3 (cut), 4 (cut)
    assert bits_of(line([2, 4, 6], 8), slice(0, 4)).bits == 4 * 64


def test_the_indices_of_a_kernel_count_from_a_base_below_256():
    # 40 channels of one place from neuron 600 on: base 600 % 256 = 88, indices 512..551, 10 bits,
    # 40 * 18 + 10 = 730 -> 768; from neuron 200 on: base 200, indices 0..39, 6 bits, 570 -> 576
    synapse = Synapse(Conv(np.full((40, 1, 1), 2), None, (1,), (0,), (1,), 1), (1, 1), (40, 1))
    assert bits_of(synapse, base=600).bits == 768
    assert bits_of(synapse, base=200).bits == 576
    assert bits_of(synapse, base=255) == bits_of(synapse)
    # one neuron at the base itself needs no index: a line of 3 seen by one neuron, 3 words
    assert bits_of(line([2, 4, 6], 3), slice(1, 2), base=255).layout[3] == 0


def test_the_indices_of_a_sparse_list_count_from_the_first_neuron_of_the_core():
    # 40 neurons from 240 on: indices up to 279, 9 bits: 40 * 17 + 10 = 690 -> 704; from 0 on 570
    op = sparse_op(sp.csr_array(np.full((40, 1), 2)), (1,), (40,), None)
    assert bits_of(Synapse(op, (1,), (40,)), base=240).bits == 704
    assert bits_of(Synapse(op, (1,), (40,))).bits == 576


def test_a_dense_list_that_no_base_reaches_holds_an_index():
    # from neuron 255 on 64 * 8 + 10 = 522 -> 576; from 256 on 9 bits more: 1098 -> 1152
    synapse = Synapse(Linear(np.full((64, 1), 2)), (1,), (64,))
    assert bits_of(synapse, base=255) == bits_of(synapse)
    assert bits_of(synapse, base=256).bits == 1152
    # a list with a gap is stored as a sparse one, indices from neuron 0 on
    gap = sp.csc_array(np.array([[2], [0], [2]]))
    assert lists(synapse, gap, MEMORY).layout[3] == 6


def test_the_layout_tells_synapse_configurations_apart():
    op = Linear(np.full((10, 4), 2))
    a, b = Synapse(op, (4,), (10,)), Synapse(op, (4,), (10,), weight_exp=1)
    assert bits_of(a).layout == bits_of(Synapse(op, (4,), (10,))).layout
    assert bits_of(a).layout != bits_of(b).layout
