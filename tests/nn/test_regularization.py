"""Penalties are the paper's sums over what the layers did, and have gradients in silent neurons."""

from collections import OrderedDict

import pytest
import torch
from norse.torch import LIFBoxParameters
from torch import nn

from neurocompile.errors import BadInput
from neurocompile.ir.settings import Decoder, Encoder, Settings
from neurocompile.nn import LIBox, LIFBox, Regularization, SpikingNetwork, regularization_loss

THRESHOLD, RATE, STEPS = 0.1, 0.1, 10  # RATE is dt * tau_mem_inv = 0.001 * 100
STRONG, WEAK = 1.5, 0.5  # currents: v = 0.15 > 0.1 in every step; 0.5 (1 - 0.9^10) = 0.33 > 0.1


@pytest.fixture
def network():
    """Two samples into three neurons named latent; the readout sums them with weights 1, 1, 1."""
    dense, out = nn.Linear(3, 3, bias=False), nn.Linear(3, 1, bias=False)
    with torch.no_grad():
        dense.weight.copy_(torch.eye(3))
        out.weight.fill_(1.0)
    layers = OrderedDict(
        dense=dense,
        latent=LIFBox(LIFBoxParameters(v_th=torch.tensor(THRESHOLD))),
        out=out,
        output=LIBox(),
    )
    settings = Settings(steps=STEPS, encoder=Encoder("current"), decoder=Decoder("last"))
    model = SpikingNetwork(layers, settings)
    model(torch.tensor([[STRONG, 0.0, 0.0], [STRONG, STRONG, -WEAK]]))
    return model


# The strong current spikes in every step: rates of sample 0: 1, 0, 0; of sample 1: 1, 1, 0.
@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ({"spikes_l1": 2.0}, 2 * 3 / 2),  # three ones over two samples
        ({"spikes_l2": 2.0}, 2 * 3 / 2),
        ({"latent_per_sample": 1.0}, (1**2 + 2**2) / 2),
        ({"latent_per_neuron": 1.0}, (2**2 + 1**2 + 0**2) / 2),
        # mean rates 1, 0.5, 0: one 0.4 above, one 0.1 below
        ({"band": 3.0, "low": 0.1, "high": 0.6}, 3 * (0.4 + 0.1)),
        ({}, 0.0),
    ],
)
def test_spike_penalties_are_the_papers_sums_divided_by_the_batch(network, weights, expected):
    assert regularization_loss(network, Regularization(**weights)).item() == pytest.approx(expected)


def test_potential_penalties_take_the_unreset_potential_of_all_layers(network):
    """U = x (1 - 0.9^10) / 0.1 thresholds; the readout sees 1 or 2 spikes a step."""
    rise = 1 - 0.9**STEPS
    hidden = [x * rise / THRESHOLD for x in (STRONG, 0, 0, STRONG, STRONG, -WEAK)]
    u = [x / STEPS for x in (*hidden, rise, 2 * rise)]
    l1 = regularization_loss(network, Regularization(potential_l1=0.3))
    l2 = regularization_loss(network, Regularization(potential_l2=0.7))
    assert l1.item() == pytest.approx(0.3 * sum(abs(x) for x in u) / 2, rel=1e-5)
    assert l2.item() == pytest.approx(0.7 * sum(x**2 for x in u) / 2, rel=1e-5)


@pytest.mark.parametrize("weights", [{"potential_l2": 1.0}, {"band": 1.0, "low": 0.1}])
def test_a_silent_neuron_gets_a_gradient(network, weights):
    regularization_loss(network, Regularization(**weights)).backward()
    assert network.layers.dense.weight.grad[2, 2] != 0


def test_the_lower_bound_leaves_unreachable_neurons_alone(network):
    """Neuron 2 has rate 0, 0.1 below the band."""
    weights = Regularization(band=1.0, low=0.1)
    assert regularization_loss(network, weights).item() == pytest.approx(0.1)
    reachable = {"latent": torch.tensor([True, True, False])}
    assert regularization_loss(network, weights, reachable).item() == 0


def test_all_weights_are_zero_by_default():
    assert Regularization() == Regularization(0, 0, 0, 0, 0, 0, 0, 0, 1)


def test_a_model_that_has_not_run_is_refused(network):
    network.layers.latent.activity = network.layers.output.activity = None
    with pytest.raises(BadInput, match="forward pass"):
        regularization_loss(network, Regularization())


def test_a_latent_penalty_without_a_latent_layer_is_refused():
    layer = LIFBox()
    layer(torch.ones(4, 2, 3))
    with pytest.raises(BadInput, match="'latent'"):
        regularization_loss(layer, Regularization(latent_per_neuron=1.0))


@pytest.mark.parametrize("wrong", [{"spikes_l1": -1.0}, {"band": float("nan")}])
def test_a_weight_below_zero_or_not_finite_is_refused_by_name(wrong):
    with pytest.raises(BadInput, match=next(iter(wrong))):
        Regularization(**wrong)


def test_a_band_upside_down_is_refused():
    with pytest.raises(BadInput, match=r"low = 0\.3 is above high = 0\.2"):
        Regularization(low=0.3, high=0.2)
