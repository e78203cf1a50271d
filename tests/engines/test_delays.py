"""Delays that differ inside a synapse: by source, target or weight, exact on every engine."""

from dataclasses import replace

import numpy as np
import pytest
from networks import dense, lif, spikes
from random_graphs import fixed_graph, fixed_input, graded_graph, looped_fixed_graph
from staggered import FORMS, arriving, late, staggered

from neurocompile.data.inputs import Encoded
from neurocompile.engines import fixed, lava, onnx
from neurocompile.engines.activity import activity_of
from neurocompile.engines.fixed.result import FixedRun
from neurocompile.engines.fixed.torch_path import run_torch
from neurocompile.errors import BadInput, DoesNotFit
from neurocompile.formats.checkpoint.plain_fixed import fixed_from_plain, fixed_to_plain
from neurocompile.formats.load_onnx import from_onnx
from neurocompile.formats.onnx.write import to_onnx
from neurocompile.ir.fixed import ChipNeuron, CubaLIF, SpikeInput, Synapse
from neurocompile.ir.graph import chain, same
from neurocompile.ir.nodes import Conv, Linear
from neurocompile.ir.ops import NumpyOps
from neurocompile.ir.reference import run_fixed
from neurocompile.ir.time import lead_in
from neurocompile.ir.verify import verify

STEPS = 20


def pair(seed, synapse):
    """An input, a synapse, and a population that spikes of its sums."""
    graph = verify(chain({"in": SpikeInput(synapse.in_shape), "s": synapse,
                          "a": lif(synapse.out_shape, du=900)}), "fixed")  # fmt: skip
    return graph, Encoded({"in": spikes(seed, 2, STEPS, synapse.in_shape, rate=0.3)}, STEPS)


def agree(graph, encoded, engines):
    """These engines have the spikes, potentials and counts of the reference."""
    ran = [engine(graph, encoded) for engine in engines]
    found = [getattr(each, "recording", each) for each in ran]
    names = [name for name, _ in graph.of(ChipNeuron)]
    for sample in range(encoded.samples):
        inputs = {name: values[sample] for name, values in encoded.values.items()}
        fired, potentials = run_fixed(graph, inputs, encoded.steps)
        for name in names:
            for recording in found:
                np.testing.assert_array_equal(recording.membrane[name][sample], potentials[name])
                np.testing.assert_array_equal(recording.spikes[name][sample], fired[name])
    replayed = activity_of(graph, encoded, found[0])
    for name in names:
        counts = {run.activity[name].updated for run in ran if isinstance(run, FixedRun)}
        assert counts == {replayed[name].updated}


@pytest.mark.parametrize("form", FORMS)
def test_a_spike_arrives_after_its_own_delay_by_hand(form):
    """Both sources spike in step 1; the weights are 2, 4 / 6, 8 times 2^6; one step for all."""
    wait = {"target": [0, 2], "source": [[0, 2]], "weight": [[0, 2], [3, 1]]}[form]
    weight = np.array([[2, 4], [6, 8]])
    synapse = Synapse(Linear(weight), (2,), (2,), delay=1, late=wait)
    neurons = lif((2,), dv=0, vth=1000)
    graph = verify(chain({"in": SpikeInput((2,)), "s": synapse, "a": neurons}), "fixed")
    x = np.zeros((1, 6, 2), np.uint8)
    x[0, 0] = 1
    found = fixed.run(graph, Encoded({"in": x}, 6)).recording.membrane["a"][0] // 64
    expected = {
        "target": [[0, 0], [6, 0], [6, 0], [6, 14], [6, 14], [6, 14]],
        "source": [[0, 0], [2, 6], [2, 6], [6, 14], [6, 14], [6, 14]],
        "weight": [[0, 0], [2, 0], [2, 8], [6, 8], [6, 14], [6, 14]],
    }[form]
    assert found.tolist() == expected


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("most", [0, 1, 62])
def test_the_sums_are_those_of_a_model_that_goes_weight_by_weight(form, most):
    rng = np.random.default_rng(most)
    synapse = late(dense(rng, 37, 21, 1), rng, most, form)
    graph, encoded = pair(3, synapse)
    encoded = Encoded({"in": spikes(3, 2, 90, (37,), rate=0.3)}, 90)
    found = fixed.run(graph, encoded).recording
    for sample in range(2):
        node = graph.nodes["a"]
        p, zero = node.constants(), np.zeros(21, np.int64)
        state = node.start(p, zero, zero)
        for t, a in enumerate(arriving(synapse, encoded.values["in"][sample])):
            after = node.step(NumpyOps(), state, a, p)
            state = after.state
            np.testing.assert_array_equal(found.membrane["a"][sample, t], state[1])
            np.testing.assert_array_equal(found.spikes["a"][sample, t], after.out)


@pytest.mark.parametrize("make", [fixed_graph, looped_fixed_graph, graded_graph])
@pytest.mark.parametrize("seed", range(6))
def test_every_path_gives_what_the_reference_gives(make, seed):
    graph = staggered(make(seed), seed)
    encoded = Encoded(*fixed_input(graph, seed, n=2))
    try:
        lead_in(graph)
        fixed.run(graph, encoded)
    except DoesNotFit:  # refused by design: no start, or a state beyond its register
        return
    agree(graph, encoded, [fixed.run, run_torch, onnx.run])
    assert same(from_onnx(to_onnx(graph)), graph)


@pytest.mark.parametrize("form", FORMS)
def test_a_checkpoint_holds_them(form):
    rng = np.random.default_rng(0)
    graph, _ = pair(0, late(dense(rng, 5, 4), rng, 9, form))
    assert same(fixed_from_plain(fixed_to_plain(graph), graph.settings), graph)


@pytest.mark.parametrize("make", [fixed_graph, looped_fixed_graph])
def test_lava_gives_the_same_bits(make):
    """Of dense, sparse and convolving synapses, and of a loop."""
    graph = staggered(make(2), 2)
    silent = {n: replace(node, readout=False) for n, node in graph.of(CubaLIF)}
    graph = graph.with_nodes(**silent)
    agree(graph, Encoded(*fixed_input(graph, 2, n=2)), [fixed.run, lava.run])


def test_a_synapse_that_rounds_has_one_delay_for_all_sources():
    """Lava rounds what each step sends, so spikes that wait apart would be rounded apart."""
    weight = np.array([[2, 4]])
    good = Synapse(Linear(weight), (2,), (1,), -1, late=[[0, 1]])
    verify(chain({"in": SpikeInput((2,)), "s": good, "a": lif((1,))}), "fixed")
    for wait in ([[0, 1]], [[0, 0]]):
        wrong = replace(good, weight_exp=-2, late=wait)
        with pytest.raises(BadInput, match=r"layer 's' \(Synapse\): its weight exponent -2 rounds"):
            verify(chain({"in": SpikeInput((2,)), "s": wrong, "a": lif((1,))}), "fixed")
    verify(chain({"in": SpikeInput((2,)), "s": replace(wrong, late=[1]), "a": lif((1,))}), "fixed")


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"late": [1, 2, 3]}, r"its late has shape \(3,\), allowed is one number per target"),
        ({"late": [[0, 1, 2], [0, 0, 0]]}, r"here \(2,\), \(1, 1\), \(2, 1\)\."),
        ({"late": [-1, 0]}, "its late is -1, allowed are 0..62"),
        ({"late": [[-1], [0]]}, "its late is -1, allowed are 0..62"),
        ({"late": [[200], [0]]}, "its longest delay is 200, allowed are 0..62"),
        ({"late": [0, 60], "delay": 3}, "its longest delay is 63, allowed are 0..62"),
        (
            {"op": Conv(np.full((2, 1, 1), 2), None, (1,), (0,), (1,), 1), "in_shape": (1, 1)}
            | {"out_shape": (2, 1), "late": [[0], [1]]},
            r"here \(2,\), \(1, 1\)\.",
        ),
    ],
)
def test_what_no_engine_runs_is_refused_by_layer(changed, sentence):
    synapse = Synapse(Linear(np.array([[2], [4]])), (1,), (2,))
    nodes = {"in": SpikeInput((1,)), "s": replace(synapse, **changed), "a": lif((2,))}
    with pytest.raises(BadInput, match=rf"layer 's' \(Synapse\): .*{sentence}"):
        verify(chain(nodes), "fixed")
