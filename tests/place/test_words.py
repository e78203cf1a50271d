"""Words of Loihi 2's synapse memory by hand; tests/crosscheck has the compiler's own figures."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
from place_networks import random_network

from neurocompile.chip.read import load_chip
from neurocompile.errors import DoesNotFit
from neurocompile.ir.fixed import CubaLIF, SpikeInput, Synapse
from neurocompile.ir.graph import chain
from neurocompile.ir.linear import connections
from neurocompile.ir.nodes import Conv, ConvTranspose, Linear
from neurocompile.ir.time import depths, longest_wait
from neurocompile.place import least_cores, place
from neurocompile.place.boxes import Box
from neurocompile.place.maps import map_of
from neurocompile.place.words import powers_of_two, stored, weight_bits

LOIHI2 = load_chip("loihi2-sim")
WORDS = LOIHI2.memory


@pytest.mark.parametrize(
    ("weights", "bits"),
    [
        ([0, 0], 1),
        ([-6, 6, 2], 3),  # -3..3 times 2
        ([-8, 6], 3),  # -4..3 times 2
        ([-8, 8, 2], 4),  # -4..4 times 2: 4 is beyond -4..3
        ([-8, 8], 2),  # -1..1 times 8
        ([-14, 16], 5),  # -7..8 times 2: 8 is beyond -8..7
        ([-16, 14], 4),  # -8..7 times 2
        ([-256, 254], 8),
        ([0, 254], 8),
        ([-256, 0], 1),  # -1..0 times 256
    ],
)
def test_a_weight_is_as_wide_as_the_largest_needs_without_the_common_power_of_two(weights, bits):
    assert weight_bits(Synapse(Linear(np.array([weights])), (len(weights),), (1,))) == bits


def test_powers_of_two_add_up():
    assert powers_of_two(36) == [32, 4]
    assert powers_of_two(64) == [64]
    assert powers_of_two(7) == [4, 2, 1]


def test_a_core_stores_the_kernel_once_whatever_its_block():
    kernel = np.zeros((6, 2, 3, 3), np.int64)
    kernel.ravel()[:2] = -256, 254
    synapse = Synapse(Conv(kernel, None, (1, 1), (1, 1), (1, 1), 1), (2, 8, 8), (6, 8, 8))
    onto = map_of(synapse, (6, 8, 8))
    whole, strip = (Box((6, 8, 8), ((0, 6), (0, 8), (0, n))) for n in (8, 1))
    # 2 channels x 9 taps, each with a list of 4 and one of 2 weights: a word each
    assert stored(onto, whole, WORDS).bits == stored(onto, strip, WORDS).bits == 18 * 2 * 64
    # half of the channels: lists of 2 and 1
    half = Box((6, 8, 8), ((0, 3), (0, 8), (0, 8)))
    assert stored(onto, half, WORDS).bits == 18 * 2 * 64


def test_a_delay_adds_its_bits_to_every_synapse():
    weight = np.zeros((60, 1), np.int64)
    weight[0] = 254
    op = Linear(weight)
    onto = map_of(Synapse(op, (1,), (60,), delay=5), (60,), wait=5)
    # 60 x (8 + 12 + 3) + 4 = 1384 bits: 22 words
    assert stored(onto, Box((60,), ((0, 60),)), WORDS).bits == 22 * 64


def test_a_layer_that_no_core_holds_is_refused_by_its_name():
    # one neuron of 800,000 inputs takes a word for each: more than 12,000
    wide = Synapse(Linear(np.full((1, 13000), 2)), (13000,), (1,))
    graph = chain(
        {"in": SpikeInput((13000,)), "s": wide, "big": CubaLIF((1,), 4095, 0, 1, 0, 0, 0)}
    )
    with pytest.raises(DoesNotFit, match="layer 'big': neuron 0 needs 832000 bits of"):
        place(graph, LOIHI2, "halves")


def test_without_limits_every_population_has_one_core_of_its_own():
    graph = random_network(0)
    placed = place(graph, load_chip("ideal"), "halves")
    assert [set(core.held) for core in placed.cores] == [{"conv"}, {"back"}, {"out"}]


def test_halves_obey_the_output_axons_of_loihi_1():
    chip = load_chip("loihi-sim")
    few = replace(chip.limits.output_axons_per_core, value=60)
    chip = replace(chip, limits=replace(chip.limits, output_axons_per_core=few))
    placed = place(random_network(1), chip, "halves")
    assert len(placed.cores) > 3
    assert placed.used("output_axons").max() <= 60


def test_where_one_column_is_too_much_rows_are_halved_and_then_channels():
    tall = Synapse(
        Conv(np.full((8, 1, 1, 1), 2), None, (1, 1), (0, 0), (1, 1), 1), (1, 1000, 3), (8, 1000, 3)
    )
    population = CubaLIF((8, 1000, 3), 4095, 0, 1, 0, 0, 0)
    placed = place(chain({"in": SpikeInput((1, 1000, 3)), "s": tall, "a": population}), LOIHI2,
                   "halves")  # fmt: skip
    # 8 x 1,000 neurons in a column: two halves of 4,000 for each of 3 columns
    assert [core.held["a"].size for core in placed.cores] == [4000] * 6


def counted(synapse, held, wait):
    """Bits of a synapse onto neurons of a core, list by list, from scipy's connection matrix."""
    matrix = abs(sp.csr_array(connections(synapse)))
    matrix.data[:] = 1  # a synapse is where the map stores one, whatever its weight
    weights = np.asarray(getattr(synapse.op, synapse.op.weight_field)).ravel().tolist()
    width = next(
        bits
        for bits in (1, 2, 3, 4, 5, 6, 8)
        if any(
            all(
                w % 2**s == 0 and -(2 ** (bits - 1)) <= w // 2**s < 2 ** (bits - 1) for w in weights
            )
            for s in range(9)
        )
    )
    width += len(bin(wait)) - 2 if wait else 0
    if not isinstance(synapse.op, Conv | ConvTranspose):
        lists = [n * (width + 12) + 4 for n in matrix[held].sum(axis=0) if n]
    else:
        channels = len({neuron // np.prod(synapse.out_shape[1:]) for neuron in held.tolist()})
        pieces = [1 << k for k, bit in enumerate(reversed(bin(channels)[2:])) if bit == "1"]
        taps = synapse.in_shape[0] * int(np.prod(synapse.op.weight.shape[2:]))
        lists = [piece * width + 4 for piece in pieces] * taps
    return sum(64 * int(np.ceil(bits / 64)) for bits in lists)


@pytest.mark.parametrize("few", ["both", "halves"])
@pytest.mark.parametrize("seed", range(4))
def test_what_every_core_stores_is_that_counted_list_by_list(seed, few):
    small = {"neurons_per_core": 16, "synapse_memory_per_core": 64 * 600}
    limits = {k: replace(getattr(LOIHI2.limits, k), value=v) for k, v in small.items()}
    chip = replace(LOIHI2, limits=replace(LOIHI2.limits, **limits))
    graph = random_network(seed)
    placed = place(graph, chip, few)
    assert 2 < max(least_cores(graph, chip).values()) <= len(placed.cores)
    for core in placed.cores:
        bits = sum(
            counted(graph.nodes[name], held, longest_wait(graph, depths(graph), name))
            for layer, held in core.held.items()
            for name in graph.before(layer)
            if isinstance(graph.nodes[name], Synapse)
        )
        assert core.use["synapse_memory"] == bits <= 64 * 600
    for layer, node in graph.of(CubaLIF):
        everywhere = [core.held[layer] for core in placed.cores if layer in core.held]
        assert np.array_equal(np.sort(np.concatenate(everywhere)), np.arange(np.prod(node.shape)))
