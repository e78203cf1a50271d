"""Fold a batch norm into the weighted node before it, which keeps its kind.

In:  a weighted node, the batch norm after it, the shape between them.
Out: one weighted node that does both, or None if its kind cannot hold them.
`paths.LinearPath.followed_by` calls this on every path, so a batch norm after a sum is folded into
each term. What cannot be folded (after a pool, a neuron, the input) is multiplied out like any
other linear node.
"""

from __future__ import annotations

from dataclasses import replace
from functools import singledispatch
from typing import Any

import numpy as np

from neurocompile.ir.arrays import Array
from neurocompile.ir.nodes import (
    BatchNorm,
    Conv,
    ConvTranspose,
    Linear,
    Shape,
    Sparse,
    bias_of,
    size,
)


def folded(op: Any, norm: BatchNorm, shape: Shape) -> Any | None:
    """A weighted node and the batch norm after it as one node, in float64.

    w (W x + b) + c = (w W) x + (w b + c), with w and c per output channel.

    Args:
        op: Node before the batch norm.
        norm: Batch norm.
        shape: Shape between them.

    Returns:
        A node of the same kind as `op`; None if its channels share weights, or it has no weights.
    """
    weights = _scaled(op, norm.weight.astype(np.float64), shape)
    if weights is None:
        return None
    return replace(op.with_weights(weights), bias=_bias(op, norm, shape))


@singledispatch
def _scaled(op: Any, factors: Array, shape: Shape) -> Array | None:
    """The weights, each multiplied by the factor of its output channel."""
    return None


@_scaled.register
def _(op: Linear, factors: Array, shape: Shape) -> Array | None:
    # With more axes its outputs are along the last, but a batch norm's channels along the first.
    return op.weight * factors[:, None] if len(shape) == 1 else None


@_scaled.register
def _(op: Conv, factors: Array, shape: Shape) -> Array | None:
    return op.weight * factors.reshape(-1, *(1,) * (op.weight.ndim - 1))


@_scaled.register
def _(op: ConvTranspose, factors: Array, shape: Shape) -> Array | None:
    ones = (1,) * (op.weight.ndim - 2)
    grouped = op.weight.reshape(op.groups, -1, *op.weight.shape[1:])
    scaled = grouped * factors.reshape(op.groups, 1, -1, *ones)
    return scaled.reshape(op.weight.shape)


@_scaled.register
def _(op: Sparse, factors: Array, shape: Shape) -> Array | None:
    rows = np.repeat(factors, size(shape[1:]))
    return op.data * np.repeat(rows, np.diff(op.indptr))


def _bias(op: Any, norm: BatchNorm, shape: Shape) -> Array | None:
    before, added = bias_of(op), norm.bias
    values = size(shape[1:]) if isinstance(op, Sparse) else 1  # a Sparse has one bias per value
    if before is None:
        return None if added is None else np.repeat(added, values)
    scaled = before * np.repeat(norm.weight.astype(np.float64), values)
    return scaled if added is None else scaled + np.repeat(added, values)
