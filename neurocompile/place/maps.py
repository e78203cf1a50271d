"""What a block of neurons takes of a core, for one synapse that ends on it.

In:  a synapse; blocks of the population behind it.
Out: how many synapses each source neuron has on a block, and the bits of their lists.
A convolution is the same at every place, so its numbers are products over the axes and no
connection is written down; tests compare them with the connection map of `ir.entries`.
"""

from __future__ import annotations

from functools import cached_property, reduce
from itertools import product
from math import prod
from typing import NamedTuple

import numpy as np

from neurocompile.chip.record import Memory
from neurocompile.ir.arrays import Array
from neurocompile.ir.entries import Rows, rows_of
from neurocompile.ir.fixed import Synapse
from neurocompile.ir.nodes import Conv, ConvTranspose, Linear, Shape, size
from neurocompile.place.boxes import Box, Span
from neurocompile.place.memory import Lists, format_of, lists, mix, priced


class _Found(NamedTuple):
    """Lists of a block: how long each is, the largest index, whether a list leaves one out."""

    lengths: Array
    top: int
    gaps: bool


class Listed:
    """A map of any kind: its connections are listed once, and counted."""

    def __init__(self, synapse: Synapse) -> None:
        self.synapse = synapse
        self._known: dict[tuple[Span, ...], _Found] = {}

    @cached_property
    def rows(self) -> Rows:
        """The connections, row by row."""
        return rows_of(self.synapse)

    def reach(self, block: Box) -> Array:
        """(source neurons,) int64, the synapses that each has on a block."""
        return np.bincount(self.rows.take(block.neurons()).indices, minlength=self.rows.width)

    def axons(self, block: Box) -> int:
        """How many source neurons have a synapse on a block."""
        return self._listed(block).lengths.size

    def stored(self, block: Box, memory: Memory, base: int) -> Lists:
        """The lists of a block whose first neuron has number `base` on its core."""
        kind, found = format_of(self.synapse), self._listed(block)
        if kind == "conv":
            columns = self.rows.take(block.neurons()).columns(0, block.size)
            return lists(self.synapse, columns, memory, base)
        indexed = kind == "sparse" or found.gaps
        top = (found.top + base if found.lengths.size else 0) if indexed else None
        return priced(self.synapse, found.lengths, top, memory)

    def _listed(self, block: Box) -> _Found:
        """What is in the lists of a block, remembered."""
        if block.box not in self._known:
            columns = self.rows.take(block.neurons()).columns(0, block.size)
            lengths = np.diff(columns.indptr)
            (used,) = np.nonzero(lengths)
            lengths, starts = lengths[used], columns.indptr[:-1][used]
            last = columns.indices[starts + lengths - 1]
            gaps = bool(np.any(last - columns.indices[starts] + 1 != lengths))
            self._known[block.box] = _Found(lengths, int(last.max(initial=0)), gaps)
        return self._known[block.box]

    def messages(self, axis: int, length: int, shape: Shape) -> int:
        """A factor of the messages where an axis is cut every so many neurons."""
        return -(-shape[axis] // length)


class DenseMap(Listed):
    """A map from every neuron to every neuron."""

    def reach(self, block: Box) -> Array:
        """Every source has all of them."""
        return np.full(size(self.synapse.in_shape), block.size, np.int64)

    def axons(self, block: Box) -> int:
        """Every source."""
        return size(self.synapse.in_shape)

    def stored(self, block: Box, memory: Memory, base: int) -> Lists:
        """One list a source, without an index."""
        return priced(self.synapse, self.reach(block), None, memory)


class Windows(Listed):
    """A convolution, forward or transposed."""

    def __init__(self, synapse: Synapse) -> None:
        super().__init__(synapse)
        op = synapse.op
        assert isinstance(op, Conv | ConvTranspose)
        self.groups = op.groups
        forward = isinstance(op, Conv)
        channels = synapse.in_shape[0], synapse.out_shape[0]
        self.ins, self.outs = (c // op.groups for c in channels)
        taps = op.weight.shape[2:]
        if forward:  # (C_out, C_in / groups, ...) -> (groups, C_in / groups, C_out / groups, ...)
            kernel = op.weight.reshape(op.groups, self.outs, self.ins, *taps).swapaxes(1, 2)
        else:  # (C_in, C_out / groups, ...)
            kernel = op.weight.reshape(op.groups, self.ins, self.outs, *taps)
        self.kernel = kernel
        self.axes = [
            _Axis(*((n, m) if forward else (m, n)), k, s, p, d, forward)
            for n, m, k, s, p, d in zip(
                synapse.in_shape[1:],
                synapse.out_shape[1:],
                taps,
                op.stride,
                op.padding,
                op.dilation,
                strict=True,
            )
        ]
        self._hashes: dict[object, tuple[Array, int]] = {}

    def reach(self, block: Box) -> Array:
        """The outer product of what each axis gives."""
        found = self._channels(block.box[0])
        for axis, span in zip(self.axes, block.box[1:], strict=True):
            found = np.multiply.outer(found, axis.within(span).synapses)
        return found.ravel()

    def axons(self, block: Box) -> int:
        """The product of what each axis gives."""
        found = int(np.count_nonzero(self._channels(block.box[0])))
        for axis, span in zip(self.axes, block.box[1:], strict=True):
            found *= axis.within(span).reached
        return found

    def messages(self, axis: int, length: int, shape: Shape) -> int:
        """Pairs of a source index and a piece that it reaches."""
        if axis:
            return self.axes[axis - 1].messages(length)
        channels = np.arange(shape[0])
        return np.unique(channels // self.outs * shape[0] + channels // length).size * self.ins

    def stored(self, block: Box, memory: Memory, base: int) -> Lists:
        """As `lists` of the connections; a list is met once for each place where it starts."""
        bases = memory.shared_bases.value
        cuts = [axis.within(span) for axis, span in zip(self.axes, block.box[1:], strict=True)]
        keys, lengths, top = [], [], 0
        strides = block.strides
        for group, (start, stop) in self._parts(block.box[0]):
            skipped = (group * self.outs + start - block.box[0][0]) * strides[0]
            for kinds in product(*(range(len(cut.patterns)) for cut in cuts)):
                at = np.array([base + skipped])
                for cut, kind, stride in zip(cuts, kinds, strides[1:], strict=True):
                    at = np.add.outer(at, cut.starts[kind] * stride)
                patterns = tuple(cut.patterns[k] for cut, k in zip(cuts, kinds, strict=True))
                hashes, span = self._lists(group, start, stop, patterns, strides)
                windows = _different(at // bases).astype(np.uint64)
                keys.append(np.add.outer(hashes, mix(windows << np.uint64(32))).ravel())
                length = (stop - start) * prod(len(p.taps) for p in patterns)
                lengths.append(np.full(keys[-1].size, length, np.int64))
                top = max(top, int((at % bases).max()) + span)
        if not keys:
            return priced(self.synapse, np.zeros(0, np.int64), 0, memory)
        once = np.unique(np.concatenate(keys), return_index=True)[1]
        return priced(self.synapse, np.concatenate(lengths)[once], top, memory)

    def _parts(self, channels: Span) -> list[tuple[int, Span]]:
        """Groups that reach into a range of channels, and which channels of the group lie in it."""
        first, last = channels[0] // self.outs, (channels[1] - 1) // self.outs
        return [
            (g, (max(channels[0] - g * self.outs, 0), min(channels[1] - g * self.outs, self.outs)))
            for g in range(first, last + 1)
        ]

    def _channels(self, channels: Span) -> Array:
        """(source channels,) int64, how many channels of a range each reaches."""
        found = np.zeros((self.groups, self.ins), np.int64)
        for group, (start, stop) in self._parts(channels):
            found[group] = stop - start
        return found.ravel()

    def _lists(
        self,
        group: int,
        start: int,
        stop: int,
        patterns: tuple[_Pattern, ...],
        strides: tuple[int, ...],
    ) -> tuple[Array, int]:
        """A hash of the list of each source channel of a group, and how far a list reaches."""
        key = (group, start, stop, patterns, strides)
        if key not in self._hashes:
            weight, offset = self.kernel[group][:, start:stop], np.arange(stop - start) * strides[0]
            for axis, (pattern, stride) in enumerate(zip(patterns, strides[1:], strict=True)):
                weight = np.take(weight, pattern.taps, axis=2 + axis)
                offset = np.add.outer(offset, np.array(pattern.offsets) * stride)
            words = mix(offset.astype(np.uint64) * np.uint64(1 << 32) + weight.astype(np.uint64))
            hashes = words.reshape(self.ins, -1).sum(axis=1, dtype=np.uint64)
            self._hashes[key] = hashes, int(offset.max())
        return self._hashes[key]


class _Pattern(NamedTuple):
    """Along one axis: targets of a source, counted from its first one, and the tap to each."""

    offsets: tuple[int, ...]
    taps: tuple[int, ...]


class _Within(NamedTuple):
    """One axis of a convolution onto a range of targets.

    Attributes:
        synapses: (source positions,) int64.
        reached: How many source positions have synapses.
        patterns: The different ways in which they have them.
        starts: By pattern, the first target of each source position, counted within the range.
    """

    synapses: Array
    reached: int
    patterns: tuple[_Pattern, ...]
    starts: tuple[Array, ...]


class _Axis:
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
        self._known: dict[Span, _Within] = {}

    def messages(self, length: int) -> int:
        """Pairs of a source position and a piece that it reaches, the pieces being so long."""
        return int(np.unique(self.source * self.targets + self.target // length).size)

    def within(self, span: Span) -> _Within:
        """The part of the axis that ends on a range of targets."""
        if span not in self._known:
            self._known[span] = self._cut(*span)
        return self._known[span]

    def _cut(self, start: int, stop: int) -> _Within:
        inside = (self.target >= start) & (self.target < stop)
        target, tap = self.target[inside], self.tap[inside]
        synapses = np.bincount(self.source[inside], minlength=self.sources)
        ends = np.cumsum(synapses[synapses > 0])
        firsts = np.concatenate([[0], ends[:-1]]).astype(np.int64)[: ends.size]
        found: dict[_Pattern, list[int]] = {}
        for a, b in zip(firsts.tolist(), ends.tolist(), strict=True):
            offsets = tuple((target[a:b] - target[a]).tolist())
            pattern = _Pattern(offsets, tuple(tap[a:b].tolist()))
            found.setdefault(pattern, []).append(int(target[a]) - start)
        return _Within(synapses, ends.size, tuple(found), tuple(map(np.array, found.values())))


def _different(numbers: Array) -> Array:
    """The different values; most often there is one."""
    low = numbers.min()
    return low.reshape(1) if low == numbers.max() else np.unique(numbers)


def map_of(synapse: Synapse, shape: Shape) -> Listed:
    """How blocks of a population of this shape are counted."""
    if isinstance(synapse.op, Conv | ConvTranspose) and synapse.out_shape == shape:
        return Windows(synapse)
    if isinstance(synapse.op, Linear) and synapse.op.weight.shape[1] == size(synapse.in_shape):
        return DenseMap(synapse)
    return Listed(synapse)


def cut_shape(shape: Shape, incoming: list[Synapse]) -> Shape:
    """The shape in which a population is cut: that of a convolution onto it, else its own."""
    windows = [s.out_shape for s in incoming if isinstance(s.op, Conv | ConvTranspose)]
    return shape if shape in windows or not windows else windows[0]


def messages_of(maps: list[Listed], shape: Shape, lengths: list[Array]) -> Array:
    """Messages of one spike of every source, by the pieces of each axis.

    Args:
        maps: Into the population.
        shape: Of the population as it is cut.
        lengths: By axis, lengths of its pieces to compare.

    Returns:
        An axis for each axis. Exact for a convolution and a dense map; for any other map an
        upper bound, as if every source reached every piece.
    """
    total = np.zeros([ell.size for ell in lengths], np.int64)
    for each in maps:
        factors = [
            np.array([each.messages(axis, int(n), shape) for n in ell], dtype=np.int64)
            for axis, ell in enumerate(lengths)
        ]
        once = 1 if isinstance(each, Windows) else size(each.synapse.in_shape)
        total += once * reduce(np.multiply.outer, factors)
    return total
