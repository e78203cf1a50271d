"""The loops of `changes` for the CPU, compiled.

In:  what `changes.run` and `changes.backward` take.
Out: their results, bit for bit.
A block of neurons passes through all its steps before the next one starts (see `fused`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from neurocompile.nn.fused import (
    BLOCK,
    compiled,
    constant_in_order,
    in_memory_order,
    share_neurons,
    spread,
)
from neurocompile.nn.step import Coding


def run(values: Tensor, bias: Tensor | None, c: Coding) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Step a layer through time, as `changes.run` does."""
    values = values.contiguous()
    sent, change, v = (torch.empty_like(values) for _ in range(3))
    counts = torch.empty_like(values[0])
    each = [in_memory_order(x, False) for x in (values, sent, change, v, counts[None])]
    start = constant_in_order(torch.zeros(()) if bias is None else bias, values, False)
    share_neurons(_forward, *each, start, constant_in_order(c.threshold, values, False), c.adds_up)
    return sent, change, v, counts


def backward(
    to_sent: Tensor, to_counts: Tensor, change: Tensor, v: Tensor, c: Coding
) -> tuple[Tensor, Tensor]:
    """Gradients with respect to the values and to the start of v, as `changes.backward` does."""
    to_values, to_start = torch.empty_like(change), torch.empty_like(change[0])
    given = (to_sent, to_counts[None], change, v, to_values, to_start[None])
    wide = (c.threshold * c.width).to(change)
    constants = (c.threshold, wide, c.gain / wide)
    each = [in_memory_order(x, False) for x in given]
    numbers = (constant_in_order(k, change, False) for k in constants)
    share_neurons(_backward, *each, *numbers, c.adds_up)
    return to_values, to_start


@compiled
def _forward(
    values: Any, sent: Any, change: Any, v: Any, counts: Any,
    start: Any, threshold: Any, adds_up: bool, begin: int, end: int,
) -> None:  # fmt: skip
    """`run` for the neurons [begin, end) of all samples."""
    kind = sent.dtype.type
    zero, one = kind(0), kind(1)
    state = np.empty((3, BLOCK), sent.dtype)
    for first in range(begin, end, BLOCK):
        size = min(BLOCK, end - first)
        here = slice(first, first + size)
        total, known, least = state[0, :size], state[1, :size], state[2, :size]
        count = counts[0, here]
        spread(start, first, total)
        spread(threshold, first, least)
        known[:] = zero
        count[:] = zero
        for t in range(len(sent)):
            x, payload, moved, potential = (
                values[t, here],
                sent[t, here],
                change[t, here],
                v[t, here],
            )
            for j in range(size):
                now = total[j] + x[j] if adds_up else x[j]
                act = now if not adds_up or now > zero else zero
                delta = act - known[j]
                fires = abs(delta) >= least[j]
                payload[j] = delta if fires else zero
                known[j] = act if fires else known[j]
                count[j] += one if fires else zero
                total[j] = now
                moved[j] = delta
                potential[j] = now


@compiled
def _backward(
    to_sent: Any, to_counts: Any, change: Any, v: Any, to_values: Any, to_start: Any,
    threshold: Any, width: Any, height: Any, adds_up: bool, begin: int, end: int,
) -> None:  # fmt: skip
    """`backward` for the neurons [begin, end)."""
    kind = change.dtype.type
    zero, one = kind(0), kind(1)
    state = np.empty((6, BLOCK), change.dtype)
    for first in range(begin, end, BLOCK):
        size = min(BLOCK, end - first)
        here = slice(first, first + size)
        later, known, total = state[0, :size], state[1, :size], state[2, :size]
        least, wide, high = state[3, :size], state[4, :size], state[5, :size]
        spread(threshold, first, least)
        spread(width, first, wide)
        spread(height, first, high)
        later[:] = zero
        known[:] = zero
        total[:] = zero
        for t in range(len(change) - 1, -1, -1):
            g, of_count, delta = to_sent[t, here], to_counts[0, here], change[t, here]
            potential, result = v[t, here], to_values[t, here]
            for j in range(size):
                distance = abs(delta[j])
                fires = distance >= least[j]
                x = abs((distance - least[j]) / wide[j]) + one
                sign = one if delta[j] > zero else (-one if delta[j] < zero else zero)
                to_change = of_count[j] * sign * (high[j] / (x * x))
                to_act = g[j] - later[j] + to_change + (known[j] if fires else zero)
                known[j] = (zero if fires else known[j]) - to_change
                later[j] = g[j]
                if adds_up:
                    total[j] += to_act if potential[j] > zero else zero
                    to_act = total[j]
                result[j] = to_act
        to_start[0, here] = total
