"""The order in which the nodes of a graph can be processed.

In:  a graph, whose loops all pass a Delay or a delayed Synapse.
Out: names in order, or names in groups. No scipy.
"""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter
from typing import NamedTuple

from neurocompile.errors import Unsupported
from neurocompile.ir.graph import Graph


class Group(NamedTuple):
    """Nodes that lead to each other, or a single node.

    Attributes:
        names: Names of the nodes, in the order of the graph.
        loop: Whether a path leads from one of them back to itself.
    """

    names: tuple[str, ...]
    loop: bool


def sources_first(graph: Graph, starts: tuple[type, ...]) -> list[str]:
    """All names, each after those that lead to it; edges into a node of `starts` are ignored.

    Raises:
        Unsupported: If a loop passes no node of `starts`; the message names the loop.
    """
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for name, node in graph.nodes.items():
        sorter.add(name, *(() if isinstance(node, starts) else graph.before(name)))
    try:
        return list(sorter.static_order())
    except CycleError as error:
        loop = list(dict.fromkeys(error.args[1]))
        raise Unsupported(
            f"layer '{loop[0]}' is in a loop without neurons ({', '.join(loop[:4])}), which a "
            "chip cannot hold. Put spiking neurons into the loop."
        ) from None


def components(graph: Graph) -> list[Group]:
    """Every node once, each group after all that lead to it.

    Without loops, every node is a group of its own, in the order of the graph. These are
    Tarjan's strongly connected components, found along the edges backwards. There is no
    recursion, because a graph is deep.
    """
    position = {name: i for i, name in enumerate(graph.nodes)}
    groups: list[Group] = []
    visit: dict[str, int] = {}  # when each node was reached
    low: dict[str, int] = {}  # the earliest visit of its group that a node leads back to
    grouped: set[str] = set()
    waiting: list[str] = []  # nodes that wait for the rest of their group
    for root in graph.nodes:
        path = [] if root in visit else [(root, iter(graph.before(root)))]
        while path:
            name, sources = path[-1]
            if name not in visit:
                visit[name] = low[name] = len(visit)
                waiting.append(name)
            source = next(sources, None)
            if source is None:
                path.pop()
                if path:
                    target = path[-1][0]
                    low[target] = min(low[target], low[name])
                if low[name] == visit[name]:
                    group = [waiting.pop()]
                    while group[-1] != name:
                        group.append(waiting.pop())
                    grouped.update(group)
                    names = tuple(sorted(group, key=position.__getitem__))
                    groups.append(Group(names, len(names) > 1 or name in graph.before(name)))
            elif source not in visit:
                path.append((source, iter(graph.before(source))))
            elif source not in grouped:
                low[name] = min(low[name], visit[source])
    return groups
