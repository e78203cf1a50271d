"""What spikes that wait on the chip cost: neurons of a core, and how long an axon holds them."""

import re
from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
from place_networks import dense, limited, neurons

from neurocompile.chip.find import find_target
from neurocompile.chip.read import load_chip
from neurocompile.errors import DoesNotFit
from neurocompile.ir.fixed import SpikeInput, Synapse
from neurocompile.ir.graph import Graph, chain
from neurocompile.ir.linear import sparse_op
from neurocompile.place import least_cores, place

LOIHI = load_chip("loihi-sim")


def one_to_one(count):
    """A synapse from each neuron to the one of its number."""
    op = sparse_op(sp.csr_array(2 * np.eye(count, dtype=np.int64)), (count,), (count,), None)
    return Synapse(op, (count,), (count,))


def skip_over(layers):
    """Two neurons a layer, and a synapse from the first layer to the last, `layers` later."""
    rng = np.random.default_rng(0)
    nodes = {"in": SpikeInput((2,)), "s": dense(rng, 2, 2), "p0": neurons(2)}
    edges = [("in", "s"), ("s", "p0"), ("p0", "skip"), ("skip", f"p{layers}")]
    nodes["skip"] = dense(rng, 2, 2)
    for k in range(layers):
        nodes |= {f"s{k}": dense(rng, 2, 2), f"p{k + 1}": neurons(2)}
        edges += [(f"p{k}", f"s{k}"), (f"s{k}", f"p{k + 1}")]
    return Graph(nodes, tuple(edges))


@pytest.mark.parametrize(
    ("wait", "most"),
    [(0, 1024), (6, 1024), (7, 512), (8, 512), (14, 512), (15, 256), (31, 128), (61, 128)],
)
def test_of_2_to_13_accumulators_each_neuron_takes_as_many_as_steps_lie_ahead(wait, most):
    # with 2^b accumulators the step of the synapse and a wait of 2^b - 2 lie ahead
    delayed = replace(one_to_one(1024), delay=wait + 1)
    graph = chain({"in": SpikeInput((1024,)), "s": delayed, "a": neurons(1024)})
    cores = place(graph, LOIHI).cores
    assert [core.use["neurons"] for core in cores] == [most] * (1024 // most)
    assert all(core.use["dendritic_accumulators"] <= 8192 for core in cores)
    assert least_cores(graph, LOIHI)["dendritic_accumulators"] <= len(cores)


def test_a_wait_that_balances_a_longer_path_takes_as_many_as_a_delay_of_the_network():
    # the skip waits 8 steps: 16 accumulators for each neuron of the core
    (core,) = place(skip_over(9), LOIHI).cores
    assert core.use["dendritic_accumulators"] == 16 * 20
    # 8 + 4 bits a synapse, lists of 2 behind a header of 10: a word each, as without a wait
    assert core.use["synapse_configurations"] == 2
    small = limited(dendritic_accumulators_per_core=64)
    used = [core.use for core in place(skip_over(9), small).cores]
    assert all(use["dendritic_accumulators"] <= 64 for use in used)
    # the core of the last layer has room for 4 neurons, a core of others for 32
    assert sorted(use["neurons"] for use in used) == [4, 16]


def test_a_neuron_that_needs_more_accumulators_than_a_core_has_is_refused_with_a_cure():
    chip = limited(dendritic_accumulators_per_core=8)
    with pytest.raises(DoesNotFit, match=r"layer 'p9': neuron 0 needs 16 dendritic accum.*skip"):
        place(skip_over(9), chip)
    place(skip_over(7), chip)  # a wait of 6


def test_a_wait_beyond_what_an_axon_holds_is_refused_by_layer_and_a_shorter_skip_fits():
    with pytest.raises(DoesNotFit) as error:
        place(skip_over(70), LOIHI)
    for part in ("layer 'p70'", "spikes of 'p0' wait 69 steps", "at most 62", "own delay is 0"):
        assert part in str(error.value)
    assert "a skip over fewer layers" in str(error.value)
    assert place(skip_over(63), LOIHI).fits


def test_every_layer_with_a_wait_that_is_too_long_is_listed():
    graph = skip_over(70)
    nodes = {**graph.nodes, "again": dense(np.random.default_rng(1), 2, 2)}
    edges = (*graph.edges, ("p1", "again"), ("again", "p69"))
    with pytest.raises(DoesNotFit) as error:
        place(Graph(nodes, edges), LOIHI)
    assert [reason.split(" on the chip")[0] for reason in error.value.reasons] == [
        "layer 'p69': spikes of 'p1' wait 67 steps",
        "layer 'p70': spikes of 'p0' wait 69 steps",
    ]


def test_a_target_may_hold_spikes_for_fewer_steps(tmp_path):
    text = find_target("loihi-sim").read_text()
    changed = re.sub(r"(delay_max = \{ value = )63", r"\g<1>62", text)
    assert changed != text
    (tmp_path / "target.toml").write_text(changed)
    chip = load_chip(tmp_path)
    assert place(skip_over(62), chip).fits  # a wait of 61, and the step of the synapse
    with pytest.raises(DoesNotFit, match=r"wait 62 steps on the chip.* at most 61"):
        place(skip_over(63), chip)
