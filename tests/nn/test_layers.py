"""A layer of ours is Norse's step in a loop: the same bits forward, the same gradients back."""

import copy

import numpy as np
import pytest
import torch
from norse.torch import (
    LIBoxParameters,
    LIBoxState,
    LIFBoxFeedForwardState,
    LIFBoxParameters,
    LIFFeedForwardState,
    LIFParameters,
    LIParameters,
    LIState,
    li_box_feed_forward_step,
    li_feed_forward_step,
    lif_box_feed_forward_step,
    lif_feed_forward_step,
    reset_subtract,
)

from neurocompile.errors import BadInput, Unsupported
from neurocompile.nn import LI, LIF, LIBox, LIFBox

STEPS, SAMPLES, NEURONS = 40, 3, 7


def per_neuron(*values):
    return torch.tensor(np.resize(values, NEURONS), dtype=torch.float32)


SPIKING = {
    "box": LIFBox(LIFBoxParameters(v_th=torch.tensor(0.1))),
    "box, rest and reset": LIFBox(
        LIFBoxParameters(
            tau_mem_inv=torch.tensor(77.0),
            v_leak=torch.tensor(-0.1),
            v_th=torch.tensor(0.0),
            v_reset=torch.tensor(-0.15),
        )
    ),
    "box, subtract": LIFBox(
        LIFBoxParameters(v_th=torch.tensor(0.15), reset_method=reset_subtract), dt=0.002
    ),
    "box, per neuron": LIFBox(
        LIFBoxParameters(
            tau_mem_inv=per_neuron(50.0, 100.0, 333.0),
            v_leak=per_neuron(0.0, 0.05),
            v_th=per_neuron(0.1, 0.2, 0.4),
            v_reset=per_neuron(0.0, -0.2),
        )
    ),
    "lif": LIF(LIFParameters(v_th=torch.tensor(0.3))),
    "lif, rest and reset": LIF(
        LIFParameters(
            tau_syn_inv=torch.tensor(150.0),
            tau_mem_inv=torch.tensor(77.0),
            v_leak=torch.tensor(-0.1),
            v_th=torch.tensor(0.2),
            v_reset=torch.tensor(0.1),
        )
    ),
    "lif, per neuron": LIF(
        LIFParameters(
            tau_syn_inv=per_neuron(100.0, 400.0),
            tau_mem_inv=per_neuron(50.0, 100.0, 333.0),
            v_th=per_neuron(0.1, 0.2, 0.4),
        )
    ),
}
READOUTS = {
    "box": LIBox(LIBoxParameters(tau_mem_inv=torch.tensor(70.0), v_leak=torch.tensor(0.2))),
    "box, per neuron": LIBox(LIBoxParameters(tau_mem_inv=per_neuron(70.0, 200.0))),
    "li": LI(LIParameters(tau_syn_inv=torch.tensor(300.0), v_leak=torch.tensor(-0.2))),
}
spiking = pytest.mark.parametrize("layer", SPIKING.values(), ids=SPIKING.keys())
readouts = pytest.mark.parametrize("layer", READOUTS.values(), ids=READOUTS.keys())
floats = pytest.mark.parametrize("dtype", [torch.float32, torch.float64])


def currents(dtype, *shape):
    random = torch.Generator().manual_seed(3)
    return 0.6 * torch.randn(shape or (STEPS, SAMPLES, NEURONS), generator=random, dtype=dtype)


def norse_loop(layer, current):
    """Norse's functional step, as its users write it: spikes and potentials after the reset."""
    v = layer.p.v_leak + torch.zeros_like(current[0])
    box = isinstance(layer, LIFBox)
    state = LIFBoxFeedForwardState(v) if box else LIFFeedForwardState(v, torch.zeros_like(v))
    step = lif_box_feed_forward_step if box else lif_feed_forward_step
    spikes, potentials = [], []
    for x in current:
        z, state = step(x, state, layer.p, layer.dt)
        spikes.append(z)
        potentials.append(state.v)
    return torch.stack(spikes), torch.stack(potentials)


def norse_readout(layer, current):
    v = layer.p.v_leak + torch.zeros_like(current[0])
    state = LIBoxState(v) if isinstance(layer, LIBox) else LIState(v, torch.zeros_like(v))
    step = li_box_feed_forward_step if isinstance(layer, LIBox) else li_feed_forward_step
    potentials = []
    for x in current:
        v, state = step(x, state, layer.p, layer.dt)
        potentials.append(v)
    return torch.stack(potentials)


@spiking
@floats
def test_spikes_and_potentials_are_norses_bit_for_bit(layer, dtype):
    current = currents(dtype)
    spikes, potentials = norse_loop(layer, current)
    assert 0.02 < spikes.mean() < 0.9, "the example says nothing"
    assert torch.equal(layer(current), spikes)
    trace = layer.trace(current)
    assert torch.equal(trace.spikes, spikes)
    assert torch.equal(trace.after, potentials[-1])
    silent = spikes[:-1] == 0
    assert torch.equal(trace.before[:-1][silent], potentials[:-1][silent])


def test_images_in_channels_last_order_give_the_same_spikes():
    layer = SPIKING["box, rest and reset"]
    current = currents(torch.float32, STEPS * 2, 3, 4, 4)
    last = current.to(memory_format=torch.channels_last)
    shape = (STEPS, 2)
    assert torch.equal(layer(current.unflatten(0, shape)), layer(last.unflatten(0, shape)))


@spiking
def test_a_constant_current_is_the_same_current_in_every_step(layer):
    current = currents(torch.float64, SAMPLES, NEURONS).abs().requires_grad_()
    constant = layer(current, STEPS)
    (gradient,) = torch.autograd.grad(weighted(constant), current)
    repeated = layer(current.expand(STEPS, *current.shape))
    (expected,) = torch.autograd.grad(weighted(repeated), current)
    assert torch.equal(constant, repeated)
    torch.testing.assert_close(gradient, expected)


def weighted(spikes):
    """A loss that gives every spike and every count a gradient of its own."""
    return (spikes * torch.linspace(-1, 2, spikes.numel()).reshape(spikes.shape)).sum()


@spiking
@pytest.mark.parametrize("method", ["super", "triangle", "tanh", "circ", "heavi_erfc"])
def test_with_reset_gradient_the_gradient_is_that_of_norses_loop(layer, method):
    p = layer.p._replace(method=method, alpha=torch.tensor(2.0))
    layer = type(layer)(p, layer.dt, reset_gradient=True)
    current = currents(torch.float64).requires_grad_()
    (expected,) = torch.autograd.grad(weighted(norse_loop(layer, current)[0]), current)
    (gradient,) = torch.autograd.grad(weighted(layer(current)), current)
    assert expected.abs().max() > 0
    torch.testing.assert_close(gradient, expected)


@spiking
def test_by_default_no_gradient_passes_through_the_reset(layer):
    """The second method: Norse's loop with the spikes of the reset taken out of the graph."""
    current = currents(torch.float64).requires_grad_()
    spikes, v, i = [], layer.p.v_leak + torch.zeros_like(current[0]), torch.zeros_like(current[0])
    p, box = layer.p, isinstance(layer, LIFBox)
    for x in current:
        i = x if box else i + x
        u = v + layer.dt * p.tau_mem_inv * (p.v_leak - v + i)
        z = norse_threshold(u - p.v_th, p)
        fixed = z.detach()
        subtract = box and p.reset_method is reset_subtract
        v = u - fixed * p.v_th if subtract else (1 - fixed) * u + fixed * p.v_reset
        i = i if box else i - layer.dt * p.tau_syn_inv * i
        spikes.append(z)
    (expected,) = torch.autograd.grad(weighted(torch.stack(spikes)), current)
    (gradient,) = torch.autograd.grad(weighted(layer(current)), current)
    torch.testing.assert_close(gradient, expected)


def norse_threshold(x, p):
    from norse.torch.functional.threshold import threshold

    return threshold(x, p.method, p.alpha)


def test_a_surrogate_is_stretched_by_its_width_and_scaled_by_its_gain():
    """One step from rest: dz/dx = r gain / width / (1 + |u - v_th| / width)^2, u = r x."""
    p = LIFBoxParameters(v_th=torch.tensor(0.1))
    layer = LIFBox(p, surrogate_width=0.05, surrogate_gain=0.5)
    x = torch.tensor([[[0.5]]], dtype=torch.float64, requires_grad=True)
    layer(x).sum().backward()
    # r = 0.001 * 100 = 0.1, u = 0.05, |u - v_th| / width = 1
    assert x.grad.item() == pytest.approx(0.1 * 0.5 / 0.05 / 4, rel=1e-6)


def test_membrane_backpropagation_gives_a_gradient_only_where_the_neuron_spiked():
    """One step from rest, threshold 0.1: dz/dx = r / theta = 0.1 / 0.1 where it spiked."""
    layer = LIFBox(LIFBoxParameters(v_th=torch.tensor(0.1)), backprop="membrane")
    x = torch.tensor([[[0.9, 1.1, 2.0]]], dtype=torch.float64, requires_grad=True)
    spikes = layer(x)
    spikes.sum().backward()
    assert spikes.flatten().tolist() == [0, 1, 1]
    torch.testing.assert_close(x.grad.flatten(), torch.tensor([0.0, 1.0, 1.0]).double())


def test_a_surrogate_without_derivative_gives_no_gradient():
    layer = LIFBox(LIFBoxParameters(method="heaviside", v_th=torch.tensor(0.1)))
    current = currents(torch.float32).requires_grad_()
    layer(current).sum().backward()
    assert not current.grad.any()


@spiking
def test_counts_are_the_spikes_over_time_and_have_their_gradient(layer):
    current = currents(torch.float64).requires_grad_()
    spikes = layer(current)
    counts = layer.activity.counts
    weights = torch.linspace(1, 2, counts.numel()).reshape(counts.shape)
    (expected,) = torch.autograd.grad((spikes.sum(0) * weights).sum(), current, retain_graph=True)
    (gradient,) = torch.autograd.grad((counts * weights).sum(), current)
    assert torch.equal(counts, spikes.sum(0))
    torch.testing.assert_close(gradient, expected)


@readouts
@floats
def test_a_readouts_potentials_are_norses_bit_for_bit(layer, dtype):
    current = currents(dtype)
    assert torch.equal(layer(current), norse_readout(layer, current))


@readouts
@pytest.mark.parametrize("reading", ["last", "mean"])
def test_a_reading_without_stored_steps_is_the_reading_of_all_steps(layer, reading):
    current = currents(torch.float64)
    trace = norse_readout(layer, current)
    expected = trace[-1] if reading == "last" else trace.mean(0)
    torch.testing.assert_close(layer.read(current, reading), expected)


@spiking
def test_the_unreset_potential_is_that_of_a_neuron_that_cannot_spike(layer):
    current = currents(torch.float64)
    layer(current)
    never = type(layer)(layer.p._replace(v_th=torch.tensor(1e9)), layer.dt)
    expected = (never.trace(current).after - layer.p.v_leak) / (layer.p.v_th - layer.p.v_leak)
    torch.testing.assert_close(layer.unreset_potential(), expected)


def test_a_copy_of_a_layer_that_has_run_leaves_its_activity_out():
    layer = LIFBox()
    layer(currents(torch.float32).requires_grad_())
    assert layer.activity is not None
    assert copy.deepcopy(layer).activity is None


def test_an_unknown_reset_method_is_refused_by_name():
    def bounce(z, v, reset, th):
        return v - z

    with pytest.raises(Unsupported, match="bounce"):
        LIFBox(LIFBoxParameters(reset_method=bounce))


def test_parameters_that_are_not_finite_are_refused_by_name():
    with pytest.raises(BadInput, match="v_th holds NaN"):
        LIF(LIFParameters(v_th=torch.tensor(float("nan"))))


def test_activity_cannot_be_asked_for_before_a_forward_pass():
    with pytest.raises(BadInput, match="forward pass"):
        LIFBox().unreset_potential()
