"""The rules of the code of arXiv 2109.11045 are those of a plain loop over time with autograd."""

from collections import OrderedDict

import pytest
import torch
from norse.torch import LIBoxParameters, LIFBoxParameters
from torch import nn

from neurocompile.errors import BadInput
from neurocompile.ir.settings import Decoder, Encoder, Settings
from neurocompile.nn import (
    LIBox,
    LIFBox,
    Regularization,
    SpikingNetwork,
    SpikingOutput,
    TrainingPlan,
    activity,
    regularization_loss,
    train,
)

DECAY, STEPS, SAMPLES, NEURONS = 0.8, 30, 3, 9
RATE = torch.tensor(1 - DECAY, dtype=torch.float64)  # share lost a step; potentials are in it
BOX = LIFBoxParameters(tau_mem_inv=RATE / 0.001, v_th=RATE)
rules = pytest.mark.parametrize(
    ("straight_leak", "flips"), [(False, False), (True, False), (False, True), (True, True)]
)


class Fires(torch.autograd.Function):
    """1 where the argument is above 0; the gradient passes there and nowhere else."""

    @staticmethod
    def forward(ctx, excess):
        ctx.save_for_backward(excess)
        return (excess > 0).to(excess)

    @staticmethod
    def backward(ctx, gradient):
        return torch.where(ctx.saved_tensors[0] > 0, gradient, 0.0)


def leak(v, straight):
    return DECAY * v.detach() + v - v.detach() if straight else DECAY * v


def plain_loop(current, straight_leak, flips):
    """Spikes and the potentials U that no spike resets, both in thresholds, before each leak."""
    v = unreset = torch.zeros_like(current[0])
    spikes, potentials = [], []
    for x in current:
        v, unreset = v + x, unreset + x
        if flips:
            v = torch.where(v < -1, torch.ones_like(v), v)
        above = torch.where(v > 1, v, torch.zeros_like(v))
        spikes.append(Fires.apply(above))
        potentials.append(unreset)
        v, unreset = leak(v - above, straight_leak), leak(unreset, straight_leak)
    return torch.stack(spikes), torch.stack(potentials)


def currents():
    random = torch.Generator().manual_seed(5)
    shape = (STEPS, SAMPLES, NEURONS)
    return torch.randn(shape, generator=random, dtype=torch.float64).requires_grad_()


def weighted(values):
    return (values * torch.linspace(-1, 2, values.numel()).reshape(values.shape)).sum()


@rules
def test_a_spiking_layer_has_the_spikes_and_gradients_of_the_loop(straight_leak, flips):
    current = currents()
    expected, unreset = plain_loop(current, straight_leak, flips)
    layer = LIFBox(BOX, backprop="membrane", straight_leak=straight_leak, flips=flips)
    spikes = layer(current)
    assert 0.05 < expected.mean() < 0.6
    assert torch.equal(spikes, expected)
    torch.testing.assert_close(layer.unreset_potential(), unreset[-1])
    for ours, theirs in ((spikes, expected), (layer.unreset_potential(), unreset[-1])):
        (found,) = torch.autograd.grad(weighted(ours), current, retain_graph=True)
        (gradient,) = torch.autograd.grad(weighted(theirs), current, retain_graph=True)
        assert gradient.abs().max() > 0
        torch.testing.assert_close(found, gradient)


def test_each_rule_changes_something_in_this_example():
    current = currents()
    plain, straight, flipped = (
        torch.autograd.grad(weighted(spikes), current)[0]
        for spikes, _ in (plain_loop(current, *which) for which in ((0, 0), (1, 0), (0, 1)))
    )
    assert not torch.allclose(plain, straight)
    assert not torch.allclose(plain, flipped)


def test_a_straight_leak_changes_gradients_and_no_spike():
    """Two steps, r = 0.2: x[0] is worth r (1 - r) in u[1], and r if the leak is straight."""
    gradients = []
    for straight_leak in (False, True):
        p = LIFBoxParameters(tau_mem_inv=RATE / 0.001, v_th=torch.tensor(10.0).double())
        layer = LIFBox(p, straight_leak=straight_leak, surrogate_width=1e9, surrogate_gain=1e9)
        current = torch.tensor([1.0, 2.0]).double().reshape(2, 1, 1).requires_grad_()
        spikes = layer(current)
        assert not spikes.any()
        (gradient,) = torch.autograd.grad(spikes[1].sum(), current)
        gradients.append(gradient.flatten())
    # a surrogate this wide has a slope of 1
    torch.testing.assert_close(gradients[0], torch.tensor([0.16, 0.2]).double())
    torch.testing.assert_close(gradients[1], torch.tensor([0.2, 0.2]).double())


def test_strong_inhibition_puts_a_flipped_potential_at_the_threshold():
    """Threshold 1, nothing leaks but the share 0.2: -2 becomes 1, then 0.8 and 0.3 are 1.1."""
    current = torch.tensor([-2.0, 0.3]).double().reshape(2, 1, 1)
    assert LIFBox(BOX, flips=True)(current).flatten().tolist() == [0, 1]
    assert LIFBox(BOX)(current).flatten().tolist() == [0, 0]


@pytest.mark.parametrize("field", [{"v_leak": torch.tensor(0.05)}, {"v_th": torch.tensor(0.0)}])
def test_a_flip_without_a_mirror_image_is_refused_with_a_cure(field):
    with pytest.raises(BadInput, match=r"v_leak = .* and v_th = .*or flips=False"):
        LIFBox(LIFBoxParameters(**field), flips=True)


def test_a_constant_current_has_the_straight_gradient_of_the_same_current_in_every_step():
    layer = LIFBox(BOX, straight_leak=True, flips=True)
    current = currents()[0].detach().requires_grad_()
    found, expected = [], []
    for gradients, run in (
        (found, lambda: layer(current, STEPS)),
        (expected, lambda: layer(current.expand(STEPS, *current.shape))),
    ):
        for value in (run(), layer.unreset_potential()):
            gradients += torch.autograd.grad(weighted(value), current, retain_graph=True)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("straight_leak", [False, True])
def test_a_readout_has_the_potentials_and_gradients_of_the_loop(straight_leak):
    current = currents()
    _, unreset = plain_loop(current, straight_leak, flips=False)
    readout = LIBox(LIBoxParameters(tau_mem_inv=RATE / 0.001), straight_leak=straight_leak)
    cases = {
        "all": (readout(current), unreset),
        "last": (readout.read(current, "last"), unreset[-1]),
        "mean": (readout.read(current, "mean"), unreset.mean(0)),
    }
    for found, in_thresholds in cases.values():
        expected = in_thresholds * RATE
        torch.testing.assert_close(found, expected)
        (ours,) = torch.autograd.grad(weighted(found), current, retain_graph=True)
        (theirs,) = torch.autograd.grad(weighted(expected), current, retain_graph=True)
        torch.testing.assert_close(ours, theirs)


def spiking_autoencoder(decoder, straight_leak, flips):
    """Input of 6 values, 5 latent neurons, 6 spiking outputs."""
    torch.manual_seed(1)
    options = {"backprop": "membrane", "straight_leak": straight_leak, "flips": flips}
    layers = OrderedDict(
        to_latent=nn.Linear(6, 5, bias=False).double(),
        latent=LIFBox(BOX, **options),
        from_latent=nn.Linear(5, 6, bias=False).double(),
        output=SpikingOutput(BOX, **options),
    )
    settings = Settings(steps=STEPS, encoder=Encoder("current", 2.0), decoder=decoder)
    return SpikingNetwork(layers, settings)


WEIGHTS = Regularization(potential_l1=0.3, potential_l2=0.2, spikes_l1=0.5, spikes_l2=0.4)


@rules
@pytest.mark.parametrize("reading", ["max", "last"])
def test_a_spiking_output_is_read_without_resets_and_its_spikes_are_in_the_penalties(
    reading, straight_leak, flips
):
    model = spiking_autoencoder(Decoder(reading, 1.5), straight_leak, flips)
    first, second = (layer.weight for layer in (model.layers.to_latent, model.layers.from_latent))
    with torch.no_grad():
        second *= 4
    x = torch.rand(SAMPLES, 6, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    found = (model(x) - x).square().sum() + regularization_loss(model, WEIGHTS)

    spikes, u_latent = plain_loop((2 * x @ first.T).expand(STEPS, -1, -1), straight_leak, flips)
    fired, u_output = plain_loop(spikes @ second.T, straight_leak, flips)
    assert spikes.any()
    assert fired.any()
    read = u_output.amax(0) if reading == "max" else u_output[-1]
    expected = (1.5 * RATE * read - x).square().sum()
    for s, u in (
        (spikes.sum(0) / STEPS, u_latent[-1] / STEPS),
        (fired.sum(0) / STEPS, u_output[-1] / STEPS),
    ):
        penalty = 0.3 * u.abs() + 0.2 * u.square() + 0.5 * s + 0.4 * s.square()
        expected = expected + penalty.sum() / SAMPLES
    torch.testing.assert_close(found, expected)
    ours = torch.autograd.grad(found, (first, second))
    theirs = torch.autograd.grad(expected, (first, second))
    torch.testing.assert_close(ours, theirs)


def test_the_activity_of_a_spiking_output_is_that_of_a_layer():
    model = spiking_autoencoder(Decoder("max"), True, True).float()
    found = activity(model, torch.rand(4, 6))
    assert list(found) == ["latent", "output"]
    assert found["output"].neurons == 6


def small_network():
    torch.manual_seed(3)
    layers = OrderedDict(
        fc1=nn.Linear(9, 12), hidden=LIFBox(surrogate_width=0.5), fc2=nn.Linear(12, 9), out=LIBox()
    )
    settings = Settings(
        steps=6, encoder=Encoder("current", 5.0), decoder=Decoder("last", task="reconstruction")
    )
    return SpikingNetwork(layers, settings)


@pytest.mark.parametrize("clip_by", ["norm", "value"])
def test_a_constant_rate_and_a_clip_are_those_of_plain_adam(clip_by):
    """The limit 0.01 is below most numbers of the gradient, so that both clips act."""
    images = torch.rand(8, 9, generator=torch.Generator().manual_seed(4))
    trained, plain = small_network(), small_network()
    train(
        trained, images, TrainingPlan(3, 8, 1e-2, clip=0.01, schedule="constant", clip_by=clip_by)
    )
    optimizer = torch.optim.Adam(plain.parameters(), lr=1e-2)
    for _ in range(3):
        optimizer.zero_grad()
        ((plain(images) - images).square().sum() / len(images)).backward()
        gradients = [p.grad for p in plain.parameters()]
        norm = torch.cat([g.flatten() for g in gradients]).norm()
        assert norm > 0.01
        for g in gradients:
            g.copy_(g.clamp(-0.01, 0.01) if clip_by == "value" else g * (0.01 / norm))
        optimizer.step()
    for one, other in zip(trained.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("choice", [{"schedule": "linear"}, {"clip_by": "number"}])
def test_a_plan_with_an_unknown_word_is_refused_with_the_known_ones(choice):
    with pytest.raises(BadInput, match=r"TrainingPlan: (schedule|clip_by) .* is unknown\. Use '"):
        TrainingPlan(**choice)
