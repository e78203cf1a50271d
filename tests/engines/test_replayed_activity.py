"""Activity out of a recording alone equals what the fixed engine counts on its way."""

from dataclasses import replace

import numpy as np
import pytest
import random_graphs

from neurocompile.data.inputs import Encoded
from neurocompile.engines import fixed, replay
from neurocompile.engines.activity import activity_of
from neurocompile.engines.recording import Recording
from neurocompile.ir.entries import rows_of
from neurocompile.ir.fixed import CubaLIF, SpikeInput, Synapse
from neurocompile.ir.graph import chain
from neurocompile.ir.linear import connections
from neurocompile.ir.nodes import Linear


@pytest.mark.parametrize("make", [random_graphs.fixed_graph, random_graphs.looped_fixed_graph])
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("at_once", [1, 1 << 22])
def test_spikes_and_potentials_are_enough_to_count_updates(make, seed, at_once, monkeypatch):
    monkeypatch.setattr(replay, "OPERATIONS_AT_ONCE", at_once)
    graph = make(seed)
    spiking = {n: replace(node, readout=False) for n, node in graph.of(CubaLIF)}
    graph = graph.with_nodes(**spiking)  # random weights drive readouts to their threshold
    encoded = Encoded(*random_graphs.fixed_input(graph, seed))
    done = fixed.run(graph, encoded)
    found = activity_of(graph, encoded, replace(done.recording, activity=None))
    assert list(found) == [n for n, _ in graph.of(SpikeInput, CubaLIF)]
    for name, theirs in done.activity.items():
        np.testing.assert_array_equal(found[name].spikes, theirs.spikes)
        if isinstance(graph.nodes[name], CubaLIF):
            assert found[name].updated == theirs.updated, name


def test_updates_of_a_neuron_at_rest_are_counted_by_hand():
    # Current halves (du + 1 = 2048) and needs steps to vanish; v decays wholly (dv = 4096).
    # Input arrives at step 2 of 6: updated by the spike at 2; u = 128 at the start of 3, then 64,
    # 32, 16: updated until the end. Steps 2..6 are 5. The other neuron gets nothing: 0.
    node = CubaLIF((2,), du=2047, dv=4096, vth=1000, bias_mant=0, bias_exp=0, v_init=0)
    synapse = Synapse(Linear(np.array([[2], [0]])), (1,), (2,))
    graph = chain({"in": SpikeInput((1,)), "s": synapse, "a": node})
    x = np.zeros((1, 6, 1), np.uint8)
    x[0, 1] = 1
    v = np.zeros((1, 6, 2), np.int32)
    v[0, :, 0] = [0, 128, 64, 32, 16, 8]
    found = activity_of(
        graph, Encoded({"in": x}, 6), Recording({"in": x, "a": np.zeros_like(v)}, {"a": v})
    )
    # A synapse of weight 0 carries the spike all the same: the other neuron is updated once.
    assert found["a"].updated == 5 + 1


@pytest.mark.parametrize("seed", range(10))
def test_the_rows_of_a_synapse_are_those_of_its_matrix(seed):
    for _, synapse in random_graphs.fixed_graph(seed).of(Synapse):
        theirs, ours = connections(synapse), rows_of(synapse)
        np.testing.assert_array_equal(ours.indptr, theirs.indptr)
        np.testing.assert_array_equal(ours.indices, theirs.indices)
        np.testing.assert_array_equal(ours.data, theirs.data)
        order = np.random.default_rng(seed).permutation(theirs.shape[0])
        half = len(order) // 2
        block = theirs[order][half:].tocsc()
        block.sort_indices()
        columns = ours.take(order).columns(half, len(order))
        np.testing.assert_array_equal(columns.indptr, block.indptr)
        np.testing.assert_array_equal(columns.indices, block.indices)
        np.testing.assert_array_equal(columns.data, block.data)
