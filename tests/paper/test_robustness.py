"""Each fault does what it says, and nothing else."""

import numpy as np
import pytest
import torch
from networks import dense, lif
from torch import nn

from neurocompile.ir.fixed import SpikeInput
from neurocompile.ir.graph import chain, same
from neurocompile.place.placed import Core, Placed
from paper.faults import flipped, flipped_words_of, noisy, stuck, without_cores
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


def layers(weight, bias=0.3):
    """A layer of given weights (out, in), and one that is all zeros behind it."""
    first, second = nn.Linear(len(weight[0]), len(weight)), nn.Linear(len(weight), 1)
    with torch.no_grad():
        first.weight.copy_(torch.tensor(weight))
        first.bias.fill_(bias)
        second.weight.zero_()
    return nn.Sequential(first, second)


def words(module, bits=8):
    """The first layer's weights as words, whose largest is that of the sound layer: 1.27."""
    steps = module[0].weight.detach().double().numpy() / 0.01
    assert steps == pytest.approx(np.rint(steps), abs=1e-4)
    return np.rint(steps).astype(int)


def test_without_flips_weights_are_rounded_to_the_nearest_word_and_biases_stay():
    sound = layers([[1.27, -1.27, 0.014, 0.016]])
    rounded = flipped_words_of(sound, 0.0, 8, np.random.default_rng(0))
    assert words(rounded).tolist() == [[127, -127, 1, 2]]  # 1.27 is 127 steps of 0.01
    assert rounded[0].bias.tolist() == sound[0].bias.tolist()
    assert not rounded[1].weight.any()
    assert sound[0].weight[0, 2].item() == pytest.approx(0.014)


def test_words_of_three_bits_hold_three_steps_each_way():
    rounded = flipped_words_of(layers([[0.3, -0.3, 0.04, 0.16]]), 0.0, 3, np.random.default_rng(0))
    assert rounded[0].weight[0].tolist() == pytest.approx([0.3, -0.3, 0.0, 0.2])


def test_certain_flips_turn_over_one_bit_of_every_word():
    sound = flipped_words_of(layers([[1.27] + [0.01 * k for k in range(99)]]), 0.0, 8, generator())
    before, after = words(sound), words(flipped_words_of(sound, 1.0, 8, generator()))
    turned = (before % 256) ^ (after % 256)
    assert set(np.unique(turned)) == {1, 2, 4, 8, 16, 32, 64, 128}
    assert after.min() >= -128
    assert after.max() <= 127


def test_a_share_of_all_weights_is_hit_and_a_larger_one_holds_the_smaller_one():
    sound = flipped_words_of(layers([[1.27] + [0.01] * 99]), 0.0, 8, generator())
    of_first = words(sound)
    few, many = (words(flipped_words_of(sound, share, 8, generator())) for share in (0.2, 0.6))
    hit = few != of_first
    assert 0 < hit.sum() <= round(0.2 * 101)  # the layer behind has one weight
    assert (many[hit] == few[hit]).all()
    assert (many != of_first).sum() > hit.sum()


def generator():
    return np.random.default_rng(3)
