"""Graphs are frozen, comparable bit by bit, and have one digest each."""

import dataclasses

import numpy as np
import pytest

from neurocompile.ir.digest import graph_digest
from neurocompile.ir.graph import chain, same
from neurocompile.ir.neurons import LIFBox
from neurocompile.ir.nodes import Identity, Input, Linear
from neurocompile.ir.settings import Settings
from neurocompile.simplify import simplify


def small(weight=1.0):
    return chain({"in": Input((2,)), "skip": Identity(), "out": Linear(np.full((1, 2), weight))})


def test_arrays_of_a_node_cannot_be_changed_and_share_no_memory_with_their_origin():
    origin = np.ones((1, 2))
    node = Linear(origin)
    origin[:] = 7
    assert node.weight.tolist() == [[1, 1]]
    with pytest.raises(ValueError, match="read-only"):
        node.weight[0, 0] = 3
    with pytest.raises(dataclasses.FrozenInstanceError):
        node.weight = origin


def test_graphs_are_the_same_only_in_every_bit():
    assert same(small(), small())
    assert not same(small(0.0), small(-0.0))
    assert not same(small(), small(1.0 + 2**-52))


def test_the_digest_tells_apart_what_same_tells_apart():
    assert graph_digest(small()) == graph_digest(small())
    assert graph_digest(small(0.0)) != graph_digest(small(-0.0))


def test_removing_a_node_joins_its_neighbours():
    assert small().without("skip").edges == (("in", "out"),)


def test_simplifying_changes_nothing_in_place():
    from networks import float_network

    graph = float_network(0)
    before = graph_digest(graph)
    simplify(graph)
    assert graph_digest(graph) == before


def test_a_printed_graph_shows_layers_shapes_time_and_what_was_assumed():
    graph = chain({**small().nodes, "lif": LIFBox(*map(np.array, (100.0, 0.0, 1.0, 0.0)))})
    assert [each.key for each in graph.settings.assumed] == ["dt", "steps"]
    assert repr(graph).splitlines() == [
        "<Graph of floats: 100 steps of 0.001 s, encoder 'spikes', decoder 'none'",
        "  in    Input (2,)",
        "  skip  Identity",
        "  out   Linear, weight (1, 2)",
        "  lif   LIFBox",
        f"  {graph.settings.assumed[0].line()}",
        f"  {graph.settings.assumed[1].line()}>",
    ]


def test_a_printed_graph_of_many_layers_leaves_out_those_in_the_middle():
    given = Settings(1e-3, 5)
    names = [f"n{i}" for i in range(30)]
    lines = repr(chain({name: Identity() for name in names}, given)).splitlines()
    assert len(lines) == 15
    assert lines[9:12] == ["  n8   Identity", "  ... 17 more ...", "  n26  Identity"]
    assert lines[-1] == "  n29  Identity>"
    assert len(repr(chain(dict.fromkeys(names[:14], Identity()), given)).splitlines()) == 15
