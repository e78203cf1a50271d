"""Every connection of a synapse, with numpy only: row, column and weight.

In:  a linear node that a chip or its host has, and its input shape.
Out: the entries of its matrix (n_out, n_in), in any order or row by row.
`linear.matrix` makes scipy's matrix of them; where scipy is not installed, they are enough.
"""

from __future__ import annotations

from functools import singledispatch
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
    """Row, column and weight of every connection of a convolution; a layer has 2**24 values."""
    taps = op.weight.shape[2:]
    row, column, tap = np.zeros((3, 1), np.int64)  # of all axes so far
    for n, m, k, *how in zip(
        in_shape[1:], shape[1:], taps, op.stride, op.padding, op.dilation, strict=True
    ):
        to, at, number = _joined(n, m, k, *how)
        row = np.add.outer(row * m, to).ravel()
        column = np.add.outer(column * n, at).ravel()
        tap = np.add.outer(tap * k, number).ravel()
    ins, outs = op.weight.shape[1], op.weight.shape[0] // op.groups
    out_channel = np.arange(shape[0]).reshape(op.groups, outs, 1, 1)
    in_channel = np.arange(in_shape[0]).reshape(op.groups, 1, ins, 1)
    box = (op.groups, outs, ins, tap.size)
    return Entries(
        np.broadcast_to((out_channel * size(shape[1:]) + row).astype(np.int32), box).ravel(),
        np.broadcast_to((in_channel * size(in_shape[1:]) + column).astype(np.int32), box).ravel(),
        op.weight.reshape(op.groups, outs, ins, -1)[..., tap].ravel(),
    )


def conv_count(op: Conv, in_shape: Shape, shape: Shape) -> int:
    """Number of entries that `conv_entries` gives; nothing of their size is made."""
    pairs = op.weight.shape[0] * op.weight.shape[1]
    for axis in zip(
        in_shape[1:], shape[1:], op.weight.shape[2:], op.stride, op.padding, op.dilation,
        strict=True,
    ):  # fmt: skip
        pairs *= int(_reached(*axis)[1].sum())
    return pairs


def _joined(n: int, m: int, k: int, s: int, p: int, d: int) -> tuple[Array, Array, Array]:
    """Along an axis, every output, input and kernel tap that belong together."""
    first, count = _reached(n, m, k, s, p, d)
    tap = np.repeat(np.arange(k), count)
    to = np.arange(tap.size) + np.repeat(first - _starts(count)[:-1], count)
    return to, to * s - p + tap * d, tap


def _reached(n: int, m: int, k: int, s: int, p: int, d: int) -> tuple[Array, Array]:
    """(k,) the first output that each kernel tap joins to an input, and how many it joins."""
    before = p - np.arange(k) * d  # where a tap meets the first input
    first = np.clip(-(-before // s), 0, m)
    return first, np.maximum(np.clip((before + n - 1) // s + 1, 0, m) - first, 0)


def _starts(lengths: Array) -> Array:
    """Positions at which runs of these lengths start, and at which the last one ends."""
    return np.concatenate([[0], np.cumsum(lengths)])
