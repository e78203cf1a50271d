"""The output shape of every node of a FLOAT graph, and whether its geometry allows one.

In:  a linear node and its input shape; a FLOAT graph whose Input has a shape.
Out: the output shape of each node, or the sentence that says what does not fit.
Nothing of a layer's size is allocated, so untrusted numbers are safe here. No scipy.
"""

from __future__ import annotations

from collections import deque
from functools import singledispatch
from typing import Any

from neurocompile.errors import BadInput, Unsupported
from neurocompile.ir.checks import (
    MAX_GEOMETRY,
    MAX_POOL,
    MAX_WINDOW,
    check_each,
    check_shape,
    expect,
    naming_layer,
)
from neurocompile.ir.graph import Graph
from neurocompile.ir.neurons import Neuron
from neurocompile.ir.nodes import (
    Add,
    AvgPool,
    BatchNorm,
    Concat,
    Conv,
    ConvTranspose,
    Delay,
    Identity,
    Input,
    Linear,
    LinearMap,
    Reshape,
    Shape,
    Sparse,
    SumPool,
    Upsample,
    size,
)


def out_shape(op: Any, in_shape: Shape) -> Shape:
    """Output shape of a linear node for an input shape.

    Raises:
        BadInput: If the node's own arrays or geometry do not fit together, it cannot take such
            a shape, or its output is too large; the sentence continues the node's name.
        Unsupported: If it is not a linear map.
    """
    shape = _out_shape(op, in_shape)
    check_shape(shape)
    return shape


def shapes(graph: Graph) -> dict[str, Shape]:
    """Output shape of each node of a FLOAT graph, for one step of one sample.

    In a loop an Add takes the shape of whichever source is known first, and a Reshape or Sparse
    has its own. All are checked against each other at the end.

    Raises:
        BadInput: If a node cannot take its input shape, or its shape depends only on itself;
            the message names the node.
    """
    shape: dict[str, Shape] = {}
    visited: set[str] = set()
    _spread(graph, deque(graph.nodes), shape, visited)
    if len(shape) < len(graph.nodes):
        fixed = [n for n, _ in graph.of(Reshape, Sparse) if n not in shape]
        for name in fixed:
            with naming_layer(name, graph.nodes[name]):
                shape[name] = _own_shape(graph.nodes[name])
        _spread(graph, deque(b for n in fixed for b in graph.after(n)), shape, visited)
        for name in fixed:
            with naming_layer(name, graph.nodes[name]):
                _check_known(graph, name, shape)
                out_shape(graph.nodes[name], shape[graph.before(name)[0]])
    for name, node in graph.of(Add, Delay):
        with naming_layer(name, node):
            _check_known(graph, name, shape)
            inputs = [shape[b] for b in graph.before(name)]
            different = next((other for other in inputs if other != shape[name]), None)
            expect(
                different is None,
                f"it adds the shapes {shape[name]} and {different}. Give it signals of one shape.",
            )
            late = node.late if isinstance(node, Delay) else None
            if late is not None and late.shape != shape[name]:
                raise BadInput(
                    f"its late has the shape {late.shape}, allowed is that of its values, "
                    f"{shape[name]}."
                )
    for name, node in graph.nodes.items():
        with naming_layer(name, node):
            _check_known(graph, name, shape)
    return {name: shape[name] for name in graph.nodes}


def _spread(graph: Graph, pending: deque[str], shape: dict[str, Shape], visited: set[str]) -> None:
    """Add the shapes that follow from those known already; each edge is followed once."""
    while pending:
        name = pending.popleft()
        if name in shape:
            continue
        visited.add(name)
        node, before = graph.nodes[name], graph.before(name)
        inputs = [shape[b] for b in before if b in shape]
        enough = 1 if isinstance(node, Add) else len(before)
        if len(inputs) < enough:
            continue
        with naming_layer(name, node):
            shape[name] = _joined(node, inputs)
        pending.extend(b for b in graph.after(name) if b in visited and b not in shape)


def _joined(node: Any, inputs: list[Shape]) -> Shape:
    """Output shape of a node for its input shapes."""
    if isinstance(node, Input):
        check_shape(node.shape)
        return node.shape
    if isinstance(node, LinearMap):
        (before,) = inputs
        return out_shape(node, before)
    if isinstance(node, Concat):
        rest = {shape[1:] for shape in inputs}
        expect(
            len(rest) == 1,
            f"it joins the shapes {inputs[0]} and "
            f"{next((s for s in inputs if s[1:] != inputs[0][1:]), None)}. "
            "After the first axis they must be equal.",
        )
        shape = (sum(shape[0] for shape in inputs), *inputs[0][1:])
        check_shape(shape)
        return shape
    expect(isinstance(node, (Add, Delay, Neuron)), "it is not a node of the FLOAT vocabulary.")
    return inputs[0]


def _own_shape(node: Reshape | Sparse) -> Shape:
    """Output shape of a node that has the same for every input shape."""
    shape = node.shape if isinstance(node, Reshape) else node.out_shape
    check_shape(shape)
    return shape


def _check_known(graph: Graph, name: str, shape: dict[str, Shape]) -> None:
    expect(
        all(n in shape for n in (name, *graph.before(name))),
        "its shape depends only on itself, in a loop. Lead another layer into the loop with an "
        "Add, or put a Reshape into it.",
    )


@singledispatch
def _out_shape(op: Any, in_shape: Shape) -> Shape:
    raise Unsupported(f"{type(op).__name__} is not a linear map.")


@_out_shape.register
def _(op: Linear, in_shape: Shape) -> Shape:
    _expect_weight(op, (2,))
    n_out, n_in = op.weight.shape
    _expect_takes(in_shape[-1:] == (n_in,), in_shape, f"(..., {n_in})")
    _check_bias(op, n_out)
    return (*in_shape[:-1], n_out)


@_out_shape.register
def _(op: Conv, in_shape: Shape) -> Shape:
    _expect_weight(op, (3, 4))
    _check_kernel(op, in_shape, op.weight.shape[1] * op.groups, op.weight.shape[0])
    _check_bias(op, op.weight.shape[0])
    kernel = op.weight.shape[2:]
    return (op.weight.shape[0], *_slid(in_shape, kernel, op.stride, op.padding, op.dilation))


@_out_shape.register
def _(op: ConvTranspose, in_shape: Shape) -> Shape:
    _expect_weight(op, (3, 4))
    _check_kernel(op, in_shape, op.weight.shape[0], op.weight.shape[0])
    kernel = op.weight.shape[2:]
    check_each(op.output_padding, len(kernel), 0, "output_padding")
    least = zip(op.output_padding, op.stride, op.dilation, strict=True)
    expect(
        all(extra < max(s, d) for extra, s, d in least),
        f"its output_padding is {op.output_padding}, but must be below its stride {op.stride} "
        f"or its dilation {op.dilation}, as in PyTorch.",
    )
    channels = op.weight.shape[1] * op.groups
    _check_bias(op, channels)
    axes = zip(in_shape[1:], kernel, op.stride, op.dilation, op.output_padding, strict=True)
    whole = tuple((n - 1) * s + d * (k - 1) + extra + 1 for n, k, s, d, extra in axes)
    check_shape((channels, *whole), "its image before the padding is cut off")
    spatial = tuple(n - 2 * p for n, p in zip(whole, op.padding, strict=True))
    _expect_takes(min(spatial) >= 1, in_shape, f"an image that its padding {op.padding} leaves")
    return (channels, *spatial)


@_out_shape.register
def _(op: Sparse, in_shape: Shape) -> Shape:
    _expect_takes(size(op.in_shape) == size(in_shape), in_shape, str(op.in_shape))
    _check_bias(op, size(op.out_shape))
    return op.out_shape


@_out_shape.register
def _(op: BatchNorm, in_shape: Shape) -> Shape:
    expect(
        op.weight.ndim == 1 and op.weight.size > 0,
        f"its weight has shape {op.weight.shape}, allowed is one number per channel.",
    )
    _expect_takes(in_shape[:1] == op.weight.shape, in_shape, f"({op.weight.size}, ...)")
    _check_bias(op, op.weight.size)
    return in_shape


@_out_shape.register
def _(op: SumPool | AvgPool, in_shape: Shape) -> Shape:
    axes = len(op.kernel)
    expect(axes in (1, 2), f"its kernel is {op.kernel}, allowed are 1 or 2 numbers.")
    _expect_takes(len(in_shape) == axes + 1, in_shape, f"{axes + 1} axes")
    for what, low in (("kernel", 1), ("stride", 1), ("padding", 0)):
        check_each(getattr(op, what), axes, low, what)
    expect(
        all(2 * p <= k for p, k in zip(op.padding, op.kernel, strict=True)),
        f"its padding is {op.padding}, but PyTorch allows up to half of its kernel {op.kernel}.",
    )
    window = size(op.kernel)
    expect(
        window <= MAX_WINDOW and in_shape[0] * window <= MAX_POOL,
        f"its kernel {op.kernel} reads {window} values in {in_shape[0]} channels, allowed are "
        f"{MAX_WINDOW} per channel and {MAX_POOL} in all.",
    )
    return (in_shape[0], *_slid(in_shape, op.kernel, op.stride, op.padding, (1,) * axes))


@_out_shape.register
def _(op: Upsample, in_shape: Shape) -> Shape:
    axes = len(op.scale)
    expect(axes in (1, 2), f"its scale is {op.scale}, allowed are 1 or 2 numbers.")
    _expect_takes(len(in_shape) == axes + 1, in_shape, f"{axes + 1} axes")
    check_each(op.scale, axes, 1, "scale")
    return (in_shape[0], *(n * k for n, k in zip(in_shape[1:], op.scale, strict=True)))


@_out_shape.register
def _(op: Reshape, in_shape: Shape) -> Shape:
    check_shape(op.shape)
    _expect_takes(size(op.shape) == size(in_shape), in_shape, f"{size(op.shape)} values")
    return op.shape


@_out_shape.register
def _(op: Identity, in_shape: Shape) -> Shape:
    return in_shape


def _expect_takes(good: bool, given: Shape, allowed: str) -> None:
    expect(good, f"it was given the shape {given}, but takes {allowed}.")


def _expect_weight(op: Linear | Conv | ConvTranspose, axes: tuple[int, ...]) -> None:
    expect(
        op.weight.ndim in axes and op.weight.size > 0,
        f"its weight has shape {op.weight.shape}, allowed are "
        f"{' or '.join(map(str, axes))} axes, none of length 0.",
    )


def _check_bias(op: Any, outputs: int) -> None:
    expect(
        op.bias is None or op.bias.shape == (outputs,),
        f"its bias has shape {getattr(op.bias, 'shape', None)}, allowed is ({outputs},).",
    )


def _check_kernel(op: Conv | ConvTranspose, in_shape: Shape, channels: int, split: int) -> None:
    """Check what both kinds of convolution share: groups, channels and one number per axis."""
    axes = op.weight.ndim - 2
    expect(
        1 <= op.groups <= MAX_GEOMETRY and split % op.groups == 0,
        f"its groups are {op.groups}, allowed is a number from 1 that divides {split} channels.",
    )
    _expect_takes(
        len(in_shape) == axes + 1 and in_shape[0] == channels,
        in_shape,
        f"({channels}, ...) with {axes + 1} axes",
    )
    for what, low in (("stride", 1), ("padding", 0), ("dilation", 1)):
        check_each(getattr(op, what), axes, low, what)


def _slid(in_shape: Shape, kernel: Shape, stride: Shape, padding: Shape, dilation: Shape) -> Shape:
    """Number of positions of a window along each axis of a padded image."""
    padded = tuple(n + 2 * p for n, p in zip(in_shape[1:], padding, strict=True))
    check_shape((in_shape[0], *padded), "its padded image")
    axes = zip(padded, kernel, stride, dilation, strict=True)
    spatial = tuple((n - d * (k - 1) - 1) // s + 1 for n, k, s, d in axes)
    _expect_takes(min(spatial) >= 1, in_shape, f"an image at least as large as its kernel {kernel}")
    return spatial
