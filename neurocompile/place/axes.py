"""One axis of a convolution: the targets of each source position, and what they look like.

In:  the sizes of the axis, the taps and how they move; ranges of targets.
Out: the number of synapses of each source position on a range, and their patterns.
`maps` multiplies these numbers over the axes.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import NamedTuple

import numpy as np

from neurocompile.ir.arrays import Array
from neurocompile.place.boxes import Span


class Pattern(NamedTuple):
    """Along one axis: the targets of a source, counted from its first, and the tap to each."""

    offsets: tuple[int, ...]
    taps: tuple[int, ...]


class Within(NamedTuple):
    """One axis of a convolution, restricted to a range of targets.

    Attributes:
        synapses: (source positions,) int64, number of synapses of each.
        reached: Number of source positions with synapses.
        patterns: Different patterns of their synapses.
        starts: By pattern, the first target of each source position, counted within the range.
        kind: Number of these patterns and starts; ranges in the middle of an image share it.
    """

    synapses: Array
    reached: int
    patterns: tuple[Pattern, ...]
    starts: tuple[Array, ...]
    kind: int


class Axis:
    """One axis of a convolution: which source position a tap joins to which target."""

    def __init__(
        self, large: int, small: int, taps: int, stride: int, padding: int, dilation: int,
        forward: bool,
    ) -> None:  # fmt: skip
        out, tap = (grid.ravel() for grid in np.mgrid[:small, :taps])
        at = out * stride - padding + tap * dilation
        inside = (at >= 0) & (at < large)
        out, tap, at = out[inside], tap[inside], at[inside]
        source, target = (at, out) if forward else (out, at)
        order = np.lexsort((target, source))
        self.source, self.target, self.tap = source[order], target[order], tap[order]
        self.sources, self.targets = (large, small) if forward else (small, large)
        self._within: dict[Span, Within] = {}
        self._kinds: dict[Hashable, int] = {}

    def messages(self, length: int) -> int:
        """Pairs of a source position and a piece that it reaches, for pieces of this length."""
        return int(np.unique(self.source * self.targets + self.target // length).size)

    def within(self, span: Span) -> Within:
        """The part of the axis that ends on a range of targets."""
        if span not in self._within:
            self._within[span] = self._cut(*span)
        return self._within[span]

    def _cut(self, start: int, stop: int) -> Within:
        inside = (self.target >= start) & (self.target < stop)
        target, tap = self.target[inside], self.tap[inside]
        synapses = np.bincount(self.source[inside], minlength=self.sources)
        ends = np.cumsum(synapses[synapses > 0])
        firsts = np.concatenate([[0], ends[:-1]]).astype(np.int64)[: ends.size]
        starts: dict[Pattern, list[int]] = {}
        for a, b in zip(firsts.tolist(), ends.tolist(), strict=True):
            offsets = tuple((target[a:b] - target[a]).tolist())
            pattern = Pattern(offsets, tuple(tap[a:b].tolist()))
            starts.setdefault(pattern, []).append(int(target[a]) - start)
        look = tuple((pattern, *first) for pattern, first in starts.items())
        kind = self._kinds.setdefault(look, len(self._kinds))
        firsts_of = tuple(map(np.array, starts.values()))
        return Within(synapses, ends.size, tuple(starts), firsts_of, kind)
