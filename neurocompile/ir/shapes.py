"""The shape of what leaves every node of a FLOAT graph.

In:  a linear node and the shape before it; a FLOAT graph whose Input has a shape.
Out: the shape behind each node.
"""

from __future__ import annotations

from functools import singledispatch
from typing import Any

import numpy as np

from neurocompile.errors import BadInput, Unsupported
from neurocompile.ir.graph import Graph
from neurocompile.ir.neurons import NEURONS
from neurocompile.ir.nodes import (
    LINEAR_OPS,
    AvgPool,
    Conv,
    ConvTranspose,
    Identity,
    Input,
    Linear,
    Reshape,
    Shape,
    Sparse,
    SumPool,
    Upsample,
    size,
)


@singledispatch
def out_shape(op: Any, in_shape: Shape) -> Shape:
    """Shape behind a node, for a shape before it.

    Raises:
        BadInput: If the node cannot take such a shape.
    """
    raise Unsupported(f"{type(op).__name__} is not a linear map.")


@out_shape.register
def _(op: Linear, in_shape: Shape) -> Shape:
    _expect(in_shape[-1:] == op.weight.shape[1:], op, in_shape, f"(..., {op.weight.shape[1]})")
    return (*in_shape[:-1], op.weight.shape[0])


@out_shape.register
def _(op: Conv, in_shape: Shape) -> Shape:
    channels = op.weight.shape[1] * op.groups
    axes = op.weight.ndim - 2
    _expect(
        len(in_shape) == axes + 1 and in_shape[0] == channels, op, in_shape, f"({channels}, ...)"
    )
    spatial = tuple(
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, s, p, d in zip(
            in_shape[1:], op.weight.shape[2:], op.stride, op.padding, op.dilation, strict=True
        )
    )
    _expect(min(spatial) >= 1, op, in_shape, "an image at least as large as the kernel")
    return (op.weight.shape[0], *spatial)


@out_shape.register
def _(op: ConvTranspose, in_shape: Shape) -> Shape:
    channels = op.weight.shape[0]
    axes = op.weight.ndim - 2
    _expect(
        len(in_shape) == axes + 1 and in_shape[0] == channels, op, in_shape, f"({channels}, ...)"
    )
    spatial = tuple(
        (n - 1) * s - 2 * p + d * (k - 1) + extra + 1
        for n, k, s, p, d, extra in zip(
            in_shape[1:],
            op.weight.shape[2:],
            op.stride,
            op.padding,
            op.dilation,
            op.output_padding,
            strict=True,
        )
    )
    _expect(min(spatial) >= 1, op, in_shape, "an image large enough for this padding")
    return (op.weight.shape[1] * op.groups, *spatial)


@out_shape.register
def _(op: Sparse, in_shape: Shape) -> Shape:
    _expect(size(op.in_shape) == size(in_shape), op, in_shape, str(op.in_shape))
    return op.out_shape


@out_shape.register(SumPool)
@out_shape.register(AvgPool)
def _(op: SumPool | AvgPool, in_shape: Shape) -> Shape:
    _expect(len(in_shape) == len(op.kernel) + 1, op, in_shape, f"{len(op.kernel) + 1} axes")
    spatial = tuple(
        (n + 2 * p - k) // s + 1
        for n, k, s, p in zip(in_shape[1:], op.kernel, op.stride, op.padding, strict=True)
    )
    _expect(min(spatial) >= 1, op, in_shape, "an image at least as large as the window")
    return (in_shape[0], *spatial)


@out_shape.register
def _(op: Upsample, in_shape: Shape) -> Shape:
    _expect(len(in_shape) == len(op.scale) + 1, op, in_shape, f"{len(op.scale) + 1} axes")
    return (in_shape[0], *(n * k for n, k in zip(in_shape[1:], op.scale, strict=True)))


@out_shape.register
def _(op: Reshape, in_shape: Shape) -> Shape:
    _expect(size(op.shape) == size(in_shape), op, in_shape, f"{size(op.shape)} values")
    return op.shape


@out_shape.register
def _(op: Identity, in_shape: Shape) -> Shape:
    return in_shape


def shapes(graph: Graph) -> dict[str, Shape]:
    """Shape of one step of one sample behind each node.

    Raises:
        BadInput: If a node cannot take the shape before it; the message names the node.
    """
    found: dict[str, Shape] = {}
    for name, node in graph.nodes.items():
        if isinstance(node, Input):
            found[name] = node.shape
            continue
        (before,) = graph.before(name)
        if isinstance(node, LINEAR_OPS):
            try:
                found[name] = out_shape(node, found[before])
            except BadInput as error:
                raise BadInput(f"layer '{name}': {error}") from None
        else:
            found[name] = found[before]
            _check_parameters(name, node, found[name])
    return found


def _check_parameters(name: str, neuron: Any, shape: Shape) -> None:
    """Parameters are one value a layer, or broadcast to one a neuron."""
    if not isinstance(neuron, NEURONS):
        raise BadInput(f"layer '{name}' is a {type(neuron).__name__}, which is no FLOAT node.")
    for field, value in vars(neuron).items():
        if isinstance(value, np.ndarray):
            try:
                np.broadcast_to(value, shape)
            except ValueError:
                raise BadInput(
                    f"layer '{name}': {field} has shape {value.shape}, but the layer has "
                    f"{shape}. Give one value, or one for each neuron."
                ) from None

def _expect(good: bool, op: Any, found: Shape, allowed: str) -> None:
    if not good:
        raise BadInput(f"{type(op).__name__} was given the shape {found}, but takes {allowed}.")
