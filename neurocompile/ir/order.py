"""In which order the nodes of a graph can be worked through.

In:  a FLOAT graph, whose loops all pass a Delay.
Out: names in order, or names in groups.
"""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter

import numpy as np

from neurocompile.errors import Unsupported
from neurocompile.ir.graph import Graph


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


def components(graph: Graph) -> list[list[str]]:
    """Loops as one list of names each, and every other node as a list of one.

    Lists stand behind those that lead to them, names in a list in the order of the graph.
    """
    import scipy.sparse as sp
    from scipy.sparse.csgraph import connected_components

    names = list(graph.nodes)
    place = {name: i for i, name in enumerate(names)}
    ends = np.array([(place[a], place[b]) for a, b in graph.edges], dtype=np.int64).reshape(-1, 2)
    links = sp.csr_array(
        (np.ones(len(ends), dtype=np.int8), (ends[:, 0], ends[:, 1])), shape=(len(names),) * 2
    )
    _, label = connected_components(links, directed=True, connection="strong")
    found: dict[int, list[str]] = {}
    for name, number in zip(names, label.tolist(), strict=True):
        found.setdefault(number, []).append(name)
    sorter: TopologicalSorter[int] = TopologicalSorter(dict.fromkeys(found, ()))
    for a, b in ends.tolist():
        if label[a] != label[b]:
            sorter.add(int(label[b]), int(label[a]))
    return [found[number] for number in sorter.static_order()]
