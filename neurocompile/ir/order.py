"""In which order the nodes of a graph can be worked through.

In:  a graph, whose loops all pass a Delay or a delayed Synapse.
Out: names in order, or names in groups. No scipy.
"""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter
from typing import NamedTuple

from neurocompile.errors import Unsupported
from neurocompile.ir.graph import Graph


class Group(NamedTuple):
    """Nodes that lead to each other, or a node by itself.

    Attributes:
        names: In the order of the graph.
        loop: Whether a way leads from one of them back to it.
    """

    names: tuple[str, ...]
    loop: bool


def order_behind(graph: Graph, starts: tuple[type, ...]) -> list[str]:
    """All names, each behind those that lead to it; what leads to a node of `starts` is ignored.

    Raises:
        Unsupported: If a loop passes no node of `starts`; the message names it.
    """
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for name, node in graph.nodes.items():
        sorter.add(name, *(() if isinstance(node, starts) else graph.before(name)))
    try:
        return list(sorter.static_order())
    except CycleError as error:
        loop = list(dict.fromkeys(error.args[1]))
        raise Unsupported(
            f"layer '{loop[0]}' stands in a loop without neurons ({', '.join(loop[:4])}), which a "
            "chip cannot hold. Put spiking neurons into the loop."
        ) from None


def components(graph: Graph) -> list[Group]:
    """Every node once, each group behind all that lead to it.

    Without loops, this is each node alone in the order of the graph. Tarjan's strongly
    connected components, along the edges backwards; without recursion, for a graph is deep.
    """
    place = {name: i for i, name in enumerate(graph.nodes)}
    found: list[Group] = []
    visit: dict[str, int] = {}  # when each node was reached
    low: dict[str, int] = {}  # the earliest visit of its group that a node leads back to
    grouped: set[str] = set()
    waiting: list[str] = []  # for the rest of their group
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
                    behind = path[-1][0]
                    low[behind] = min(low[behind], low[name])
                if low[name] == visit[name]:
                    group = [waiting.pop()]
                    while group[-1] != name:
                        group.append(waiting.pop())
                    grouped.update(group)
                    names = tuple(sorted(group, key=place.__getitem__))
                    found.append(Group(names, len(names) > 1 or name in graph.before(name)))
            elif source not in visit:
                path.append((source, iter(graph.before(source))))
            elif source not in grouped:
                low[name] = min(low[name], visit[source])
    return found
