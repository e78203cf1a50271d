"""Run a whole sequence through a layer of delta neurons, with a hand-written backward pass.

In:  values of every step, (T, N, ...), a bias or None, how changes are coded, a `Coding`.
Out: payloads (T, N, ...) and message counts (N, ...), both differentiable.
On a CPU the loops of `fused_changes` run instead of those here, with the same bits.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from neurocompile.nn.bptt import can_compile
from neurocompile.nn.step import Coding


def run(values: Tensor, bias: Tensor | None, c: Coding) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Step a layer through time without gradient.

    Returns:
        Payloads, changes before the threshold, and v, each (T, N, ...); message counts (N, ...).
    """
    if fused := _compiled(values, bias, c):
        done: tuple[Tensor, Tensor, Tensor, Tensor] = fused.run(values, bias, c)
        return done
    sent, change, v = (torch.empty_like(values) for _ in range(3))
    total = torch.zeros_like(values[0]) if bias is None else torch.zeros_like(values[0]) + bias
    known = torch.zeros_like(values[0])
    for t, x in enumerate(values):
        total = total + x if c.adds_up else x
        act = total.clamp(min=0) if c.adds_up else total
        v[t], change[t] = total, act - known
        fires = change[t].abs() >= c.threshold
        sent[t] = torch.where(fires, change[t], 0)
        known = torch.where(fires, act, known)
    return sent, change, v, (sent != 0).sum(0).to(values.dtype)


class MessageSequence(torch.autograd.Function):
    """Payloads and counts of a layer: `run` forward, backpropagation through time backward.

    With g[t] the gradient with respect to a payload, k that of a count, h the derivative of a
    message and s[t] the gradient with respect to `sent` after step t:
    to the change:     d[t] = k sign(change[t]) h(|change[t]| - threshold)
    to the activation: a[t] = g[t] - g[t+1] + d[t] + (s[t] where it sent)
    and s[t-1] = -d[t] + (s[t] where it did not send). SigmaDelta: to its input and its bias, the
    sum of a[t'] over t' >= t where v > 0.
    """

    @staticmethod
    def forward(ctx: Any, values: Tensor, bias: Tensor | None, c: Coding) -> tuple[Tensor, Tensor]:
        """Run the layer, and keep what the backward pass needs."""
        sent, change, v, counts = run(values, bias, c)
        ctx.coding, ctx.bias_shape = c, None if bias is None else bias.shape
        if any(ctx.needs_input_grad[:2]):
            ctx.save_for_backward(change, v)
        return sent, counts

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        """Gradients with respect to the values and to the bias."""
        if not any(ctx.needs_input_grad[:2]):
            return None, None, None
        to_sent, to_counts = gradients
        change, v = ctx.saved_tensors
        twice = torch.is_grad_enabled()  # this pass needs a gradient itself
        fused = None if twice else _compiled(change, None, ctx.coding)
        back = fused.backward if fused else backward
        to_values, to_start = back(to_sent, to_counts, change, v, ctx.coding)
        to_bias = None
        if ctx.bias_shape is not None and ctx.needs_input_grad[1]:
            to_bias = to_start.sum(0).sum_to_size(ctx.bias_shape)
        return to_values, to_bias, None


def backward(
    to_sent: Tensor, to_counts: Tensor, change: Tensor, v: Tensor, c: Coding
) -> tuple[Tensor, Tensor]:
    """Gradients with respect to the values, (T, N, ...), and to the start of v, (N, ...).

    Args:
        to_sent, to_counts: Gradients with respect to payloads and counts.
        change, v: What `run` returned.
        c: How changes are coded.
    """
    to_values = torch.empty_like(change)
    later, known, total = (torch.zeros_like(change[0]) for _ in range(3))
    wide = (c.threshold * c.width).to(change)
    for t in range(len(change) - 1, -1, -1):
        size = change[t].abs()
        fires = size >= c.threshold
        x = ((size - c.threshold) / wide).abs() + 1
        slope = c.gain / wide / (x * x)
        to_change = to_counts * change[t].sign() * slope
        to_act = to_sent[t] - later + to_change + torch.where(fires, known, 0)
        known = torch.where(fires, 0, known) - to_change
        later = to_sent[t]
        if c.adds_up:
            total = total + torch.where(v[t] > 0, to_act, 0)
            to_act = total
        to_values[t] = to_act
    return to_values, total


def _compiled(values: Tensor, bias: Tensor | None, c: Coding) -> ModuleType | None:
    """The module `fused_changes` where it can replace the loops here, else None."""
    constants = [c.threshold] if bias is None else [c.threshold, bias]
    if not can_compile(values[0], constants):
        return None
    from neurocompile.nn import fused_changes

    return fused_changes
