"""Every connection of a synapse, with numpy only: row, column and weight.

In:  a linear node that a chip or its host has, and its input shape.
Out: the entries of its matrix (n_out, n_in), in any order or row by row.
`linear.matrix` makes scipy's matrix of them; where scipy is not installed, they are enough.
"""

from __future__ import annotations

from functools import singledispatch
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from neurocompile.errors import Unsupported
from neurocompile.ir.arrays import Array
from neurocompile.ir.fixed import Synapse
from neurocompile.ir.nodes import Conv, ConvTranspose, Linear, Shape, Sparse, bias_of, size
from neurocompile.ir.shapes import out_shape


class Entries(NamedTuple):
    """Connections of a linear map: (n,) targets, sources and weights, in any order."""

    rows: Array
    columns: Array
    values: Array


class Rows(NamedTuple):
    """A matrix row by row, as scipy's CSR: the columns of a row ascend, zeros are kept.

    Attributes:
        indptr: (n_out + 1,) position at which each row starts.
        indices: (n,) columns.
        data: (n,) values.
        width: Number of columns of the matrix.
    """

    indptr: Array
    indices: Array
    data: Array
    width: int

    def take(self, order: Array) -> Rows:
        """These rows, in this order."""
        height = self.indptr.size - 1
        if order.size == height and (order == np.arange(height)).all():
            return self  # a hundred million synapses are not copied for nothing
        lengths = np.diff(self.indptr)[order]
        indptr = _starts(lengths)
        picked = np.arange(indptr[-1]) + np.repeat(self.indptr[:-1][order] - indptr[:-1], lengths)
        return Rows(indptr, self.indices[picked], self.data[picked], self.width)

    def columns(self, start: int, stop: int) -> Columns:
        """The rows [start, stop), column by column."""
        inside = slice(self.indptr[start], self.indptr[stop])
        height, column, data = stop - start, self.indices[inside], self.data[inside]
        if column.size == height * self.width:  # every entry is there
            indices = np.tile(np.arange(height, dtype=np.int32), self.width)
            dense = np.ascontiguousarray(data.reshape(height, self.width).T)
            return Columns(np.arange(self.width + 1) * height, indices, dense.ravel())
        lengths = np.diff(self.indptr[start : stop + 1])
        row = np.repeat(np.arange(height, dtype=np.int32), lengths)
        # Keys of 16 bits are sorted in linear time.
        key = column.astype(np.uint16) if self.width <= 1 << 16 else column
        order = np.argsort(key, kind="stable")
        lengths = np.bincount(column, minlength=self.width)
        return Columns(_starts(lengths), row[order], data[order])


class Columns(NamedTuple):
    """A matrix column by column, as scipy's CSC: the rows of a column ascend."""

    indptr: Array
    indices: Array
    data: Array


def rows_of(synapse: Synapse) -> Rows:
    """The integers of a synapse, row by row; the same as `linear.connections`."""
    op, width = synapse.op, size(synapse.in_shape)
    if isinstance(op, Sparse):
        return Rows(op.indptr, op.indices, op.data, width)
    if isinstance(op, Linear) and op.weight.shape[1] == width:
        height = len(op.weight)
        columns = np.tile(np.arange(width, dtype=np.int32), height)
        return Rows(np.arange(height + 1) * width, columns, op.weight.ravel(), width)
    rows, columns, values = entries(op, synapse.in_shape)
    lengths = np.bincount(rows, minlength=size(synapse.out_shape))
    order = np.argsort(rows * np.int64(width) + columns, kind="stable")
    return Rows(_starts(lengths), columns[order].astype(np.int32), values[order], width)


@singledispatch
def entries(op: Any, in_shape: Shape) -> Entries:
    """Every connection of a linear node; neurons are counted in C order of their shapes."""
    raise Unsupported(f"{type(op).__name__} is not a synapse that a chip has.")


@entries.register
def _(op: Linear, in_shape: Shape) -> Entries:
    rows, columns = op.weight.shape
    copies = np.arange(size(in_shape[:-1]))[:, None, None]
    box = (copies.size, rows, columns)
    return Entries(
        np.broadcast_to(copies * rows + np.arange(rows)[:, None], box).ravel(),
        np.broadcast_to(copies * columns + np.arange(columns), box).ravel(),
        np.broadcast_to(op.weight, box).ravel(),
    )


@entries.register
def _(op: Conv, in_shape: Shape) -> Entries:
    return conv_entries(op, in_shape, out_shape(op, in_shape))


@entries.register
def _(op: ConvTranspose, in_shape: Shape) -> Entries:
    forward = Conv(op.weight, None, op.stride, op.padding, op.dilation, op.groups)
    rows, columns, values = conv_entries(forward, out_shape(op, in_shape), in_shape)
    return Entries(columns, rows, values)


@entries.register
def _(op: Sparse, in_shape: Shape) -> Entries:
    rows = np.repeat(np.arange(size(op.out_shape)), np.diff(op.indptr))
    return Entries(rows, op.indices, op.data)


def apply(op: Any, in_shape: Shape, x: Array) -> Array:
    """(n, n_in) float64 -> (n, n_out): matrix @ x + bias, summed in the same order everywhere."""
    unsorted = entries(op, in_shape)
    shape = out_shape(op, in_shape)
    order = np.argsort(unsorted.rows * np.int64(size(in_shape)) + unsorted.columns, kind="stable")
    rows, columns, values = (part[order] for part in unsorted)
    sums = [np.bincount(rows, values * sample[columns], size(shape)) for sample in x]
    total = np.array(sums).reshape(len(x), size(shape))
    bias = full_bias(op, in_shape)
    return total if bias is None else total + bias


def full_bias(op: Any, in_shape: Shape) -> Array | None:
    """The bias of every output neuron, flattened (n_out,), or None where there is none."""
    bias = bias_of(op)
    if bias is None:
        return None
    shape = out_shape(op, in_shape)
    if isinstance(op, Linear):
        return np.tile(bias, size(shape[:-1]))
    return np.repeat(bias, size(shape) // bias.size)


def conv_entries(op: Conv, in_shape: Shape, shape: Shape) -> Entries:
    """Row, column and weight of every connection of a convolution.

    One pass per kernel tap: the output positions for which the tap falls inside the image.
    """
    inside = np.arange(size(in_shape)).reshape(in_shape)
    outside = np.arange(size(shape)).reshape(shape)
    group_in = op.weight.shape[1]
    group_out = op.weight.shape[0] // op.groups
    rows, columns, values = [], [], []
    taps = op.weight.reshape(*op.weight.shape[:2], -1)
    for number, tap in enumerate(product(*(range(k) for k in op.weight.shape[2:]))):
        spans = [
            _tap_span(n, m, k, s, p, d)
            for n, m, k, s, p, d in zip(
                in_shape[1:], shape[1:], tap, op.stride, op.padding, op.dilation, strict=True
            )
        ]
        if any(there.size == 0 for there, _ in spans):
            continue
        every = (np.arange(shape[0]), np.arange(in_shape[0]))
        to = outside[np.ix_(every[0], *(t for t, _ in spans))].reshape(shape[0], -1)
        at = inside[np.ix_(every[1], *(a for _, a in spans))].reshape(in_shape[0], -1)
        weight = taps[:, :, number]
        for g in range(op.groups):
            out_channels = slice(g * group_out, (g + 1) * group_out)
            in_channels = slice(g * group_in, (g + 1) * group_in)
            box = (group_out, group_in, to.shape[1])
            rows.append(np.broadcast_to(to[out_channels][:, None, :], box).ravel())
            columns.append(np.broadcast_to(at[in_channels][None, :, :], box).ravel())
            values.append(np.broadcast_to(weight[out_channels][:, :, None], box).ravel())
    if not rows:
        empty = np.zeros(0, dtype=np.int64)
        return Entries(empty, empty, np.zeros(0, dtype=op.weight.dtype))
    return Entries(np.concatenate(rows), np.concatenate(columns), np.concatenate(values))


def _tap_span(n: int, m: int, k: int, s: int, p: int, d: int) -> tuple[Array, Array]:
    """Output positions along an axis, and the input positions that one kernel tap joins to them."""
    to = np.arange(m)
    at = to * s - p + k * d
    inside = (at >= 0) & (at < n)
    return to[inside], at[inside]


def _starts(lengths: Array) -> Array:
    """Positions at which runs of these lengths start, and at which the last one ends."""
    return np.concatenate([[0], np.cumsum(lengths)])
