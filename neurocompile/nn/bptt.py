"""Run a whole spike sequence through one neuron layer, with a hand-written backward pass.

In:  input current of every step, (T, N, ...), or (N, ...) where it is the same in each step;
     the constants of a neuron, a `Constants`.
Out: spikes (T, N, ...) and spike counts (N, ...), both differentiable.
The forward pass does Norse's arithmetic in Norse's order, so it equals Norse's step bit for bit.
On a CPU the loops of `fused` run instead of those here, with the same bits (`compiled_form`).
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from types import ModuleType
from typing import Any, NamedTuple

import torch
from norse.torch.functional.threshold import threshold
from torch import Tensor

from neurocompile.nn.step import Constants, Surrogate, Trace


def run(current: Tensor, steps: int | None, c: Constants, *, keep: bool) -> Trace:
    """Step a layer through time without gradient.

    Args:
        current: Input of each step, (T, N, ...), or of all steps, (N, ...), with `steps`.
        steps: Number of steps T where the input is the same in every step, else None.
        c: Constants of the neuron.
        keep: Whether to keep the potential of every step.
    """
    first = current[0] if steps is None else current
    total = len(current) if steps is None else steps
    spikes = sequence_like(first, total)
    before = sequence_like(first, total if keep else 1)
    if fused := compiled_form(first, c):
        return Trace(
            spikes, before, *fused.run(current if steps is None else first[None], spikes, before, c)
        )
    leak_is_zero = not bool(c.v_leak.any())
    reset_is_zero = not bool(c.v_reset.any())
    v = torch.zeros_like(first) + c.v_leak
    i = torch.zeros_like(first)
    drive = torch.empty_like(first)
    for t in range(total):
        x = current[t] if steps is None else current
        u, z = before[t if keep else 0], spikes[t]
        if c.syn_rate is None:
            # Norse adds x to v_leak before it subtracts v; adding a rest of 0 changes nothing.
            torch.sub(x if leak_is_zero else torch.add(x, c.v_leak, out=drive), v, out=drive)
        else:
            # Norse first subtracts v from v_leak and then adds the current.
            i.add_(x)
            torch.sub(c.v_leak, v, out=drive).add_(i)
            i.add_(i * -c.syn_rate)
        torch.add(v, drive.mul_(c.mem_rate), out=u)
        if c.flips:
            u = torch.where(u < -c.v_th, c.v_th.to(u), u)  # `before` keeps what was flipped
        torch.gt(u, c.v_th, out=z)  # the same as Norse's u - v_th > 0
        if c.subtract:
            torch.sub(u, torch.mul(z, c.v_th, out=drive), out=v)
            continue
        torch.mul(u, torch.sub(1, z, out=drive), out=v)  # Norse: (1 - z) v + z v_reset
        if not reset_is_zero:
            v.add_(torch.mul(z, c.v_reset, out=drive))
    return Trace(spikes, before, v, spikes.sum(0))


def compiled_form(step: Tensor, c: NamedTuple) -> ModuleType | None:
    """The module `fused` where it can replace the loops here, else None.

    It takes plain tensors on a CPU in float32 or float64. The constants must keep that type and
    be the same for every sample.

    Args:
        step: Input of one step, (N, ...).
        c: Constants of the neuron.
    """
    tensors = [constant for constant in c if isinstance(constant, Tensor)]
    return _fused() if can_compile(step, tensors) else None


def can_compile(step: Tensor, constants: Sequence[Tensor]) -> bool:
    """Whether compiled loops can step a layer with constants; arguments as in `_compiled`."""
    traced = torch.compiler.is_compiling() or torch.jit.is_tracing()
    plain = type(step) in (Tensor, torch.nn.Parameter) and step.device.type == "cpu"
    if traced or not plain or step.dtype not in (torch.float32, torch.float64):
        return False
    for constant in constants:
        same_type = torch.result_type(step, constant) == step.dtype
        if not same_type or (constant.numel() > 1 and constant.dim() >= step.dim()):
            return False
    return _has_numba()


def _fused() -> ModuleType:
    """The module `fused`, which needs numba."""
    from neurocompile.nn import fused

    return fused


@cache
def _has_numba() -> bool:
    """Whether numba is installed; where it is missing there is one warning."""
    if find_spec("numba") is None:
        warnings.warn(
            "numba is not installed: neurons step in torch, several times slower, with the same "
            "results. Run: neurocompile doctor --install train",
            stacklevel=2,
        )
        return False
    return True


def sequence_like(step: Tensor, total: int) -> Tensor:
    """An uninitialised (T, N, ...) tensor whose steps have the memory order of `step`."""
    shape = (total * step.shape[0], *step.shape[1:])
    channels_last = step.dim() == 4 and step.is_contiguous(memory_format=torch.channels_last)
    order = torch.channels_last if channels_last else torch.contiguous_format
    folded = torch.empty(shape, dtype=step.dtype, device=step.device, memory_format=order)
    return folded.unflatten(0, (total, step.shape[0]))


def spike_derivative(before: Tensor, spikes: Tensor, c: Any, how: Surrogate) -> Tensor:
    """dz/dv at the potentials `before`, by the rule `how`.

    Args:
        before: Membrane potential before the reset, (...).
        spikes: Spikes that it caused, (...).
        c: Constants of the neuron.
        how: Rule for the derivative.
    """
    if how.backprop == "membrane":
        return spikes / c.distance
    x = (before - c.v_th).div_(how.width)
    if c.method == "super":  # the same formula in place: five times faster on a CPU
        return x.abs_().add_(1.0).pow_(-2).mul_(how.gain / how.width)
    with torch.enable_grad():
        x.requires_grad_()
        z = threshold(x, c.method, c.alpha)
        if not z.requires_grad:  # "heaviside" has no derivative
            return torch.zeros_like(before)
        (slope,) = torch.autograd.grad(z, x, torch.ones_like(z))
    return slope.mul_(how.gain / how.width)


class SpikeSequence(torch.autograd.Function):
    """Spikes and counts of a layer: `run` forward, backpropagation through time backward.

    With u[t] the potential before and v[t] after the reset, s[t] = dz/du and r the rates:
    du[t] = s[t] dz[t] + dv[t] (1 - z[t]); dv[t-1] = (1 - r) du[t]; dx[t] = r du[t].
    Subtracting v_th keeps the factor 1 in place of 1 - z. With current memory i,
    di[t] = r du[t] + (1 - r_syn) di[t+1] and dx[t] = di[t].
    A straight leak keeps the factor 1 in place of 1 - r. A potential that was flipped is a
    constant: du[t] = 0.
    """

    @staticmethod
    def forward(
        ctx: Any, current: Tensor, steps: int | None, c: Constants, how: Surrogate
    ) -> tuple[Tensor, Tensor]:
        """Run the layer, and keep the potentials that the backward pass needs."""
        trace = run(current, steps, c, keep=ctx.needs_input_grad[0])
        ctx.constants, ctx.how, ctx.constant = c, how, steps is not None
        if ctx.needs_input_grad[0]:
            ctx.save_for_backward(trace.spikes, trace.before)
        return trace.spikes, trace.counts

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, None, None, None]:
        """Gradient with respect to the input current."""
        if not ctx.needs_input_grad[0]:
            return None, None, None, None
        to_spikes, to_counts = gradients
        spikes, before = ctx.saved_tensors
        c, how = ctx.constants, ctx.how
        to_input = sequence_like(before[0], 1 if ctx.constant else len(before))
        plain = how.backprop == "membrane" or c.method == "super"
        twice = torch.is_grad_enabled()  # this pass needs a gradient itself
        if plain and not twice and (fused := compiled_form(before[0], c)):
            fused.backward(to_spikes, to_counts, before, to_input, c, how)
        else:
            _backward(to_spikes, to_counts, spikes, before, to_input, c, how)
        return to_input[0] if ctx.constant else to_input, None, None, None


def _backward(
    to_spikes: Tensor,
    to_counts: Tensor,
    spikes: Tensor,
    before: Tensor,
    to_input: Tensor,
    c: Constants,
    how: Surrogate,
) -> None:
    """The loop of the backward pass; arguments as in `fused.backward`."""
    constant = len(to_input) < len(before)
    mem_rate = c.mem_rate.to(spikes)
    left = torch.ones_like(mem_rate) if how.straight_leak else 1 - mem_rate
    kept = 0.0 if c.syn_rate is None else 1 - c.syn_rate.to(spikes)  # share of the current
    to_v = torch.zeros_like(spikes[0])
    to_i = torch.zeros_like(spikes[0])
    if constant:
        to_input.zero_()
    for t in reversed(range(len(spikes))):
        z, u = spikes[t], before[t]
        to_z = to_spikes[t] + to_counts
        if how.through_reset:
            to_z.add_(to_v * (-c.v_th if c.subtract else c.v_reset - u))
        if not c.subtract:
            to_v.mul_(1 - z)
        to_v.add_(to_z.mul_(spike_derivative(u, z, c, how)))  # now the gradient of u[t]
        if c.flips:
            to_v.masked_fill_(u < -c.v_th, 0.0)
        to_x = to_v * mem_rate
        if c.syn_rate is not None:
            to_x = to_i.mul_(kept).add_(to_x)
        if constant:
            to_input[0].add_(to_x)
        else:
            to_input[t] = to_x
        to_v.mul_(left)
