"""One flat network out of a NIR graph and the graphs inside it.

In:  the tree of a NIRGraph, as `read_hdf5` returns it, possibly made up by a stranger.
Out: primitives by name ("lif1.w_rec" stands in "lif1"), edges between them, one Input.
The Inputs and Outputs of inner graphs are doors: they vanish, what they join stays joined.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any

import numpy as np

from neurocompile.errors import BadInput, Unsupported
from neurocompile.formats.nir.loops import Edge, Edges
from neurocompile.ir.verify import MAX_EDGES, MAX_NODES

Tree = dict[str, Any]


@dataclass(frozen=True)
class Flat:
    """A network without inner graphs.

    Attributes:
        nodes: Fields of each primitive, by name; no Output among them.
        edges: Between nodes, in the order of the file.
        input: Name of the one Input.
        outputs: What leads to each Output.
        ends: Fields of each Output, by name.
    """

    nodes: dict[str, Tree]
    edges: tuple[Edge, ...]
    input: str
    outputs: dict[str, tuple[str, ...]]
    ends: dict[str, Tree]


def flatten(graph: Tree) -> Flat:
    """Take the inner graphs apart.

    Raises:
        BadInput: If a node has no type, an edge no end, or the graph not exactly one Input.
        Unsupported: If an inner graph has several Inputs or Outputs.
    """
    nodes: dict[str, Tree] = {}
    edges: list[Edge] = []
    _collect(graph, "", nodes, edges)
    top = set(_table(graph, "the graph"))
    doors = {n for n, node in nodes.items() if node["type"] in ("Input", "Output") and n not in top}
    inputs = [n for n in top if nodes.get(n, {}).get("type") == "Input"]
    outputs = [n for n in top if nodes.get(n, {}).get("type") == "Output"]
    if len(inputs) != 1 or not outputs:
        raise BadInput(
            f"the graph has {len(inputs)} Inputs ({', '.join(sorted(inputs)[:3]) or 'none'}) and "
            f"{len(outputs)} Outputs; allowed are one Input, and an Output or more. "
            "Join the inputs before you export it."
        )
    joined = _without(doors, edges)
    ends = Edges(joined)
    into = {name: tuple(ends.before.get(name, ())) for name in sorted(outputs)}
    for name in outputs:
        if not into[name] or name in ends.after:
            raise BadInput(f"layer '{name}' (Output): something leads to it, and nothing from it.")
    kept = {n: node for n, node in nodes.items() if n not in doors and n not in into}
    between = tuple(edge for edge in joined if edge[1] not in into)
    if inputs[0] in ends.before:
        raise BadInput(f"layer '{inputs[0]}' (Input): nothing may lead to it.")
    return Flat(kept, between, inputs[0], into, {name: nodes[name] for name in into})


def _table(graph: Tree, what: str) -> Tree:
    nodes = graph.get("nodes")
    if not isinstance(nodes, dict) or not all(isinstance(n, dict) for n in nodes.values()):
        raise BadInput(f"{what} has no table of nodes. Is it a NIR file?")
    return nodes


def _collect(graph: Tree, prefix: str, nodes: dict[str, Tree], edges: list[Edge]) -> None:
    """All primitives and edges, inner graphs under their joined names."""
    table = _table(graph, f"graph '{prefix[:-1]}'" if prefix else "the graph")
    entries, exits = {}, {}
    for name, node in table.items():
        kind, full = node.get("type"), prefix + name
        if not isinstance(kind, str):
            raise BadInput(f"layer '{full}' has no type. Is it a NIR file?")
        if kind == "NIRGraph":
            _collect(node, full + ".", nodes, edges)
            entries[name] = _door(node, full, "Input")
            exits[name] = _door(node, full, "Output")
        elif full in nodes:
            raise BadInput(f"two layers are named '{full}'. Rename one of them.")
        else:
            nodes[full] = node
            entries[name] = exits[name] = full
    for a, b in _pairs(graph.get("edges"), prefix):
        if a not in table or b not in table:
            raise BadInput(
                f"an edge leads from '{prefix}{a}' to '{prefix}{b}', but there is no node "
                f"'{prefix}{a if a not in table else b}'."
            )
        edges.append((exits[a], entries[b]))
    if len(nodes) > MAX_NODES or len(edges) > MAX_EDGES:
        raise BadInput(
            f"the graph has over {MAX_NODES} nodes or {MAX_EDGES} edges, which is more than are "
            "read."
        )


def _door(graph: Tree, name: str, kind: str) -> str:
    """The one Input or Output of an inner graph."""
    doors = [n for n, node in graph["nodes"].items() if node["type"] == kind]
    if len(doors) != 1:
        raise Unsupported(
            f"layer '{name}' (NIRGraph) has {len(doors)} {kind}s, and an edge does not say which "
            f"it leads to. Give the inner graph one {kind}."
        )
    return f"{name}.{doors[0]}"


def _pairs(edges: Any, prefix: str) -> Iterator[Edge]:
    good = isinstance(edges, np.ndarray) and edges.dtype.kind == "U" and edges.shape[1:] == (2,)
    if not good and not (isinstance(edges, np.ndarray) and edges.size == 0):
        raise BadInput(f"the edges of graph '{prefix[:-1]}' are not pairs of names.")
    yield from ((str(a), str(b)) for a, b in edges.reshape(-1, 2))


def _without(doors: set[str], edges: list[Edge]) -> tuple[Edge, ...]:
    """The edges with every door replaced by what leads to it."""
    before: dict[str, list[str]] = {}
    for a, b in edges:
        before.setdefault(b, []).append(a)
    sorter = TopologicalSorter({d: [a for a in before.get(d, ()) if a in doors] for d in doors})
    known: dict[str, list[str]] = {}
    try:
        for door in sorter.static_order():
            known[door] = []
            for a in before.get(door, ()):
                known[door] += known.get(a, [a])
                _few(known[door])
    except CycleError as error:
        raise BadInput(
            f"layer '{error.args[1][0]}' leads to itself through inner graphs only."
        ) from None
    joined = []
    for a, b in edges:
        if b not in doors:
            joined += [(s, b) for s in known.get(a, [a])]
            _few(joined)
    twice = next((edge for edge, count in Counter(joined).items() if count > 1), None)
    if twice is not None:
        raise BadInput(f"two edges lead from '{twice[0]}' to '{twice[1]}'. NIR allows one.")
    return tuple(joined)


def _few(edges: list[Any]) -> None:
    if len(edges) > MAX_EDGES:
        raise BadInput(f"the graph has over {MAX_EDGES} edges, which is more than are read.")
