"""The loops of the compiled path for payloads: a spike adds its weights times its payload.

In:  blocks (samples, steps, neurons) of payloads int32; the tables of `tables.Table`.
Out: what arrives at each target neuron, as whole numbers.
Bits take `loops.scatter`, which multiplies nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from neurocompile.engines.fixed.loops import compiled


@compiled
def largest_of(fired: Any, begin: int, count: int) -> int:
    """The largest |payload| (samples, steps, n) of the steps [begin, begin + count)."""
    most = np.int32(0)
    for sample in range(fired.shape[0]):
        for step in range(begin, begin + count):
            row = fired[sample, step]
            for j in range(len(row)):
                most = max(most, np.int32(abs(row[j])))
    return int(most)


@compiled
def scatter_payloads(
    fired: Any, begin: int, at: Any, group: Any, first: Any, target: Any, weight: Any,
    length: Any, weights: Any, shift: int, total: Any, events: Any,
) -> int:  # fmt: skip
    """Add the weights of every spike, times its payload, to its targets.

    Args:
        fired: (samples, steps, n_source) int32; the steps from `begin` on are used.
        at, group, first, target, weight, length, weights, shift: Fields of the Table.
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
            row, into = fired[sample, begin + step], total[sample, step]
            into[:] = 0
            count = 0
            for i in range(len(row)):
                events[count] = i
                count += row[i] != 0
            spikes += count
            if rows_are_whole:
                add_multiples(into, weights, at, events, count, row)
            for e in range(0 if rows_are_whole else count):
                source = events[e]
                payload = into.dtype.type(row[source])
                g = group[source]
                for r in range(first[g], first[g + 1]):
                    to = target[r]
                    start = at[source] + weight[r]
                    for j in range(length[r]):
                        into[to + j] += payload * weights[start + j]
            if shift and count:
                for j in range(np.uint64(targets)):
                    into[j] = into[j] << shift
    return spikes


@compiled
def add_multiples(into: Any, weights: Any, at: Any, events: Any, count: int, row: Any) -> None:
    """Add dense rows of weights times payloads, four at a time, as `loops.add_rows` does."""
    number = into.dtype.type
    fours = count - count % 4
    length = np.uint64(len(into))
    for e in range(0, fours, 4):
        a, b, c, d = at[events[e]], at[events[e + 1]], at[events[e + 2]], at[events[e + 3]]
        p, q = number(row[events[e]]), number(row[events[e + 1]])
        r, s = number(row[events[e + 2]]), number(row[events[e + 3]])
        for j in range(length):
            into[j] += (
                p * weights[a + j] + q * weights[b + j] + r * weights[c + j] + s * weights[d + j]
            )
    for e in range(fours, count):
        a, p = at[events[e]], number(row[events[e]])
        for j in range(length):
            into[j] += p * weights[a + j]
