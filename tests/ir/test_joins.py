"""Add, Concat, Delay and loops: what a FLOAT graph may be, its shapes, and its meaning by hand."""

import time
from itertools import pairwise

import numpy as np
import pytest
from test_verify import population, refusal, synapse

from neurocompile.engines.floating import run_float
from neurocompile.ir import reference
from neurocompile.ir.digest import graph_digest
from neurocompile.ir.fixed import SpikeInput
from neurocompile.ir.graph import Graph, same
from neurocompile.ir.neurons import LIBox
from neurocompile.ir.nodes import Add, Concat, Delay, Identity, Input, Linear, Reshape, Sparse
from neurocompile.ir.order import components
from neurocompile.ir.shapes import shapes
from neurocompile.ir.verify import MAX_NODES, verify
from neurocompile.simplify import simplify

IMMEDIATE = LIBox(np.float64(1000), np.float64(0))  # its potential is what it is given


def graph(nodes, *lines):
    pairs = [pair for line in lines for pair in zip(line.split(), line.split()[1:], strict=False)]
    return Graph(nodes, tuple(pairs))


def run(network, x):
    """Potentials of "n" by the reference, and the same by the fast engine."""
    _, found = reference.run_float(network, np.array(x))
    fast = run_float(network, np.array(x)[None], len(x), membranes=("n",)).membrane["n"][0]
    np.testing.assert_allclose(found["n"], fast, atol=1e-12)
    return found["n"].round(9).tolist()


def test_add_concat_and_delay_do_what_their_names_say():
    nodes = {"in": Input((2,)), "late": Delay(2), "sum": Add(), "cat": Concat(), "n": IMMEDIATE}
    network = verify(graph(nodes, "in late sum cat n", "in sum", "late cat"), "float")
    assert shapes(network)["cat"] == (4,)
    # (x(t - 2) + x(t)) beside x(t - 2), the part whose edge stands first comes first
    steps = [[1, 10], [2, 20], [3, 30]]
    assert run(network, steps) == [[1, 10, 0, 0], [2, 20, 0, 0], [4, 40, 1, 10]]


def test_a_loop_gives_what_came_before():
    nodes = {
        "in": Input((1,)),
        "half": Linear(np.array([[0.5]])),
        "sum": Add(),
        "n": IMMEDIATE,
        "late": Delay(1),
    }
    network = verify(graph(nodes, "in sum n late half sum"), "float")
    assert run(network, [[1.0], [0.0], [4.0], [0.0]]) == [[1], [0.5], [4.25], [2.125]]


def test_images_are_joined_along_their_channels():
    nodes = {"in": Input((2, 1, 3)), "r": Reshape((2, 1, 3)), "cat": Concat(), "n": IMMEDIATE}
    network = verify(graph(nodes, "in r cat n", "in cat"), "float")
    assert shapes(network)["n"] == (4, 1, 3)


def test_a_loop_takes_its_shape_from_what_enters_it_or_from_a_reshape():
    nodes = {
        "in": Input((3,)),
        "half": Linear(np.ones((3, 2))),
        "sum": Add(),
        "to": Linear(np.ones((2, 3))),
        "late": Delay(1),
        "n": IMMEDIATE,
    }
    network = verify(graph(nodes, "in sum to late half sum", "sum n"), "float")
    assert shapes(network)["late"] == (2,)
    nodes = {
        "in": Input((3,)),
        "shape": Reshape((2,)),
        "cat": Concat(),
        "to": Linear(np.ones((2, 5))),
        "late": Delay(1),
        "n": IMMEDIATE,
    }
    network = verify(graph(nodes, "in cat to late shape cat", "to n"), "float")
    assert shapes(network)["cat"] == (5,)


@pytest.mark.parametrize(
    ("nodes", "lines", "words"),
    [
        ({"a": Add()}, ["in a"], "layer 'a' (Add): 1 layers lead to it, allowed are 2 or more"),
        ({"a": Concat()}, [], "layer 'a' (Concat): 0 layers lead to it, allowed are 2 or more"),
        ({"a": Delay(1)}, [], "layer 'a' (Delay): 0 layers lead to it, allowed are exactly 1"),
        ({"a": Delay(0)}, ["in a"], "layer 'a' (Delay): its steps are 0, allowed are 1..65536"),
        ({"a": Delay(1 << 17)}, ["in a"], "its steps are 131072, allowed are 1..65536"),
        ({"a": Delay(True)}, ["in a"], "its steps is True, allowed is a whole number"),
        ({"a": Delay(None)}, ["in a"], "its steps is a NoneType, allowed is a whole number"),
        (
            {"r": Reshape((2, 1)), "a": Add()},
            ["in r a", "in a"],
            "layer 'a' (Add): it adds the shapes (2, 1) and (2,). Give it signals of one shape.",
        ),
        (
            {"r": Reshape((2, 1)), "a": Concat()},
            ["in r a", "in a"],
            "layer 'a' (Concat): it joins the shapes (2, 1) and (2,). After the first axis",
        ),
        (
            {"l": Linear(np.ones((3, 2))), "a": Add(), "d": Delay(1)},
            ["in a d l a"],
            "layer 'a' (Add): it adds the shapes (2,) and (3,)",
        ),
        (
            {"r": Reshape((3,)), "a": Concat(), "d": Delay(1)},
            ["in a d r a"],
            "layer 'r' (Reshape): it was given the shape (5,), but takes 3 values",
        ),
        (
            {"i": Identity(), "d": Delay(1)},
            ["i d i"],
            "layer 'd' (Delay): its shape depends only on itself, in a loop",
        ),
        ({"d": Delay(1)}, ["d d"], "layer 'd' (Delay): its shape depends only on itself"),
        (
            {"l": Linear(np.ones((2, 2))), "a": Add(), "n": IMMEDIATE},
            ["in a n l a"],
            "the edge from 'n' to 'l' leads backwards, but only a Delay or a Synapse with a delay",
        ),
        (
            {"r": Reshape((1 << 25,)), "a": Concat(), "d": Delay(1)},
            ["in a d r a"],
            "layer 'r' (Reshape): its shape is (33554432,)",
        ),
    ],
)
def test_what_joins_fits_together(nodes, lines, words):
    assert words in refusal(graph({"in": Input((2,)), **nodes}, *lines), "float")


def test_only_a_delayed_synapse_leads_backwards_on_a_chip():
    def loop(**more):
        nodes = {"in": SpikeInput((2,)), "to": synapse(), "pop": population()}
        return graph({**nodes, "back": synapse(**more)}, "in to pop back pop")

    words = "the edge from 'back' to 'pop' leads backwards, but only a Delay or a Synapse with a"
    assert words in refusal(loop(), "fixed")
    assert words in refusal(loop(delay="1"), "fixed")
    assert words in refusal(loop(delay=-1), "fixed")
    network = loop(delay=1)
    assert verify(network, "fixed") is network


@pytest.mark.parametrize("kind", ["delays", "concat", "reshapes", "adds"])
def test_a_large_loop_of_a_stranger_is_checked_in_seconds(kind):
    count = MAX_NODES - 10
    names = [f"x{i}" for i in range(count)]
    one = Sparse(np.ones(1), np.zeros(1), np.array([0, 1]), (1,), (1,))
    nodes = {
        "delays": {name: Delay(1) for name in names},
        "concat": {name: Identity() for name in names} | {"end": Concat()},
        "reshapes": {n: Delay(1) if i % 2 else one for i, n in enumerate(names)},
        "adds": {n: Delay(1) if i % 2 else Add() for i, n in enumerate(names)},
    }[kind]
    back = [(b, a) for a, b in pairwise(names)]
    lines = {
        "delays": [("in", names[-1]), *back],
        "concat": [("in", n) for n in names] + [(n, "end") for n in names],
        "reshapes": [(a, b) for b, a in back] + [(names[-1], names[0])],
        "adds": [(a, b) for b, a in back] + [("in", n) for n in names[::2]] + [(names[-1], "x0")],
    }[kind]
    network = Graph({"in": Input((1,)), **nodes, "n": IMMEDIATE}, (*lines, ("in", "n")))
    start = time.perf_counter()
    verify(network, "float")
    assert time.perf_counter() - start < 10
    assert sum(len(group.names) for group in components(network)) == len(network.nodes)


@pytest.mark.parametrize(
    ("lines", "outputs"),
    [
        (["in a b"], ("b",)),
        (["in s a late l s"], ("a",)),  # a recurrent layer at the end
        (["in s a b late l s"], ("b",)),  # a loop of two
        (["in s a late l s", "a b"], ("b",)),  # a recurrent layer in the middle
        (["in s a l2 late l s", "a b"], ("b",)),
        (["in s a l2 late l s"], ("a",)),
        (["in a", "in b"], ("a", "b")),
        (["in s a l2 b late l s"], ("b",)),
        (["in a late b"], ("b",)),
        (["in l"], ("l",)),
    ],
)
def test_a_network_ends_in_what_leads_only_back(lines, outputs):
    nodes = {"in": Input((1,)), "l": Linear(np.eye(1)), "s": Add(), "a": IMMEDIATE}
    nodes |= {"l2": Linear(np.eye(1)), "late": Delay(1), "b": IMMEDIATE}
    found = graph(nodes, *lines)
    used = {name for edge in found.edges for name in edge}
    if "b" in used and "late" in used and ("late", "b") not in found.edges:
        nodes["late"] = nodes.pop("late")  # behind b
    network = Graph({n: node for n, node in nodes.items() if n in used}, found.edges)
    assert verify(network, "float").outputs() == outputs
    if "l" not in outputs:
        assert simplify(network).outputs() == outputs


def test_the_digest_sees_kinds_steps_and_the_order_of_edges():
    def joined(*lines, node=None, steps=1):
        nodes = {"in": Input((2,)), "d": Delay(steps), "j": node or Concat(), "n": IMMEDIATE}
        return graph(nodes, *lines)

    each = [
        joined("in d j n", "in j"),
        joined("in j n", "in d j"),
        joined("in d j n", "in j", node=Add()),
        joined("in d j n", "in j", steps=2),
    ]
    assert len({graph_digest(g) for g in each}) == len(each)
    assert same(each[0], joined("in d j n", "in j"))
    assert not any(same(each[0], other) for other in each[1:])
