"""What every synapse node means: one sparse matrix between flattened neurons.

In:  a linear node and the shape before it.
Out: its shape after, its matrix (n_out, n_in), its bias for every output.
Fast kernels elsewhere (torch, ONNX, Lava) are tested against these matrices.
"""

from __future__ import annotations

from functools import singledispatch
from itertools import product
from typing import Any

import numpy as np
import scipy.sparse as sp

from neurocompile.errors import Unsupported
from neurocompile.ir.arrays import Array
from neurocompile.ir.fixed import Synapse
from neurocompile.ir.nodes import (
    AvgPool,
    Conv,
    ConvTranspose,
    Identity,
    Linear,
    Reshape,
    Shape,
    Sparse,
    SumPool,
    Upsample,
    bias_of,
    size,
)
from neurocompile.ir.shapes import out_shape


@singledispatch
def matrix(op: Any, in_shape: Shape) -> sp.csr_array:
    """The matrix (n_out, n_in) of a linear node, indices sorted, in the type of its weights.

    Rows and columns count neurons in C order of their shapes. Weights that are zero stay
    stored: a synapse exists whatever its weight.
    """
    raise Unsupported(f"{type(op).__name__} is not a linear map.")


@matrix.register
def _(op: Linear, in_shape: Shape) -> sp.csr_array:
    rows, columns = op.weight.shape
    one = _csr(
        op.weight.ravel(),
        np.repeat(np.arange(rows), columns),
        np.tile(np.arange(columns), rows),
        (rows, columns),
    )
    copies = size(in_shape[:-1])
    if copies == 1:
        return one
    return _sorted(sp.csr_array(sp.block_diag([one] * copies, format="csr")))


@matrix.register
def _(op: Conv, in_shape: Shape) -> sp.csr_array:
    shape = out_shape(op, in_shape)
    rows, columns, values = _conv_entries(op, in_shape, shape)
    return _csr(values, rows, columns, (size(shape), size(in_shape)))


@matrix.register
def _(op: ConvTranspose, in_shape: Shape) -> sp.csr_array:
    shape = out_shape(op, in_shape)
    forward = Conv(op.weight, None, op.stride, op.padding, op.dilation, op.groups)
    rows, columns, values = _conv_entries(forward, shape, in_shape)
    return _csr(values, columns, rows, (size(shape), size(in_shape)))


@matrix.register
def _(op: Sparse, in_shape: Shape) -> sp.csr_array:
    shape = (size(op.out_shape), size(op.in_shape))
    return sp.csr_array((op.data.copy(), op.indices.copy(), op.indptr.copy()), shape=shape)


@matrix.register(SumPool)
@matrix.register(AvgPool)
def _(op: SumPool | AvgPool, in_shape: Shape) -> sp.csr_array:
    sums = matrix(_pool_as_conv(op, in_shape), in_shape)
    if isinstance(op, SumPool):
        return sums
    if op.count_include_pad:
        return sums / size(op.kernel)
    counts = np.diff(sums.indptr)
    return _sorted(sp.csr_array(sp.diags_array(1.0 / counts) @ sums))


@matrix.register
def _(op: Upsample, in_shape: Shape) -> sp.csr_array:
    index = np.arange(size(in_shape)).reshape(in_shape)
    for axis, scale in enumerate(op.scale, start=1):
        index = np.repeat(index, scale, axis=axis)
    rows = np.arange(index.size)
    return _csr(np.ones(index.size), rows, index.ravel(), (index.size, size(in_shape)))


@matrix.register(Reshape)
@matrix.register(Identity)
def _(op: Reshape | Identity, in_shape: Shape) -> sp.csr_array:
    return sp.csr_array(sp.eye_array(size(in_shape), format="csr"))


def full_bias(op: Any, in_shape: Shape) -> Array | None:
    """The bias of every output neuron, flattened (n_out,), or None where there is none."""
    bias = bias_of(op)
    if bias is None:
        return None
    shape = out_shape(op, in_shape)
    if isinstance(op, Linear):
        return np.tile(bias, size(shape[:-1]))
    return np.repeat(bias, size(shape) // bias.size)


def connections(synapse: Synapse) -> sp.csr_array:
    """The integers of a synapse: (n_target, n_source) weights, before weight_exp.

    This is the meaning of a synapse: what arrives at target j when the spikes s leave the
    source is (connections @ s)[j] * 2**weight_exp.
    """
    return matrix(synapse.op, synapse.in_shape).astype(np.int64)


def sparse_op(m: sp.csr_array, in_shape: Shape, shape: Shape, bias: Array | None) -> Sparse:
    """A Sparse node that holds a matrix and a flattened bias."""
    m = _sorted(m)
    return Sparse(m.data, m.indices, m.indptr, in_shape, shape, bias)


def _pool_as_conv(op: SumPool | AvgPool, in_shape: Shape) -> Conv:
    channels = in_shape[0]
    ones = (1,) * len(op.kernel)
    weight = np.ones((channels, 1, *op.kernel))
    return Conv(weight, None, op.stride, op.padding, ones, channels)


def _conv_entries(op: Conv, in_shape: Shape, shape: Shape) -> tuple[Array, Array, Array]:
    """Row, column and weight of every connection of a convolution.

    One pass a kernel tap: the output positions whose tap falls inside the image.
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
        return empty, empty, np.zeros(0, dtype=op.weight.dtype)
    return np.concatenate(rows), np.concatenate(columns), np.concatenate(values)


def _tap_span(n: int, m: int, k: int, s: int, p: int, d: int) -> tuple[Array, Array]:
    """Output positions, and the input positions that one kernel tap joins them to."""
    to = np.arange(m)
    at = to * s - p + k * d
    inside = (at >= 0) & (at < n)
    return to[inside], at[inside]


def _csr(values: Array, rows: Array, columns: Array, shape: tuple[int, int]) -> sp.csr_array:
    """A CSR matrix that keeps stored zeros; no entry may stand twice."""
    return _sorted(sp.csr_array(sp.coo_array((values, (rows, columns)), shape=shape)))


def _sorted(m: sp.csr_array) -> sp.csr_array:
    m = sp.csr_array(m)
    m.sort_indices()
    return m
