"""The loops of `bptt` as compiled functions: one pass over memory, not one per operation.

In:  sequences on a CPU, float32 or float64; the constants of a neuron, a `step.Constants`.
Out: the results of `bptt.run` and of the backward pass of `bptt.SpikeSequence`, bit for bit.
A block of neurons passes through all its steps before the next one starts, so its state stays
in the cache. Every loop does the operations of `bptt` in its order, without fused multiply-add.
"""

from __future__ import annotations

from functools import partial
from threading import Thread
from typing import Any

import llvmlite.binding as llvm
import numpy as np
import torch
from torch import Tensor

from neurocompile.engines import machine_code
from neurocompile.nn.step import Constants, Surrogate

# A loop over ten arrays needs more overlap checks than LLVM allows by default (8), without which
# it would stay scalar.
llvm.set_option("", "--runtime-memory-check-threshold=256")

BLOCK = 2048  # neurons: their state and constants fill a part of the second-level cache
SHARE = 1 << 16  # neurons x steps that are worth a thread

# "numpy": a division by 0 gives infinity, as in torch; a check of it would keep the loop scalar.
compiled = partial(machine_code.compiled, nogil=True, boundscheck=False, error_model="numpy")


def run(current: Tensor, spikes: Tensor, before: Tensor, c: Constants) -> tuple[Tensor, Tensor]:
    """Step a layer through time, as `bptt.run` does.

    Args:
        current: Input of each step, (T, N, ...), or of all steps, (1, N, ...).
        spikes: Buffer for the spikes, (T, N, ...), overwritten.
        before: Buffer for the potentials before the reset, (T, N, ...) or, where they are not
            kept, (1, N, ...); overwritten.
        c: Constants of the neuron.

    Returns:
        Potential after the last step, and spike counts, each (N, ...).
    """
    after, counts = torch.empty_like(spikes[0]), torch.empty_like(spikes[0])
    last = is_channels_last(spikes)
    flat = [in_memory_order(x, last) for x in (current, spikes, before, after[None], counts[None])]
    rates = [constant_in_order(k, spikes, last) for k in (c.mem_rate, c.syn_rate, c.v_leak, c.v_th)]
    reset = None if c.subtract else constant_in_order(c.v_reset, spikes, last)
    share_neurons(_forward, *flat, *rates, reset, c.flips)
    return after, counts


def backward(
    to_spikes: Tensor,
    to_counts: Tensor,
    before: Tensor,
    to_input: Tensor,
    c: Constants,
    how: Surrogate,
) -> None:
    """Compute the gradient with respect to the input current, as `bptt.SpikeSequence` does.

    Args:
        to_spikes: Gradient with respect to each spike, (T, N, ...).
        to_counts: Gradient with respect to each count, (N, ...).
        before: Membrane potential before the reset, (T, N, ...).
        to_input: Buffer for the result, (T, N, ...) or, for a constant input, (1, N, ...);
            overwritten.
        c: Constants of the neuron.
        how: Surrogate: "membrane", or "surrogate" with the method "super".
    """
    last = is_channels_last(before)
    flat = [in_memory_order(x, last) for x in (to_spikes, to_counts[None], before, to_input)]
    mem_rate = c.mem_rate.to(before)
    kept = None if c.syn_rate is None else 1 - c.syn_rate.to(before)
    membrane = how.backprop == "membrane"
    constants = [
        None if k is None else constant_in_order(k, before, last)
        for k in (
            mem_rate,
            torch.ones_like(mem_rate) if how.straight_leak else 1 - mem_rate,
            kept,
            c.v_th,
            None if c.subtract else c.v_reset,
            c.distance if membrane else None,
        )
    ]
    numbers = np.array([how.width, how.gain / how.width], flat[2].dtype)
    share_neurons(_backward, *flat, *constants, numbers, how.through_reset, c.flips)


def is_channels_last(sequence: Tensor) -> bool:
    """Whether the steps of a sequence lie in memory with the channels last."""
    step = sequence[0]
    return step.dim() == 4 and not step.is_contiguous()


def in_memory_order(sequence: Tensor, channels_last: bool) -> Any:
    """A sequence as an array (T, N * ...) in memory order; copied only where it is not in it."""
    ordered = sequence.detach().movedim(2, -1) if channels_last else sequence.detach()
    return ordered.reshape(len(ordered), ordered[:1].numel()).contiguous().numpy()


def constant_in_order(constant: Tensor | None, sequence: Tensor, channels_last: bool) -> Any:
    """A constant as an array (1,), or (n,) per neuron in memory order; None stays None."""
    if constant is None:
        return None
    constant = constant.detach().to(sequence)
    if constant.numel() > 1:
        constant = constant.expand(sequence.shape[2:])
    ordered = constant.movedim(0, -1) if channels_last and constant.dim() == 3 else constant
    return ordered.reshape(-1).numpy()


def share_neurons(loop: Any, first: Any, *rest: Any) -> None:
    """Run a loop over all neurons on as many threads as torch may use."""
    neurons = first.shape[1]
    parts = max(1, min(torch.get_num_threads(), rest[0].size // SHARE))
    ends = [neurons * k // parts for k in range(parts + 1)]
    others = [Thread(target=loop, args=(first, *rest, *ends[k : k + 2])) for k in range(1, parts)]
    for other in others:
        other.start()
    loop(first, *rest, *ends[:2])
    for other in others:
        other.join()


@compiled
def spread(constant: Any, begin: int, out: Any) -> None:
    """Write a constant of the neurons from `begin` on; it repeats with every sample."""
    if len(constant) == 1:
        out[:] = constant[0]
        return
    position = begin % len(constant)
    for j in range(len(out)):
        out[j] = constant[position]
        position += 1
        if position == len(constant):
            position = 0


@compiled
def _forward(
    current: Any, spikes: Any, before: Any, after: Any, counts: Any,
    mem_rate: Any, syn_rate: Any, v_leak: Any, v_th: Any, v_reset: Any, flips: bool,
    begin: int, end: int,
) -> None:  # fmt: skip
    """`run` for the neurons [begin, end) of all samples; with v_reset None, v_th is subtracted."""
    kind = spikes.dtype.type
    zero, one = kind(0), kind(1)
    state = np.empty((7, BLOCK), spikes.dtype)
    for start in range(begin, end, BLOCK):
        size = min(BLOCK, end - start)
        here = slice(start, start + size)
        v, i = state[0, :size], state[1, :size]
        rate, loss, rest, threshold, reset = (
            state[2, :size], state[3, :size], state[4, :size], state[5, :size], state[6, :size],
        )  # fmt: skip
        spread(mem_rate, start, rate)
        spread(v_leak, start, rest)
        spread(v_th, start, threshold)
        if syn_rate is not None:
            spread(syn_rate, start, loss)
        if v_reset is not None:
            spread(v_reset, start, reset)
        count = counts[0, here]
        for j in range(size):
            v[j], i[j], count[j] = zero + rest[j], zero, zero
        for t in range(len(spikes)):
            x, fired = current[min(t, len(current) - 1), here], spikes[t, here]
            kept = before[min(t, len(before) - 1), here]
            for j in range(size):
                if syn_rate is None:
                    drive = x[j] + rest[j] - v[j]
                else:
                    total = i[j] + x[j]
                    drive = rest[j] - v[j] + total
                    i[j] = total + total * -loss[j]
                potential = v[j] + drive * rate[j]
                kept[j] = potential
                if flips and potential < -threshold[j]:
                    potential = threshold[j]
                spike = one if potential > threshold[j] else zero
                if v_reset is None:
                    v[j] = potential - spike * threshold[j]
                else:
                    v[j] = potential * (one - spike) + spike * reset[j]
                fired[j] = spike
                count[j] += spike
        after[0, here] = v


@compiled
def _backward(
    to_spikes: Any, to_counts: Any, before: Any, to_input: Any,
    mem_rate: Any, mem_kept: Any, syn_kept: Any, v_th: Any, v_reset: Any, distance: Any,
    numbers: Any, through_reset: bool, flips: bool, begin: int, end: int,
) -> None:  # fmt: skip
    """`backward` for the neurons [begin, end); with distance None, the surrogate is "super"."""
    kind = before.dtype.type
    zero, one, width, gain = kind(0), kind(1), numbers[0], numbers[1]
    state = np.empty((8, BLOCK), before.dtype)
    for start in range(begin, end, BLOCK):
        size = min(BLOCK, end - start)
        here = slice(start, start + size)
        to_v, to_i = state[0, :size], state[1, :size]
        rate, left, syn_left, threshold, reset, span = (
            state[2, :size], state[3, :size], state[4, :size], state[5, :size], state[6, :size],
            state[7, :size],
        )  # fmt: skip
        spread(mem_rate, start, rate)
        spread(mem_kept, start, left)
        spread(v_th, start, threshold)
        if syn_kept is not None:
            spread(syn_kept, start, syn_left)
        if v_reset is not None:
            spread(v_reset, start, reset)
        if distance is not None:
            spread(distance, start, span)
        to_v[:] = zero
        to_i[:] = zero
        constant = len(to_input) < len(before)
        if constant:
            to_input[0, here] = zero
        for t in range(len(before) - 1, -1, -1):
            u, of_spike, of_count = before[t, here], to_spikes[t, here], to_counts[0, here]
            to_x = to_input[0 if constant else t, here]
            for j in range(size):
                spike = one if u[j] > threshold[j] else zero
                if distance is None:
                    x = abs((u[j] - threshold[j]) / width) + one
                    slope = one / (x * x) * gain
                else:
                    slope = spike / span[j]
                to_z = of_spike[j] + of_count[j]
                g = to_v[j]
                if through_reset:
                    if v_reset is None:
                        to_z += g * -threshold[j]
                    else:
                        to_z += g * (reset[j] - u[j])
                if v_reset is not None:
                    g = g * (one - spike)
                g += to_z * slope
                if flips and u[j] < -threshold[j]:
                    g = zero
                to_current = g * rate[j]
                if syn_kept is not None:
                    to_current += to_i[j] * syn_left[j]
                    to_i[j] = to_current
                to_x[j] = to_x[j] + to_current if constant else to_current
                to_v[j] = g * left[j]
