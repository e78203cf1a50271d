"""The loops of the compiled path that involve no neuron: spikes through synapses, and sums.

In:  blocks (samples, steps, neurons) of spikes 0 and 1; the tables of `tables.Table`.
Out: what arrives at each target neuron, as whole numbers; which neurons a spike reached.
Every loop over neurons is contiguous, so that it becomes vector instructions.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import llvmlite.binding as llvm
import numpy as np

from neurocompile.engines import machine_code

# A loop over ten arrays needs more overlap checks than LLVM allows by default (8); without them
# it would stay scalar.
llvm.set_option("", "--runtime-memory-check-threshold=256")

compiled = partial(machine_code.compiled, nogil=True, boundscheck=False)


@compiled
def scatter(
    fired: Any, begin: int, at: Any, group: Any, first: Any, target: Any, weight: Any,
    length: Any, weights: Any, shift: int, total: Any, events: Any,
) -> int:  # fmt: skip
    """Add the weights of every spike to its targets: event by event, run by run.

    Args:
        fired: (samples, steps, n_source) uint8; the steps from `begin` on are used.
        at, group, first, target, weight, length, weights, shift: Fields of the Table; unsigned,
            because numba would check each signed index for being negative.
        total: (samples, steps, n_target) any integer type that holds the sums; overwritten.
        events: (n_source,) int32, scratch memory.

    Returns:
        Number of spikes.
    """
    samples, steps, targets = total.shape
    # With one group and one run that spans all targets, a spike adds a whole row.
    rows_are_whole = len(first) == 2 and len(target) == 1
    rows_are_whole = rows_are_whole and length[0] == targets and weight[0] == 0
    spikes = 0
    for sample in range(samples):
        for step in range(steps):
            into = total[sample, step]
            into[:] = 0
            count = list_events(fired[sample, begin + step], events)
            spikes += count
            if rows_are_whole:
                add_rows(into, weights, at, events, count)
            e = np.int64(count) if rows_are_whole else 0
            while e < count:
                # Sources of one group reach the same targets, so up to four are added at once.
                g, a = group[events[e]], at[events[e]]
                # Input is in C order, so sources of other groups may lie between them.
                alike = 1
                if e + 1 < count and group[events[e + 1]] == g:
                    alike = 2
                    if e + 3 < count and group[events[e + 2]] == g and group[events[e + 3]] == g:
                        alike = 4
                runs = range(first[g], first[g + 1])
                if alike == 4:
                    b, c, d = at[events[e + 1]], at[events[e + 2]], at[events[e + 3]]
                    for r in runs:
                        to, start = target[r], weight[r]
                        p, q, s, t = a + start, b + start, c + start, d + start
                        for j in range(length[r]):
                            into[to + j] += (
                                weights[p + j] + weights[q + j] + weights[s + j] + weights[t + j]
                            )
                elif alike == 2:
                    b = at[events[e + 1]]
                    for r in runs:
                        to, p, q = target[r], a + weight[r], b + weight[r]
                        for j in range(length[r]):
                            into[to + j] += weights[p + j] + weights[q + j]
                else:
                    for r in runs:
                        to, p = target[r], a + weight[r]
                        for j in range(length[r]):
                            into[to + j] += weights[p + j]
                e += alike
            if shift and count:
                for j in range(np.uint64(targets)):
                    into[j] = into[j] << shift
    return spikes


@compiled
def add_rows(into: Any, weights: Any, at: Any, events: Any, count: int) -> None:
    """Add dense rows of weights, four at a time, so the sums are accessed a quarter as often."""
    fours = count - count % 4
    length = np.uint64(len(into))
    for e in range(0, fours, 4):
        a, b, c, d = at[events[e]], at[events[e + 1]], at[events[e + 2]], at[events[e + 3]]
        for j in range(length):
            into[j] += weights[a + j] + weights[b + j] + weights[c + j] + weights[d + j]
    for e in range(fours, count):
        a = at[events[e]]
        for j in range(length):
            into[j] += weights[a + j]


@compiled
def list_events(fired: Any, events: Any) -> int:
    """Write the indices of the spikes in order; returns their number."""
    count = 0
    for i in range(len(fired)):
        events[count] = i
        count += fired[i]
    return count


@compiled
def mark(
    fired: Any, begin: int, group: Any, first: Any, target: Any, length: Any, reached: Any,
    seen: Any,
) -> None:  # fmt: skip
    """Set reached (samples, steps, n_target) uint8 to 1 where a spike arrives, whatever its weight.

    Sources of one group reach the same targets, so the first spike of a group is enough.
    """
    samples, steps, _ = reached.shape
    for sample in range(samples):
        for step in range(steps):
            into = reached[sample, step]
            row = fired[sample, begin + step]
            seen[:] = 0
            for source in range(len(row)):
                if row[source]:
                    seen[group[source]] = 1
            for g in range(len(seen)):
                if seen[g]:
                    for r in range(first[g], first[g + 1]):
                        into[target[r] : target[r] + length[r]] = 1


@compiled
def add_shifted(part: Any, left: int, right: int, total: Any) -> None:
    """Add part << left >> right, whole numbers, to the total of the same shape."""
    samples, steps, neurons = part.shape
    for sample in range(samples):
        for step in range(steps):
            ours, theirs = total[sample, step], part[sample, step]
            for j in range(neurons):
                ours[j] += np.int64(theirs[j]) << left >> right


@compiled
def take(rows: Any, fired: Any, begin: int, spikes: Any) -> None:
    """Copy bits or payloads (samples, steps, n) into `fired` from step `begin` on; count them."""
    samples, steps, neurons = rows.shape
    for sample in range(samples):
        for step in range(steps):
            row, into = rows[sample, step], fired[sample, begin + step]
            for j in range(neurons):
                into[j] = row[j]
                spikes[j] += row[j] != 0


@compiled
def put(part: Any, whole: Any, order: Any, sample: int, step: int) -> None:
    """Copy (samples, steps, n) to places `order` of whole, from its sample and step on."""
    samples, steps, neurons = part.shape
    for i in range(samples):
        for k in range(steps):
            ours, theirs = whole[sample + i, step + k], part[i, k]
            for j in range(neurons):
                ours[order[j]] = theirs[j]


@compiled
def fold(
    columns: Any, first: Any, target: Any, weight: Any, length: Any, sums: Any
) -> None:  # fmt: skip
    """Add what each position of an image sends through a kernel to the kernel's targets.

    Args:
        columns: (rows, positions, taps) whole numbers of any type: what is sent through each tap.
        first, target, weight, length: Fields of the Table; each group is one position.
        sums: (rows, n_target) of the type of `columns`; overwritten.
    """
    for row in range(columns.shape[0]):
        into = sums[row]
        into[:] = 0
        for place in range(columns.shape[1]):
            sent = columns[row, place]
            for r in range(first[place], first[place + 1]):
                to, start, run = target[r], weight[r], length[r]
                for j in range(run):
                    into[to + j] += sent[start + j]


@compiled
def widen(sums: Any, total: Any, shift: int) -> None:
    """Write whole sums (rows, n), int32 or float32, shifted left, to a total of integers."""
    for row in range(sums.shape[0]):
        ours, theirs = total[row], sums[row]
        for j in range(len(ours)):
            ours[j] = np.int64(theirs[j]) << shift


@compiled
def settle(sums: Any, total: Any, integer: Any) -> int:
    """Round floating sums (rows, n) to whole numbers; returns how many are far from whole.

    A sum of integers that is more than a quarter away from a whole number has lost bits.
    """
    lost = 0
    for row in range(sums.shape[0]):
        ours, theirs = total[row], sums[row]
        far = np.int32(0)
        for j in range(len(ours)):
            x = theirs[j]
            whole = integer(x + (0.5 if x >= 0 else -0.5))
            far = np.int32(far + (abs(x - whole) > 0.25))
            ours[j] = whole
        lost = lost + int(far)
    return lost
