"""The shape of what leaves every node of a FLOAT graph, and whether its geometry makes one.

In:  a linear node and the shape before it; a FLOAT graph whose Input has a shape.
Out: the shape behind each node, or the sentence that says what does not fit.
Nothing of a layer's size is made: a stranger's numbers are safe here. No scipy.
"""

from __future__ import annotations

from collections import deque
from functools import singledispatch
from typing import Any

from neurocompile.errors import Unsupported
from neurocompile.ir.checks import (
    MAX_GEOMETRY,
    MAX_POOL,
    MAX_WINDOW,
    check_each,
    check_shape,
    expect,
    layer,
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
    """Shape behind a linear node, for a shape before it.

    Raises:
        BadInput: If the node's own arrays or geometry do not fit together, it cannot take such
            a shape, or what it makes is too large; the sentence goes on after the node's name.
        Unsupported: If it is no linear map.
    """
    shape = _behind(op, in_shape)
    check_shape(shape)
    return shape


def shapes(graph: Graph) -> dict[str, Shape]:
    """Shape of one step of one sample behind each node of a FLOAT graph.

    In a loop an Add has the shape of whichever source is known first, and a Reshape or Sparse
    its own; all are checked against each other at the end.

    Raises:
        BadInput: If a node cannot take the shape before it, or its shape depends on itself
            alone; the message names the node.
    """
    found: dict[str, Shape] = {}
    visited: set[str] = set()
    _spread(graph, deque(graph.nodes), found, visited)
    if len(found) < len(graph.nodes):
        known = [n for n, _ in graph.of(Reshape, Sparse) if n not in found]
        for name in known:
            with layer(name, graph.nodes[name]):
                found[name] = _own_shape(graph.nodes[name])
        _spread(graph, deque(b for n in known for b in graph.after(n)), found, visited)
        for name in known:
            with layer(name, graph.nodes[name]):
                _check_known(graph, name, found)
                out_shape(graph.nodes[name], found[graph.before(name)[0]])
    for name, node in graph.of(Add, Delay):
        with layer(name, node):
            _check_known(graph, name, found)
            each = [found[b] for b in graph.before(name)]
            different = next((shape for shape in each if shape != found[name]), None)
            expect(
                different is None,
                f"it adds the shapes {found[name]} and {different}. Give it signals of one shape.",
            )
    for name, node in graph.nodes.items():
        with layer(name, node):
            _check_known(graph, name, found)
    return {name: found[name] for name in graph.nodes}


def _spread(graph: Graph, pending: deque[str], found: dict[str, Shape], visited: set[str]) -> None:
    """Find the shapes that follow from those found; each edge is followed once."""
    while pending:
        name = pending.popleft()
        if name in found:
            continue
        visited.add(name)
        node, before = graph.nodes[name], graph.before(name)
        each = [found[b] for b in before if b in found]
        enough = 1 if isinstance(node, Add) else len(before)
        if len(each) < enough:
            continue
        with layer(name, node):
            found[name] = _joined(node, each)
        pending.extend(b for b in graph.after(name) if b in visited and b not in found)


def _joined(node: Any, each: list[Shape]) -> Shape:
    """The shape behind a node, for those before it."""
    if isinstance(node, Input):
        check_shape(node.shape)
        return node.shape
    if isinstance(node, LinearMap):
        (before,) = each
        return out_shape(node, before)
    if isinstance(node, Concat):
        rest = {shape[1:] for shape in each}
        expect(
            len(rest) == 1,
            f"it joins the shapes {each[0]} and "
            f"{next((s for s in each if s[1:] != each[0][1:]), None)}. "
            "Behind the first axis they must be equal.",
        )
        shape = (sum(shape[0] for shape in each), *each[0][1:])
        check_shape(shape)
        return shape
    expect(isinstance(node, (Add, Delay, Neuron)), "it is not a node of the FLOAT vocabulary.")
    return each[0]


def _own_shape(node: Reshape | Sparse) -> Shape:
    """The shape behind a node that makes one shape of all."""
    shape = node.shape if isinstance(node, Reshape) else node.out_shape
    check_shape(shape)
    return shape


def _check_known(graph: Graph, name: str, found: dict[str, Shape]) -> None:
    expect(
        all(n in found for n in (name, *graph.before(name))),
        "its shape depends on itself alone, in a loop. Lead something else into the loop by an "
        "Add, or put a Reshape into it.",
    )


@singledispatch
def _behind(op: Any, in_shape: Shape) -> Shape:
    raise Unsupported(f"{type(op).__name__} is not a linear map.")


@_behind.register
def _(op: Linear, in_shape: Shape) -> Shape:
    _expect_weight(op, (2,))
    n_out, n_in = op.weight.shape
    _expect_takes(in_shape[-1:] == (n_in,), in_shape, f"(..., {n_in})")
    _check_bias(op, n_out)
    return (*in_shape[:-1], n_out)


@_behind.register
def _(op: Conv, in_shape: Shape) -> Shape:
    _expect_weight(op, (3, 4))
    _check_kernel(op, in_shape, op.weight.shape[1] * op.groups, op.weight.shape[0])
    _check_bias(op, op.weight.shape[0])
    kernel = op.weight.shape[2:]
    return (op.weight.shape[0], *_slid(in_shape, kernel, op.stride, op.padding, op.dilation))


@_behind.register
def _(op: ConvTranspose, in_shape: Shape) -> Shape:
    _expect_weight(op, (3, 4))
    _check_kernel(op, in_shape, op.weight.shape[0], op.weight.shape[0])
    kernel = op.weight.shape[2:]
    check_each(op.output_padding, len(kernel), 0, "output_padding")
    least = zip(op.output_padding, op.stride, op.dilation, strict=True)
    expect(
        all(extra < max(s, d) for extra, s, d in least),
        f"its output_padding is {op.output_padding}, but must stay below its stride {op.stride} "
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


@_behind.register
def _(op: Sparse, in_shape: Shape) -> Shape:
    _expect_takes(size(op.in_shape) == size(in_shape), in_shape, str(op.in_shape))
    _check_bias(op, size(op.out_shape))
    return op.out_shape


@_behind.register
def _(op: BatchNorm, in_shape: Shape) -> Shape:
    expect(
        op.weight.ndim == 1 and op.weight.size > 0,
        f"its weight has shape {op.weight.shape}, allowed is a number for each channel.",
    )
    _expect_takes(in_shape[:1] == op.weight.shape, in_shape, f"({op.weight.size}, ...)")
    _check_bias(op, op.weight.size)
    return in_shape


@_behind.register
def _(op: SumPool | AvgPool, in_shape: Shape) -> Shape:
    axes = len(op.kernel)
    expect(axes in (1, 2), f"its kernel is {op.kernel}, allowed are 1 or 2 numbers.")
    _expect_takes(len(in_shape) == axes + 1, in_shape, f"{axes + 1} axes")
    for what, low in (("kernel", 1), ("stride", 1), ("padding", 0)):
        check_each(getattr(op, what), axes, low, what)
    expect(
        all(2 * p <= k for p, k in zip(op.padding, op.kernel, strict=True)),
        f"its padding {op.padding} is more than half its kernel {op.kernel}, as no PyTorch pool.",
    )
    window = size(op.kernel)
    expect(
        window <= MAX_WINDOW and in_shape[0] * window <= MAX_POOL,
        f"its kernel {op.kernel} reads {window} values in {in_shape[0]} channels, allowed are "
        f"{MAX_WINDOW} in one and {MAX_POOL} in all.",
    )
    return (in_shape[0], *_slid(in_shape, op.kernel, op.stride, op.padding, (1,) * axes))


@_behind.register
def _(op: Upsample, in_shape: Shape) -> Shape:
    axes = len(op.scale)
    expect(axes in (1, 2), f"its scale is {op.scale}, allowed are 1 or 2 numbers.")
    _expect_takes(len(in_shape) == axes + 1, in_shape, f"{axes + 1} axes")
    check_each(op.scale, axes, 1, "scale")
    return (in_shape[0], *(n * k for n, k in zip(in_shape[1:], op.scale, strict=True)))


@_behind.register
def _(op: Reshape, in_shape: Shape) -> Shape:
    check_shape(op.shape)
    _expect_takes(size(op.shape) == size(in_shape), in_shape, f"{size(op.shape)} values")
    return op.shape


@_behind.register
def _(op: Identity, in_shape: Shape) -> Shape:
    return in_shape


def _expect_takes(good: bool, found: Shape, allowed: str) -> None:
    expect(good, f"it was given the shape {found}, but takes {allowed}.")


def _expect_weight(op: Linear | Conv | ConvTranspose, axes: tuple[int, ...]) -> None:
    expect(
        op.weight.ndim in axes and op.weight.size > 0,
        f"its weight has shape {op.weight.shape}, allowed are "
        f"{' or '.join(map(str, axes))} axes without a 0.",
    )


def _check_bias(op: Any, outputs: int) -> None:
    expect(
        op.bias is None or op.bias.shape == (outputs,),
        f"its bias has shape {getattr(op.bias, 'shape', None)}, allowed is ({outputs},).",
    )


def _check_kernel(op: Conv | ConvTranspose, in_shape: Shape, channels: int, split: int) -> None:
    """What both kinds of convolution share: groups, channels and a number for each axis."""
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
    """Positions of a window along each axis of a padded image."""
    padded = tuple(n + 2 * p for n, p in zip(in_shape[1:], padding, strict=True))
    check_shape((in_shape[0], *padded), "its padded image")
    axes = zip(padded, kernel, stride, dilation, strict=True)
    spatial = tuple((n - d * (k - 1) - 1) // s + 1 for n, k, s, d in axes)
    _expect_takes(min(spatial) >= 1, in_shape, f"an image at least as large as its kernel {kernel}")
    return spatial
