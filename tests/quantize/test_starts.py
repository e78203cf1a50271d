"""Networks with sigma-delta layers beside others: what biases send before the first input."""

import re
import time

import numpy as np
import pytest

import neurocompile as nc
from neurocompile.compiler import compile_graph
from neurocompile.data.inputs import encode
from neurocompile.engines.agree import run_engine
from neurocompile.engines.floating import run_float
from neurocompile.errors import DoesNotFit, Unsupported
from neurocompile.ir.fixed import CubaLIF, SpikeInput, Synapse
from neurocompile.ir.graph import chain
from neurocompile.ir.neurons import DeltaEncoder, LIBox, LIFBox, SigmaDeltaReLU, SigmaReadout
from neurocompile.ir.nodes import Input, Linear
from neurocompile.ir.sigma_delta import SigmaDelta
from neurocompile.ir.time import lead_in
from neurocompile.simplify import simplify

STEPS = 20
SETTINGS = nc.Settings(
    steps=STEPS, dt=1e-3, encoder=nc.Encoder("sequence"), decoder=nc.Decoder("last")
)
RNG = np.random.default_rng(0)
VALUES = nc.Data("values", "x", RNG.random((3, STEPS, 4)).astype(np.float32))
SPIKES = nc.Data("spikes", "spikes", (RNG.random((3, STEPS, 4)) < 0.5).astype(np.uint8))


def weights(n_in, n_out):
    return Linear(np.random.default_rng(n_in).normal(size=(n_out, n_in)))


def changing(bias):
    return SigmaDeltaReLU(np.full(5, bias), np.float64(0.1))


def before_a_lif(bias, last):
    """Values, a sigma-delta layer with a bias, and a last layer."""
    nodes = {"in": Input((4,)), "changes": DeltaEncoder(np.float64(0.1)), "w": weights(4, 5)}
    nodes |= {"hidden": changing(bias), "w2": weights(5, 2), "out": last}
    return chain(nodes, SETTINGS)


LEAKY = LIBox(np.float64(100), np.float64(0))


def test_what_a_bias_sends_early_to_a_neuron_that_leaks_is_refused_by_layer():
    sentence = (
        "layer 'hidden': biases make it send before the first input arrives, but 'out' (LIBox), "
        "which gets it, leaks"
    )
    with pytest.raises(Unsupported, match=re.escape(sentence)):
        compile_graph(before_a_lif(2.0, LEAKY), "loihi2-sim", calibration=VALUES)


@pytest.mark.parametrize(
    ("bias", "last"),
    [(0.0, LEAKY), (0.05, LEAKY), (2.0, SigmaReadout(np.float64(0)))],
    ids=["no bias", "below the threshold", "Sigma follows"],
)
def test_each_cure_that_the_refusal_names_compiles(bias, last):
    done = compile_graph(before_a_lif(bias, last), "loihi2-sim", calibration=VALUES)
    assert lead_in(done.fixed_graph)


def test_a_layer_between_passes_on_what_is_refused():
    nodes = dict(before_a_lif(2.0, LEAKY).nodes)
    nodes["w"] = Linear(np.ones((5, 4)))
    nodes["w2"] = Linear(np.ones((5, 5)))  # positive, so what the bias makes is sent on
    nodes["out"] = changing(0.0)
    graph = chain(nodes | {"w3": weights(5, 2), "leaky": LEAKY}, SETTINGS)
    with pytest.raises(Unsupported, match="layer 'out': biases make it send"):
        compile_graph(graph, "loihi2-sim", calibration=VALUES)


def test_behind_a_lif_a_bias_counts_as_sent_and_every_engine_agrees():
    lif = LIFBox(np.float64(300), np.float64(0), np.float64(0.2), np.float64(0))
    nodes = {"in": Input((4,)), "w": weights(4, 5), "lif": lif, "w2": weights(5, 5)}
    nodes |= {"hidden": changing(2.0), "w3": weights(5, 2), "out": SigmaReadout(np.float64(0))}
    settings = nc.Settings(
        steps=STEPS, dt=1e-3, encoder=nc.Encoder("spikes"), decoder=nc.Decoder("last")
    )
    graph = chain(nodes, settings)
    fixed = compile_graph(graph, "loihi2-sim", calibration=SPIKES).fixed_graph
    hidden = fixed.nodes["hidden"]
    assert np.array_equal(hidden.act_init, hidden.bias)
    assert np.any(fixed.nodes["out"].v_init)
    encoded = encode(fixed, SPIKES, 0, 3, STEPS, 0)
    runs = {name: run_engine(name, fixed, encoded) for name in ("fixed", "onnx", "lava")}
    for run in runs.values():
        for layer in ("lif", "hidden"):
            assert np.array_equal(run.spikes[layer], runs["fixed"].spikes[layer])
        assert np.array_equal(run.membrane["out"], runs["fixed"].membrane["out"])
    assert np.any(runs["fixed"].spikes["lif"])
    ideal = run_float(simplify(graph), SPIKES.values.astype(float), STEPS, membranes=("out",))
    found = runs["fixed"].membrane["out"] * fixed.nodes["out"].scale
    kept_back = 0.1 * np.abs(nodes["w3"].weight).sum(axis=1)  # up to a threshold by each neuron
    assert np.all(np.abs(found - ideal.membrane["out"]) < kept_back)


def test_a_fixed_network_that_no_chip_can_start_is_refused_by_each_layer():
    """Whatever the engine, and not only by Lava."""

    def synapse(exponent=0):
        return Synapse(Linear(np.full((2, 2), 2, np.int16)), (2,), (2,), exponent)

    early = SigmaDelta((2,), 5, bias_mant=50)
    nodes = {"in": SpikeInput((2,)), "a": synapse(), "first": early, "b": synapse()}
    nodes |= {"second": early, "c": synapse(), "lif": CubaLIF((2,), 4095, 100, 10, 0, 0, 0)}
    settings = nc.Settings(steps=STEPS, encoder=nc.Encoder("spikes"), decoder=nc.Decoder("rate"))
    graph = chain(nodes, settings)
    with pytest.raises(DoesNotFit) as error:
        compile_graph(graph, "loihi2-sim")
    for layer in ("first", "second"):
        found = rf"layer '{layer}': before its first input .* make 2 neurons spike in chip step 1"
        assert re.search(found, str(error.value))
    quiet = SigmaDelta((2,), 5, bias_mant=50, act_init=50)  # the cure
    compile_graph(graph.with_nodes(first=quiet, second=quiet), "loihi2-sim")


def deep_chain(layers, bias, v_init=0):
    """LIF layers of one neuron, one after the other."""
    nodes = {"in": SpikeInput((1,))}
    for k in range(layers):
        nodes[f"s{k}"] = Synapse(Linear(np.full((1, 1), 2)), (1,), (1,))
        nodes[f"n{k}"] = CubaLIF((1,), 4095, 0, 10_000, bias, 0, v_init)
    return chain(nodes)


@pytest.mark.parametrize(("bias", "steps"), [(0, 400), (3, 400 * 401 // 2)])
def test_a_neuron_that_rests_before_its_first_input_is_run_for_one_step(monkeypatch, bias, steps):
    # Layer k starts k + 1 steps early; potentials that change take 1 + ... + 400 steps in all
    graph, run, step = deep_chain(400, bias, 2000), [], CubaLIF.step
    monkeypatch.setattr(CubaLIF, "step", lambda *args: run.append(1) or step(*args))
    starts = lead_in(graph)
    assert len(run) == steps
    assert [int(starts[f"n{k}"][0]) for k in range(400)] == [
        2000 - (k + 1) * bias for k in range(400)
    ]


def test_a_chain_eight_times_as_long_takes_less_than_three_times_eight_to_compile():
    compile_graph(deep_chain(10, 0), "loihi-sim")
    took = []
    for layers in (100, 800):
        begun = time.process_time()
        compile_graph(deep_chain(layers, 0), "loihi-sim")
        took.append(time.process_time() - begun)
    assert took[1] < 24 * took[0], took
