"""What arrives at each node of a FLOAT graph, as a sum of linear paths from neurons and the input.

In:  FLOAT graph whose linear nodes may branch, add, concatenate and delay.
Out: for every neuron, its paths: one for each origin and each number of steps it comes late.
A linear node distributes over a sum: W (a + b) = W a + W b, and over a concatenation, of which
each part takes its own columns of W. Its bias goes with the first path, so it counts once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse as sp

from neurocompile.errors import Unsupported
from neurocompile.ir.arrays import Array
from neurocompile.ir.graph import Graph
from neurocompile.ir.linear import full_bias, matrix, sparse_op
from neurocompile.ir.neurons import Neuron
from neurocompile.ir.nodes import (
    Add,
    BatchNorm,
    Concat,
    Conv,
    ConvTranspose,
    Delay,
    Identity,
    Input,
    Linear,
    Reshape,
    Shape,
    Sparse,
    bias_of,
    size,
)
from neurocompile.ir.order import order_behind
from neurocompile.ir.shapes import out_shape
from neurocompile.simplify.fold_batchnorm import folded

ORIGINS = (Input, Neuron)
LONGEST_NAME = 200  # letters of a composed synapse; what is beyond is left out in the middle


@dataclass(frozen=True)
class Slot:
    """Puts a part where it stands in a concatenation along the first axis; the rest is 0.

    Attributes:
        first: Where the part starts on the first axis.
        before, after: Shapes of the part and of the whole.
    """

    first: int
    before: Shape
    after: Shape


@dataclass(frozen=True)
class LinearPath:
    """One linear map from an origin.

    Attributes:
        origin: Name of the neuron layer or input.
        delay: Steps that it comes late.
        in_shape: Shape behind the origin.
        links: Names and nodes from the origin on: linear nodes and Places.
    """

    origin: str
    delay: int
    in_shape: Shape
    links: tuple[tuple[str, Any], ...] = ()

    def behind(self, name: str, op: Any, shape: Shape) -> LinearPath:
        """The path followed by a linear node.

        Args:
            name, op: The node.
            shape: Before it.
        """
        if isinstance(op, Identity):
            return self
        *links, (last, end) = self.links or (("", None),)
        if isinstance(end, Slot):
            turned = _through(end, last, name, op)
            if turned is not None:
                return replace(self, links=(*links, *turned))
        if isinstance(op, BatchNorm):
            both = folded(end, op, shape)
            if both is not None:
                return replace(self, links=(*links, (joined("+", [last, name]), both)))
        return replace(self, links=(*self.links, (name, op)))

    @property
    def working(self) -> tuple[tuple[str, Any], ...]:
        """The links that do more than reshape."""
        return tuple((n, op) for n, op in self.links if not isinstance(op, Reshape))

    def composed(self, shape: Shape) -> tuple[str, Sparse]:
        """Everything on the path as one matrix, and the names of what is in it.

        Args:
            shape: Behind the path.
        """
        total = sp.csr_array(sp.eye_array(size(self.in_shape), format="csr"))
        bias: Array | None = None
        before = self.in_shape
        for _, op in self.links:
            step, own, before = _step(op, before)
            total = sp.csr_array(step @ total)
            if bias is not None:
                bias = step @ bias
            if own is not None:
                bias = own.astype(np.float64) if bias is None else bias + own
        names = [n for n, op in self.working if not isinstance(op, Slot)]
        return joined("+", names), sparse_op(total, self.in_shape, shape, bias)


def paths_of(graph: Graph, shape: dict[str, Shape]) -> dict[str, tuple[LinearPath, ...]]:
    """The paths that add up to what each neuron is given.

    Raises:
        Unsupported: If a loop passes no neuron, or a bias passes a Delay.
    """
    behind: dict[str, tuple[LinearPath, ...]] = {
        name: (LinearPath(name, 0, shape[name]),) for name, _ in graph.of(*ORIGINS)
    }
    for name in order_behind(graph, ORIGINS):
        if name not in behind:
            behind[name] = _paths_behind(graph, name, shape, behind)
    return {name: behind[graph.before(name)[0]] for name, _ in graph.of(Neuron)}


def joined(sign: str, names: list[str]) -> str:
    """Several names as one, not too long."""
    whole = sign.join(names)
    half = LONGEST_NAME // 2
    return whole if len(whole) <= LONGEST_NAME else f"{whole[:half]}...{whole[-half:]}"


def _paths_behind(
    graph: Graph, name: str, shape: dict[str, Shape], behind: dict[str, tuple[LinearPath, ...]]
) -> tuple[LinearPath, ...]:
    node, before = graph.nodes[name], graph.before(name)
    if isinstance(node, Add):
        return _added([path for b in before for path in behind[b]], shape[name])
    if isinstance(node, Concat):
        found, first = [], 0
        for b in before:
            place = Slot(first, shape[b], shape[name])
            found += [path.behind(f"{name}_part", place, shape[b]) for path in behind[b]]
            first += shape[b][0]
        return _added(found, shape[name])
    if isinstance(node, Delay):
        return tuple(_delayed(path, name, node) for path in behind[before[0]])
    first_path, *others = behind[before[0]]
    bare = node if bias_of(node) is None else replace(node, bias=None)
    outer = shape[before[0]]
    return (
        first_path.behind(name, node, outer),
        *(path.behind(name, bare, outer) for path in others),
    )


def _added(paths: list[LinearPath], shape: Shape) -> tuple[LinearPath, ...]:
    """Paths of one origin and delay become one matrix."""
    groups: dict[tuple[str, int], list[LinearPath]] = {}
    for path in paths:
        groups.setdefault((path.origin, path.delay), []).append(path)
    return tuple(g[0] if len(g) == 1 else _sum(g, shape) for g in groups.values())


def _sum(paths: list[LinearPath], shape: Shape) -> LinearPath:
    total: Any = 0
    bias: Any = None
    names = []
    for path in paths:
        name, op = path.composed(shape)
        total = total + matrix(op, path.in_shape)
        if op.bias is not None:
            bias = op.bias if bias is None else bias + op.bias
        names += [name] if name else []
    first = paths[0]
    op = sparse_op(sp.csr_array(total), first.in_shape, shape, bias)
    return replace(first, links=((joined("&", names) or f"{first.origin}_copies", op),))


def _delayed(path: LinearPath, name: str, node: Delay) -> LinearPath:
    biased = next((n for n, op in path.links if np.any(bias_of(op))), None)
    if biased is not None:
        raise Unsupported(
            f"layer '{name}' (Delay): the bias of layer '{biased}' passes it, so that it would be "
            "missing in the first steps. Delay what leads to that layer instead, or leave out its "
            "bias."
        )
    bare = tuple((n, op if bias_of(op) is None else replace(op, bias=None)) for n, op in path.links)
    return replace(path, delay=path.delay + node.steps, links=bare)


def _through(place: Slot, last: str, name: str, op: Any) -> list[tuple[str, Any]] | None:
    """What a slot and a linear node behind it make together, or None if just both."""
    rows = slice(place.first, place.first + place.before[0])
    if isinstance(op, Linear) and len(place.after) == 1:
        return [(name, replace(op, weight=op.weight[:, rows]))]
    if isinstance(op, Conv) and op.groups == 1:
        return [(name, replace(op, weight=op.weight[:, rows]))]
    if isinstance(op, ConvTranspose) and op.groups == 1:
        return [(name, replace(op, weight=op.weight[rows]))]
    if isinstance(op, Reshape) and len(op.shape) == 1:
        part = (size(place.before),)
        flat = Slot(place.first * size(place.before[1:]), part, op.shape)
        return [(name, Reshape(part)), (last, flat)]
    return None


def _step(op: Any, before: Shape) -> tuple[sp.csr_array, Array | None, Shape]:
    """Matrix, bias and shape of a link."""
    if not isinstance(op, Slot):
        return matrix(op, before).astype(np.float64), full_bias(op, before), out_shape(op, before)
    count = size(before)
    first = op.first * size(op.after[1:])
    ones = (np.ones(count), (np.arange(first, first + count), np.arange(count)))
    return sp.csr_array(sp.coo_array(ones, shape=(size(op.after), count))), None, op.after
