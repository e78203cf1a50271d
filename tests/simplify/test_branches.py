"""Sums, concatenations and delays become one synapse for each origin and delay before a neuron."""

from dataclasses import replace

import numpy as np
import pytest
from looped_networks import looped_network
from networks import neuron, spikes

from neurocompile.engines.floating import run_float
from neurocompile.errors import Unsupported
from neurocompile.ir import reference
from neurocompile.ir.graph import Graph
from neurocompile.ir.linear import matrix
from neurocompile.ir.neurons import Neuron
from neurocompile.ir.nodes import (
    Add,
    AvgPool,
    Concat,
    Conv,
    ConvTranspose,
    Delay,
    Identity,
    Input,
    Linear,
    Reshape,
    Sparse,
)
from neurocompile.ir.settings import Encoder
from neurocompile.ir.verify import verify
from neurocompile.simplify import simplify
from neurocompile.simplify.compose_synapses import branches_before

SEEDS = range(40)


def network(nodes, *edges):
    """A graph from edges written 'a b c': a feeds b feeds c."""
    pairs = [pair for line in edges for pair in zip(line.split(), line.split()[1:], strict=False)]
    return verify(Graph(nodes, tuple(pairs)), "float")


def ways(graph, name):
    """(origin, delay, kind of the weighted node) of each branch before a neuron."""
    found = []
    for branch in branches_before(graph, name):
        weighted = [graph.nodes[n] for n in branch.names]
        kinds = [type(n).__name__ for n in weighted if not isinstance(n, Reshape)]
        found.append((branch.origin, branch.delay, *kinds))
    return found


@pytest.mark.parametrize("seed", SEEDS)
def test_a_random_looped_network_fires_the_same_spikes_when_simplified(seed):
    graph = verify(looped_network(seed), "float")
    simple = verify(simplify(graph), "float")
    x = spikes(seed, 1, 20, (6,))[0]
    before, _ = reference.run_float(graph, x)
    after, potentials = reference.run_float(simple, x)
    assert list(potentials) == list(before)
    for name in before:
        np.testing.assert_allclose(before[name], after[name], atol=1e-9)


def test_the_random_networks_spike_and_hold_loops_and_every_join():
    kinds, looped, active = set(), 0, 0
    for seed in SEEDS:
        graph = looped_network(seed)
        kinds |= {type(node).__name__ for node in graph.nodes.values()}
        place = list(graph.nodes)
        looped += any(place.index(a) > place.index(b) for a, b in graph.edges)
        outs, _ = reference.run_float(graph, spikes(seed, 1, 20, (6,))[0])
        active += sum(int(out.sum()) for name, out in outs.items() if name != "readout") > 20
    assert {"Add", "Concat", "Delay"} <= kinds
    assert looped > 30
    assert active > 30


@pytest.mark.parametrize("seed", SEEDS)
def test_before_each_neuron_stands_one_weighted_node_for_each_origin_and_delay(seed):
    graph = simplify(looped_network(seed))
    for name, _ in graph.of(Neuron):
        found = ways(graph, name)
        assert all(len(way) == 3 for way in found)
        assert len({way[:2] for way in found}) == len(found)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_fast_float_engine_equals_the_reference_in_loops(seed):
    for graph in (looped_network(seed), simplify(looped_network(seed))):
        x = spikes(seed, 2, 20, (6,))
        names = [n for n, _ in graph.of(Neuron)]
        fast = run_float(graph, x, 20, membranes=tuple(names), peaks=True)
        for sample in range(2):
            outs, membrane = reference.run_float(graph, x[sample])
            for name in fast.spikes:
                np.testing.assert_array_equal(fast.spikes[name][sample], outs[name])
            for name in names:
                np.testing.assert_allclose(fast.membrane[name][sample], membrane[name], atol=1e-9)


def test_a_constant_current_is_delayed_and_joined_like_spikes():
    nodes = {
        "input": Input((2,)),
        "late": Delay(3),
        "cat": Concat(),
        "l": Linear(np.ones((1, 4))),
        "n": neuron("libox"),
    }
    graph = network(nodes, "input late cat l n", "input cat")
    x = np.array([[0.5, 1.0]])
    fast = run_float(graph, x, 6, membranes=("n",)).membrane["n"][0]
    _, slow = reference.run_float(graph, np.repeat(x, 6, axis=0))
    np.testing.assert_allclose(fast, slow["n"], atol=1e-12)


def test_a_residual_identity_is_a_synapse_of_ones():
    nodes = {
        "input": Input((2,)),
        "l": Linear(np.full((2, 2), 2.0)),
        "a": neuron("box"),
        "m": Linear(np.full((2, 2), 3.0), np.ones(2)),
        "b": neuron("box"),
        "again": Linear(np.full((2, 2), 5.0)),
        "sum": Add(),
        "c": neuron("box"),
    }
    graph = simplify(network(nodes, "input l a m b again sum c", "a sum"))
    assert ways(graph, "c") == [("b", 0, "Linear"), ("a", 0, "Sparse")]
    assert matrix(graph.nodes["a_to_c"], (2,)).toarray().tolist() == [[1, 0], [0, 1]]


def test_two_paths_from_one_origin_are_one_matrix_with_one_bias():
    weight, bias = np.array([[2.0, 3.0], [5.0, 7.0]]), np.array([0.5, 0.25])
    nodes = {
        "input": Input((2,)),
        "l": Linear(weight, bias),
        "again": Identity(),
        "twice": Add(),
        "n": neuron("box"),
    }
    graph = simplify(network(nodes, "input l twice n", "input again twice"))
    ((_, _, kind),) = ways(graph, "n")
    (node,) = (n for n in graph.nodes.values() if isinstance(n, Sparse))
    assert kind == "Sparse"
    assert matrix(node, (2,)).toarray().tolist() == [[3, 3], [5, 8]]
    assert node.bias.tolist() == [0.5, 0.25]


def test_a_signal_added_to_itself_counts_twice():
    nodes = {
        "input": Input((2,)),
        "copy": Identity(),
        "twice": Add(),
        "l": Linear(np.eye(2)),
        "n": neuron("box"),
    }
    graph = simplify(network(nodes, "input twice l n", "input copy twice"))
    (branch,) = branches_before(graph, "n")
    assert matrix(graph.nodes[branch.names[0]], (2,)).toarray().tolist() == [[2, 0], [0, 2]]


def two_images(joined, *behind, shape=(1, 4, 4)):
    """Two neuron layers over images, joined, and what stands behind; the last is a neuron."""
    nodes = {
        "input": Input(shape),
        "a": neuron("box"),
        "b": neuron("box", v_th=0.6),
        "join": joined,
        **{f"op{i}": op for i, op in enumerate(behind)},
        "n": neuron("box"),
    }
    names = " ".join(f"op{i}" for i in range(len(behind)))
    return network(nodes, "input a join", "input b join", f"join {names} n")


@pytest.mark.parametrize(
    ("joined", "behind", "kind"),
    [
        (Concat(), [Reshape((32,)), Linear(np.ones((3, 32)))], "Linear"),
        (Concat(), [Conv(np.ones((3, 2, 3, 3)), np.ones(3), *[(1, 1)] * 3, 1)], "Conv"),
        (
            Concat(),
            [ConvTranspose(np.ones((2, 3, 2, 2)), np.ones(3), (2, 2), *[(0, 0)] * 2, (1, 1), 1)],
            "ConvTranspose",
        ),
        (Concat(), [Conv(np.ones((4, 1, 3, 3)), None, *[(1, 1)] * 3, 2)], "Sparse"),
        (Concat(), [Linear(np.ones((3, 4)))], "Sparse"),
        (Concat(), [AvgPool((2, 2), (2, 2), (0, 0)), Reshape((8,)), Linear(np.eye(8))], "Linear"),
        (Concat(), [Reshape((4, 8)), Reshape((32,)), Linear(np.ones((3, 32)))], "Linear"),
        (Concat(), [], "Sparse"),
        (Add(), [Conv(np.ones((3, 1, 3, 3)), np.ones(3), *[(1, 1)] * 3, 1)], "Conv"),
        (Add(), [Reshape((16,)), Linear(np.ones((3, 16)), np.ones(3))], "Linear"),
        (Add(), [], "Sparse"),
    ],
)
def test_a_kernel_behind_a_join_is_split_and_keeps_its_kind_where_it_can(joined, behind, kind):
    rng = np.random.default_rng(0)
    drawn = [
        replace(op, weight=rng.normal(size=op.weight.shape)) if hasattr(op, "weight") else op
        for op in behind
    ]
    graph = two_images(joined, *drawn)
    simple = verify(simplify(graph), "float")
    assert ways(simple, "n") == [("a", 0, kind), ("b", 0, kind)]
    x = spikes(0, 1, 20, (1, 4, 4), rate=0.5)[0]
    before, after = (reference.run_float(g, x)[1]["n"] for g in (graph, simple))
    np.testing.assert_allclose(before, after, atol=1e-12)
    assert np.abs(before).max() > 0


def test_delays_in_a_path_add_up_and_share_a_node():
    nodes = {
        "input": Input((2,)),
        "first": Delay(2),
        "l": Linear(np.eye(2)),
        "second": Delay(3),
        "a": neuron("box"),
        "m": Linear(np.eye(2)),
        "b": neuron("box"),
    }
    graph = simplify(network(nodes, "input first l second a", "second m b"))
    assert ways(graph, "a") == [("input", 5, "Linear")]
    assert ways(graph, "b") == [("input", 5, "Sparse")]
    assert [node.steps for _, node in graph.of(Delay)] == [5]


def test_a_chain_of_many_residuals_is_one_matrix():
    """Two to the power of 60 paths, if each were followed."""
    nodes, lines = {"input": Input((2,))}, []
    last = "input"
    for n in range(60):
        nodes |= {f"l{n}": Linear(np.array([[0.0, 0.5], [0.0, 0.0]])), f"s{n}": Add()}
        lines += [f"{last} l{n} s{n}", f"{last} s{n}"]
        last = f"s{n}"
    graph = simplify(network(nodes | {"n": neuron("box")}, *lines, f"{last} n"))
    (branch,) = branches_before(graph, "n")
    # (1 + e)^60 = 1 + 60 e where e^2 = 0
    assert matrix(graph.nodes[branch.names[0]], (2,)).toarray().tolist() == [[1, 30], [0, 1]]
    assert all(len(name) < 1000 for name in graph.nodes)


def test_a_bias_that_passes_a_delay_is_refused_by_both_names():
    nodes = {
        "input": Input((2,)),
        "l": Linear(np.eye(2), np.ones(2)),
        "late": Delay(1),
        "n": neuron("box"),
    }
    with pytest.raises(Unsupported, match=r"layer 'late' \(Delay\): the bias of layer 'l' passes"):
        simplify(network(nodes, "input l late n"))


def test_a_loop_without_neurons_is_refused_by_name():
    nodes = {
        "input": Input((2,)),
        "sum": Add(),
        "l": Linear(np.eye(2)),
        "late": Delay(1),
        "n": neuron("box"),
    }
    graph = network(nodes, "input sum l late sum", "l n")
    with pytest.raises(Unsupported, match=r"is in a loop without neurons .*sum"):
        simplify(graph)


@pytest.mark.parametrize("last", [Add(), Delay(1)])
def test_a_network_that_ends_in_a_join_or_delay_is_refused(last):
    nodes = {"input": Input((2,)), "a": neuron("box"), "b": neuron("box"), "end": last}
    lines = ["input a end", "input b"] + (["b end"] if isinstance(last, Add) else [])
    with pytest.raises(Unsupported, match=r"layer 'end' .* is the last one"):
        simplify(network(nodes, *lines))


def test_currents_that_enter_a_neuron_directly_stay_direct():
    nodes = {"input": Input((2,)), "n": neuron("box")}
    graph = network(nodes, "input n")
    current = replace(graph, settings=replace(graph.settings, encoder=Encoder("current")))
    assert list(simplify(current).nodes) == ["input", "n"]
