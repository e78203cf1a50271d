"""What a block of neurons needs on a core for one synapse that ends on it.

In:  a synapse; blocks of the population after it.
Out: how many synapses each source neuron has on a block, and the bits of their lists.
A convolution is the same at every position, so its numbers are products over the axes and no
connection is listed; tests compare them with the connection map of `ir.entries`.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
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
from neurocompile.place.axes import Axis, Pattern
from neurocompile.place.boxes import Box, Span
from neurocompile.place.memory import (
    Lists,
    Reach,
    format_of,
    lists,
    mix,
    priced,
    reach_of,
    top_index,
)

PIECES = 1 << 22  # numbers of pieces, by source and length, that are counted at a time
MARKS = 1 << 28  # largest number of marks, one byte each, instead of which keys are sorted


class _BlockLists(NamedTuple):
    """The lists of synapses on a block.

    Attributes:
        lengths: (axons,) int64, synapses in each list.
        reach: Where they lie within the block.
    """

    lengths: Array
    reach: Reach


class Listed:
    """A map of any kind: its connections are listed once, then counted per block.

    Attributes:
        synapse: Synapse node.
        wait: Longest wait of its spikes on the chip, in steps.
    """

    def __init__(self, synapse: Synapse, wait: int = 0) -> None:
        self.synapse, self.wait = synapse, wait
        self._lists_of: dict[tuple[Span, ...], _BlockLists] = {}

    @cached_property
    def rows(self) -> Rows:
        """The connections, row by row."""
        return rows_of(self.synapse)

    def reach(self, block: Box) -> Array:
        """(source neurons,) int64, number of synapses that each has on a block."""
        return np.bincount(self.rows.take(block.neurons()).indices, minlength=self.rows.width)

    def alike(self, block: Box) -> Hashable:
        """What the lists of a block depend on: with the same value and base they are the same."""
        return block.box

    def axons(self, block: Box) -> int:
        """Number of source neurons that have a synapse on a block."""
        return self._listed(block).lengths.size

    def stored(self, block: Box, memory: Memory, base: int) -> Lists:
        """The lists of a block whose first neuron has number `base` on its core."""
        if format_of(self.synapse) == "conv":
            columns = self.rows.take(block.neurons()).columns(0, block.size)
            return lists(self.synapse, columns, memory, self.wait, base)
        lengths, (first, last, gaps) = self._listed(block)
        offset = base if lengths.size else 0
        top = top_index(self.synapse, Reach(first + offset, last + offset, gaps), memory)
        return priced(self.synapse, lengths, top, memory, self.wait)

    def _listed(self, block: Box) -> _BlockLists:
        """The lists of a block, computed once."""
        if block.box not in self._lists_of:
            rows = self.rows.take(block.neurons())
            row = np.repeat(np.arange(block.size), np.diff(rows.indptr))
            lengths = np.bincount(rows.indices, minlength=rows.width)
            first, last = np.zeros((2, rows.width), np.int64)
            last[rows.indices] = row  # of several numbers for one source the last one stays
            first[rows.indices[::-1]] = row[::-1]
            (used,) = np.nonzero(lengths)
            reach = reach_of(first[used], last[used], lengths[used])
            self._lists_of[block.box] = _BlockLists(lengths[used], reach)
        return self._lists_of[block.box]

    def messages(self, shape: Shape, lengths: Sequence[Array]) -> Array:
        """As `messages_of`, for this map: pairs of a source and a block that it reaches.

        Of each source the pieces of every axis that it reaches are multiplied. This is exact where
        its targets form a box, and otherwise an upper bound, as is the number of synapses.
        """
        targets = np.repeat(np.arange(size(shape)), np.diff(self.rows.indptr))
        at = np.unravel_index(targets, shape)
        reached: list[tuple[Array, Array]] = []  # by axis, sources and what they reach, each once
        for axis, side in enumerate(shape):
            pairs = _once(self.rows.indices.astype(np.int64) * side + at[axis],
                          self.rows.width * side)  # fmt: skip
            reached.append((pairs // side, pairs % side))
        reaches = [np.bincount(source, minlength=self.rows.width) for source, _ in reached]
        several = np.any([counts > 1 for counts in reaches], axis=0)
        total = np.full(  # a source with one target reaches one block, however they are cut
            [ell.size for ell in lengths], np.count_nonzero(reaches[0][~several]), np.int64
        )
        (left,) = np.nonzero(several)
        at_once = max(1, PIECES // max(ell.size for ell in lengths))
        for start in range(0, left.size, at_once):
            total += _blocks_reached(left[start : start + at_once], reached, lengths)
        return np.minimum(total, self.rows.indices.size)


class DenseMap(Listed):
    """A map from every neuron to every neuron."""

    def reach(self, block: Box) -> Array:
        """Every source has a synapse on every neuron of the block."""
        return np.full(size(self.synapse.in_shape), block.size, np.int64)

    def alike(self, block: Box) -> Hashable:
        """The number of its neurons."""
        return block.size

    def axons(self, block: Box) -> int:
        """Every source."""
        return size(self.synapse.in_shape)

    def stored(self, block: Box, memory: Memory, base: int) -> Lists:
        """One list per source, each onto the whole block."""
        top = top_index(self.synapse, Reach(base, base + block.size - 1, gaps=False), memory)
        return priced(self.synapse, self.reach(block), top, memory, self.wait)

    def messages(self, shape: Shape, lengths: Sequence[Array]) -> Array:
        """Every source reaches every block."""
        pieces = [-(-n // ell) for n, ell in zip(shape, lengths, strict=True)]
        return size(self.synapse.in_shape) * _outer(pieces)


class Windows(Listed):
    """A convolution, forward or transposed."""

    def __init__(self, synapse: Synapse, wait: int = 0) -> None:
        super().__init__(synapse, wait)
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
            Axis(*((n, m) if forward else (m, n)), k, s, p, d, forward)
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
        """The outer product of the synapses along each axis."""
        synapses = self._channels(block.box[0])
        for axis, span in zip(self.axes, block.box[1:], strict=True):
            synapses = np.multiply.outer(synapses, axis.within(span).synapses)
        return synapses.ravel()

    def alike(self, block: Box) -> Hashable:
        """Its channels and sides, and what each axis looks like, wherever the block lies."""
        kinds = [
            axis.within(span).kind for axis, span in zip(self.axes, block.box[1:], strict=True)
        ]
        return block.box[0], block.sides, tuple(kinds)

    def axons(self, block: Box) -> int:
        """The product over the axes of the source positions with synapses."""
        sources = int(np.count_nonzero(self._channels(block.box[0])))
        for axis, span in zip(self.axes, block.box[1:], strict=True):
            sources *= axis.within(span).reached
        return sources

    def messages(self, shape: Shape, lengths: Sequence[Array]) -> Array:
        """The product over the axes of the pairs of a source index and a piece that it reaches."""
        channels = np.arange(shape[0])
        groups = channels // self.outs * shape[0]
        pairs = [np.unique(groups + channels // n).size * self.ins for n in lengths[0]]
        along = [
            [axis.messages(int(n)) for n in ell]
            for axis, ell in zip(self.axes, lengths[1:], strict=True)
        ]
        return _outer([np.array(each, np.int64) for each in (pairs, *along)])

    def stored(self, block: Box, memory: Memory, base: int) -> Lists:
        """The same as `lists` of the connections; a list is looked at once per starting point."""
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
                top = max(top, int(at.max()) // bases * bases + span)
        if not keys:
            return priced(self.synapse, np.zeros(0, np.int64), 0, memory, self.wait)
        once = np.unique(np.concatenate(keys), return_index=True)[1]
        return priced(self.synapse, np.concatenate(lengths)[once], top, memory, self.wait)

    def _parts(self, channels: Span) -> list[tuple[int, Span]]:
        """Groups that reach a range of channels, each with its own channels in that range."""
        first, last = channels[0] // self.outs, (channels[1] - 1) // self.outs
        return [
            (g, (max(channels[0] - g * self.outs, 0), min(channels[1] - g * self.outs, self.outs)))
            for g in range(first, last + 1)
        ]

    def _channels(self, channels: Span) -> Array:
        """(source channels,) int64, number of channels in a range that each reaches."""
        reached = np.zeros((self.groups, self.ins), np.int64)
        for group, (start, stop) in self._parts(channels):
            reached[group] = stop - start
        return reached.ravel()

    def _lists(
        self,
        group: int,
        start: int,
        stop: int,
        patterns: tuple[Pattern, ...],
        strides: tuple[int, ...],
    ) -> tuple[Array, int]:
        """A hash of each source channel's list in a group, and the largest offset in a list."""
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


def _different(numbers: Array) -> Array:
    """The different values; in most cases there is only one."""
    low = numbers.min()
    return low.reshape(1) if low == numbers.max() else np.unique(numbers)


def map_of(synapse: Synapse, shape: Shape, wait: int = 0) -> Listed:
    """The map that counts the blocks of a population of this shape.

    Args:
        synapse: Synapse node.
        shape: Shape in which the population is cut.
        wait: Longest wait of its spikes on the chip, in steps (`ir.time.longest_wait`).
    """
    if isinstance(synapse.op, Conv | ConvTranspose) and synapse.out_shape == shape:
        return Windows(synapse, wait)
    if isinstance(synapse.op, Linear) and synapse.op.weight.shape[1] == size(synapse.in_shape):
        return DenseMap(synapse, wait)
    return Listed(synapse, wait)


def cut_shape(shape: Shape, incoming: list[Synapse]) -> Shape:
    """The shape in which a population is cut: that of an incoming convolution, else its own."""
    windows = [s.out_shape for s in incoming if isinstance(s.op, Conv | ConvTranspose)]
    return shape if shape in windows or not windows else windows[0]


def messages_of(maps: Sequence[Listed], shape: Shape, lengths: Sequence[Array]) -> Array:
    """Number of messages when every source spikes once, by the lengths of the pieces.

    Args:
        maps: Maps onto the population.
        shape: Shape in which the population is cut.
        lengths: By axis, (lengths,) int64, lengths of its pieces to compare.

    Returns:
        int64, one axis per axis of the population. Exact for a convolution and a dense map; for
        any other map an upper bound, see `Listed.messages`.
    """
    total = np.zeros([ell.size for ell in lengths], np.int64)
    for onto in maps:
        total += onto.messages(shape, lengths)
    return total


def _outer(factors: Sequence[Array]) -> Array:
    """The outer product of one array per axis."""
    return reduce(np.multiply.outer, factors)


def _once(keys: Array, limit: int) -> Array:
    """Keys below a limit in ascending order, each once."""
    if limit > MARKS:
        return np.unique(keys)
    marked = np.zeros(limit, bool)
    marked[keys] = True
    return np.flatnonzero(marked)


def _blocks_reached(
    sources: Array, reached: Sequence[tuple[Array, Array]], lengths: Sequence[Array]
) -> Array:
    """int64, by the lengths of the pieces: pairs of one of these sources and a block it reaches.

    Args:
        sources: Numbers of sources, in ascending order.
        reached: By axis, pairs of a source and an index that it reaches, in ascending order.
        lengths: As for `messages_of`.
    """
    pieces = []
    for (source, index), ell in zip(reached, lengths, strict=True):
        first, last = np.searchsorted(source, [sources[0], sources[-1] + 1])
        number = np.searchsorted(sources, source[first:last])
        ours = sources[number] == source[first:last]
        number, at = number[ours], index[first:last][ours]
        pieces.append(_pieces(number, at, sources.size, ell))
    return _summed(pieces, np.ones(sources.size)).astype(np.int64)


def _pieces(source: Array, index: Array, sources: int, lengths: Array) -> Array:
    """(lengths, sources) float64, number of pieces that each source reaches.

    Args:
        source: (pairs,) int64, sources, in ascending order.
        index: (pairs,) int64, what each reaches, in ascending order for each source.
        sources: Number of sources.
        lengths: (lengths,) int64, lengths of the pieces, in ascending order.
    """
    counts, first, last = np.zeros((lengths.size, sources)), index, index
    for count, length in zip(counts, lengths, strict=True):
        # No piece lies between two indices that are no further apart than its length.
        apart = (source[1:] != source[:-1]) | (first[1:] - last[:-1] > length)
        begins, ends = np.ones((2, source.size), bool)
        begins[1:], ends[:-1] = apart, apart
        source, first, last = source[begins], first[begins], last[ends]
        count[:] = np.bincount(source, last // length - first // length + 1, minlength=sources)
    return counts


def _summed(factors: Sequence[Array], weight: Array) -> Array:
    """Sums over all sources of the product of one factor per axis, for every choice of factors."""
    first, *rest = factors
    if not rest:
        return first @ weight
    return np.stack([_summed(rest, weight * each) for each in first])
