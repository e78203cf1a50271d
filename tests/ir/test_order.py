"""Nodes that lead to each other stand together, behind all that lead to them."""

import numpy as np
import pytest
import random_graphs
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from neurocompile.engines.fixed.result import schedule
from neurocompile.ir.fixed import Synapse
from neurocompile.ir.graph import Graph
from neurocompile.ir.nodes import Delay
from neurocompile.ir.order import components


@pytest.mark.parametrize("make", [random_graphs.fixed_graph, random_graphs.float_graph])
def test_without_loops_nodes_stand_alone_in_the_order_of_the_graph(make):
    for seed in range(20):
        graph = make(seed)
        assert components(graph) == [((name,), False) for name in graph.nodes]


@pytest.mark.parametrize(
    "make", [random_graphs.looped_fixed_graph, random_graphs.joined_float_graph]
)
def test_loops_are_the_strongly_connected_components(make):
    for seed in range(40):
        graph = make(seed)
        names = list(graph.nodes)
        ends = np.array([[names.index(end) for end in edge] for edge in graph.edges]).T
        links = csr_array((np.ones(len(graph.edges)), tuple(ends)), (len(names),) * 2)
        count, label = connected_components(links, connection="strong")
        groups = components(graph)
        expected = [tuple(n for j, n in enumerate(names) if label[j] == i) for i in range(count)]
        assert sorted(group.names for group in groups) == sorted(expected)
        assert all(group.loop == (len(group.names) > 1) for group in groups)
        place = {name: i for i, group in enumerate(groups) for name in group.names}
        assert all(place[a] <= place[b] for a, b in graph.edges)


def test_a_node_that_leads_to_itself_is_a_loop():
    graph = Graph({"a": Delay(1), "b": Delay(1)}, (("a", "a"), ("a", "b")))
    assert components(graph) == [(("a",), True), (("b",), False)]


def test_a_loop_over_thousands_of_layers_is_found():
    ring = [str(i) for i in range(10_000)]
    graph = Graph(dict.fromkeys(ring, Delay(1)), zip(ring, ring[1:] + ring[:1], strict=True))
    assert components(graph) == [(tuple(ring), True)]


def test_the_fixed_engine_goes_by_populations_with_or_without_a_loop_of_one():
    for seed in range(40):
        graph = random_graphs.looped_fixed_graph(seed)
        parts = schedule(graph)
        place = {name: i for i, part in enumerate(parts) for name in part.names}
        loops = set()
        for name, _ in graph.of(Synapse):
            (source,), (target,) = graph.before(name), graph.after(name)
            assert place[source] <= place[target]
            if place[source] == place[target]:
                loops.add(place[source])
        assert loops == {i for i, part in enumerate(parts) if part.loop}
