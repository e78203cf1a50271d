"""Unreachable, dead and bursting, worked out by hand on a few neurons."""

from collections import OrderedDict

import pytest
import torch
from norse.torch import LIFBoxParameters
from torch import nn

from neurocompile.errors import Unsupported
from neurocompile.ir.settings import Decoder, Encoder, Settings
from neurocompile.nn import LIBox, LIFBox, SpikingAutoencoder, SpikingNetwork, activity

STEPS = 10
TENTH = LIFBoxParameters(v_th=torch.tensor(0.1))  # one step from rest: v = 0.1 x current


def network(weight, bias, body=()):
    """Four input neurons, current 3 x, into the given dense layer and a readout."""
    dense = nn.Linear(len(weight[0]), len(weight))
    with torch.no_grad():
        dense.weight.copy_(torch.tensor(weight))
        dense.bias.copy_(torch.tensor(bias))
    layers = OrderedDict(
        input=LIFBox(TENTH), **dict(body), dense=dense, lif=LIFBox(TENTH), output=LIBox()
    )
    settings = Settings(steps=STEPS, encoder=Encoder("current", 3.0), decoder=Decoder("last"))
    return SpikingNetwork(layers, settings)


# Input neuron 0 spikes in every step (v = 0.15), 1 never (current 0.09), 2 has no current,
# 3 spikes for the second sample only (v = 0.09, 0.171: every second step).
X = torch.tensor([[0.5, 0.03, 0.0, 0.0], [0.5, 0.03, 0.0, 0.3]])


def test_neurons_are_counted_by_what_could_reach_them():
    model = network(
        weight=[
            [2.0, 0.0, 0.0, 0.0],  # hears neuron 0: spikes in every step, bursting
            [0.0, 2.0, 2.0, 0.0],  # hears silent neurons only: unreachable
            [0.0, 0.0, 0.0, 0.05],  # hears neuron 3, too weakly: dead
            [-2.0, 0.0, 0.0, 0.0],  # hears neuron 0, inhibited: dead
            [0.0, 0.0, 0.0, 2.0],  # hears neuron 3: 5 spikes in one of two samples
        ],
        bias=[0.0] * 5,
    )
    found = activity(model, X)
    assert list(found) == ["input", "lif"]
    inputs, lif = found["input"], found["lif"]
    assert (inputs.neurons, inputs.unreachable, inputs.dead, inputs.bursting) == (4, 1, 1, 1)
    assert inputs.rate == pytest.approx((1 + 0 + 0 + 0.25) / 4)
    assert (lif.neurons, lif.unreachable, lif.dead, lif.bursting) == (5, 1, 2, 1)
    assert lif.rate == pytest.approx((1 + 0 + 0 + 0 + 0.25) / 5)
    assert lif.dead_fraction == pytest.approx(2 / 4)
    assert lif.bursting_fraction == pytest.approx(1 / 5)


def test_a_bias_makes_no_neuron_reachable_but_one_that_spikes_is_not_dead():
    model = network(weight=[[0.0, 2.0, 0.0, 0.0]] * 2, bias=[0.0, 2.0])
    lif = activity(model, X)["lif"]
    assert (lif.unreachable, lif.dead, lif.bursting) == (2, 0, 1)
    assert lif.rate == pytest.approx(0.5)


def test_reach_passes_through_layers_without_neurons():
    """Neurons 0 and 1 share a pool, and so do 2 and 3: each pool hears one that spikes."""
    body = {
        "unflatten": nn.Unflatten(1, (1, 2, 2)),
        "pool": nn.AvgPool2d((1, 2)),
        "flatten": nn.Flatten(),
    }
    model = network(weight=[[0.0, -1.0], [-1.0, 0.0]], bias=[0.0, 0.0], body=body.items())
    assert activity(model, X)["lif"].unreachable == 0
    assert activity(model, X[:1])["lif"].unreachable == 1


def test_measuring_leaves_the_mode_and_the_batch_size_does_not_matter():
    model = SpikingAutoencoder(shape=(1, 8, 8), latent=5)
    x = torch.rand(7, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    model.train()
    assert activity(model, x, batch=3) == activity(model, x, batch=7)
    assert model.training


def test_a_layer_whose_connections_are_unknown_is_refused_by_name():
    model = network([[1.0] * 4], [0.0], body={"norm": nn.BatchNorm1d(4)}.items())
    with pytest.raises(Unsupported, match="'norm': connections of BatchNorm1d"):
        activity(model, X)
