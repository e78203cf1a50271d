"""Structure by class, on codes whose distances are worked out by hand."""

import numpy as np
import pytest
import torch

from neurocompile.engines.floating import run_float
from neurocompile.frontend.torch import trace
from neurocompile.nn import SpikingAutoencoder
from neurocompile.simplify import simplify
from paper.latent import agreement, embedding, spike_counts, structure


def line(*places):
    return np.array(places, dtype=float)[:, None]


def distances(codes):
    return np.abs(codes - codes.T)


def test_two_pairs_far_apart_have_small_distances_within_and_large_ones_between():
    found = structure(line(0, 1, 10, 11), np.array([0, 0, 1, 1]))
    assert found["within"] == 1
    assert found["between"] == 10  # (10 + 11 + 9 + 10) / 4
    assert found["ratio"] == 0.1
    # (b - a) / b with a = 1: b is 10.5 at the ends and 9.5 inside
    assert found["silhouette"] == pytest.approx((9.5 / 10.5 + 8.5 / 9.5) / 2)
    assert found["neighbours_1"] == 1


def test_codes_that_are_all_the_same_have_no_ratio_and_no_picture():
    codes = np.zeros((6, 3))
    found = structure(codes, np.array([0, 0, 0, 1, 1, 1]))
    assert found["ratio"] is None
    assert found["silhouette"] == 0
    assert embedding(codes, 2) is None


def test_a_sample_is_not_its_own_neighbour():
    assert agreement(distances(line(0, 1, 10, 11)), np.array([0, 1, 0, 1]), 1) == 0


def test_most_of_the_neighbours_decide_and_the_nearest_breaks_a_tie():
    codes, labels = line(0, 1, 2, 4, 8), np.array([0, 1, 0, 0, 1])
    # Three nearest of each: 0 -> 1 0 0; 1 -> 0 0 0; 2 -> 1 0 0 (1, then 0 and 4); 4 -> 0 1 0;
    # 8 -> 0 0 1. So both of class 0 in the first place, 2 and 4 are right, 1 and 8 are wrong.
    assert agreement(distances(codes), labels, 3) == 3 / 5
    # Two nearest of 2 are 1 (class 1) and 0 (class 0, before 4): a tie, the nearer one decides.
    assert agreement(distances(codes)[:3, :3], labels[:3], 2) == 0


def test_a_code_is_the_number_of_spikes_of_each_latent_neuron():
    network = SpikingAutoencoder(shape=(1, 8, 8), channels=(2, 3), latent=5, steps=6, seed=1)
    with torch.no_grad():
        for layer in (network.layers.conv1, network.layers.conv2, network.layers.to_latent):
            layer.weight.abs_().mul_(3)
    images = torch.rand(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    found = spike_counts(network, images)
    graph = simplify(trace(network, images[:1]))
    currents = images.double().numpy() * network.settings.encoder.gain
    spikes = run_float(graph, currents, 6).spikes["latent"]
    assert found.sum() > 0
    assert found.tolist() == spikes.sum(axis=1).tolist()
