"""The meaning of every synapse node: one sparse matrix between flattened neurons.

In:  a linear node and its input shape.
Out: its matrix (n_out, n_in), and its bias for every output.
Fast kernels elsewhere (torch, ONNX, Lava) are tested against these matrices.
"""

from __future__ import annotations

from functools import singledispatch
from typing import Any

import numpy as np
import scipy.sparse as sp

from neurocompile.errors import BadInput, Unsupported
from neurocompile.ir.arrays import Array
from neurocompile.ir.entries import conv_count, conv_entries
from neurocompile.ir.entries import full_bias as full_bias
from neurocompile.ir.fixed import Synapse
from neurocompile.ir.nodes import (
    AvgPool,
    BatchNorm,
    Conv,
    ConvTranspose,
    Identity,
    Linear,
    Reshape,
    Shape,
    Sparse,
    SumPool,
    Upsample,
    size,
)
from neurocompile.ir.shapes import out_shape

MAX_CONNECTIONS = 1 << 28  # that are listed: each takes some 50 bytes


@singledispatch
def matrix(op: Any, in_shape: Shape) -> sp.csr_array:
    """The matrix (n_out, n_in) of a linear node, indices sorted, in the type of its weights.

    Rows and columns count neurons in C order of their shapes. Weights of zero stay stored,
    because a synapse exists whatever its weight.

    Raises:
        BadInput: If it would have too many entries.
        Unsupported: If the node is not linear.
    """
    raise Unsupported(f"{type(op).__name__} is not a linear map.")


@matrix.register
def _(op: Linear, in_shape: Shape) -> sp.csr_array:
    check_connections(op, in_shape)
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
    check_connections(op, in_shape)
    shape = out_shape(op, in_shape)
    rows, columns, values = conv_entries(op, in_shape, shape)
    return _csr(values, rows, columns, (size(shape), size(in_shape)))


@matrix.register
def _(op: ConvTranspose, in_shape: Shape) -> sp.csr_array:
    check_connections(op, in_shape)
    shape = out_shape(op, in_shape)
    forward = Conv(op.weight, None, op.stride, op.padding, op.dilation, op.groups)
    rows, columns, values = conv_entries(forward, shape, in_shape)
    return _csr(values, columns, rows, (size(shape), size(in_shape)))


@matrix.register
def _(op: Sparse, in_shape: Shape) -> sp.csr_array:
    shape = (size(op.out_shape), size(op.in_shape))
    return sp.csr_array((op.data.copy(), op.indices.copy(), op.indptr.copy()), shape=shape)


@matrix.register
def _(op: BatchNorm, in_shape: Shape) -> sp.csr_array:
    each = np.arange(size(in_shape))
    factors = np.repeat(op.weight, size(in_shape[1:]))
    return _csr(factors, each, each, (each.size, each.size))


@matrix.register
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


@matrix.register
def _(op: Reshape | Identity, in_shape: Shape) -> sp.csr_array:
    return sp.csr_array(sp.eye_array(size(in_shape), format="csr"))


def entries_in(op: Any, in_shape: Shape) -> int:
    """Number of entries of `matrix`; nothing of their size is made."""
    if isinstance(op, SumPool | AvgPool):
        op = _pool_as_conv(op, in_shape)
    shape = out_shape(op, in_shape)
    if isinstance(op, Conv):
        return conv_count(op, in_shape, shape)
    if isinstance(op, ConvTranspose):
        forward = Conv(op.weight, None, op.stride, op.padding, op.dilation, op.groups)
        return conv_count(forward, shape, in_shape)
    if isinstance(op, Linear):
        return int(op.weight.size) * size(in_shape[:-1])
    return int(op.data.size) if isinstance(op, Sparse) else size(shape)


def check_connections(
    op: Any, in_shape: Shape, name: str = "", most: int = MAX_CONNECTIONS, cure: str = ""
) -> None:
    """Refuse a linear node with more connections than can be listed, or than are given.

    Args:
        op, in_shape: The node, and the shape of its input.
        name: Its name, where it is known.
        most: How many it may have.
        cure: What else helps, as a sentence and a space.

    Raises:
        BadInput: Names the layer, or its weights.
    """
    count = entries_in(op, in_shape)
    if count > most:
        layer = f"layer '{name}'" if name else f"a layer with weights {op.weights.shape}"
        raise BadInput(
            f"{layer} ({type(op).__name__}) connects {count:,} pairs of values, allowed are "
            f"{most:,}. {cure}Use a smaller kernel, a larger stride, or fewer values."
        )


def connections(synapse: Synapse) -> sp.csr_array:
    """The integers of a synapse: (n_target, n_source) weights, before weight_exp.

    This is the meaning of a synapse: when the spikes s leave the source,
    (connections @ s)[j] * 2**weight_exp arrives at target j.
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


def _csr(values: Array, rows: Array, columns: Array, shape: tuple[int, int]) -> sp.csr_array:
    """A CSR matrix that keeps stored zeros; no entry may occur twice."""
    return _sorted(sp.csr_array(sp.coo_array((values, (rows, columns)), shape=shape)))


def _sorted(m: sp.csr_array) -> sp.csr_array:
    m = sp.csr_array(m)
    m.sort_indices()
    return m
