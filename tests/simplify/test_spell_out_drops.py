"""A spike that subtracts another amount than the threshold, told by the threshold and a synapse."""

import numpy as np
import pytest

from neurocompile.chip.read import load_chip
from neurocompile.engines.floating import run_float
from neurocompile.errors import Unsupported
from neurocompile.ir import reference
from neurocompile.ir.graph import chain, same
from neurocompile.ir.neurons import IAF, LIF, LIFBox
from neurocompile.ir.nodes import BatchNorm, Input, Linear
from neurocompile.ir.verify import verify
from neurocompile.quantize.quantize import quantize
from neurocompile.quantize.ranges import bound
from neurocompile.simplify import simplify
from neurocompile.simplify.spell_out_drops import spell_out_drops

ONE, ZERO = np.array(1.0), np.array(0.0)
HALF = np.array(500.0)  # 1/s: half of a state is lost in 1 ms


def network(neuron, size=1):
    weight = np.eye(size) if size == 1 else np.random.default_rng(0).normal(0.2, 0.8, (size, size))
    return chain({"in": Input((size,)), "w": Linear(weight), "n": neuron})


@pytest.mark.parametrize(
    ("neuron", "factors"),
    [
        # half of (2 - 1) is left a step later, and half of an input counts: 1
        (LIFBox(HALF, ZERO, ONE, ZERO, "subtract", np.array(2.0)), [-1.0]),
        # nothing is lost and all of an input counts
        (IAF(ONE, ZERO, "subtract", np.array(1.5)), [-0.5]),
        # a quarter of the current is left after a step, and is taken out again
        (LIF(np.array(750.0), HALF, ZERO, ONE, ZERO, "subtract", np.array(2.0)), [-1.0, 0.25]),
    ],
)
def test_what_a_spike_takes_beyond_the_threshold_comes_by_a_synapse_to_itself(neuron, factors):
    graph = verify(spell_out_drops(network(neuron)), "float")
    assert graph.nodes["n"].v_drop is None
    found = [node.weight.tolist() for name, node in graph.of(BatchNorm)]
    assert found == [[factor] for factor in factors]
    assert [graph.nodes[f"n.drop_late_{i}"].steps for i in range(1, len(factors) + 1)] == list(
        range(1, len(factors) + 1)
    )


@pytest.mark.parametrize("seed", range(6))
def test_no_spike_and_no_potential_before_it_changes(seed):
    rng = np.random.default_rng(seed)
    size, numbers = 5, (lambda low, high: rng.uniform(low, high, 5))
    leaks = {"tau_mem_inv": numbers(50, 900), "v_leak": numbers(-0.1, 0.1)}
    rest = {"v_th": numbers(0.2, 0.6), "v_reset": ZERO, "reset": "subtract"}
    rest["v_drop"] = numbers(0.1, 2.0)
    neuron = (
        LIF(tau_syn_inv=numbers(50, 900), **leaks, **rest),
        LIFBox(**leaks, **rest),
        IAF(**rest),
    )[seed % 3]
    graph = network(neuron, size)
    x = (rng.random((60, size)) < 0.5).astype(np.float64)
    before = reference.run_float(graph, x)[0]["n"]
    after = reference.run_float(verify(simplify(graph), "float"), x)[0]["n"]
    assert before.sum() > 20
    np.testing.assert_array_equal(after, before)


def test_a_threshold_that_is_a_float_away_is_the_threshold():
    neuron = IAF(np.nextafter(ONE, 0), ZERO, "subtract", ONE)
    graph = spell_out_drops(network(neuron))
    assert list(graph.nodes) == ["in", "w", "n"]
    assert graph.nodes["n"].v_drop is None


def test_a_graph_without_one_is_left_as_it_is():
    graph = network(LIFBox(HALF, ZERO, ONE, ZERO, "subtract"))
    assert same(spell_out_drops(graph), graph)


def test_a_drop_that_nobody_spelled_out_is_refused_by_layer():
    graph = network(LIFBox(HALF, ZERO, ONE, ZERO, "subtract", np.array(2.0)))
    words = r"layer 'n': a spike subtracts 2 from its potential, but .* threshold, 1. Run simplify"
    with pytest.raises(Unsupported, match=words):
        quantize(graph, load_chip("ideal"), bound(graph))


def test_the_integers_spike_nearly_as_the_float_network_does():
    rng = np.random.default_rng(1)
    graph = network(LIFBox(np.array(100.0), ZERO, ONE, ZERO, "subtract", np.array(1 / 0.9)), 12)
    graph = graph.with_nodes(w=Linear(rng.normal(0.5, 3.0, (12, 12))))
    x = (rng.random((1, 100, 12)) < 0.3).astype(np.uint8)
    simple = simplify(graph)
    network_ = verify(quantize(simple, load_chip("ideal"), bound(simple)), "fixed")
    ours = reference.run_fixed(network_, {"in": x[0].astype(np.int64)}, 100)[0]["n"]
    theirs = run_float(graph, x, 100).spikes["n"][0]
    assert theirs.sum() > 100
    assert abs(int(ours.sum()) - int(theirs.sum())) <= 0.05 * theirs.sum()
