"""Layers that remember their spikes: Norse's bits forward, autograd's gradients back.

The second method is Norse's own step, and for ALIF a plain torch loop of its equations.
"""

from collections import OrderedDict

import numpy as np
import pytest
import torch
from norse.torch import LIBoxParameters, LIFParameters
from norse.torch.functional.lif import LIFFeedForwardState
from norse.torch.functional.lif_refrac import (
    LIFRefracFeedForwardState,
    LIFRefracParameters,
    lif_refrac_feed_forward_step,
)
from norse.torch.functional.lsnn import (
    LSNNFeedForwardState,
    LSNNParameters,
    lsnn_feed_forward_step,
)
from norse.torch.functional.threshold import threshold
from torch import nn

from neurocompile.engines.floating import run_float
from neurocompile.frontend.torch import trace
from neurocompile.ir.settings import Decoder, Encoder, Settings
from neurocompile.nn import (
    ALIF,
    LSNN,
    ALIFParameters,
    LIBox,
    LIFRefrac,
    Regularization,
    SpikingNetwork,
    activity,
    regularization_loss,
    remember,
)

STEPS, SAMPLES, NEURONS = 40, 3, 7


def per_neuron(*values):
    return torch.tensor(np.resize(values, NEURONS), dtype=torch.float32)


LIF_P = LIFParameters(
    tau_syn_inv=torch.tensor(400.0),
    tau_mem_inv=per_neuron(150.0, 300.0),
    v_leak=torch.tensor(-0.02),
    v_th=per_neuron(0.1, 0.2, 0.3),
    v_reset=torch.tensor(-0.1),
)
LSNN_P = LSNNParameters(
    tau_syn_inv=torch.tensor(400.0),
    tau_mem_inv=per_neuron(150.0, 300.0),
    tau_adapt_inv=torch.tensor(30.0),
    v_th=torch.tensor(0.1),
    v_reset=torch.tensor(-0.05),
    beta=per_neuron(0.05, 0.2),
)
ALIF_P = ALIFParameters(
    tau_mem_inv=per_neuron(150.0, 300.0), v_th=torch.tensor(0.15), beta=torch.tensor(0.1)
)
LAYERS = {
    "refractory": lambda **how: LIFRefrac(LIFRefracParameters(LIF_P, torch.tensor(3.0)), **how),
    "adaptive": lambda **how: LSNN(LSNN_P, **how),
    "both": lambda **how: ALIF(ALIF_P, **how),
}
layers = pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS.keys())


def currents(dtype, *shape):
    random = torch.Generator().manual_seed(3)
    wanted = shape or (STEPS, SAMPLES, NEURONS)
    return 0.2 + 0.6 * torch.randn(wanted, generator=random, dtype=dtype)


def held_loop(layer, current):
    """Spikes of a plain loop of LIFRefrac in which a neuron is held as a matter of fact."""
    p, v = layer.p, layer.p.v_leak + torch.zeros_like(current[0])
    i, rho, out = torch.zeros_like(v), torch.zeros_like(v), []
    for x in current:
        i = i + x
        held = rho > 0
        u = torch.where(held, v, v + layer.dt * p.tau_mem_inv * ((p.v_leak - v) + i))
        i = i + -layer.dt * p.tau_syn_inv * i
        z = torch.where(held, 0.0, threshold(u - p.v_th, p.method, p.alpha))
        v = (1 - z) * u + z * p.v_reset
        rho = torch.where(z > 0, p.rho_reset, (rho - 1).relu()).detach()
        out.append(z)
    return torch.stack(out)


def loop(layer, current, *, detached=False):
    """Spikes of a plain loop with Norse's step, or with the equations of ALIF."""
    p, v = layer.p, layer.p.v_leak + torch.zeros_like(current[0])
    none, out = torch.zeros_like(v), []
    refractory = LIFRefracFeedForwardState(LIFFeedForwardState(v, none), none)
    adaptive = LSNNFeedForwardState(v, none, p.v_th + none)
    i, theta, r = none, p.v_th + none, none
    for x in current:
        if isinstance(layer, LIFRefrac):
            lif = LIF_P._replace(method=p.method, alpha=p.alpha)
            both = LIFRefracParameters(lif, p.rho_reset)
            z, refractory = lif_refrac_feed_forward_step(x, refractory, both, layer.dt)
        elif isinstance(layer, LSNN):
            z, adaptive = lsnn_feed_forward_step(x, adaptive, p, layer.dt)
        else:
            i = i + x
            v = v + layer.dt * p.tau_mem_inv * ((p.v_leak - v) + i)
            i = i + -layer.dt * p.tau_syn_inv * i
            theta = theta + layer.dt * p.tau_adapt_inv * (p.v_th - theta)
            r = r - layer.dt * p.tau_refrac_inv * r
            z = threshold((v - r) - theta, p.method, p.alpha)
            r = r + 2 * theta * (z.detach() if detached else z)
            theta = theta + p.beta * z
        out.append(z)
    return torch.stack(out)


def weighted(spikes):
    """A loss that gives every spike and every count a gradient of its own."""
    return (spikes * torch.linspace(-1, 2, spikes.numel()).reshape(spikes.shape)).sum()


@layers
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_spikes_are_those_of_norses_step_bit_for_bit(make, dtype):
    layer, current = make(), currents(dtype)
    spikes = loop(layer, current)
    assert 0.02 < spikes.mean() < 0.6
    assert torch.equal(layer(current), spikes)
    assert torch.equal(layer.activity.counts, spikes.sum(0))
    assert torch.equal(layer.trace(current).spikes, spikes)


@layers
def test_with_reset_gradient_the_gradient_is_autograds_through_the_plain_loop(make):
    layer, current = make(reset_gradient=True), currents(torch.float64).requires_grad_()
    plain = held_loop if isinstance(layer, LIFRefrac) else loop
    (expected,) = torch.autograd.grad(weighted(plain(layer, current)), current)
    (gradient,) = torch.autograd.grad(weighted(layer(current)), current)
    assert expected.abs().max() > 0
    torch.testing.assert_close(gradient, expected)


def test_by_default_gradients_pass_through_the_threshold_and_not_through_the_refractory_state():
    layer, current = LAYERS["both"](), currents(torch.float64).requires_grad_()
    (expected,) = torch.autograd.grad(weighted(loop(layer, current, detached=True)), current)
    (gradient,) = torch.autograd.grad(weighted(layer(current)), current)
    torch.testing.assert_close(gradient, expected)


@layers
@pytest.mark.parametrize("backprop", ["surrogate", "membrane"])
@pytest.mark.parametrize("same", [False, True])
def test_the_compiled_loops_give_the_bits_of_the_torch_loop(make, backprop, same, monkeypatch):
    layer = make(backprop=backprop, reset_gradient=same, surrogate_width=0.3)
    shape = (SAMPLES, NEURONS) if same else (STEPS, SAMPLES, NEURONS)
    current, steps = currents(torch.float32, *shape), STEPS if same else None

    def everything():
        leaf = current.clone().requires_grad_()
        spikes = layer(leaf, steps)
        random = torch.Generator().manual_seed(1)
        pull = torch.randn(spikes.shape, generator=random)
        loss = (spikes * pull).sum() + (layer.activity.counts * pull[0]).sum()
        (gradient,) = torch.autograd.grad(loss, leaf)
        return spikes, gradient, *layer.trace(current, steps)

    first = current if same else current[0]
    assert remember._compiled(first, layer.constants()) is not None
    found = everything()
    monkeypatch.setattr(remember, "_compiled", lambda step, c: None)
    for ours, torchs in zip(found, everything(), strict=True):
        assert torch.equal(ours, torchs)


def test_a_surrogate_of_another_form_gives_no_gradient_where_a_neuron_is_held():
    p = LIFRefracParameters(LIF_P._replace(method="tanh", alpha=torch.tensor(2.0)), torch.tensor(2))
    layer = LIFRefrac(p, reset_gradient=True)
    current = currents(torch.float64).requires_grad_()
    (expected,) = torch.autograd.grad(weighted(held_loop(layer, current)), current)
    (gradient,) = torch.autograd.grad(weighted(layer(current)), current)
    assert torch.isfinite(gradient).all()
    torch.testing.assert_close(gradient, expected)


@layers
def test_the_unreset_potential_is_that_of_the_layer_without_threshold(make):
    layer = make()
    high = {"v_th": torch.tensor(1e6)}
    quiet = type(layer).__new__(type(layer))
    quiet.__dict__.update({**layer.__dict__, "p": layer.p._replace(**high)})
    current = currents(torch.float64)
    layer(current)
    found = layer.unreset_potential() * layer.distance + layer.p.v_leak
    torch.testing.assert_close(found, quiet.trace(current).after)


SETTINGS = Settings(steps=STEPS, encoder=Encoder("spikes"), decoder=Decoder("last"))


def network(make):
    torch.manual_seed(0)
    layers = OrderedDict(
        a=nn.Linear(6, NEURONS),
        hidden=make(),
        b=nn.Linear(NEURONS, 3),
        out=LIBox(LIBoxParameters()),
    )
    with torch.no_grad():
        layers["a"].weight.normal_(0.4, 0.8)
    return SpikingNetwork(layers, SETTINGS)


@layers
def test_a_trained_network_is_read_with_its_own_spikes(make):
    model = network(make).eval()
    x = (torch.rand(2, STEPS, 6, generator=torch.Generator().manual_seed(1)) < 0.4).float()
    result = model(x)
    graph = trace(model, x)
    found = run_float(graph, x.numpy().astype(np.uint8), STEPS, membranes=("out",))
    np.testing.assert_allclose(found.membrane["out"][:, -1], result.detach().numpy(), atol=1e-4)
    assert 0.01 < found.spikes["hidden"].mean() < 0.6


@layers
def test_penalties_and_activity_read_the_layers(make):
    model = network(make)
    x = (torch.rand(4, STEPS, 6, generator=torch.Generator().manual_seed(1)) < 0.4).float()
    model(x)
    weights = Regularization(spikes_l1=1.0, potential_l2=1.0, synops=1.0)
    loss = regularization_loss(model, weights)
    loss.backward()
    assert loss > 0
    assert model.layers.a.weight.grad.abs().sum() > 0
    assert activity(model, x)["hidden"].neurons == NEURONS
