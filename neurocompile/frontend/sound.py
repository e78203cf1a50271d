"""Whether a FLOAT graph out of a file can be used at all, as if a stranger had written it.

In:  a graph whose fields have the right types.
Out: nothing, or a refusal that names the node.
Sizes are checked before anything of that size is made.
"""

from __future__ import annotations

from functools import singledispatch
from typing import Any

import numpy as np

from neurocompile.errors import BadInput
from neurocompile.ir.arrays import Array
from neurocompile.ir.graph import Graph
from neurocompile.ir.linear import out_shape
from neurocompile.ir.neurons import NEURONS
from neurocompile.ir.nodes import (
    LINEAR_OPS,
    AvgPool,
    Conv,
    ConvTranspose,
    Input,
    Linear,
    Reshape,
    Shape,
    Sparse,
    SumPool,
    Upsample,
    size,
)

MAX_NODES = 10_000
MAX_LAYER = 1 << 27  # neurons; a thousand Loihi chips hold 2^27
MAX_POOL = 1 << 24  # channels x kernel; the shape of a pool is found with an array of this size
MAX_GEOMETRY = 1 << 20  # of a stride, padding, dilation or kernel
NAME_LENGTH = 200


def check_sound(graph: Graph) -> None:
    """Refuse a graph that no later step could read.

    Raises:
        BadInput: If names, edges, shapes or numbers are not those of a network.
    """
    if not 1 <= len(graph.nodes) <= MAX_NODES:
        raise BadInput(f"the graph has {len(graph.nodes)} nodes, but 1 to {MAX_NODES} are allowed.")
    for name in graph.nodes:
        if not name or len(name) > NAME_LENGTH or "/" in name or not name.isprintable():
            raise BadInput(f"a node has the name {name[:NAME_LENGTH]!r}, which is not allowed.")
    places = {name: place for place, name in enumerate(graph.nodes)}
    for a, b in graph.edges:
        if a not in places or b not in places or places[a] >= places[b]:
            raise BadInput(f"the edge from '{a}' to '{b}' does not join a node to a later one.")
    if len(set(graph.edges)) != len(graph.edges):
        raise BadInput("an edge stands twice in the graph.")
    shapes: dict[str, Shape] = {}
    for name, node in graph.nodes.items():
        before = graph.before(name)
        wanted = 0 if isinstance(node, Input) else 1
        if len(before) != wanted:
            raise BadInput(f"node '{name}' has {len(before)} inputs, but takes {wanted}.")
        try:
            shapes[name] = _shape_behind(node, shapes[before[0]] if before else ())
        except BadInput as error:
            raise BadInput(f"node '{name}' ({type(node).__name__}): {error}") from None
    if sum(isinstance(node, Input) for node in graph.nodes.values()) != 1:
        raise BadInput("the graph does not have exactly one input.")


def _shape_behind(node: Any, before: Shape) -> Shape:
    for field, value in vars(node).items():
        if isinstance(value, np.ndarray) and not np.isfinite(value).all():
            raise BadInput(f"{field} holds NaN or infinity.")
    if isinstance(node, Input):
        shape = node.shape
    elif isinstance(node, NEURONS):
        _check_neuron(node, before)
        shape = before
    elif isinstance(node, LINEAR_OPS):
        _check(node, before)
        shape = out_shape(node, before)
    else:
        raise BadInput("is not of the FLOAT vocabulary.")
    if not shape or min(shape) < 1 or size(shape) > MAX_LAYER:
        raise BadInput(f"the shape {shape} does not hold 1 to {MAX_LAYER} values.")
    return shape


def _check_neuron(node: Any, shape: Shape) -> None:
    for field, value in vars(node).items():
        if isinstance(value, np.ndarray):
            _expect(
                value.shape in ((), shape), f"{field} has shape {value.shape}, not () or {shape}"
            )
            _expect_real(value, field)
            if field.startswith("tau_"):
                _expect(bool(np.all(value > 0)), f"{field} is not above 0")


@singledispatch
def _check(node: Any, before: Shape) -> None:
    """What `out_shape` takes for granted."""


@_check.register
def _(node: Linear, before: Shape) -> None:
    _expect_real(node.weight, "weight")
    _expect(node.weight.ndim == 2, "weight is not a matrix")
    _check_bias(node.bias, node.weight.shape[0])


@_check.register
def _(node: Conv, before: Shape) -> None:
    _check_kernel(node)
    _expect(node.weight.shape[0] % node.groups == 0, "the channels do not divide into the groups")
    _check_bias(node.bias, node.weight.shape[0])


@_check.register
def _(node: ConvTranspose, before: Shape) -> None:
    _check_kernel(node)
    _check_each(node.output_padding, node.weight.ndim - 2, 0, "output_padding")
    _expect(node.weight.shape[0] % node.groups == 0, "the channels do not divide into the groups")
    _check_bias(node.bias, node.weight.shape[1] * node.groups)


@_check.register(SumPool)
@_check.register(AvgPool)
def _(node: SumPool | AvgPool, before: Shape) -> None:
    axes = len(node.kernel)
    _expect(axes in (1, 2) and len(before) == axes + 1, f"cannot pool the shape {before}")
    _check_each(node.kernel, axes, 1, "kernel")
    _check_each(node.stride, axes, 1, "stride")
    _check_each(node.padding, axes, 0, "padding")
    inside = zip(node.padding, node.kernel, strict=True)
    _expect(all(2 * p <= k for p, k in inside), "padding is more than half the kernel")
    _expect(before[0] * size(node.kernel) <= MAX_POOL, "the kernel is too large")


@_check.register
def _(node: Upsample, before: Shape) -> None:
    _check_each(node.scale, len(before) - 1, 1, "scale")


@_check.register
def _(node: Reshape, before: Shape) -> None:
    _expect(all(n >= 1 for n in node.shape), f"the shape {node.shape} holds nothing")


@_check.register
def _(node: Sparse, before: Shape) -> None:
    shapes = (*node.in_shape, *node.out_shape)
    _expect(all(1 <= n <= MAX_LAYER for n in shapes), "a shape is out of range")
    rows, columns = size(node.out_shape), size(node.in_shape)
    _expect(max(rows, columns) <= MAX_LAYER, "a shape is out of range")
    _expect_real(node.data, "data")
    _expect(node.data.ndim == node.indices.ndim == node.indptr.ndim == 1, "it is not one matrix")
    _expect(node.indptr.size == rows + 1 and node.indptr[0] == 0, "indptr does not fit the rows")
    steps = np.diff(node.indptr)
    _expect(bool(np.all(steps >= 0)), "indptr falls")
    _expect(node.indptr[-1] == node.indices.size == node.data.size, "its arrays differ in length")
    _expect(bool(np.all((node.indices >= 0) & (node.indices < columns))), "a column is not there")
    within = np.diff(node.indices) > 0
    starts = node.indptr[1:-1]
    within[starts[(starts > 0) & (starts < node.indices.size)] - 1] = True
    _expect(bool(within.all()), "columns do not ascend within a row")
    _check_bias(node.bias, rows)


def _check_kernel(node: Conv | ConvTranspose) -> None:
    _expect_real(node.weight, "weight")
    _expect(node.weight.ndim in (3, 4) and node.weight.size > 0, "weight has the wrong axes")
    axes = node.weight.ndim - 2
    _check_each(node.stride, axes, 1, "stride")
    _check_each(node.padding, axes, 0, "padding")
    _check_each(node.dilation, axes, 1, "dilation")
    _expect(1 <= node.groups <= MAX_GEOMETRY, "groups is out of range")


def _check_each(numbers: Shape, axes: int, least: int, what: str) -> None:
    good = len(numbers) == axes and all(least <= n <= MAX_GEOMETRY for n in numbers)
    _expect(good, f"{what} {numbers} is not {axes} numbers from {least} to {MAX_GEOMETRY}")


def _check_bias(bias: Array | None, outputs: int) -> None:
    if bias is not None:
        _expect_real(bias, "bias")
        _expect(bias.shape == (outputs,), f"bias has shape {bias.shape}, not ({outputs},)")


def _expect_real(array: Array, what: str) -> None:
    _expect(array.dtype in (np.float32, np.float64), f"{what} is {array.dtype}, not a float")


def _expect(good: bool, trouble: str) -> None:
    if not good:
        raise BadInput(f"{trouble}.")
