"""The loops of `remember` as compiled functions, in float32 on a CPU.

In:  sequences, the constants of a neuron, a `remember.Remembering`.
Out: the results of `remember.run` and of its backward pass, bit for bit.
One compiled function serves every kind of neuron. A block of neurons passes through all its steps
before the next one starts, and every loop does the operations of `remember` in its order.
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
    is_channels_last,
    share_neurons,
    spread,
)
from neurocompile.nn.step import Surrogate

FIELDS = (  # rows of the table of constants
    *("mem_rate", "syn_rate", "v_leak", "v_th", "v_reset"),
    *("adapt_rate", "refrac_rate", "beta", "twice", "hold"),
)


def run(current: Tensor, past: Any, c: Any) -> Tensor:
    """Step a layer through time, as `remember.run` does.

    Args:
        current: Input of each step, (T, N, ...), or of all steps, (1, N, ...).
        past: Buffers (T, N, ...) for what the backward pass reads, overwritten.
        c: Constants of the neuron.

    Returns:
        Potential after the last step, (N, ...).
    """
    after = torch.empty_like(past.spikes[0])
    last = is_channels_last(past.spikes)
    flat = [in_memory_order(x, last) for x in (current, *past, after[None])]
    share_neurons(_forward, *flat, *_constants(c, past.spikes, last), c.resets, c.late)
    return after


def backward(
    gradients: tuple[Tensor, ...], past: Any, to_input: Tensor, c: Any, how: Surrogate
) -> None:
    """Compute the gradient with respect to the input, as `remember` does; arguments as there."""
    last = is_channels_last(past.spikes)
    to_spikes, to_counts = gradients
    flat = [in_memory_order(x, last) for x in (to_spikes, to_counts[None], *past, to_input)]
    distance = constant_in_order(c.distance, past.spikes, last)
    numbers = np.array([how.width, how.gain / how.width], flat[0].dtype)
    flags = np.array([c.resets, c.late, how.through_reset, how.backprop == "membrane"])
    share_neurons(_backward, *flat, *_constants(c, past.spikes, last), distance, numbers, flags)


def _constants(c: Any, like: Tensor, last: bool) -> list[Any]:
    return [constant_in_order(getattr(c, name), like, last) for name in FIELDS]


@compiled
def _forward(
    current: Any, spikes: Any, before: Any, margins: Any, thetas: Any, after: Any,
    mem_rate: Any, syn_rate: Any, v_leak: Any, v_th: Any, v_reset: Any,
    adapt_rate: Any, refrac_rate: Any, beta: Any, twice: Any, hold: Any,
    resets: bool, late: bool, begin: int, end: int,
) -> None:  # fmt: skip
    """`run` for the neurons [begin, end) of all samples."""
    kind = spikes.dtype.type
    zero, one, beyond = kind(0), kind(1), kind(-np.inf)
    state = np.empty((15, BLOCK), spikes.dtype)
    for start in range(begin, end, BLOCK):
        size = min(BLOCK, end - start)
        here = slice(start, start + size)
        v, i, theta, r, rho = (
            state[0, :size], state[1, :size], state[2, :size], state[3, :size], state[4, :size],
        )  # fmt: skip
        mem, syn, rest, base, reset = (
            state[5, :size], state[6, :size], state[7, :size], state[8, :size], state[9, :size],
        )  # fmt: skip
        adapt, lost, rise, double, held_for = (
            state[10, :size], state[11, :size], state[12, :size], state[13, :size],
            state[14, :size],
        )  # fmt: skip
        spread(mem_rate, start, mem)
        spread(syn_rate, start, syn)
        spread(v_leak, start, rest)
        spread(v_th, start, base)
        spread(v_reset, start, reset)
        spread(adapt_rate, start, adapt)
        spread(refrac_rate, start, lost)
        spread(beta, start, rise)
        spread(twice, start, double)
        spread(hold, start, held_for)
        for j in range(size):
            v[j], i[j], theta[j], r[j], rho[j] = zero + rest[j], zero, zero + base[j], zero, zero
        for t in range(len(spikes)):
            x, fired = current[min(t, len(current) - 1), here], spikes[t, here]
            kept, gap, level = before[t, here], margins[t, here], thetas[t, here]
            for j in range(size):
                if not late:
                    i[j] = i[j] + x[j]
                held = rho[j] > zero
                u = v[j] + mem[j] * ((rest[j] - v[j]) + i[j])
                u = v[j] if held else u
                i[j] = i[j] + -syn[j] * i[j]
                if late:
                    i[j] = i[j] + x[j]
                threshold = theta[j] + adapt[j] * (base[j] - theta[j])
                refractory = r[j] - lost[j] * r[j]
                margin = beyond if held else (u - refractory) - threshold
                z = margin > zero if resets else margin >= zero
                fired[j] = one if z else zero
                kept[j], gap[j], level[j] = u, margin, threshold
                v[j] = reset[j] if z and resets else u
                r[j] = refractory + double[j] * threshold if z else refractory
                theta[j] = threshold + rise[j] if z else threshold
                rho[j] = held_for[j] if z else (rho[j] - one if held else rho[j])
        after[0, here] = v


@compiled
def _backward(
    to_spikes: Any, to_counts: Any,
    spikes: Any, before: Any, margins: Any, thetas: Any, to_input: Any,
    mem_rate: Any, syn_rate: Any, v_leak: Any, v_th: Any, v_reset: Any,
    adapt_rate: Any, refrac_rate: Any, beta: Any, twice: Any, hold: Any,
    distance: Any, numbers: Any, flags: Any, begin: int, end: int,
) -> None:  # fmt: skip
    """`backward` for the neurons [begin, end)."""
    kind = before.dtype.type
    zero, one, beyond = kind(0), kind(1), kind(-np.inf)
    width, gain = numbers[0], numbers[1]
    resets, late, through_reset, membrane = flags[0], flags[1], flags[2], flags[3]
    state = np.empty((12, BLOCK), before.dtype)
    for start in range(begin, end, BLOCK):
        size = min(BLOCK, end - start)
        here = slice(start, start + size)
        to_v, to_i, to_theta, to_r = (
            state[0, :size], state[1, :size], state[2, :size], state[3, :size],
        )  # fmt: skip
        mem, syn, reset, adapt = (
            state[4, :size], state[5, :size], state[6, :size], state[7, :size],
        )  # fmt: skip
        lost, rise, double, span = (
            state[8, :size], state[9, :size], state[10, :size], state[11, :size],
        )  # fmt: skip
        spread(mem_rate, start, mem)
        spread(syn_rate, start, syn)
        spread(v_reset, start, reset)
        spread(adapt_rate, start, adapt)
        spread(refrac_rate, start, lost)
        spread(beta, start, rise)
        spread(twice, start, double)
        spread(distance, start, span)
        to_v[:] = zero
        to_i[:] = zero
        to_theta[:] = zero
        to_r[:] = zero
        constant = len(to_input) < len(before)
        if constant:
            to_input[0, here] = zero
        for t in range(len(before) - 1, -1, -1):
            fired, u, gap, level = (
                spikes[t, here],
                before[t, here],
                margins[t, here],
                thetas[t, here],
            )
            of_spike, of_count = to_spikes[t, here], to_counts[0, here]
            to_x = to_input[0 if constant else t, here]
            for j in range(size):
                z = fired[j]
                held = gap[j] == beyond
                to_z = of_spike[j] + of_count[j] + to_theta[j] * rise[j]
                if through_reset:
                    to_z = to_z + to_r[j] * (double[j] * level[j])
                    if resets:
                        to_z = to_z + to_v[j] * (reset[j] - u[j])
                if membrane:
                    slope = z / span[j]
                else:
                    far = abs(gap[j] / width) + one
                    slope = one / (far * far) * gain
                through = zero if held else to_z * slope
                to_u = (to_v[j] * (one - z) if resets else to_v[j]) + through
                left = to_theta[j] + to_r[j] * (double[j] * z) - through
                to_theta[j] = left * (one - adapt[j])
                to_r[j] = (to_r[j] - through) * (one - lost[j])
                to_drive = zero if held else to_u * mem[j]
                to_v[j] = to_u if held else to_u * (one - mem[j])
                kept = to_i[j] * (one - syn[j]) + to_drive
                current = to_i[j] if late else kept
                to_i[j] = kept
                to_x[j] = to_x[j] + current if constant else current
