"""The nodes and edges of a FLOAT graph as NIR has them: sums and loops are edges.

In:  a FLOAT graph.
Out: the nodes that NIR keeps, the delays it keeps, the edges between them in their order.
An Add is several edges into one node, an Identity none; of each loop one step is left out, for
a loop in NIR takes one (`nir_loops.py`).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

from neurocompile.errors import Unsupported
from neurocompile.formats.nir.loops import Edge, Edges, walk, way_back
from neurocompile.ir.graph import Graph
from neurocompile.ir.nodes import Add, Delay, Identity, Input, LinearMap


@dataclass(frozen=True)
class Wiring:
    """What NIR keeps of a graph.

    Attributes:
        nodes: Our nodes by name; no Add, Identity or Delay.
        delays: Delay and the node of ours, by the name in NIR.
        edges: Between both, and to the Outputs.
        outputs: Name of each Output, and the node of ours it stands for.
    """

    nodes: dict[str, Any]
    delays: dict[str, tuple[Delay, str]]
    edges: tuple[Edge, ...]
    outputs: dict[str, str]


def wire(graph: Graph) -> Wiring:
    """Take sums, identities and the steps of loops out of a graph.

    Raises:
        Unsupported: If NIR cannot hold the way the layers are joined; the message names one.
    """
    outputs = _outputs(graph)
    lagged = Edges(_through(graph, outputs))
    (start,) = (name for name, _ in graph.of(Input))
    walked = walk(lagged, start)
    lost = next((n for n in graph.nodes if n in _ends(lagged) and n not in set(walked.order)), None)
    if lost is not None:
        raise Unsupported(
            f"layer '{lost}' ({type(graph.nodes[lost]).__name__}): nothing leads to it from the "
            "input, and NIR's readers start there. Join it, or remove it."
        )
    paid = {_payer(graph, lagged, edge) for edge in walked.back}
    taken = {*graph.nodes, *outputs}
    late: dict[str, str] = {}  # a Delay's second node, for its edges that lead back
    delays: dict[str, tuple[Delay, str]] = {}
    gone = set()
    for name, node in graph.of(Delay):
        ways = [(name, b) in paid for b in lagged.after.get(name, ())]
        if not all(ways) or not ways:
            delays[name] = (node, name)
        if any(ways):
            if node.longest > 1 or node.late is not None:
                late[name] = _new(f"{name}.loop", taken) if name in delays else name
                delays[late[name]] = (replace(node, steps=node.steps - 1), name)
            else:
                gone.add(name)

    def sources(a: str, b: str) -> list[str]:
        if (a, b) not in paid:
            return [a]
        if a not in gone:
            return [late[a]]
        return [s for first in lagged.before[a] for s in sources(first, a)]

    edges: list[Edge] = []
    for a, b in lagged.all:
        into = [b] if b in delays or b not in graph.nodes or not _is(graph, b, Delay) else []
        into += [late[b]] if b in late and late[b] not in into else []
        edges += [(s, each) for each in into for s in sources(a, b)]
    _once(edges)
    nodes = {n: v for n, v in graph.nodes.items() if not isinstance(v, (Add, Identity, Delay))}
    return Wiring(nodes, delays, tuple(edges), outputs)


def _is(graph: Graph, name: str, kind: type) -> bool:
    return isinstance(graph.nodes.get(name), kind)


def _ends(edges: Edges) -> set[str]:
    return {*edges.before, *edges.after}


def _outputs(graph: Graph) -> dict[str, str]:
    ends = graph.outputs()
    names = ["output"] if len(ends) == 1 else [f"output_{i}" for i in range(len(ends))]
    taken = set(graph.nodes)
    return {_new(name, taken): end for name, end in zip(names, ends, strict=True)}


def _new(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    taken.add(name)
    return name


def _once(edges: list[Edge]) -> None:
    twice = next((e for e, count in Counter(edges).items() if count > 1), None)
    if twice is not None:
        raise Unsupported(
            f"layer '{twice[1]}': '{twice[0]}' leads to it twice, but NIR holds an edge once. "
            "Double the weight instead."
        )


def _through(graph: Graph, outputs: dict[str, str]) -> list[Edge]:
    """Edges between nodes that are neither sums nor identities, and to the Outputs."""
    open_nodes = (Add, Identity)
    known: dict[str, list[str]] = {}
    for name, node in graph.nodes.items():  # an Add's sources that stand after it are Delays
        if isinstance(node, open_nodes):
            known[name] = [s for a in graph.before(name) for s in known.get(a, [a])]
            _once([(s, name) for s in known[name]])
    edges = []
    for name, node in graph.nodes.items():
        if not isinstance(node, open_nodes):
            edges += [(s, name) for a in graph.before(name) for s in known.get(a, [a])]
    for output, end in outputs.items():
        edges += [(s, output) for s in known.get(end, [end])]
    return edges


def _payer(graph: Graph, edges: Edges, closing: Edge) -> Edge:
    """The edge out of a Delay that stands for the one step of a loop."""

    def passes(name: str) -> bool:
        return isinstance(graph.nodes[name], LinearMap)

    for edge in way_back(edges, closing, passes):
        if _is(graph, edge[0], Delay):
            return edge
    raise Unsupported(
        f"layer '{closing[0]}' leads back to '{closing[1]}' without a Delay on that way, where "
        "NIR's readers put the step of a loop. Put the Delay there."
    )
