"""Populations that remember their spikes, with the chip's integers forward and gradients back.

In:  arriving sums and registers, all whole numbers in float tensors.
Out: spikes and potentials with the chip's bits, differentiable.
The step is the neuron's own; what a chip computes is not defined here again. A neuron that is held
is one whose threshold is out of reach, as in `remember`.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from neurocompile.engines.fixed.result import refuse_beyond
from neurocompile.engines.torch_ops import TorchOps
from neurocompile.ir.fixed import ChipNeuron, FixedStep
from neurocompile.ir.registers import ALIGN_BITS, STATE_LIMIT, UNITY
from neurocompile.nn.grid_steps import Slope, as_number, refuse_wrap, slope_at

ALIGN = 1 << ALIGN_BITS


class RememberingPopulation(torch.autograd.Function):
    """A population over all steps: spikes, and potentials after the reset.

    m[t] is how far v - r is above theta, s[t] the slope there, k the shares of states that remain,
    and ' marks what a spike leaves. The gradients are
    d[t] = s[t] (dz[t] + rise dtheta'[t]);  db[t] = d[t] + dv[t] (1 - z[t]), without the factor
    where a spike leaves v;  dtheta[t] = dtheta'[t] + 2 z[t] dr'[t] - d[t];  dr[t] = dr'[t] - d[t];
    du[t] = db[t] + k_u du[t+1];  dv[t-1] = k_v db[t];  da[t] = 64 du[t];  dbias = sum_t db[t].
    The threshold at rest takes (1 - k_theta) dtheta[t] of each step, and what reaches the first.
    A neuron that is held passes dv on unchanged. Saturation is ignored.
    """

    @staticmethod
    def forward(
        ctx: Any,
        arriving: Tensor | None,
        bias: Tensor,
        threshold: Tensor,
        steps: int,
        node: ChipNeuron,
        slope: Slope,
        keep: bool,
    ) -> tuple[Tensor, Tensor]:
        """Run all steps; arguments and result as of `grid_steps.PopulationSequence.forward`."""
        samples = len(bias) if arriving is None else arriving.shape[1]
        shape = (steps, samples, *node.shape)
        sums = None if arriving is None else arriving.reshape(shape)
        registers = {name: as_number(getattr(node, name)) for name in node.registers}
        named = "vth" if "vth" in registers else "theta_0"
        p = node.constants_of({**registers, named: threshold}, bias)
        zero = torch.zeros(shape[1:], dtype=torch.float64)
        starts = node.start(p, zero + as_number(node.v_init), zero)
        state = tuple(start + zero for start in starts)
        spikes, margins = torch.empty(shape), torch.empty(shape)
        after = torch.empty(shape if keep else (0,), dtype=torch.float64)
        for t in range(steps):
            done = node.step(TorchOps(), state, zero if sums is None else sums[t].double(), p)
            refuse_wrap(done, slope.name, t + 1)
            refuse_beyond(slope.name, node, t + 1, [float(x.abs().max()) for x in done.unclipped])
            spikes[t] = done.out
            margins[t] = _margin(node, state, done, p)
            state = done.state
            if keep:
                after[t] = state[1]
        ctx.save_for_backward(spikes, margins, bias, threshold)
        ctx.node, ctx.slope = node, slope
        ctx.kept = {name: getattr(p, name) / UNITY for name in node.parts}
        ctx.rise = getattr(p, "rise", 0.0)
        ctx.mark_non_differentiable(after)
        return spikes, after

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of the arriving sums, of the bias and of the threshold at rest."""
        to_spikes, _ = gradients
        spikes, margins, bias, threshold = ctx.saved_tensors
        names, kept = ctx.node.state_names, ctx.kept
        adapts, refractory = "theta" in names, "r" in names
        keep_theta = kept.get("keep_theta", 0.0)
        to_arriving = torch.empty_like(spikes) if ctx.needs_input_grad[0] else None
        to_u, to_v, to_bias, to_theta, to_r, to_rest = (
            torch.zeros_like(spikes[0]) for _ in range(6)
        )
        for t in reversed(range(len(spikes))):
            z, held = spikes[t], margins[t] == -torch.inf
            by_spike = (to_spikes[t] + to_theta * ctx.rise) * slope_at(margins[t], ctx.slope)
            to_b = (to_v if refractory else to_v * (1 - z)) + by_spike
            to_theta = (to_theta if adapts else torch.zeros_like(to_theta)) - by_spike
            to_theta = to_theta + 2 * z * to_r
            to_rest += to_theta * (1 - keep_theta)
            to_theta = to_theta * keep_theta
            if refractory:
                to_r = (to_r - by_spike) * kept["keep_r"]
            to_now = torch.where(held, 0.0, to_b)
            to_bias += to_now
            to_u = to_u * kept["keep_u"] + to_now
            if to_arriving is not None:
                torch.mul(to_u, ALIGN, out=to_arriving[t])
            to_v = torch.where(held, 0.0, to_b * kept["keep_v"])
        to_rest += to_theta  # where the threshold starts
        return (
            None if to_arriving is None else to_arriving.flatten(2),
            to_bias.sum_to_size(bias.shape).double(),
            to_rest.sum_to_size(threshold.shape).double() * ALIGN,
            *(None,) * 4,
        )


def _margin(node: Any, before: tuple[Any, ...], done: FixedStep, p: Any) -> Tensor:
    """How far a neuron was above its threshold; -inf where it was held."""
    v: Tensor = done.potential.clamp(1 - STATE_LIMIT, STATE_LIMIT - 1)
    margin: Tensor = v - node.level(TorchOps(), before, done, p)
    if "wait" not in node.state_names:
        return margin
    return torch.where(before[node.state_names.index("wait")] > 0, -torch.inf, margin)
