"""Graphs are frozen, comparable bit by bit, and have one digest each."""

import dataclasses

import numpy as np
import pytest

from neurocompile.ir.digest import graph_digest
from neurocompile.ir.graph import chain, same
from neurocompile.ir.nodes import Identity, Input, Linear
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
