"""A synapse as one matrix product: the values by which each of its weights is multiplied.

In:  a Linear, Conv or ConvTranspose; values at its source.
Out: kernels (groups, outputs, columns) and columns (groups, rows, columns) such that a row of
     columns times a kernel is the sum at one target neuron.
Weights that are shared over space occur once in the kernel; there is one row per position.
"""

from __future__ import annotations

from math import ceil, prod
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from neurocompile.ir.arrays import Array
from neurocompile.ir.nodes import Conv, ConvTranspose, Linear, Shape, size
from neurocompile.ir.shapes import out_shape


def kernels(op: Linear | Conv | ConvTranspose) -> Array:
    """The weights as (groups, outputs of a group, columns)."""
    w = op.weight
    if isinstance(op, Linear):
        return w[None]
    if isinstance(op, ConvTranspose):  # (in, out / groups, *kernel), to be flipped
        w = np.flip(w, axis=tuple(range(2, w.ndim)))
        w = w.reshape(op.groups, -1, *w.shape[1:]).swapaxes(1, 2)
        return w.reshape(op.groups, w.shape[1], -1)
    return w.reshape(op.groups, w.shape[0] // op.groups, -1)


def from_kernels(op: Linear | Conv | ConvTranspose, values: Array) -> Array:
    """Kernels in the shape of a synapse's weights; the inverse of `kernels`."""
    shape = op.weight.shape
    if not isinstance(op, ConvTranspose):
        return values.reshape(shape)
    inputs, outputs, *taps = shape
    w = values.reshape(op.groups, outputs, inputs // op.groups, *taps).swapaxes(1, 2)
    w = w.reshape(shape)
    return np.ascontiguousarray(np.flip(w, axis=tuple(range(2, w.ndim))))


def columns(
    op: Linear | Conv | ConvTranspose, values: Array, in_shape: Shape, more: int = 0
) -> Array:
    """Values by which each weight is multiplied, at every position of every sample.

    Args:
        op: Synapse.
        values: (n, *in_shape), any numbers.
        in_shape: Shape of the synapse's input.
        more: Number of further columns, whose content is arbitrary.

    Returns:
        (groups, n * positions, columns + more) float64, columns in the order of `kernels`.
    """
    x = torch.from_numpy(np.require(values, np.float64, ["C", "W"]))
    if isinstance(op, Linear):
        return _with_room(x.reshape(1, -1, op.weight.shape[1]), 1, more)
    x = x.reshape(-1, *in_shape)
    taps, stride, dilation = op.weight.shape[2:], op.stride, op.dilation
    if isinstance(op, ConvTranspose):
        x, stride = _spread(op, x), (1,) * len(taps)
        padding: Shape = (0,) * len(taps)
    else:
        padding = op.padding
    if len(taps) == 1:
        x, taps, stride = x[:, :, None], (1, *taps), (1, *stride)
        padding, dilation = (0, *padding), (1, *dilation)
    windows = _windows(F.pad(x, (*padding[1:] * 2, *padding[:1] * 2)), taps, stride, dilation)
    n, channels, down, across = windows.shape[:4]
    windows = windows.reshape(n, op.groups, channels // op.groups, down, across, *taps)
    # Copied once; torch's unfold copies twice.
    return _with_room(windows.permute(1, 0, 3, 4, 2, 5, 6), 3, more)


def _with_room(parts: torch.Tensor, rows: int, more: int) -> Array:
    """Values (groups, *rows, *columns) as (groups, rows, columns + more).

    Args:
        parts: The values.
        rows: Number of axes that are rows.
        more: Number of further columns.
    """
    groups, of_rows, of_columns = parts.shape[0], parts.shape[1 : 1 + rows], parts.shape[1 + rows :]
    whole = parts.new_empty(groups, prod(of_rows), prod(of_columns) + more)
    into = whole[:, :, : prod(of_columns)].unflatten(2, of_columns).unflatten(1, of_rows)
    into.copy_(parts)
    return np.asarray(whole.numpy())


def _windows(x: Any, taps: Shape, stride: Shape, dilation: Shape) -> Any:
    """A view of images: (n, channels, positions down and across, *taps)."""
    for axis, (count, step, apart) in enumerate(zip(taps, stride, dilation, strict=True), start=2):
        x = x.unfold(axis, apart * (count - 1) + 1, step)[..., ::apart]
    return x


def _spread(op: ConvTranspose, x: Any) -> Any:
    """Values with zeros between and around them, so that a plain convolution remains to do."""
    axes = range(len(op.stride))
    spread = x.new_zeros(*x.shape[:2], *((x.shape[2 + a] - 1) * op.stride[a] + 1 for a in axes))
    spread[(slice(None), slice(None), *(slice(None, None, s) for s in op.stride))] = x
    around: list[int] = []
    for a in reversed(axes):
        edge = op.dilation[a] * (op.weight.shape[2 + a] - 1) - op.padding[a]
        around += [edge, edge + op.output_padding[a]]
    return F.pad(spread, around)  # a negative edge crops


def column_count(op: Linear | Conv | ConvTranspose) -> int:
    """Number of weights per target."""
    return int(kernels(op).shape[2])


def positions(op: Linear | Conv | ConvTranspose, in_shape: Shape) -> int:
    """Number of targets that share a weight."""
    if isinstance(op, Linear):
        return size(in_shape) // op.weight.shape[1]
    return size(out_shape(op, in_shape)[1:])


def evenly(count: int, most: float) -> slice:
    """Every k-th of `count` items, such that about `most` remain, and at least one."""
    return slice(None, None, max(1, ceil(count / max(1.0, most))))
