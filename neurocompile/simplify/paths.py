"""What arrives at each node of a FLOAT graph, as a sum of linear paths from neurons and the input.

In:  FLOAT graph whose linear nodes may branch, add, concatenate and delay.
Out: for every neuron, its paths: one per origin and delay.
A linear node distributes over a sum, W (a + b) = W a + W b, and over a concatenation, each part
of which takes its own columns of W. Its bias goes with the first path, so it counts once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import scipy.sparse as sp

from neurocompile.errors import BadInput, Refusals, Unsupported
from neurocompile.ir.arrays import Array
from neurocompile.ir.graph import Graph
from neurocompile.ir.linear import (
    MAX_CONNECTIONS,
    check_connections,
    full_bias,
    matrix,
    sparse_op,
)
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
from neurocompile.ir.order import sources_first
from neurocompile.ir.shapes import out_shape
from neurocompile.simplify.fold_batchnorm import folded

ORIGINS = (Input, Neuron)
MAX_IN_KERNEL = 1 << 32  # connections of a convolution that stays one: VGG's largest has 1.8e9
MAX_PRODUCTS = 1 << 35  # of two weights, in all: some minutes
COUNTED = 1 << 24  # products at a time
LONGEST_NAME = 200  # letters in the name of a composed synapse; the middle of a longer one is cut


@dataclass(frozen=True)
class Slot:
    """Puts a part at its position in a concatenation along the first axis; the rest is 0.

    Attributes:
        first: Index on the first axis where the part starts.
        before, after: Shape of the part, and of the whole.
    """

    first: int
    before: Shape
    after: Shape


@dataclass(frozen=True)
class LinearPath:
    """One linear map from an origin.

    Attributes:
        origin: Name of the neuron layer or input where it starts.
        delay: Delay in steps.
        in_shape: Shape of the origin's output.
        links: Names and nodes from the origin on: linear nodes and Slots.
        late: (n_in,) further steps of each value of the origin, or None.
        ends: (n_out,) further steps of each value at the end of the path, or None; only one of
            the two is given.
    """

    origin: str
    delay: int
    in_shape: Shape
    links: tuple[tuple[str, Any], ...] = ()
    late: Array | None = None
    ends: Array | None = None

    @property
    def when(self) -> tuple[str, int, bytes, bytes]:
        """The origin and all its delays: paths that have these alike are one."""
        late, ends = (b"" if a is None else a.tobytes() for a in (self.late, self.ends))
        return self.origin, self.delay, late, ends

    def followed_by(self, name: str, op: Any, shape: Shape) -> LinearPath:
        """The path with a linear node after it.

        Args:
            name, op: Name of the node, and the node.
            shape: Shape of the node's input.
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

    def composed(self, shape: Shape, room: Room) -> tuple[str, Sparse]:
        """Everything on the path as one matrix, preceded by the joined names of its nodes.

        Args:
            shape: Shape at the end of the path.
            room: Gives up the products that it takes.

        Raises:
            BadInput: If it has too many connections, or takes too long; names the layers.
        """
        total = sp.csr_array(sp.eye_array(size(self.in_shape), format="csr"))
        bias: Array | None = None
        before = self.in_shape
        for name, op in self.links:
            if not isinstance(op, Slot):
                check_connections(op, before, name)
            step, own, before = _step(op, before)
            self._check_products(name, step, total, room)
            total = sp.csr_array(step @ total)
            if bias is not None:
                bias = step @ bias
            if own is not None:
                bias = own.astype(np.float64) if bias is None else bias + own
        names = [n for n, op in self.working if not isinstance(op, Slot)]
        return joined("+", names), sparse_op(total, self.in_shape, shape, bias)

    def _check_products(
        self, name: str, step: sp.csr_array, before: sp.csr_array, room: Room
    ) -> None:
        """Refuse to multiply the matrix of a layer with that of the layers before it."""
        used = np.bincount(step.indices, minlength=step.shape[1])
        products = int(used @ np.diff(before.indptr))
        most = min(products, step.shape[0] * before.shape[1])
        both = (
            f"layer '{name}' and the linear layers before it, back to '{self.origin}', become one "
            "synapse, which takes"
        )
        if products > room.products:
            raise BadInput(
                f"{both} {products:,} products of two weights. {room.products:,} are left of the "
                f"{MAX_PRODUCTS:,} that a network may take. Put neurons between them, use smaller "
                "kernels, or save one layer that has their product."
            )
        room.products -= products
        if most > MAX_CONNECTIONS and _joins_too_many(step, before):
            raise BadInput(
                f"{both} more than {MAX_CONNECTIONS:,} connections. Put neurons between them, or "
                "use smaller kernels."
            )


@dataclass
class Room:
    """What composed synapses may still take, all together.

    Attributes:
        left: Connections.
        products: Products of two weights on the way to them.
    """

    left: int = MAX_CONNECTIONS
    products: int = MAX_PRODUCTS

    def check(self, count: int, layer: str) -> None:
        """Refuse connections for which there is no room.

        Raises:
            BadInput: Names the layer at which they end.
        """
        if count > self.left:
            raise BadInput(
                f"the linear layers up to '{layer}' become synapses of more than "
                f"{MAX_CONNECTIONS:,} connections in all. Put neurons between them, or use "
                "smaller kernels and fewer delays."
            )

    def take(self, count: int, layer: str) -> None:
        """As `check`, and nothing else may take them."""
        self.check(count, layer)
        self.left -= count


def _joins_too_many(step: sp.csr_array, before: sp.csr_array) -> bool:
    """Whether a product has too many entries, counted some rows at a time."""
    left, right = (
        sp.csr_array((np.ones(m.indices.size, bool), m.indices, m.indptr), m.shape)
        for m in (step, before)
    )
    products = np.cumsum(left @ np.diff(before.indptr).astype(np.int64))
    ends = np.searchsorted(products, np.arange(COUNTED, products[-1], COUNTED))
    found = 0
    for first, last in pairwise(np.unique([0, *ends, step.shape[0]]).tolist()):
        found += (left[first:last] @ right).nnz
        if found > MAX_CONNECTIONS:
            return True
    return False


def paths_of(
    graph: Graph, shape: dict[str, Shape], room: Room
) -> dict[str, tuple[LinearPath, ...]]:
    """The paths that add up to the input of each neuron.

    Args:
        graph, shape: FLOAT graph, and the shape at each of its nodes.
        room: Gives up what sums of paths take.

    Raises:
        BadInput: If a sum of paths has too many connections.
        Unsupported: If a loop contains no neuron, or a bias passes a Delay; names each such Delay.
    """
    refusals = Refusals()
    paths: dict[str, tuple[LinearPath, ...]] = {
        name: (LinearPath(name, 0, shape[name]),) for name, _ in graph.of(*ORIGINS)
    }
    for name in sources_first(graph, ORIGINS):
        if name not in paths:
            paths[name] = ()  # what follows a refused Delay is still read, for the list of refusals
            with refusals.gather():
                paths[name] = _paths_after(graph, name, shape, paths, room)
            if not all(isinstance(error, Unsupported) for error in refusals.errors):
                break  # it is too large: all that follows would be multiplied for nothing
    refusals.answer()
    return {name: paths[graph.before(name)[0]] for name, _ in graph.of(Neuron)}


def joined(sign: str, names: list[str]) -> str:
    """Several names joined into one of limited length."""
    whole = sign.join(names)
    half = LONGEST_NAME // 2
    return whole if len(whole) <= LONGEST_NAME else f"{whole[:half]}...{whole[-half:]}"


def _paths_after(
    graph: Graph,
    name: str,
    shape: dict[str, Shape],
    paths: dict[str, tuple[LinearPath, ...]],
    room: Room,
) -> tuple[LinearPath, ...]:
    """The paths at the output of a node, from those at its inputs."""
    node, before = graph.nodes[name], graph.before(name)
    if isinstance(node, Add):
        return _added([path for b in before for path in paths[b]], name, shape[name], room)
    if isinstance(node, Concat):
        parts, first = [], 0
        for b in before:
            slot = Slot(first, shape[b], shape[name])
            whole = (part for path in paths[b] for part in _parted(path, shape[b]))
            parts += [path.followed_by(f"{name}_part", slot, shape[b]) for path in whole]
            first += shape[b][0]
        return _added(parts, name, shape[name], room)
    if isinstance(node, Delay):
        each = [_delayed(path, name, node) for path in paths[before[0]]]
        return tuple(path for parts in each for path in parts)
    outer = shape[before[0]]
    arriving = paths[before[0]]
    if not isinstance(node, Reshape | Identity):
        arriving = tuple(part for path in arriving for part in _parted(path, outer))
    if not arriving:
        return ()
    first_path, *others = arriving
    bare = node if bias_of(node) is None else replace(node, bias=None)
    return (
        first_path.followed_by(name, node, outer),
        *(path.followed_by(name, bare, outer) for path in others),
    )


def _added(paths: list[LinearPath], name: str, shape: Shape, room: Room) -> tuple[LinearPath, ...]:
    """The paths, with those of the same origin and delays added into one matrix."""
    groups: dict[Any, list[LinearPath]] = {}
    for path in paths:
        groups.setdefault(path.when, []).append(path)
    return tuple(g[0] if len(g) == 1 else _sum(g, name, shape, room) for g in groups.values())


def _sum(paths: list[LinearPath], end: str, shape: Shape, room: Room) -> LinearPath:
    total: Any = 0
    bias: Any = None
    names = []
    for path in paths:
        name, op = path.composed(shape, room)
        total = total + matrix(op, path.in_shape)
        room.check(total.nnz, end)
        if op.bias is not None:
            bias = op.bias if bias is None else bias + op.bias
        names += [name] if name else []
    room.take(total.nnz, end)
    first = paths[0]
    op = sparse_op(sp.csr_array(total), first.in_shape, shape, bias)
    return replace(first, links=((joined("&", names) or f"{first.origin}_copies", op),))


def _delayed(path: LinearPath, name: str, node: Delay) -> tuple[LinearPath, ...]:
    """The paths after a delay: one, unless delays of values meet others of values."""
    biased = next((n for n, op in path.links if np.any(bias_of(op))), None)
    if biased is not None:
        raise Unsupported(
            f"layer '{name}' (Delay): the bias of layer '{biased}' passes this delay, so it would "
            "be missing in the first steps. Put the delay before that layer, or remove its bias."
        )
    bare = tuple((n, op if bias_of(op) is None else replace(op, bias=None)) for n, op in path.links)
    path = replace(path, delay=path.delay + node.steps, links=bare)
    if node.late is None:
        return (path,)
    late = node.late.ravel()
    if path.ends is not None:
        return (replace(path, ends=path.ends + late),)
    if not path.working:  # the values are still the origin's
        return (replace(path, late=late if path.late is None else path.late + late),)
    path = replace(path, ends=late)
    return (path,) if path.late is None else _parted(path, node.late.shape)


def _parted(path: LinearPath, shape: Shape) -> tuple[LinearPath, ...]:
    """Paths of some values each, 0 for the others, none of which has delays at its end.

    Args:
        path: Path to values of this shape.
        shape: Shape at its end.
    """
    if path.ends is None:
        return (path,)
    parts = []
    for steps in np.unique(path.ends).tolist():
        chosen = path.ends == steps
        starts = np.concatenate([[0], np.cumsum(chosen)])
        values = Sparse(np.ones(chosen.sum()), np.flatnonzero(chosen), starts, shape, shape)
        bare = replace(path, delay=path.delay + steps, ends=None)
        parts.append(bare.followed_by(f"after_{steps}", values, shape))
    return tuple(parts)


def _through(slot: Slot, last: str, name: str, op: Any) -> list[tuple[str, Any]] | None:
    """The links that replace a slot and the linear node after it; None if both must stay."""
    rows = slice(slot.first, slot.first + slot.before[0])
    if isinstance(op, Linear) and len(slot.after) == 1:
        return [(name, replace(op, weight=op.weight[:, rows]))]
    if isinstance(op, Conv) and op.groups == 1:
        return [(name, replace(op, weight=op.weight[:, rows]))]
    if isinstance(op, ConvTranspose) and op.groups == 1:
        return [(name, replace(op, weight=op.weight[rows]))]
    if isinstance(op, Reshape) and len(op.shape) == 1:
        part = (size(slot.before),)
        flat = Slot(slot.first * size(slot.before[1:]), part, op.shape)
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
