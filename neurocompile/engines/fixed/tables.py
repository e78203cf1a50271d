"""Synapses sorted by source, so that the weights a spike adds are in contiguous runs.

In:  a synapse, and the orders in which the engine keeps the neurons at both of its ends.
Out: a Table. A dense row is one run; a kernel has one run per row, because channels are last
     in the target; a sparse map has one run per stretch of neighbours.
Tables are tested against `ir.linear.connections`, which defines a synapse.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import singledispatch
from typing import Any

import numpy as np

from neurocompile.ir.arrays import Array
from neurocompile.ir.fixed import Synapse
from neurocompile.ir.linear import connections
from neurocompile.ir.nodes import Conv, ConvTranspose, Linear, Shape, size

FixedRun = tuple[int, int, int]  # first target, first weight, length


@dataclass(frozen=True, eq=False)
class Table:
    """Where the weights of each source neuron are, and to which targets they are added.

    Sources of one group reach the same targets: all channels at one position of an image.

    Attributes:
        at: (n_source,) uint64, index in `weights` where the weights of a source begin.
        group: (n_source,) int32, group of each source.
        first: (groups + 1,) int64, first run of each group.
        target, weight, length: (runs,) uint64, first target, first weight relative to `at`, and
            number of weights of each run.
        weights: Flat weights; int8 halves if every weight is even, as on the chip's 8-bit grid,
            because a busy layer is limited by reading its weights from memory.
        shift: Left shift of the sums of `weights`: 1 for halves, otherwise 0.
    """

    at: Array
    group: Array
    first: Array
    target: Array
    weight: Array
    length: Array
    weights: Array
    shift: int = 0

    @property
    def operations(self) -> int:
        """Synaptic operations if every source spikes once."""
        ends = np.concatenate([[0], np.cumsum(self.length)])
        of_group = ends[self.first[1:]] - ends[self.first[:-1]]
        return int(of_group[self.group].sum())

    def whole(self, targets: int) -> bool:
        """Whether every source reaches all targets."""
        return self.first.tolist() == [0, 1] and self.length.tolist() == [targets]


def channels_last(shape: Shape) -> Array:
    """C indices of neurons (channels, *space), in the order with the channels last."""
    return np.ascontiguousarray(np.moveaxis(np.arange(size(shape)).reshape(shape), 0, -1)).ravel()


def table(synapse: Synapse, source: Array, target: Array) -> Table:
    """The table of a synapse.

    Args:
        synapse: Of a FIXED graph.
        source, target: (n,) int, C index of the neuron at each place of the engine's order.
    """
    made = _table(synapse.op, synapse, source, target)
    return _halved(_sparse(synapse, source, target) if made is None else made)


def _halved(made: Table) -> Table:
    """The same table with halves of the weights in 8 bits, if they fit."""
    weights = made.weights
    if weights.dtype != np.int16 or np.any(weights & 1) or np.any(np.abs(weights + 1) > 255):
        return made
    return replace(made, weights=(weights >> 1).astype(np.int8), shift=1)


@singledispatch
def _table(op: Any, synapse: Synapse, source: Array, target: Array) -> Table | None:
    """The table of a map that has a shorter one than a sparse map, or None."""
    return None


@_table.register
def _(op: Linear, synapse: Synapse, source: Array, target: Array) -> Table | None:
    rows, columns = op.weight.shape
    if len(source) != columns:  # a map of the last axis only
        return None
    weight = narrow(op.weight)
    if not is_plain(target):
        weight = weight[target]
    weights = np.ascontiguousarray(weight.T)
    if not is_plain(source):
        weights = weights[source]
    at = np.arange(columns, dtype=np.uint64) * np.uint64(rows)
    group = np.zeros(columns, dtype=np.int32)
    return Table(at, group, *_runs([[(0, 0, rows)]]), weights.ravel())


@_table.register
def _(op: Conv | ConvTranspose, synapse: Synapse, source: Array, target: Array) -> Table | None:
    if not np.array_equal(target, channels_last(synapse.out_shape)):
        return None
    kernel = kernel_of(op, synapse)
    rows, columns, together = kernel.weights.shape[1:]
    space_in, space_out = _plane(synapse.in_shape), _plane(synapse.out_shape)
    every, channels = synapse.out_shape[0], len(kernel.weights)
    groups = [
        [
            ((y * space_out[1] + x) * every + g * together, (k * columns + s) * together,
             count * together)
            for k, y in links
            for s, x, count in stretches
        ]
        for g in range(op.groups)
        for links in kernel.down
        for stretches in kernel.across
    ]  # fmt: skip
    channel, place = np.divmod(source, size(space_in))
    group = channel // (channels // op.groups) * size(space_in) + place
    at = channel.astype(np.uint64) * np.uint64(rows * columns * together)
    return Table(at, group.astype(np.int32), *_runs(groups), kernel.weights.ravel())


@dataclass(frozen=True, eq=False)
class Kernel:
    """A convolution or transposed convolution, read from each source neuron.

    Attributes:
        weights: (channels, rows, columns, outputs per group), columns in the order of the targets.
        down: By row of the source, pairs of (row of the kernel, row of the target).
        across: By column of the source, runs of (column of `weights`, column of the target,
            number of columns); in the targets, whose channels are last, each run has no gap.
    """

    weights: Array
    down: list[list[tuple[int, int]]]
    across: list[list[FixedRun]]


def kernel_of(op: Conv | ConvTranspose, synapse: Synapse) -> Kernel:
    """The kernel of a synapse whose targets have their channels last."""
    forward = isinstance(op, Conv)
    kernel, height, width = _by_source(op, forward)
    rows, columns = kernel.shape[1:3]
    space_in, space_out = _plane(synapse.in_shape), _plane(synapse.out_shape)
    down = _axis(space_in[0], space_out[0], rows, height, forward)
    right = _axis(space_in[1], space_out[1], columns, width, forward)
    stored = list(range(columns))
    if forward:  # the taps of one source, next to each other and in the order of the targets
        stored.sort(key=lambda k: (k * width[2] % width[0], -k))
    slot = {k: i for i, k in enumerate(stored)}
    across = [_stretches([(slot[k], o) for k, o in links], op.groups == 1) for links in right]
    return Kernel(np.ascontiguousarray(kernel[:, :, stored]), down, across)


def _by_source(op: Conv | ConvTranspose, forward: bool) -> tuple[Array, Any, Any]:
    """Kernel (in, rows, columns, outputs per group); (stride, padding, dilation) of both axes."""
    weight = narrow(op.weight)
    axes = list(zip(op.stride, op.padding, op.dilation, strict=True))
    if weight.ndim == 3:
        weight, axes = weight[:, :, None], [(1, 0, 1), *axes]
    if not forward:
        return weight.transpose(0, 2, 3, 1), axes[0], axes[1]
    out, per_group, rows, columns = weight.shape
    split = weight.reshape(op.groups, out // op.groups, per_group, rows, columns)
    kernel = split.transpose(0, 2, 3, 4, 1).reshape(-1, rows, columns, out // op.groups)
    return kernel, axes[0], axes[1]


def _axis(n: int, m: int, taps: int, axis: Any, forward: bool) -> list[list[tuple[int, int]]]:
    """By source position 0..n-1, its pairs of (tap, target position), targets ascending."""
    stride, padding, dilation = axis
    links: list[list[tuple[int, int]]] = [[] for _ in range(n)]
    for tap in range(taps):
        for there in range(m if forward else n):
            here = there * stride - padding + tap * dilation
            source, target = (here, there) if forward else (there, here)
            if 0 <= source < n and 0 <= target < m:
                links[source].append((tap, target))
    return [sorted(of_source, key=lambda link: link[1]) for of_source in links]


def _stretches(links: list[tuple[int, int]], join: bool) -> list[FixedRun]:
    """(slot, target) pairs as (slot, target, count); consecutive ones are joined."""
    runs: list[FixedRun] = []
    for slot, target in links:
        if join and runs:
            s, t, count = runs[-1]
            if (s + count, t + count) == (slot, target):
                runs[-1] = (s, t, count + 1)
                continue
        runs.append((slot, target, 1))
    return runs


def _sparse(synapse: Synapse, source: Array, target: Array) -> Table:
    """The table of any map: its matrix by columns."""
    m = connections(synapse)
    m = m[target] if not is_plain(target) else m
    m = m.tocsc()
    m = m[:, source] if not is_plain(source) else m
    m.sort_indices()
    columns = m.shape[1]
    starts = np.ones(m.nnz, dtype=bool)
    starts[1:] = np.diff(m.indices) != 1
    starts[m.indptr[:-1][np.diff(m.indptr) > 0]] = True
    weight = np.flatnonzero(starts)
    return Table(
        np.zeros(columns, dtype=np.uint64),
        np.arange(columns, dtype=np.int32),
        np.searchsorted(weight, m.indptr).astype(np.int64),
        m.indices[weight].astype(np.uint64),
        weight.astype(np.uint64),
        np.diff(np.append(weight, m.nnz)).astype(np.uint64),
        narrow(m.data),
    )


def _runs(groups: list[list[FixedRun]]) -> tuple[Array, Array, Array, Array]:
    """First run of each group, then targets, weights and lengths of all runs."""
    first = np.cumsum([0, *map(len, groups)], dtype=np.int64)
    flat = np.array([run for group in groups for run in group], dtype=np.uint64).reshape(-1, 3)
    target, weight, length = (np.ascontiguousarray(column) for column in flat.T)
    return first, target, weight, length


def _plane(shape: Shape) -> tuple[int, int]:
    """Height and width; one-dimensional space is one row."""
    return (shape[1], shape[2]) if len(shape) == 3 else (1, shape[1])


def narrow(weights: Array) -> Array:
    """Weights as int16 if all fit, as they do on a chip's grid."""
    if weights.dtype == np.int16:
        return np.asarray(weights)
    low, high = (int(weights.min()), int(weights.max())) if weights.size else (0, 0)
    return weights.astype(np.int16 if low >= -(1 << 15) and high < 1 << 15 else np.int64)


def is_plain(order: Array) -> bool:
    """Whether neurons are in C order."""
    return bool(np.array_equal(order, np.arange(len(order))))
