"""The loops of the compiled path for delays that differ inside a synapse.

In:  blocks (samples, steps, neurons) of spikes or payloads, or of sums; the further steps of each.
Out: the spikes, or the sums, as they arrive.
The matrix is never copied. A delay of a source moves its spikes, a delay of a target moves its
sums. With a delay for each weight, a whole span of steps is added at a time, weight by weight
(`Weave`); in a loop, where only one step is known, each spike is added to the sums of steps to
come (`Ahead`), as a chip's dendritic accumulators do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from neurocompile.engines.fixed.loops import compiled
from neurocompile.ir.arrays import Array

TILE = 16  # targets at a time: their sums are written to memory together
AT_ONCE = 4  # sources at a time: the sums are read and written a quarter as often
WORD = 64  # steps in a word of spikes


@dataclass(frozen=True, eq=False)
class Weave:
    """A dense synapse with a delay for each weight, for many steps at a time.

    Attributes:
        weights: (n_target, n_source) int16 or int64.
        late: (n_target, n_source) int8, further steps.
        longest: The largest of them.
    """

    weights: Array
    late: Array
    longest: int

    def sums(self, fired: Array, begin: int, total: Array) -> None:
        """Write what arrives; `fired` holds `longest` steps before `begin`."""
        sources, span = fired.shape[2], self.longest + total.shape[1]
        rows = np.empty((sources, span), total.dtype)
        busy = np.empty(sources, np.int64)
        weave(fired, begin - self.longest, self.weights, self.late, rows, busy, total)

    def mark(self, fired: Array, begin: int, reached: Array) -> None:
        """Set `reached` to 1 where a spike arrives."""
        span = self.longest + reached.shape[1]
        words = np.empty((fired.shape[2], span // WORD + 2), np.uint64)
        mark_woven(fired, begin - self.longest, self.late, self.longest, words, reached)


@dataclass(frozen=True, eq=False)
class Ahead:
    """A dense synapse with a delay for each weight, step by step; what is to come is kept.

    Attributes:
        weights: (n_source, n_target) int16 or int64.
        late: (n_source, n_target) int8, further steps.
        longest: The largest of them.
    """

    weights: Array
    late: Array
    longest: int

    def sums(self, fired: Array, begin: int, kept: Array, total: Array) -> None:
        """Write what arrives in one step, and keep what this step's spikes bring later."""
        add_ahead(fired, begin, self.weights, self.late, kept, total)

    def mark(self, fired: Array, begin: int, kept: Array, reached: Array) -> None:
        """Set `reached` to 1 where a spike arrives in this step; `kept` holds a bit for each."""
        mark_ahead(fired, begin, self.late, kept, reached)


@compiled
def move_spikes(fired: Any, begin: int, late: Any, moved: Any) -> None:
    """Write to `moved` (samples, steps, n) the spikes of each source `late` (n,) steps ago."""
    starts = starts_of(begin, late)
    for sample in range(len(moved)):
        pick(fired[sample], starts, moved[sample])


@compiled
def move_sums(now: Any, kept: Any, late: Any, moved: Any) -> None:
    """Write to `moved` what each target got `late` (n,) steps ago, and keep the last steps.

    Args:
        now: (samples, steps, n) what the steps bring.
        kept: (samples, longest, n) what the steps before them brought; replaced.
        late: (n,) 0..longest.
        moved: (samples, steps, n); overwritten.
    """
    samples, steps, neurons = now.shape
    longest = kept.shape[1]
    both = np.empty((longest + steps, neurons), now.dtype)
    starts = starts_of(longest, late)
    for sample in range(samples):
        both[:longest] = kept[sample]
        both[longest:] = now[sample]
        pick(both, starts, moved[sample])
        kept[sample] = both[steps:]


@compiled
def mark_late(fired: Any, begin: int, late: Any, longest: int, reached: Any) -> None:
    """Set reached (samples, steps, n) to 1 where any source spiked `late` (n,) steps ago."""
    samples, steps, neurons = reached.shape
    seen = np.empty(longest + steps, np.uint8)
    starts = (longest - late).astype(np.uint64)
    for sample in range(samples):
        for step in range(longest + steps):
            seen[step] = any_sends(fired[sample, begin - longest + step])
        for step in range(steps):
            into, on = reached[sample, step], np.uint64(step)
            for j in range(neurons):
                into[j] |= seen[starts[j] + on]


@compiled
def any_sends(row: Any) -> bool:
    """Whether any source of a step spikes."""
    i = 0
    while i < len(row) and not row[i]:
        i += 1
    return i < len(row)


@compiled
def starts_of(begin: int, late: Any) -> Any:
    """(n,) where in rows of n each neuron's value of the step `begin - late` is, flat.

    Unsigned, because numba would check each signed index for being negative.
    """
    starts = np.empty(len(late), np.uint64)
    for j in range(len(late)):
        starts[j] = (begin - late[j]) * len(late) + j
    return starts


@compiled
def pick(rows: Any, starts: Any, picked: Any) -> None:
    """Write rows (any, n), each neuron's from its own start on, to `picked` (steps, n)."""
    flat, steps, neurons = rows.ravel(), picked.shape[0], np.uint64(len(starts))
    for step in range(steps):
        into, on = picked[step], np.uint64(step) * neurons
        for j in range(neurons):
            into[j] = flat[starts[j] + on]


@compiled
def weave(
    fired: Any, begin: int, weights: Any, late: Any, rows: Any, busy: Any, total: Any
) -> None:
    """Add every source's spikes, moved by the delay and times the weight, target by target.

    Args:
        fired: (samples, any, n_source); the span of steps from `begin` on is used.
        weights, late: Fields of the Weave.
        rows: (n_source, longest + steps) scratch memory of the type of `total`.
        busy: (n_source,) int64, scratch memory.
        total: (samples, steps, n_target); overwritten.
    """
    samples, steps, targets = total.shape
    longest = rows.shape[1] - steps
    number = total.dtype.type
    sums = np.empty((TILE, steps), total.dtype)
    for sample in range(samples):
        count = list_rows(fired[sample], begin, rows, busy)
        for first in range(0, targets, TILE):
            width = min(TILE, targets - first)
            sums[:] = 0
            for k in range(width):
                weight, wait, into = weights[first + k], late[first + k], sums[k]
                whole = count - count % AT_ONCE
                for e in range(0, whole, AT_ONCE):
                    h, i, j, m = busy[e], busy[e + 1], busy[e + 2], busy[e + 3]
                    a, b, c, d = rows[e], rows[e + 1], rows[e + 2], rows[e + 3]
                    p, q = number(weight[h]), number(weight[i])
                    r, s = number(weight[j]), number(weight[m])
                    at, bt = np.uint64(longest - wait[h]), np.uint64(longest - wait[i])
                    ct, dt = np.uint64(longest - wait[j]), np.uint64(longest - wait[m])
                    for t in range(np.uint64(steps)):
                        into[t] += p * a[at + t] + q * b[bt + t] + r * c[ct + t] + s * d[dt + t]
                for e in range(whole, count):
                    a, p = rows[e], number(weight[busy[e]])
                    at = np.uint64(longest - wait[busy[e]])
                    for t in range(np.uint64(steps)):
                        into[t] += p * a[at + t]
            for step in range(steps):
                for k in range(width):
                    total[sample, step, first + k] = sums[k, step]


@compiled
def list_rows(fired: Any, begin: int, rows: Any, busy: Any) -> int:
    """Write what each source sends in the steps from `begin` on, a row for each that sends.

    Returns:
        Number of such sources; their indices are in `busy`.
    """
    sources, span = rows.shape
    number = rows.dtype.type
    busy[:] = 0
    for step in range(begin, begin + span):
        for i in range(sources):
            busy[i] |= fired[step, i] != 0
    count = 0
    for i in range(sources):
        if busy[i]:
            for step in range(span):
                rows[count, step] = number(fired[begin + step, i])
            busy[count] = i
            count += 1
    return count


@compiled
def mark_woven(fired: Any, begin: int, late: Any, longest: int, words: Any, reached: Any) -> None:
    """Set reached (samples, steps, n_target) uint8 to 1 where a spike arrives, whatever its weight.

    Args:
        fired: (samples, any, n_source); the span of steps from `begin` on is used.
        late, longest: Fields of the Weave.
        words: (n_source, span / 64 + 2) uint64, scratch memory: a bit for each step of the span.
    """
    samples, steps, targets = reached.shape
    sources = fired.shape[2]
    one = np.uint64(1)
    for sample in range(samples):
        words[:] = 0
        for step in range(longest + steps):
            word, bit = step // WORD, np.uint64(step % WORD)
            for i in range(sources):
                words[i, word] |= np.uint64(fired[sample, begin + step, i] != 0) << bit
        for j in range(targets):
            for first in range(0, steps, WORD):
                seen = np.uint64(0)
                for i in range(sources):
                    at = first + longest - late[j, i]
                    word, bit = at // WORD, np.uint64(at % WORD)
                    seen |= words[i, word] >> bit
                    seen |= (words[i, word + 1] << one) << (np.uint64(WORD - 1) - bit)
                for t in range(min(WORD, steps - first)):
                    reached[sample, first + t, j] |= np.uint8((seen >> np.uint64(t)) & one)


@compiled
def add_ahead(fired: Any, begin: int, weights: Any, late: Any, kept: Any, total: Any) -> None:
    """Take from `kept` what arrives in a step, after the spikes of the step were added to it.

    Args:
        fired: (samples, any, n_source); step `begin` is used.
        weights, late: Fields of the Ahead.
        kept: (samples, longest + 1, n_target) sums of this step and those to come; moved on.
        total: (samples, 1, n_target); overwritten.
    """
    samples, _, targets = total.shape
    number = kept.dtype.type
    for sample in range(samples):
        row, to_come = fired[sample, begin], kept[sample]
        for i in range(len(row)):
            if row[i]:
                sent = number(row[i])
                for j in range(targets):
                    to_come[late[i, j], j] += sent * number(weights[i, j])
        total[sample, 0] = to_come[0]
        to_come[:-1] = to_come[1:].copy()
        to_come[-1] = 0


@compiled
def mark_ahead(fired: Any, begin: int, late: Any, kept: Any, reached: Any) -> None:
    """Set reached (samples, 1, n_target) to 1 where a spike arrives in the step.

    Args:
        fired: (samples, any, n_source); step `begin` is used.
        late: Field of the Ahead.
        kept: (samples, n_target) uint64: bit k says that a spike arrives k steps from now.
    """
    samples, _, targets = reached.shape
    one = np.uint64(1)
    for sample in range(samples):
        row, to_come = fired[sample, begin], kept[sample]
        for i in range(len(row)):
            if row[i]:
                for j in range(targets):
                    to_come[j] |= one << np.uint64(late[i, j])
        for j in range(targets):
            reached[sample, 0, j] |= np.uint8(to_come[j] & one)
            to_come[j] >>= one
