"""The linear response of a membrane that never spikes.

In:  a neuron's rates per step, and input currents of every step, (T, N, ...).
Out: potentials as weighted sums over time; no step is stored.
Without spikes the membrane is linear in its input, v[T] = v_leak + sum_t k[t] x[t],
so a whole run is one weighted sum.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor

Reading = Literal["last", "mean"]


class StraightThrough(torch.autograd.Function):
    """Values forward, the gradient of others of the same shape backward."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, others: Tensor) -> Tensor:
        """The values."""
        return values.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, Tensor]:
        """The gradient, for the others."""
        return None, gradients[0]


def response(mem_rate: Tensor, syn_rate: Tensor | None, steps: int, reading: Reading) -> Tensor:
    """The weight of each step's input current in the membrane potential.

    A unit of current in step t adds g[s - t] to v[s], s >= t, where g is the Euler response:
    g[0] = r, and from then on v loses its share r and gains r times the remaining current.

    Args:
        mem_rate: Rate dt * tau_mem_inv, a scalar or one value per neuron.
        syn_rate: Rate dt * tau_syn_inv, or None where no current is kept.
        steps: Number of steps, T.
        reading: Which potential is read: "last" after step T; "mean" over steps 1..T.

    Returns:
        Weights k[t], (T, ...), with mean or last v - v_leak = sum_t k[t] x[t], in float64.
    """
    rate = mem_rate.double()
    v = torch.zeros_like(rate)
    i = torch.ones_like(rate)
    impulse = []
    for _ in range(steps):
        v = v + rate * (i - v)
        impulse.append(v)
        i = torch.zeros_like(rate) if syn_rate is None else i * (1 - syn_rate.double())
    answers = torch.stack(torch.broadcast_tensors(*impulse))
    if reading == "mean":
        answers = answers.cumsum(0) / steps
    return answers.flip(0)


def straight_response(mem_rate: Tensor, steps: int, reading: Reading) -> Tensor:
    """The weights of `response` without a current, if the membrane did not leak.

    They are the gradient of a potential whose leak is straight: every step adds r of its current.
    """
    answers = mem_rate.double().expand(steps, *mem_rate.shape)
    if reading == "mean":
        answers = answers.cumsum(0) / steps
    return answers.flip(0)


def weighted_sum(sequence: Tensor, weights: Tensor) -> Tensor:
    """sum_t weights[t] * sequence[t].

    Args:
        sequence: Values of every step, (T, N, ...).
        weights: Weight of every step, (T,), or (T, ...) with one value per neuron.

    Returns:
        Sum over time, (N, ...), in the type of `sequence`.
    """
    weights = weights.to(sequence)
    if weights.dim() == 1:
        return torch.tensordot(weights, sequence, 1)
    return (sequence * weights.unsqueeze(1)).sum(0)


def constant_sum(current: Tensor, weights: Tensor) -> Tensor:
    """`weighted_sum` of a current (N, ...) that is the same in every step."""
    return current * weights.sum(0).to(current)
