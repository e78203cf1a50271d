"""Each fault does what it says, and nothing else."""

import numpy as np
import pytest
from networks import dense, lif, spikes

from neurocompile.data.inputs import Encoded
from neurocompile.engines import fixed
from neurocompile.ir.fixed import BiasInput, SpikeInput, Synapse
from neurocompile.ir.graph import chain, same
from neurocompile.ir.nodes import Conv
from neurocompile.place.placed import Core, Placed
from paper.faults import flipped, noisy, on_cores, silenced, stuck, turned
from paper.robustness import curve_of


def network(seed=0):
    """8 axons -> 6 neurons -> 4 readouts; the second of the 6 spikes in every step by its bias."""
    rng = np.random.default_rng(seed)
    return chain(
        {
            "input": SpikeInput((8,)),
            "first": dense(rng, 8, 6),
            "hidden": lif((6,), mant=[0, 4000, 0, 0, 0, 0], exp=7, v=[0, 9, 0, 9, 0, 0]),
            "second": dense(rng, 6, 4),
            "out": lif((4,), vth=(1 << 17) - 1, mant=[3, 5, 7, 11], readout=True),
        }
    )


def run(graph, **values):
    steps = 5
    return fixed.run(graph, Encoded(values, steps)).recording


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


def test_no_flips_leave_the_graph_as_it_is_and_certain_ones_reach_every_weight():
    graph = network()
    assert same(flipped(graph, 0.0, np.random.default_rng(0)), graph)
    every = flipped(graph, 1.0, np.random.default_rng(0))
    for name in ("first", "second"):
        before, after = graph.nodes[name].op.weight, every.nodes[name].op.weight
        steps = np.abs(after.astype(int) - before) // 2
        assert set(np.unique(steps)) <= {1, 2, 4, 8, 16, 32, 64, 128}
        assert after.dtype == before.dtype


def test_more_flips_of_a_draw_hold_the_fewer_ones():
    graph = network()
    few, many = (flipped(graph, p, np.random.default_rng(3)) for p in (0.2, 0.6))
    before = graph.nodes["first"].op.weight
    changed = few.nodes["first"].op.weight != before
    assert 0 < changed.sum() < before.size
    assert (many.nodes["first"].op.weight[changed] == few.nodes["first"].op.weight[changed]).all()


def test_noise_keeps_to_the_range_of_a_pixel_and_none_changes_nothing():
    images = np.random.default_rng(0).random((4, 1, 5, 5)).astype(np.float32)
    assert (noisy(images, 0.0, np.random.default_rng(1)) == images).all()
    found = noisy(images, 0.5, np.random.default_rng(1))
    assert found.min() == 0
    assert found.max() == 1
    grey = np.full((4, 1, 20, 20), 0.5)  # 1,600 pixels: the sd is known to 2 %
    assert noisy(grey, 0.01, np.random.default_rng(1)).std() == pytest.approx(0.01, rel=0.1)


def test_stuck_pixels_are_the_same_in_all_images_and_a_larger_share_holds_the_smaller():
    images = np.full((3, 1, 4, 4), 0.5, np.float32)
    few, many = (stuck(images, share, 1.0, np.random.default_rng(2)) for share in (0.25, 0.5))
    assert ((few == 1).sum(axis=(1, 2, 3)) == 4).all()
    assert ((many == 1).sum(axis=(1, 2, 3)) == 8).all()
    assert (few == few[:1]).all()
    assert (many[few == 1] == 1).all()
    assert (images == 0.5).all()


def test_a_silenced_neuron_sends_no_spike_and_the_others_do_as_before():
    graph, given = network(), spikes(1, 2, 5, (8,))
    before = run(graph, input=given)
    after = run(silenced(graph, {"hidden": np.array([1, 3])}), input=given)
    assert before.spikes["hidden"][..., 1].all()
    assert not after.spikes["hidden"][..., [1, 3]].any()
    others = [0, 2, 4, 5]
    assert (after.spikes["hidden"][..., others] == before.spikes["hidden"][..., others]).all()
    # What arrives behind it is what its lost spikes would not have brought.
    weights = graph.nodes["second"].op.weight.copy()
    weights[:, [1, 3]] = 0
    cut = Synapse(type(graph.nodes["second"].op)(weights), (6,), (4,))
    lost = run(graph.with_nodes(second=cut), input=given)
    assert (after.membrane["out"] == lost.membrane["out"]).all()


def test_a_silenced_readout_stays_at_zero():
    after = run(silenced(network(), {"out": np.array([0, 2])}), input=spikes(1, 2, 5, (8,)))
    assert not after.membrane["out"][..., [0, 2]].any()
    assert after.membrane["out"][..., [1, 3]].any()


def test_neurons_of_a_convolution_that_the_host_feeds_are_silenced_one_by_one():
    kernel = np.full((1, 1, 2, 2), 40, np.int16)
    two = (2, 2)
    graph = chain(
        {
            "image": BiasInput((1, 4, 4), (1, 4, 4), 4000.0),
            "pixels": lif((1, 4, 4), exp=3),
            "conv": Synapse(Conv(kernel, None, two, (0, 0), (1, 1), 1), (1, 4, 4), (1, 2, 2)),
            "lif": lif((1, 2, 2)),
        }
    )
    given = np.full((1, 1, 4, 4), 4000, np.int16)
    before = run(graph, image=given)
    # The four pixels of the first patch, and the last neuron of the convolution.
    faulty = silenced(graph, {"pixels": np.array([0, 1, 4, 5]), "lif": np.array([3])})
    written = np.where(faulty.nodes["image"].scale == 0, 0, given).astype(np.int16)
    after = run(faulty, image=written)
    assert before.spikes["lif"].sum(axis=(0, 1, 2)).all()
    assert after.spikes["lif"].sum(axis=1).ravel().astype(bool).tolist() == [0, 1, 1, 0]
    assert (after.spikes["lif"][0, :, 0, 0, 1] == before.spikes["lif"][0, :, 0, 0, 1]).all()


def test_the_neurons_of_drawn_cores_are_those_that_the_placement_put_there(loihi):
    cores = tuple(Core(k, {}, {}) for k in range(3))
    core_of = {"hidden": np.array([0, 0, 1, 1, 2, 2]), "out": np.array([2, 2, 2, 2])}
    placed = Placed(network(), loihi, cores, core_of, {})
    every = on_cores(placed, 3, np.random.default_rng(0))
    assert {name: each.tolist() for name, each in every.items()} == {
        "hidden": [0, 1, 2, 3, 4, 5],
        "out": [0, 1, 2, 3],
    }
    (core,) = {0, 1, 2} - set(np.random.default_rng(0).permutation(3)[:2])
    two = on_cores(placed, 2, np.random.default_rng(0))
    assert set(range(6)) - set(two["hidden"].tolist()) == {2 * core, 2 * core + 1}
    assert ("out" in two) == (core != 2)


def test_a_curve_starts_without_the_fault_and_leaves_out_what_left_the_registers():
    answer = {"none": 3.0, "faults": {"noise": [[4.0, 6.0], [None, 8.0], [None, None]]}}
    assert curve_of(answer, "noise")[:3] == [3.0, 5.0, 8.0]
    assert np.isnan(curve_of(answer, "noise")[3])
