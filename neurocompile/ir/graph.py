"""A network: named nodes, edges between them, and the settings around it.

In:  nodes of one vocabulary (FLOAT or FIXED).
Out: a frozen graph; every change makes a new one.
Nodes are in an order in which spikes can pass through them; whatever leads backwards is delayed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from types import MappingProxyType
from typing import Any

from neurocompile.ir.arrays import same_fields
from neurocompile.ir.chip_neurons import CHIP_NEURONS
from neurocompile.ir.fixed import AlwaysOn, BiasInput, ChipNeuron, SpikeInput, Synapse
from neurocompile.ir.neurons import Neuron
from neurocompile.ir.settings import Settings

FIXED_NODES = (SpikeInput, AlwaysOn, BiasInput, *CHIP_NEURONS, Synapse)
Edge = tuple[str, str]
MOST_SHOWN, LAST_SHOWN = 14, 4  # lines on layers of a graph that is printed, and of its last ones


@dataclass(frozen=True, eq=False)
class Graph:
    """A network at one stage.

    Attributes:
        nodes: Nodes by name, in an order of execution.
        edges: Pairs of names (from, to).
        settings: Time, input and output.
    """

    nodes: Mapping[str, Any]
    edges: tuple[Edge, ...]
    settings: Settings = field(default_factory=Settings)

    def __post_init__(self) -> None:
        object.__setattr__(self, "nodes", MappingProxyType(dict(self.nodes)))
        object.__setattr__(self, "edges", tuple(self.edges))

    def __repr__(self) -> str:
        own, stage = self.settings, "integers" if self.fixed else "floats"
        width = min(40, max(map(len, self.nodes), default=0))
        layers = [f"  {name:{width}}  {_words(node)}" for name, node in self.nodes.items()]
        if len(layers) > MOST_SHOWN:
            left = len(layers) - MOST_SHOWN + 1
            layers[MOST_SHOWN - LAST_SHOWN - 1 : -LAST_SHOWN] = [f"  ... {left} more ..."]
        return (
            "\n".join(
                (
                    f"<Graph of {stage}: {own.steps} steps of {own.dt:g} s, encoder "
                    f"'{own.encoder.kind}', decoder '{own.decoder.kind}'",
                    *layers,
                    *(f"  {each.line()}" for each in own.assumed),
                )
            )
            + ">"
        )

    @property
    def fixed(self) -> bool:
        """Whether every node is of the FIXED vocabulary."""
        return all(isinstance(node, FIXED_NODES) for node in self.nodes.values())

    def before(self, name: str) -> tuple[str, ...]:
        """Names of the nodes with an edge to this one, in the order of the edges."""
        return self._neighbours[0].get(name, ())

    def after(self, name: str) -> tuple[str, ...]:
        """Names of the nodes with an edge from this one, in the order of the edges."""
        return self._neighbours[1].get(name, ())

    @cached_property
    def _neighbours(self) -> tuple[dict[str, tuple[str, ...]], dict[str, tuple[str, ...]]]:
        """Names before and after each node; collected once, because a file may hold many edges."""
        before: dict[str, list[str]] = {}
        after: dict[str, list[str]] = {}
        for a, b in self.edges:
            before.setdefault(b, []).append(a)
            after.setdefault(a, []).append(b)
        return (
            {name: tuple(names) for name, names in before.items()},
            {name: tuple(names) for name, names in after.items()},
        )

    def of(self, *kinds: type) -> Iterator[tuple[str, Any]]:
        """The nodes of these kinds, in order."""
        return ((n, node) for n, node in self.nodes.items() if isinstance(node, kinds))

    def outputs(self) -> tuple[str, ...]:
        """Names of the nodes that nothing follows, and of the last neurons in a loop at the end.

        Such last neurons lead to no later neuron, and only to nodes that lead back to them.
        """
        position = {name: i for i, name in enumerate(self.nodes)}
        onward: set[str] = set()  # nodes that lead to later neurons
        pending = [name for name, _ in self.of(Neuron, ChipNeuron)]
        while pending:
            name = pending.pop()
            earlier = {b for b in self.before(name) if position[b] < position[name]} - onward
            onward |= earlier
            pending += earlier
        return tuple(
            name
            for name, node in self.nodes.items()
            if not self.after(name)
            or (
                name not in onward
                and isinstance(node, (Neuron, ChipNeuron))
                and _reached(name, self.after) <= _reached(name, self.before)
            )
        )

    def with_nodes(self, **nodes: Any) -> Graph:
        """The same graph with other nodes under these names."""
        return replace(self, nodes={**self.nodes, **nodes})

    def without(self, name: str) -> Graph:
        """The graph without a node, its neighbours joined directly."""
        nodes = {n: node for n, node in self.nodes.items() if n != name}
        joined = [(a, b) for a in self.before(name) for b in self.after(name)]
        edges: list[Edge] = []
        for edge in self.edges:
            if name in edge:
                edges.extend(
                    j for j in joined if j not in edges and edge[0] == name and j[1] == edge[1]
                )
            else:
                edges.append(edge)
        return Graph(nodes, tuple(edges), self.settings)


def _words(node: Any) -> str:
    """A node's kind and shape, or the shape of its weights; neurons take that of their input."""
    op = getattr(node, "op", node)
    kind = type(node).__name__ if op is node else f"{type(op).__name__} synapse"
    weight = getattr(op, "weight", None)
    if weight is not None:
        return f"{kind}, weight {tuple(weight.shape)}"
    shape = getattr(op, "out_shape", getattr(op, "shape", None))
    return kind if shape is None else f"{kind} {tuple(shape)}"


def _reached(name: str, step: Callable[[str], tuple[str, ...]]) -> set[str]:
    """Names that can be reached from a node in one step or more."""
    reached: set[str] = set()
    pending = [name]
    while pending:
        new = set(step(pending.pop())) - reached
        reached |= new
        pending += new
    return reached


def chain(nodes: Mapping[str, Any], settings: Settings | None = None) -> Graph:
    """A graph in which each node feeds the next."""
    names = list(nodes)
    return Graph(nodes, tuple(pairwise(names)), settings or Settings())


def same(g: Graph, h: Graph) -> bool:
    """Whether two graphs agree in names, order, edges, settings and every bit of every array."""
    return (
        list(g.nodes) == list(h.nodes)
        and g.edges == h.edges
        and g.settings == h.settings
        and all(same_fields(node, h.nodes[name]) for name, node in g.nodes.items())
    )
