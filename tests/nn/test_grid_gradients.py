"""Gradients of training on the grid: the step's own, every rounding passed straight through."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from networks import dense, lif, spikes

from neurocompile.engines.torch_ops import TorchOps
from neurocompile.ir.fixed import FixedConstants, SpikeInput
from neurocompile.ir.graph import chain
from neurocompile.ir.settings import Decoder, Encoder, Settings
from neurocompile.nn.grid import GridNetwork
from neurocompile.nn.grid_steps import PopulationSequence, Slope

SPIKES = Settings(steps=12, encoder=Encoder("spikes"), decoder=Decoder("last"))


class Through(torch.autograd.Function):
    """Some rounded values forward, a slope backward."""

    @staticmethod
    def forward(ctx, x, rounded, slope):
        ctx.slope = slope
        return rounded

    @staticmethod
    def backward(ctx, g):
        return g * ctx.slope, None, None


class StraightOps(TorchOps):
    """The operations of a step, each rounding with the gradient 1."""

    def divide_toward_zero(self, x, power):
        exact = x * 2.0**-power
        return Through.apply(exact, torch.trunc(exact).detach(), 1.0)

    def clip(self, x, low, high):
        return Through.apply(x, x.detach().clamp(low, high), 1.0)

    def decay(self, x, keep):
        return self.divide_toward_zero(x * keep, 12)


@pytest.mark.parametrize("reset", ["zero", "subtract"])
@pytest.mark.parametrize(("du", "dv"), [(4095, 300), (900, 0), (-1, 4096)])
def test_the_backward_pass_is_autograd_through_the_step_with_straight_roundings(reset, du, dv):
    """The second method: CubaLIF.step operation by operation, and the surrogate by its formula."""
    rng = torch.Generator().manual_seed(du + dv + 9)
    node = lif((5,), du=du, dv=dv, reset=reset)
    arriving = torch.randint(-90, 120, (7, 3, 5), generator=rng).double()
    bias = torch.randint(-500, 900, (5,), generator=rng).double()
    vth = torch.randint(40, 120, (), generator=rng).double()
    pull = torch.rand((7, 3, 5), generator=rng)
    how = Slope("a", 1500.0, 0.5)

    def leaves():
        return [t.clone().requires_grad_() for t in (arriving, bias, vth)]

    ours = leaves()
    out, _ = PopulationSequence.apply(*ours, 7, node, how, False)
    (out * pull).sum().backward()

    theirs = leaves()
    p = FixedConstants(4095.0 - du, 4096.0 - dv, theirs[1], theirs[2] * 64)
    u = torch.zeros(3, 5, dtype=torch.float64)
    state, total = (u, u), 0
    for t in range(7):
        done = node.step(StraightOps(), state, theirs[0][t], p)
        distance = (done.potential - p.threshold) / how.width
        slope = how.gain / how.width / (1 + distance.detach().abs()) ** 2
        z = Through.apply(distance * how.width, done.out.double(), slope)
        total = total + (z * pull[t]).sum()
        u, v = done.state
        if reset == "subtract":  # the gradient does not pass through the reset's threshold
            v = done.potential - (p.threshold * done.out).detach()
        state = (u, v)
    total.backward()
    assert torch.equal(out.sum(), torch.round(out.sum()))
    for a, b in zip(ours, theirs, strict=True):
        assert torch.allclose(a.grad.double(), b.grad, rtol=1e-4, atol=1e-6)


def test_the_gradient_is_that_of_the_network_without_roundings():
    """A readout alone has no spike: finite differences of real arithmetic are the yardstick."""
    rng = np.random.default_rng(5)
    nodes = {
        "in": SpikeInput((4,)),
        "w": dense(rng, 4, 3, 2),
        "out": lif((3,), du=1000, dv=300, vth=131071, mant=7, exp=3, readout=True, scale=1e-4),
    }
    graph = chain(nodes, replace(SPIKES, decoder=Decoder("mean")))
    model = GridNetwork(graph)
    x = torch.from_numpy(spikes(5, 2, 12, (4,), rate=0.5))
    pull = rng.normal(size=(2, 3))
    (model(x) * torch.from_numpy(pull)).sum().backward()

    def result(weight, bias):
        u = v = total = np.zeros((2, 3))
        for t in range(12):
            u = u * (3095 / 4096) + x[:, t].numpy() @ weight.T * 4 * 64
            v = v * (3796 / 4096) + u + bias
            total = total + v / 12 * 1e-4
        return float((total * pull).sum())

    weight, bias = nodes["w"].op.weight.astype(float), np.full(3, 56.0)
    w, out = model.named()["w"].weight.grad.numpy(), model.named()["out"]
    for at in np.ndindex(weight.shape):
        step = np.zeros_like(weight)
        step[at] = 1.0
        slope = (result(weight + step, bias) - result(weight - step, bias)) / 2
        assert w[at] == pytest.approx(slope * 256, rel=1e-4, abs=1e-9)
    for k, step in enumerate(np.eye(3)):
        slope = (result(weight, bias + step) - result(weight, bias - step)) / 2
        assert out.bias.grad[k].item() == pytest.approx(slope * out.unit, rel=1e-4)


# --- ranges and formats --------------------------------------------------------------------
