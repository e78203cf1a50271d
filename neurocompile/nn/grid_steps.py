"""The chip's integers forward, gradients straight through every rounding backward.

In:  spikes and weights, or arriving sums and registers, all whole numbers in float tensors.
Out: sums, spikes and potentials with the chip's bits, differentiable.
The step is `CubaLIF.step`; what a chip computes is not defined here again.
"""

from __future__ import annotations

from functools import singledispatch
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from neurocompile.engines.fixed.result import EXACT_FLOAT32, readout_spiked
from neurocompile.engines.torch_ops import TorchOps
from neurocompile.errors import DoesNotFit, Unsupported
from neurocompile.ir.fixed import CubaLIF, FixedStep, Synapse
from neurocompile.ir.nodes import Conv, ConvTranspose, Linear, Sparse, size
from neurocompile.ir.registers import ALIGN_BITS, STATE_LIMIT, UNITY, WEIGHT_RANGE

ALIGN = 1 << ALIGN_BITS
LARGEST_MATRIX = 1 << 26  # values of a sparse map that is multiplied densely: 256 MB


class Slope(NamedTuple):
    """Replacement for the derivative of a spike: gain / (1 + |v - threshold| / width)^2 / width.

    Attributes:
        name: Name of the population, for messages.
        width: Width in chip units of v, for the population or for each neuron.
        gain: Factor on the derivative; 1 is Norse's own.
    """

    name: str
    width: Any
    gain: float


class StraightThrough(torch.autograd.Function):
    """Rounded values forward, the gradient of the exact ones backward."""

    @staticmethod
    def forward(ctx: Any, exact: Tensor, rounded: Tensor) -> Tensor:
        """Return the rounded values; x + (rounded - x) would not be exactly those."""
        return rounded

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        """Return the gradient of the rounded values as that of the exact ones."""
        return gradients[0], None


def straight_through(exact: Tensor, rounded: Tensor) -> Tensor:
    """`rounded`, whose gradient is that of `exact`."""
    result: Tensor = StraightThrough.apply(exact, rounded.detach())
    return result


class PopulationSequence(torch.autograd.Function):
    """A population over all steps: spikes, and potentials after the reset.

    b[t] is the potential before and v[t] after the reset, s[t] the slope at b[t], k_u and k_v are
    the shares of u and v that remain, and a[t] is the sum that arrives. The gradients are
    db[t] = s[t] dz[t] + dv[t] (1 - z[t]);  du[t] = db[t] + k_u du[t+1];  dv[t-1] = k_v db[t];
    da[t] = 64 du[t];  dbias = sum_t db[t];  dvth = -64 sum_t s[t] dz[t].
    A reset by subtraction keeps the factor 1 in place of 1 - z. Saturation is ignored.
    """

    @staticmethod
    def forward(
        ctx: Any,
        arriving: Tensor | None,
        bias: Tensor,
        vth: Tensor,
        steps: int,
        node: CubaLIF,
        slope: Slope,
        keep: bool,
    ) -> tuple[Tensor, Tensor]:
        """Run all steps.

        Args:
            ctx: Context of autograd.
            arriving: Weighted sums of spikes, (T, N, n), or None where no synapse arrives.
            bias: Amount added to v in each step, () or (*shape) or (N, *shape) float64.
            vth: Threshold register, () or (*shape) float64.
            steps: Number of steps, T.
            node: Population, for its decays, start, reset and shape.
            slope: Replacement for the derivative of a spike.
            keep: Whether to keep the potentials of neurons that spike, too.

        Returns:
            Spikes, (T, N, *shape) float32, and potentials in float64 where they are kept.

        Raises:
            DoesNotFit: If a current leaves 24 bits, or a readout spikes.
        """
        samples = len(bias) if arriving is None else arriving.shape[1]
        shape = (steps, samples, *node.shape)
        sums = None if arriving is None else arriving.reshape(shape)
        registers = {"du": as_number(node.du), "dv": as_number(node.dv), "vth": vth}
        p = node.constants_of(registers, bias)
        u = torch.zeros(shape[1:], dtype=torch.float64)
        state = (u, u + torch.from_numpy(node.v_init.astype("float64")))
        spikes, before = torch.empty(shape), torch.empty(shape)
        keep = keep or node.readout
        after = torch.empty(shape if keep else (0,), dtype=torch.float64)
        for t in range(steps):
            after_step = node.step(TorchOps(), state, u if sums is None else sums[t].double(), p)
            refuse_wrap(after_step, slope.name, t + 1)
            state = after_step.state
            spikes[t], before[t] = after_step.out, after_step.potential
            if keep:
                after[t] = state[1]
        if node.readout and spikes.any():
            raise readout_spiked(slope.name, int(spikes.sum()))
        ctx.save_for_backward(spikes, before, bias, p.threshold)
        ctx.node, ctx.slope = node, slope
        ctx.keep = (p.keep_u / UNITY, p.keep_v / UNITY)
        ctx.mark_non_differentiable(spikes if node.readout else after)
        return spikes, after

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of the arriving sums, of the bias and of the threshold."""
        to_spikes, to_potential = gradients
        spikes, before, bias, threshold = ctx.saved_tensors
        node, (keep_u, keep_v) = ctx.node, ctx.keep
        to_arriving = torch.empty_like(spikes) if ctx.needs_input_grad[0] else None
        to_u, to_v, to_bias, to_threshold = (torch.zeros_like(spikes[0]) for _ in range(4))
        level = threshold.to(spikes)
        for t in reversed(range(len(spikes))):
            if node.readout:
                to_v += to_potential[t]
            else:
                by_spike = to_spikes[t] * slope_at(before[t] - level, ctx.slope)
                if node.reset == "zero":
                    to_v *= 1 - spikes[t]
                to_v += by_spike
                to_threshold -= by_spike
            to_bias += to_v
            to_u.mul_(keep_u).add_(to_v)
            if to_arriving is not None:
                torch.mul(to_u, ALIGN, out=to_arriving[t])
            to_v *= keep_v
        return (
            None if to_arriving is None else to_arriving.flatten(2),
            to_bias.sum_to_size(bias.shape).double(),
            to_threshold.sum_to_size(threshold.shape).double() * ALIGN,
            *(None,) * 4,
        )


def slope_at(distance: Tensor, how: Slope) -> Tensor:
    """dz/dv at a distance from the threshold."""
    return (distance / how.width).abs_().add_(1.0).pow_(-2).mul_(how.gain / how.width)


def as_number(values: Any) -> Any:
    """A register as a float for a population, a float64 tensor for a value per neuron."""
    return torch.from_numpy(values.astype("float64")) if values.ndim else float(values)


def refuse_wrap(after_step: FixedStep, name: str, step: int) -> None:
    """Refuse a current that wraps, because its gradient is useless."""
    if (
        after_step.state[0] is after_step.current or not after_step.current.numel()
    ):  # TorchOps saw no wrap
        return
    largest = float(after_step.current.abs().max())
    raise DoesNotFit(
        f"layer '{name}', step {step}: the synaptic current reaches {largest:.0f}, but while a "
        f"network is trained it must stay below {STATE_LIMIT}, where it wraps. Train at a "
        "lower rate, or start with a smaller weight exponent."
    )


def synaptic_sum(synapse: Synapse, weight: Tensor, spikes: Tensor) -> Tensor:
    """The sums that arrive through a synapse, whole and exact, with its delay.

    Args:
        synapse: Synapse, for its kind, shapes, exponent and delay.
        weight: Weights, whole numbers on its grid, in the shape of its own, float32.
        spikes: Spikes of the source, (T, N, *source) 0 or 1 in float32, or payloads in float64.

    Returns:
        Sums, (T, N, n_target), in float64 where float32 could not hold every sum.
    """
    spikes = _held_back(spikes, synapse.delay)
    match synapse.late_of:
        case "source":
            late = torch.from_numpy(np.array(synapse.late)).reshape(spikes.shape[2:])
            spikes = _each_held_back(spikes, late)
        case "weight":
            late = torch.from_numpy(np.array(synapse.late))
            parts = [
                _whole_sum(synapse, weight * (late == steps), _held_back(spikes, steps))
                for steps in late.unique().tolist()
            ]
            return torch.stack(parts).sum(0)
    sums = _whole_sum(synapse, weight, spikes)
    if synapse.late_of == "target":
        return _each_held_back(sums, torch.from_numpy(np.array(synapse.late)))
    return sums


def _whole_sum(synapse: Synapse, weight: Tensor, spikes: Tensor) -> Tensor:
    """The sums that arrive through a synapse, from spikes as they arrive."""
    rows = spikes.reshape(-1, *synapse.in_shape)
    bits = spikes.dtype == torch.float32 and inputs_of(synapse) * WEIGHT_RANGE < EXACT_FLOAT32
    number = torch.float32 if bits else torch.float64
    total = through(synapse.op, weight.to(number), rows.to(number))
    whole = total.detach().round()
    if whole.numel() and float((total.detach() - whole).abs().max()) > 0.25:
        # A convolution library may transform (Winograd, FFT) and lose bits: use float64 then.
        with torch.no_grad():
            whole = through(synapse.op, weight.double(), rows.double()).round().to(number)
    if synapse.weight_exp:
        factor = 2.0**synapse.weight_exp
        total, whole = total * factor, (whole * factor).floor()
    return straight_through(total, whole).reshape(*spikes.shape[:2], size(synapse.out_shape))


def _each_held_back(values: Tensor, late: Tensor) -> Tensor:
    """Values (T, N, *shape), each neuron's by its own number of steps, late (*shape)."""
    staggered = torch.zeros_like(values)
    for steps in late.unique().tolist():
        staggered = torch.where(late == steps, _held_back(values, steps), staggered)
    return staggered


def _held_back(values: Tensor, steps: int) -> Tensor:
    """Values (T, ...), delayed by some steps, with zeros before them."""
    zeros = torch.zeros_like(values[:steps])
    return torch.cat([zeros, values[: len(values) - len(zeros)]]) if steps else values


def inputs_of(synapse: Synapse) -> int:
    """Largest number of synapses into one target neuron."""
    op = synapse.op
    if isinstance(op, Linear):
        return int(op.weight.shape[1])
    if isinstance(op, Sparse):
        return int((op.indptr[1:] - op.indptr[:-1]).max(initial=0))
    # Conv has inputs / groups on axis 1; ConvTranspose has all inputs on axis 0.
    shape = op.weights.shape
    own = shape[0] // op.groups if isinstance(op, ConvTranspose) else shape[1]
    return int(own * size(shape[2:]))


@singledispatch
def through(op: Any, weight: Tensor, x: Tensor) -> Tensor:
    """Apply a map with other weights to a batch: (rows, *in_shape) -> (rows, *out_shape)."""
    raise Unsupported(f"{type(op).__name__} cannot be trained on the grid in this version.")


@through.register
def _(op: Linear, weight: Tensor, x: Tensor) -> Tensor:
    return F.linear(x, weight)


@through.register
def _(op: Conv, weight: Tensor, x: Tensor) -> Tensor:
    run = F.conv1d if weight.dim() == 3 else F.conv2d
    return run(x, weight, None, op.stride, op.padding, op.dilation, op.groups)


@through.register
def _(op: ConvTranspose, weight: Tensor, x: Tensor) -> Tensor:
    run = F.conv_transpose1d if weight.dim() == 3 else F.conv_transpose2d
    return run(x, weight, None, op.stride, op.padding, op.output_padding, op.groups, op.dilation)


@through.register
def _(op: Sparse, weight: Tensor, x: Tensor) -> Tensor:
    rows, columns = size(op.out_shape), size(op.in_shape)
    if rows * columns > LARGEST_MATRIX:
        raise Unsupported(
            f"a sparse map of {rows} x {columns} values is trained as a dense one, which may have "
            f"up to {LARGEST_MATRIX} values. Make its layers smaller."
        )
    row = torch.repeat_interleave(torch.from_numpy(op.indptr[1:] - op.indptr[:-1]))
    column = torch.from_numpy(op.indices.copy())
    dense = weight.new_zeros(rows, columns).index_put((row, column), weight)
    return F.linear(x.flatten(1), dense)
