"""A FLOAT Delay with a number of steps for each value: run, simplified, quantized and stored."""

import re

import numpy as np
import pytest
from networks import neuron, spikes
from nir_graphs import nir_graph
from random_graphs import joined_float_graph
from staggered import staggered_float

from neurocompile.chip.read import load_chip
from neurocompile.data.inputs import Encoded
from neurocompile.engines import fixed
from neurocompile.engines import onnx as onnx_engine
from neurocompile.engines.floating import run_float
from neurocompile.errors import BadInput, DoesNotFit
from neurocompile.formats.checkpoint.plain import from_plain, to_plain
from neurocompile.formats.load_onnx import from_onnx
from neurocompile.formats.nir.read import from_nir
from neurocompile.formats.nir.write import to_nir
from neurocompile.formats.onnx.write import to_onnx
from neurocompile.ir import reference
from neurocompile.ir.fixed import Synapse
from neurocompile.ir.graph import Graph, chain, same
from neurocompile.ir.neurons import Integrator, Neuron
from neurocompile.ir.nodes import Add, Conv, Delay, Input, Linear, Reshape
from neurocompile.ir.settings import Encoder, Settings
from neurocompile.ir.verify import verify
from neurocompile.quantize.quantize import quantize
from neurocompile.quantize.ranges import bound
from neurocompile.simplify import simplify

STEPS = 12


def line(*between, shape=(4,), last=None):
    """Input, these nodes, and neurons without a current."""
    nodes = {"input": Input(shape), **dict(between), "out": neuron("box", v_th=0.6)}
    settings = Settings(steps=STEPS, encoder=Encoder("spikes"))
    return verify(chain(nodes, settings), "float")


def fixed_of(graph):
    simple = simplify(graph)
    return quantize(simple, load_chip("loihi-sim"), bound(simple))


def matrix(rows, columns, seed=0):
    return Linear(np.random.default_rng(seed).normal(size=(rows, columns)))


@pytest.mark.parametrize("seed", range(6))
def test_it_runs_alike_everywhere_and_comes_back_from_every_file(seed):
    graph = verify(staggered_float(joined_float_graph(seed), seed), "float")
    ((_, source),) = graph.of(Input)
    x = spikes(seed, 2, STEPS, source.shape).astype(np.float64)
    names = tuple(name for name, _ in graph.of(Neuron))
    fast = run_float(graph, x, STEPS, membranes=names)
    for sample in range(2):
        _, potentials = reference.run_float(graph, x[sample])
        for name in names:
            np.testing.assert_allclose(
                fast.membrane[name][sample], potentials[name], rtol=1e-9, atol=1e-9
            )
    assert same(from_onnx(to_onnx(graph)), graph)
    assert same(from_plain(to_plain(graph), graph.settings), graph)
    graph = verify(staggered_float(nir_graph(seed), seed), "float")
    assert same(from_nir(to_nir(graph, keep_subtract=True)), graph)


def test_its_onnx_file_moves_each_value_by_its_own_steps_in_and_out_of_a_loop():
    """Integrators add what comes; a loop adds 1/2 of what came 1 or 3 steps earlier."""
    nodes = {
        "input": Input((2,)),
        "late": Delay(0, np.array([0, 2])),
        "sum": Add(),
        "out": Integrator(),
        "back": Delay(1, np.array([0, 2])),
        "half": Linear(np.eye(2) / 2),
    }
    edges = [("input", "late"), ("late", "sum"), ("half", "sum"), ("sum", "out")]
    edges += [("out", "back"), ("back", "half")]
    order = ("input", "late", "half", "sum", "out", "back")
    graph = Graph({name: nodes[name] for name in order}, tuple(edges), Settings(steps=5))
    x = np.zeros((1, 5, 2))
    x[0, 0] = 8
    expected = [[8, 0], [12, 0], [18, 8], [27, 8], [40.5, 8]]
    (found,) = run_float(verify(graph, "float"), x, 5, membranes=("out",)).membrane["out"]
    assert found.tolist() == expected
    assert onnx_engine.run_float(graph, x)["out.membrane"][0].tolist() == expected
    assert reference.run_float(graph, x[0])[1]["out"].tolist() == expected


@pytest.mark.parametrize("seed", [1, 4, 10, 13, 14])  # whose spikes subtract their thresholds
def test_simplifying_keeps_what_every_neuron_does(seed):
    graph = verify(staggered_float(joined_float_graph(seed), seed), "float")
    simple = verify(simplify(graph), "float")
    ((_, source),) = graph.of(Input)
    x = spikes(seed, 1, STEPS, source.shape).astype(np.float64)
    names = tuple(name for name, _ in simple.of(Neuron))
    before, after = (run_float(g, x, STEPS, membranes=names) for g in (graph, simple))
    for name in names:
        np.testing.assert_allclose(after.membrane[name], before.membrane[name], atol=1e-7)


WAITS = np.array([0, 3, 1, 5])
CASES = {
    "of_sources": (
        line(("late", Delay(1, WAITS)), ("w", matrix(3, 4))),
        Linear,
        (1, [[0, 3, 1, 5]]),
    ),
    "of_targets": (line(("w", matrix(4, 4)), ("late", Delay(0, WAITS))), Linear, (0, [0, 3, 1, 5])),
    "of_pixels": (
        line(
            ("late", Delay(0, WAITS.reshape(1, 2, 2))),
            ("w", Conv(np.ones((2, 1, 2, 2)), None, (1, 1), (0, 0), (1, 1), 1)),
            shape=(1, 2, 2),
        ),
        Conv,
        (0, [[0, 3, 1, 5]]),
    ),
    "before_a_flatten": (
        line(
            ("late", Delay(0, WAITS.reshape(1, 2, 2))),
            ("flat", Reshape((4,))),
            ("w", matrix(3, 4)),
            shape=(1, 2, 2),
        ),
        Linear,
        (0, [[0, 3, 1, 5]]),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_delay_next_to_weights_is_one_synapse_that_keeps_its_kind(case):
    graph, kind, expected = CASES[case]
    done = fixed_of(graph)
    ((_, synapse),) = done.of(Synapse)
    assert isinstance(synapse.op, kind)
    assert (synapse.delay, synapse.late.tolist()) == expected
    ((_, source),) = graph.of(Input)
    x = spikes(1, 2, STEPS, source.shape)
    ran = fixed.run(done, Encoded({"input": x}, STEPS)).recording
    theirs = run_float(graph, x, STEPS, membranes=("out",))
    np.testing.assert_array_equal(ran.spikes["out"], theirs.spikes["out"])
    assert theirs.spikes["out"].any()


def test_a_delay_between_two_maps_is_a_synapse_for_each_number_of_steps():
    graph = line(("a", matrix(4, 4)), ("late", Delay(1, [0, 2, 0, 2])), ("b", matrix(3, 4, 1)))
    synapses = [node for _, node in fixed_of(graph).of(Synapse)]
    assert sorted((node.delay, node.late) for node in synapses) == [(1, None), (3, None)]


def test_a_weight_exponent_below_zero_gives_way_to_delays_of_sources():
    """A threshold of 3,000 weights wants one; at 0, the weights take only part of the grid."""
    weight = Linear(np.full((1, 2), 1e-3))
    plain, late = (
        fixed_of(line(*between, ("w", weight), shape=(2,)))
        for between in ((), (("late", Delay(0, np.array([0, 1]))),))
    )
    assert plain.nodes["w"].weight_exp < 0
    synapse = late.nodes["w"]
    assert synapse.weight_exp == 0
    ratio = synapse.op.weight[0, 0] * 64 / (int(late.nodes["out"].vth) << 6)
    assert ratio == pytest.approx(0.2 * 1e-3 / 0.6, rel=0.02)  # a leak of 0.2 takes a fifth


@pytest.mark.parametrize(
    ("delay", "sentence"),
    [
        (Delay(0), "its steps are 0, allowed are 1..65536"),
        (Delay(-1, np.zeros(4)), "its steps are -1, allowed are 0..65536"),
        (Delay(0, np.array([0, -2, 0, 0])), "its late is -2, allowed are 0..65536"),
        (Delay(7, np.array([0, 0, 0, 65530])), "its longest delay is 65537, allowed are"),
        (Delay(1, np.zeros(3)), r"its late has the shape \(3,\), allowed is that of its values"),
    ],
)
def test_a_delay_that_is_none_is_refused_by_layer(delay, sentence):
    with pytest.raises(BadInput, match=rf"layer 'late' \(Delay\): {sentence}"):
        line(("late", delay))


def test_only_a_delay_of_every_value_may_lead_backwards():
    nodes = {"input": Input((2,)), "sum": Add(), "out": Integrator()}
    edges = (("input", "sum"), ("back", "sum"), ("sum", "out"), ("out", "back"))
    verify(Graph({**nodes, "back": Delay(1, [0, 1])}, edges), "float")
    with pytest.raises(BadInput, match="the edge from 'back' to 'sum' leads backwards"):
        verify(Graph({**nodes, "back": Delay(0, [0, 1])}, edges), "float")


def test_a_delay_beyond_what_an_axon_holds_is_refused_by_layer_with_range_and_cure():
    graph = line(("late", Delay(2, np.array([0, 0, 61, 0]))), ("w", matrix(3, 4)))
    sentence = (
        "layer 'out': spikes of 'input' are delayed by 63 steps, but an axon delays by at most 62. "
        "Use a shorter delay."
    )
    with pytest.raises(DoesNotFit, match=re.escape(sentence)):
        fixed_of(graph)
    fixed_of(line(("late", Delay(1, np.array([0, 0, 61, 0]))), ("w", matrix(3, 4))))  # the cure
