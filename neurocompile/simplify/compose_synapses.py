"""Compose everything linear between two neurons into one synapse.

In:  FLOAT graph: linear nodes, reshapes, Add, Concat and Delay between neurons.
Out: FLOAT graph: before each neuron one branch per origin and delay. A branch is one weighted
     node, after or before a Delay if there is one, perhaps with reshapes; several branches meet in
     an Add.
A path that already is one weighted node keeps its kind (and so its kernel). Any other path is
multiplied out into one matrix: a Linear if each target is connected with each origin, as after two
Linear in a row, else a Sparse. Neurons that directly follow each other get weights of 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from neurocompile.errors import Unsupported
from neurocompile.ir.arrays import Array
from neurocompile.ir.graph import Edge, Graph
from neurocompile.ir.linear import MAX_CONNECTIONS, check_connections
from neurocompile.ir.neurons import Neuron
from neurocompile.ir.nodes import (
    JOINS,
    Add,
    Conv,
    ConvTranspose,
    Delay,
    Input,
    Linear,
    LinearMap,
    Reshape,
    Shape,
    Sparse,
    Weighted,
    size,
)
from neurocompile.ir.shapes import out_shape, shapes
from neurocompile.simplify.paths import (
    MAX_IN_KERNEL,
    LinearPath,
    Room,
    paths_of,
)

Links = list[tuple[str, Any]]
Wait = tuple[str, int, bytes]


@dataclass(frozen=True)
class Branch:
    """One branch that leads to a neuron in a simplified graph.

    Attributes:
        origin: Name of the neuron or input where it starts.
        delay: Delay in steps.
        names: Names of its linear nodes, from the origin on.
        late: (n_in,) further steps of each value of the origin, or None.
        ends: (n_out,) further steps of each value that reaches the neuron, or None.
    """

    origin: str
    delay: int
    names: tuple[str, ...]
    late: Array | None = None
    ends: Array | None = None

    @property
    def longest(self) -> int:
        """Steps until every value has arrived."""
        further = [int(a.max()) for a in (self.late, self.ends) if a is not None]
        return self.delay + sum(further)


def branches_before(graph: Graph, neuron: str) -> tuple[Branch, ...]:
    """The branches that meet in a neuron of a simplified graph, in the order of their edges."""
    (before,) = graph.before(neuron)
    ends = graph.before(before) if isinstance(graph.nodes[before], Add) else (before,)
    return tuple(_branch(graph, end) for end in ends)


def _branch(graph: Graph, name: str) -> Branch:
    names: list[str] = []
    delay = 0
    late: Array | None = None
    ends: Array | None = None
    while isinstance(graph.nodes[name], (LinearMap, Delay)):
        node = graph.nodes[name]
        if not isinstance(node, Delay):
            names.insert(0, name)
        else:
            delay += node.steps
            if node.late is not None and names:
                late = node.late.ravel()
            elif node.late is not None:
                ends = node.late.ravel()
        (name,) = graph.before(name)
    return Branch(name, delay, tuple(names), late, ends)


def compose_synapses(graph: Graph) -> Graph:
    """Leave exactly one weighted node per origin and delay before each neuron.

    Raises:
        Unsupported: If the graph ends in a synapse (a chip reads neurons, not sums), a loop
            contains no neuron, or a bias passes a Delay.
        BadInput: If a synapse, or all composed ones together, would have too many connections.
    """
    shape = shapes(graph)
    _check_ends(graph)
    draft = _Draft({name for name, _ in graph.of(Input, Neuron)})
    branches: dict[str, list[tuple[LinearPath, Links]]] = {}
    room = Room()
    for name, paths in paths_of(graph, shape, room).items():
        branches[name] = []
        for path in paths:
            links = _links(graph, path, name, shape, room)
            branches[name].append((path, links))
            if tuple(links) != path.links:  # composed, and stored anew
                made = sum(op.weights.size for _, op in links if isinstance(op, Weighted))
                room.take(made, name)
    late = {_wait(path): path for paths in branches.values() for path, _ in paths if _waits(path)}
    for name, node in graph.of(Input, Neuron):
        ends = [
            draft.branch(path, links, name, shape[name]) for path, links in branches.get(name, [])
        ]
        if len(ends) > 1:
            ends = [draft.add(f"{name}_sum", Add(), ends)]
        draft.put(name, node, ends)
        for key in sorted(key for key in late if key[0] == name):
            origin, delay, _ = key
            each = late[key].late
            held = Delay(delay, None if each is None else each.reshape(shape[origin]))
            draft.delays[key] = draft.add(f"{origin}_{delay}_late", held, [origin])
    return draft.graph(graph)


def _wait(path: LinearPath) -> Wait:
    """The origin of a path, its delay and those of the origin's values."""
    return path.when[:3]


def _waits(path: LinearPath) -> bool:
    """Whether a Delay comes after the path's origin."""
    return bool(path.delay) or path.late is not None


class _Draft:
    """The graph under construction; a branch after a Delay gets its edge at the end."""

    def __init__(self, taken: set[str]):
        self.nodes: dict[str, Any] = {}
        self.edges: list[Edge] = []
        self.taken = taken
        self.delays: dict[Wait, str] = {}
        self.waiting: list[tuple[Wait, str]] = []

    def put(self, name: str, node: Any, before: list[str]) -> str:
        """Put in a node of this name after others; returns the name."""
        self.nodes[name] = node
        self.taken.add(name)
        self.edges += [(b, name) for b in before]
        return name

    def add(self, wanted: str, node: Any, before: list[str], where: str = "") -> str:
        """Put in a node of this name, or of a similar one that is free; returns its name."""
        name, count = wanted, 1
        if where and name in self.taken:
            name = wanted = f"{wanted}@{where}"
        while name in self.taken:
            count += 1
            name = f"{wanted}_{count}"
        return self.put(name, node, before)

    def branch(self, path: LinearPath, links: Links, neuron: str, shape: Shape) -> str:
        """Add the nodes of a branch to a neuron of a shape; returns the last one's name."""
        current = [] if _waits(path) else [path.origin]
        for number, (link, node) in enumerate(links):
            name = self.add(link, node, current, where=neuron)
            if _waits(path) and number == 0:
                self.waiting.append((_wait(path), name))
            current = [name]
        if path.ends is not None:
            late = Delay(0, path.ends.reshape(shape))
            return self.add(f"{current[0]}_late", late, current, where=neuron)
        return current[0]

    def graph(self, of: Graph) -> Graph:
        """The finished graph with all its edges."""
        late = [(self.delays[key], name) for key, name in self.waiting]
        return Graph(self.nodes, (*self.edges, *late), of.settings)


def _links(
    graph: Graph, path: LinearPath, neuron: str, shape: dict[str, Shape], room: Room
) -> Links:
    """The nodes to put between an origin and a neuron, without the Delay."""
    working = path.working
    if len(working) == 1 and isinstance(working[0][1], Weighted):
        before = path.in_shape
        for link, op in path.links:
            kept = isinstance(op, Conv | ConvTranspose)  # as a kernel: no matrix is made
            check_connections(op, before, link, MAX_IN_KERNEL if kept else MAX_CONNECTIONS)
            before = out_shape(op, before)
        return list(path.links)
    origin = graph.nodes[path.origin]
    current = isinstance(origin, Input) and graph.settings.encoder.kind == "current"
    if not working and current and not _waits(path) and path.ends is None:
        return list(path.links)
    name, op = path.composed(shape[neuron], room)
    return _dense_if_full(name or f"{path.origin}_to_{neuron}", op)


def _dense_if_full(name: str, op: Sparse) -> Links:
    """A Linear instead of a matrix that lacks no connection: the kind that stores no indices."""
    rows, columns = size(op.out_shape), size(op.in_shape)
    if op.data.size != rows * columns or min(rows, columns) == 1:
        return [(name, op)]
    weight = op.data.reshape(rows, columns)  # its columns ascend in each row
    links: Links = [(name, Linear(weight, op.bias))]
    if op.in_shape != (columns,):
        links.insert(0, (f"{name}_flat", Reshape((columns,))))
    if op.out_shape != (rows,):
        links.append((f"{name}_shape", Reshape(op.out_shape)))
    return links


def _check_ends(graph: Graph) -> None:
    for name in graph.outputs():
        if isinstance(graph.nodes[name], (LinearMap, *JOINS, Delay)):
            raise Unsupported(
                f"layer '{name}' ({type(graph.nodes[name]).__name__}) is the last one, but a chip "
                "reads neurons. Add a readout after it: norse.torch.LIBoxCell or LICell."
            )
