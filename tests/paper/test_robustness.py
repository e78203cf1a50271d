"""Each fault does what it says, and nothing else."""

import numpy as np
import pytest
from networks import dense, lif

from neurocompile.ir.fixed import SpikeInput
from neurocompile.ir.graph import chain, same
from neurocompile.place.placed import Core, Placed
from paper.faults import flipped, noisy, stuck, without_cores
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


def test_a_larger_number_of_silent_cores_holds_the_smaller_one(loihi):
    cores = tuple(Core(k, {}, {}) for k in range(3))
    core_of = {"hidden": np.array([0, 0, 1, 1, 2, 2]), "out": np.array([2, 2, 2, 2])}
    placed = Placed(network(), loihi, cores, core_of, {})
    order = np.random.default_rng(0).permutation(3)
    for count in range(4):
        found = without_cores(placed, count, np.random.default_rng(0))
        dead = ~found.nodes["first"].op.weight.any(axis=1)
        assert set(np.flatnonzero(dead)) == {2 * k + i for k in order[:count] for i in range(2)}
        assert found.nodes["second"].op.weight.any() == (2 not in order[:count])


def test_a_curve_starts_without_the_fault_and_leaves_out_what_left_the_registers():
    answer = {"none": 3.0, "faults": {"noise": [[4.0, 6.0], [None, 8.0], [None, None]]}}
    assert curve_of(answer, "noise")[:3] == [3.0, 5.0, 8.0]
    assert np.isnan(curve_of(answer, "noise")[3])
