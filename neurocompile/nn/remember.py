"""Run a spike sequence through neurons that remember their spikes, with a hand-written backward.

In:  input current of every step, (T, N, ...), or (N, ...) where it is the same in each step;
     the constants of a neuron, a `Remembering`.
Out: spikes (T, N, ...) and spike counts (N, ...), both differentiable.
One loop does them all: a neuron that is held has an infinite threshold, one without adaptation
or refractory state has rates and rises of 0. The arithmetic is Norse's, in Norse's order, so that
LIFRefrac and LSNN equal Norse's steps bit for bit. On a CPU in float32 the loops of
`remember_fused` run instead, with the same bits.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from neurocompile.nn.bptt import compiled_form, sequence_like, spike_derivative
from neurocompile.nn.step import Surrogate, Trace


class Remembering(NamedTuple):
    """A neuron's constants as its step uses them, each a scalar or one value per neuron.

    Attributes:
        mem_rate, syn_rate: Shares of the distance to rest and of the current lost per step.
        v_leak, v_th, v_reset: Potentials, membrane units.
        adapt_rate, refrac_rate: Shares of theta's excess and of r lost per step.
        beta: Amount that a spike adds to theta, membrane units.
        twice: Multiple of theta that a spike adds to r: 2 for an ALIF, else 0.
        hold: Steps in which a spike holds the neuron; 0 where it does not.
        resets: Whether a spike sends v to v_reset; otherwise it leaves v.
        late: Whether v takes the current as it was before the step's input.
        method, alpha: Norse's surrogate and its parameter.
        distance: Distance |v_th - v_leak|, 1 where that is 0.
    """

    mem_rate: Tensor
    syn_rate: Tensor
    v_leak: Tensor
    v_th: Tensor
    v_reset: Tensor
    adapt_rate: Tensor
    refrac_rate: Tensor
    beta: Tensor
    twice: Tensor
    hold: Tensor
    resets: bool
    late: bool
    method: str
    alpha: Tensor
    distance: Tensor


class Past(NamedTuple):
    """What the backward pass reads of every step, each (T, N, ...).

    Attributes:
        spikes: Spikes, 0 or 1.
        before: Potential before the reset.
        margin: How far v - r is above theta; -inf where the neuron is held.
        theta: Threshold before it rises.
    """

    spikes: Tensor
    before: Tensor
    margin: Tensor
    theta: Tensor


def run(current: Tensor, steps: int | None, c: Remembering) -> tuple[Past, Tensor]:
    """Step a layer through time without gradient.

    Args:
        current: Input of each step, (T, N, ...), or of all steps, (N, ...), with `steps`.
        steps: Number of steps T where the input is the same in every step, else None.
        c: Constants of the neuron.

    Returns:
        All steps, and the potential after the last one, (N, ...).
    """
    first = current[0] if steps is None else current
    total = len(current) if steps is None else steps
    past = Past(*(sequence_like(first, total) for _ in Past._fields))
    if fused := _compiled(first, c):
        return past, fused.run(current if steps is None else first[None], past, c)
    v, i = torch.zeros_like(first) + c.v_leak, torch.zeros_like(first)
    theta, r, rho = i + c.v_th, torch.zeros_like(first), torch.zeros_like(first)
    for t in range(total):
        x = current[t] if steps is None else current
        i = i if c.late else i + x
        held = rho > 0
        u = torch.where(held, v, v + c.mem_rate * ((c.v_leak - v) + i))
        i = i + -c.syn_rate * i
        i = i + x if c.late else i
        theta = theta + c.adapt_rate * (c.v_th - theta)
        r = r - c.refrac_rate * r
        margin = torch.where(held, -torch.inf, (u - r) - theta)
        z = margin > 0 if c.resets else margin >= 0
        past.spikes[t], past.before[t], past.margin[t], past.theta[t] = z, u, margin, theta
        v = torch.where(z, c.v_reset, u) if c.resets else u
        r = torch.where(z, r + c.twice * theta, r)
        theta = torch.where(z, theta + c.beta, theta)
        rho = torch.where(z, c.hold, torch.where(held, rho - 1, rho))
    return past, v


def trace(current: Tensor, steps: int | None, c: Remembering) -> Trace:
    """Spikes and potentials of every step without gradient; arguments as in `run`."""
    past, v = run(current, steps, c)
    return Trace(past.spikes, past.before, v, past.spikes.sum(0))


def _compiled(step: Tensor, c: Remembering) -> Any:
    """The module `remember_fused` where it can replace the loops here, else None."""
    if step.dtype != torch.float32 or compiled_form(step, c) is None:
        return None
    from neurocompile.nn import remember_fused

    return remember_fused


class RememberingSequence(torch.autograd.Function):
    """Spikes and counts of a layer: `run` forward, backpropagation through time backward.

    With u[t] the potential before and v[t] after the reset, theta and r after their decay,
    s[t] = dz/d(margin), and ' for what is left after a spike:
    dz[t] = ... + beta dtheta'[t];  d[t] = s[t] dz[t];  du[t] = d[t] + dv[t] (1 - z[t]);
    dtheta[t] = dtheta'[t] + twice z[t] dr'[t] - d[t];  dr[t] = dr'[t] - d[t];
    a neuron that is held passes dv[t-1] = du[t] on, another dv[t-1] = (1 - rate) du[t].
    With `through_reset` dz[t] also takes what the reset and the refractory state bring.
    """

    @staticmethod
    def forward(
        ctx: Any, current: Tensor, steps: int | None, c: Remembering, how: Surrogate
    ) -> tuple[Tensor, Tensor]:
        """Run the layer, and keep what the backward pass needs."""
        past, _ = run(current, steps, c)
        ctx.constants, ctx.how, ctx.constant = c, how, steps is not None
        if ctx.needs_input_grad[0]:
            ctx.save_for_backward(*past)
        return past.spikes, past.spikes.sum(0)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, None, None, None]:
        """Gradient with respect to the input current."""
        if not ctx.needs_input_grad[0]:
            return None, None, None, None
        past, c, how = Past(*ctx.saved_tensors), ctx.constants, ctx.how
        first = past.before[0]
        to_input = sequence_like(first, 1 if ctx.constant else len(past.before))
        plain = how.backprop == "membrane" or c.method == "super"
        fused = None if torch.is_grad_enabled() or not plain else _compiled(first, c)
        (fused.backward if fused else _backward)(gradients, past, to_input, c, how)
        return to_input[0] if ctx.constant else to_input, None, None, None


def _backward(
    gradients: tuple[Tensor, ...], past: Past, to_input: Tensor, c: Remembering, how: Surrogate
) -> None:
    """The loop of the backward pass.

    Args:
        gradients: With respect to each spike, (T, N, ...), and to each count, (N, ...).
        past: What happened.
        to_input: Buffer for the result, (T, N, ...) or, for a constant input, (1, N, ...).
        c: Constants of the neuron.
        how: Rule for the derivative.
    """
    to_spikes, to_counts = gradients
    constant = len(to_input) < len(past.spikes)
    tensors = {name: k for name, k in c._asdict().items() if isinstance(k, Tensor)}
    in_type: dict[str, Any] = {name: k.to(to_input) for name, k in tensors.items()}
    c = c._replace(**in_type)
    level = c._replace(v_th=torch.zeros(()).to(to_input))
    zero = torch.zeros_like(past.spikes[0])
    to_v, to_i, to_theta, to_r = zero, zero, zero, zero
    if constant:
        to_input.zero_()
    for t in reversed(range(len(past.spikes))):
        z, u, margin, theta = (rows[t] for rows in past)
        held = margin == -torch.inf
        to_z = to_spikes[t] + to_counts + to_theta * c.beta
        if how.through_reset:
            to_z = to_z + to_r * (c.twice * theta)
            to_z = to_z + to_v * (c.v_reset - u) if c.resets else to_z
        slope = spike_derivative(margin.clone(), z, level, how)
        through = torch.where(held, 0.0, to_z * slope)
        to_u = (to_v * (1 - z) if c.resets else to_v) + through
        to_theta = (to_theta + to_r * (c.twice * z) - through) * (1 - c.adapt_rate)
        to_r = (to_r - through) * (1 - c.refrac_rate)
        to_drive = torch.where(held, 0.0, to_u * c.mem_rate)
        to_v = torch.where(held, to_u, to_u * (1 - c.mem_rate))
        kept = to_i * (1 - c.syn_rate) + to_drive
        to_x, to_i = (to_i, kept) if c.late else (kept, kept)
        if constant:
            to_input[0] += to_x
        else:
            to_input[t] = to_x
