"""Pruning, lists of what is left, and networks without spikes in eight bits: by hand."""

import numpy as np
import pytest
import torch
from torch import nn

from neurocompile.compiler import compile_graph
from neurocompile.data.samples import Data
from neurocompile.frontend.torch import trace
from neurocompile.ir.nodes import Linear, Sparse
from neurocompile.nn import SpikingAutoencoder, TrainingPlan, train
from paper.frontier_networks import Levels, in_int8, prune, thinned
from paper.plain import PlainAutoencoder

SMALL = {"shape": (1, 8, 8), "channels": (2, 3), "latent": 5, "steps": 6}


def small():
    network = SpikingAutoencoder(**SMALL, input_population=False, limited=True)
    with torch.no_grad():  # so that every layer spikes
        for layer in (network.layers.conv1, network.layers.conv2):
            layer.weight.abs_()
    return network


def images(number=4):
    return torch.tensor(np.random.default_rng(0).random((number, 1, 8, 8), np.float32))


def test_the_smallest_weights_of_a_layer_are_pruned():
    layer = nn.Linear(4, 2)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[0.1, -0.5, 0.3, -0.2], [0.6, 0.05, -0.4, 0.7]]))
    prune([layer], 0.5)
    expected = torch.tensor([[0, -0.5, 0, 0], [0.6, 0, -0.4, 0.7]])
    assert torch.equal(layer.weight, expected)


def test_training_with_noise_on_the_weights_leaves_pruned_ones_at_0():
    network = small()
    dense = network.layers.to_latent
    prune([dense], 0.75)
    gone, before = dense.weight == 0, dense.weight.detach().clone()
    train(network, images(), TrainingPlan(2, 2, 1e-2, weight_noise=0.01))
    assert gone.sum() == round(0.75 * dense.weight.numel())
    assert not dense.weight[gone].any()
    assert not torch.equal(dense.weight, before)


def test_only_pruned_layers_become_lists_and_the_network_stays_the_same():
    network = small()
    prune([network.layers.to_latent], 0.75)
    graph = trace(network, torch.zeros(1, 1, 8, 8))
    thin = thinned(graph)
    assert isinstance(thin.nodes["to_latent"], Sparse)
    assert isinstance(thin.nodes["from_latent"], Linear)
    assert thin.nodes["to_latent"].data.size == 15  # a quarter of 5 x 12
    data = Data("some", "x", images().numpy())
    full, lists = (
        compile_graph(g, "loihi-sim", calibration=data, bits=8).run(data).result
        for g in (graph, thin)
    )
    assert lists.evaluation.float_score.squares == pytest.approx(
        full.evaluation.float_score.squares
    )
    assert full.counts.synapses["to_latent"].synops == 5 * full.counts.layers["lif2"].spikes > 0
    assert lists.counts.synapses["to_latent"].synapses == 15
    assert lists.counts.synapses["to_latent"].synops < full.counts.synapses["to_latent"].synops / 2


def test_eight_bits_are_256_levels():
    found = Levels(0.5)(torch.tensor([-1.0, 0.2, 0.3, 127.4, 1000.0]))
    assert found.tolist() == [0.0, 0.0, 0.5, 127.5, 127.5]


def test_in_int8_weights_are_whole_steps_and_the_reconstruction_is_near():
    model = PlainAutoencoder("chip", 5, variational=False, seed=0, channels=(2, 3))
    shown = torch.tensor(np.random.default_rng(1).random((3, 1, 28, 28), np.float32))
    narrow = in_int8(model, shown)
    (first, *_) = (m for m in narrow if isinstance(m, nn.Conv2d))
    whole = first.weight / (first.weight.abs().max() / 127)
    assert torch.allclose(whole, whole.round(), atol=1e-4)
    assert len(whole.unique()) > 5
    with torch.no_grad():
        found, floats = narrow(shown), model(shown).clamp(0, 1)
    assert torch.allclose(found * 255, (found * 255).round(), atol=1e-4)
    assert (found - floats).abs().max() < 0.02
    assert not torch.equal(model.encoder[0].weight, first.weight)


def test_maps_of_a_network_without_spikes_can_be_of_another_number():
    model = PlainAutoencoder("chip", 7, variational=False, seed=0, channels=(4, 6))
    assert model.encoder[0].weight.shape[0] == 4
    assert model.decoder[0].weight.shape == (6 * 49, 7)
    assert model(torch.zeros(2, 1, 28, 28)).shape == (2, 1, 28, 28)
