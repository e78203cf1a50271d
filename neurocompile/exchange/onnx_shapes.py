"""The shape behind a linear node, and whether its arrays fit together.

In:  a linear node and the shape before it.
Out: the shape after it, or a sentence that says what does not fit.
`ir.linear` defines these shapes; it needs scipy, which reading and running a file must not.
A test holds the two together.
"""

from __future__ import annotations

from functools import singledispatch
from typing import Any

import numpy as np

from neurocompile.errors import BadInput, Unsupported
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
    size,
)

LARGEST_WINDOW = 1 << 20  # values that a pool reads; a damaged file must not ask for more


@singledispatch
def shape_after(op: Any, shape: Shape) -> Shape:
    """Shape behind a linear node.

    Raises:
        BadInput: If the node's own arrays, or the shape before it, do not fit.
    """
    raise Unsupported(f"{type(op).__name__} is not a linear map.")


@shape_after.register
def _(op: Linear, shape: Shape) -> Shape:
    expect(op.weight.ndim == 2 and op.weight.size > 0, f"its weight has shape {op.weight.shape}")
    n_out, n_in = op.weight.shape
    expect(shape[-1:] == (n_in,), f"it takes (..., {n_in}) but gets {shape}")
    _expect_bias(op.bias, n_out)
    return (*shape[:-1], n_out)


@shape_after.register
def _(op: Conv, shape: Shape) -> Shape:
    expect(op.groups >= 1, f"it has {op.groups} groups")
    channels = op.weight.shape[1] * op.groups if op.weight.ndim > 2 else 0
    kernel = _kernel(op, shape, channels, op.weight.shape[0] if channels else 0)
    _expect_bias(op.bias, op.weight.shape[0])
    return (op.weight.shape[0], *_slide(shape, kernel, op.stride, op.padding, op.dilation))


@shape_after.register
def _(op: ConvTranspose, shape: Shape) -> Shape:
    expect(op.groups >= 1, f"it has {op.groups} groups")
    channels = op.weight.shape[0] if op.weight.ndim > 2 else 0
    kernel = _kernel(op, shape, channels, channels)
    _expect_axes(op.output_padding, len(kernel), 0, "output_padding")
    axes = zip(
        shape[1:], kernel, op.stride, op.padding, op.dilation, op.output_padding, strict=True
    )
    for _, _, s, p, d, extra in axes:
        expect(extra < max(s, d), f"its output_padding {extra} is not below stride or dilation")
        good = extra < s or extra <= p
        expect(good, f"its output_padding {extra} is beyond stride {s} and padding {p}, as no ONNX")
    axes = zip(
        shape[1:], kernel, op.stride, op.padding, op.dilation, op.output_padding, strict=True
    )
    spatial = tuple((n - 1) * s - 2 * p + d * (k - 1) + extra + 1 for n, k, s, p, d, extra in axes)
    expect(min(spatial) >= 1, f"nothing of {shape} is left behind its padding")
    n_out = op.weight.shape[1] * op.groups
    _expect_bias(op.bias, n_out)
    return (n_out, *spatial)


@shape_after.register
def _(op: Sparse, shape: Shape) -> Shape:
    n_in, n_out, nnz = size(op.in_shape), size(op.out_shape), op.data.size
    expect(size(shape) == n_in, f"it takes {op.in_shape} but gets {shape}")
    lengths = (op.data.ndim, op.indices.shape, op.indptr.shape) == (1, (nnz,), (n_out + 1,))
    expect(lengths, f"its data, indices and rows do not have {nnz}, {nnz} and {n_out + 1} entries")
    rows = np.diff(op.indptr)
    in_order = op.indptr[0] == 0 and op.indptr[-1] == nnz and bool(np.all(rows >= 0))
    expect(in_order, "its row starts are not in order")
    inside = nnz == 0 or (op.indices.min() >= 0 and op.indices.max() < n_in)
    expect(inside, f"a column is outside 0..{n_in - 1}")
    at = np.repeat(np.arange(n_out), rows) * n_in + op.indices
    expect(bool(np.all(np.diff(at) > 0)), "its columns do not ascend within each row")
    _expect_bias(op.bias, n_out)
    return op.out_shape


@shape_after.register(SumPool)
@shape_after.register(AvgPool)
def _(op: SumPool | AvgPool, shape: Shape) -> Shape:
    axes = len(op.kernel)
    expect(axes in (1, 2) and len(shape) == axes + 1, f"it gets the shape {shape}")
    for what, low in (("kernel", 1), ("stride", 1), ("padding", 0)):
        _expect_axes(getattr(op, what), axes, low, what)
    expect(size(op.kernel) <= LARGEST_WINDOW, f"its kernel is {op.kernel}")
    narrow = all(p < k for p, k in zip(op.padding, op.kernel, strict=True))
    expect(narrow, f"its padding {op.padding} is as wide as its kernel {op.kernel}")
    return (shape[0], *_slide(shape, op.kernel, op.stride, op.padding, (1,) * axes))


@shape_after.register
def _(op: Upsample, shape: Shape) -> Shape:
    expect(1 <= len(op.scale) <= 2 and len(shape) == len(op.scale) + 1, f"it gets {shape}")
    _expect_axes(op.scale, len(op.scale), 1, "scale")
    return (shape[0], *(n * k for n, k in zip(shape[1:], op.scale, strict=True)))


@shape_after.register
def _(op: Reshape, shape: Shape) -> Shape:
    expect(size(op.shape) == size(shape), f"it makes {op.shape} of {shape}")
    return op.shape


@shape_after.register
def _(op: Identity, shape: Shape) -> Shape:
    return shape


def expect(good: bool, what: str) -> None:
    """Refuse with a sentence that goes on after the layer's name."""
    if not good:
        raise BadInput(f"{what}.")


def _kernel(op: Conv | ConvTranspose, shape: Shape, channels: int, split: int) -> Shape:
    """Kernel of a convolution, after checking everything about it that both kinds share."""
    axes = op.weight.ndim - 2
    expect(axes in (1, 2) and op.weight.size > 0, f"its weight has shape {op.weight.shape}")
    expect(split % op.groups == 0, f"its {op.groups} groups do not divide {split} channels")
    expect(
        len(shape) == axes + 1 and shape[0] == channels,
        f"it takes ({channels}, ...) with {axes + 1} axes but gets {shape}",
    )
    for what, low in (("stride", 1), ("padding", 0), ("dilation", 1)):
        _expect_axes(getattr(op, what), axes, low, what)
    return op.weight.shape[2:]


def _slide(shape: Shape, kernel: Shape, stride: Shape, padding: Shape, dilation: Shape) -> Shape:
    axes = zip(shape[1:], kernel, stride, padding, dilation, strict=True)
    spatial = tuple((n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in axes)
    expect(min(spatial) >= 1, f"its kernel is larger than the image {shape}")
    return spatial


def _expect_axes(numbers: Shape, axes: int, low: int, what: str) -> None:
    good = len(numbers) == axes and all(n >= low for n in numbers)
    expect(good, f"its {what} is {numbers}, allowed are {axes} whole numbers from {low}")


def _expect_bias(bias: Any, n_out: int) -> None:
    expect(bias is None or bias.shape == (n_out,), f"its bias is not ({n_out},)")
