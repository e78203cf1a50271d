"""A register that is left stops every engine with one sentence: layer, step, number, cure."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import random_graphs

from neurocompile.data.inputs import Encoded
from neurocompile.engines import fixed, in_range, lava, onnx
from neurocompile.engines.fixed.torch_path import run_torch
from neurocompile.errors import DoesNotFit, Unsupported
from neurocompile.formats.artifact import write_artifact
from neurocompile.formats.onnx.write import to_bytes
from neurocompile.ir.chip_neurons import ATRLIF, RF, AdaptiveLIF, Sigma, SigmaDelta
from neurocompile.ir.fixed import CubaLIF, Membrane, SpikeInput, Synapse
from neurocompile.ir.graph import chain
from neurocompile.ir.nodes import Linear
from neurocompile.ir.settings import Settings
from neurocompile.ir.time import lead_in
from neurocompile.ir.verify import verify

ENGINES = {"fixed": fixed.run, "torch": run_torch, "onnx": onnx.run}


def network(population, weights=((2,),), exponent=0, payload_bits=0, into=None):
    """Axons, a synapse, a population."""
    op = Linear(np.array(weights, np.int16))
    ends = (op.weight.shape[1],), (op.weight.shape[0],)
    synapse = Synapse(op, *ends, exponent, into=into)
    nodes = {"in": SpikeInput(ends[0], payload_bits), "s": synapse, "pop": population}
    return verify(chain(nodes, Settings(steps=3)), "fixed")


def lif(**more):
    """One neuron that keeps all of its current and potential, and never spikes."""
    return CubaLIF((1,), **{"du": -1, "dv": 0, "vth": 131_071, **more}, **dict.fromkeys(ZERO, 0))


ZERO = ("bias_mant", "bias_exp", "v_init")
RISING = dict.fromkeys((*ZERO, "dv", "dtheta", "theta_0"), 0) | {"du": 4095, "theta_step": 4095}
MOST = 2**23 - 1
STATE = "layer 'pop', step {}: a state that the chip does not clip reaches {}, but its register "
STATE += "holds up to 8388607. {}"

# What leaves its register: a network, what enters it in each step, the sentence worked out by hand.
BEYOND = {
    # 254 x 2^7 x (2^23 - 1), which 32 bits do not hold
    "a sum of Sigma": (
        network(Sigma((1,)), [[254]], 7, 24),
        [MOST] * 3,
        STATE.format(1, 272_730_390_784, "Lower the weights before it."),
    ),
    # 128 x 2^7 = 2^14, times 1 and then 511 more
    "an activation of SigmaDelta": (
        network(SigmaDelta((1,), 1), [[128]], 7, 11),
        [1, 511, 0],
        STATE.format(2, 2**23, "Lower the weights before it, or its exponents."),
    ),
    # 8 x 128 x 2^7, shifted by 7
    "what arrives at RF": (
        network(RF((1,), 0, 4096, 100, state_exp=7), [[128]], 7, 11, into="real"),
        [0, 0, 8],
        STATE.format(3, 2**24, "Lower the weights before it, or its state_exp."),
    ),
    # 254 x 2^7 x 2^6 x (2^23 - 1)
    "a current of CubaLIF": (
        network(lif(), [[254]], 7, 24),
        [MOST, 0, 0],
        "layer 'pop', step 1: the synaptic current reaches 17454745010176 before its 24-bit wrap, "
        "but one wrap brings only currents up to 25165823 back into range. Lower the weights or "
        "the exponent of the synapses before this layer.",
    ),
    # each spike brings 2,080,768 and, while theta is below, one more: the 18th step takes twice
    # theta = 17 x 4095 x 64
    "a refractory state of ATRLIF": (
        network(ATRLIF((1,), dr=4096, **RISING), [[254]], 7),
        [1] * 20,
        STATE.format(18, 8_910_720, "Lower the threshold and its step, or let them decay faster."),
    ),
    # 128 > 64 in each step, for the current stays
    "a readout": (
        network(lif(vth=1, readout=True)),
        [1, 0, 0],
        "readout 'pop' reached its threshold, the top of 24 bits, 3 times. Calibrate on data like "
        "these, or lower the weights before it.",
    ),
}


def entering(graph, train):
    """One sample of one axon."""
    number = np.int32 if graph.nodes["in"].payload_bits else np.uint8
    return Encoded({"in": np.array(train, number)[None, :, None]}, len(train))


def refusal(engine, graph, encoded):
    """The sentence with which an engine refuses a run; "" where it runs."""
    try:
        engine(graph, encoded)
    except DoesNotFit as error:
        return str(error)
    return ""


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("what", BEYOND)
def test_what_leaves_its_register_is_refused_with_the_number_worked_out_by_hand(what, engine):
    graph, train, sentence = BEYOND[what]
    assert refusal(ENGINES[engine], graph, entering(graph, train)) == sentence


@pytest.mark.parametrize("what", ["a sum of Sigma", "a current of CubaLIF", "a readout"])
def test_lava_refuses_it_with_the_same_sentence(what):
    graph, train, sentence = BEYOND[what]
    assert refusal(lava.run, graph, entering(graph, train)) == sentence


def test_a_threshold_that_spikes_raise_is_refused_once_it_leaves_24_bits():
    # theta rises by 4095 x 64 = 262,080 per spike: 33 of them are 8,648,640
    graph = network(AdaptiveLIF((1,), **RISING), [[254]], 7)
    found = {refusal(run, graph, entering(graph, [1] * 100)) for run in ENGINES.values()}
    assert len(found) == 1
    assert "a state that the chip does not clip reaches 8648640" in found.pop()
    # with a loss of an eighth it ends below 8 x 262,080, and nothing has to be replayed
    slower = replace(graph.nodes["pop"], dtheta=np.array(512), du=np.array(4095))
    assert slower.stays_in_range(254 * 128, 10_000)
    assert not graph.nodes["pop"].stays_in_range(254 * 128, 100)
    assert refusal(onnx.run, graph.with_nodes(pop=slower), entering(graph, [1] * 100)) == ""


def test_the_last_number_that_a_register_holds_runs():
    graph = network(Sigma((1,)), [[2]], 0, 24)
    at_most = entering(graph, [4_194_303, 0, 0])
    assert [refusal(run, graph, at_most) for run in ENGINES.values()] == [""] * 3
    beyond = entering(graph, [4_194_303, 0, 1])
    assert all("step 3" in refusal(run, graph, beyond) for run in ENGINES.values())


def test_of_several_samples_the_first_step_of_the_first_that_leaves_is_named(monkeypatch):
    graph = network(Sigma((2,)), [[254], [2]], 7, 24)
    train = np.zeros((5, 4, 1), np.int32)
    train[1, 3], train[2, 0], train[4, 0] = 1000, 5000, -6000  # 254 x 128 x 1000 = 32,512,000
    encoded = Encoded({"in": train}, 4)
    expected = STATE.format(4, 32_512_000, "Lower the weights before it.")
    for at_once in (1, 1 << 22):
        monkeypatch.setattr(in_range, "VALUES_AT_ONCE", at_once)
        assert {refusal(run, graph, encoded) for run in ENGINES.values()} == {expected}


MAKERS = (
    *(random_graphs.fixed_graph, random_graphs.looped_fixed_graph, random_graphs.adaptive_graph),
    *(random_graphs.graded_graph, random_graphs.after_spikes_graph),
)


@pytest.mark.parametrize("make", MAKERS)
def test_engines_refuse_the_same_random_networks_with_the_same_sentence(make):
    counts = Counter()
    for seed in range(8):
        graph = make(seed)
        high = {name: replace(s, weight_exp=7) for name, s in graph.of(Synapse)}
        hard = {n: replace(node, readout=True) for n, node in graph.of(Membrane)}
        for some in (graph, graph.with_nodes(**high), graph.with_nodes(**high, **hard)):
            encoded = Encoded(*random_graphs.fixed_input(some, seed))
            try:
                lead_in(some)
                to_bytes(some)
            except (DoesNotFit, Unsupported):
                continue
            found = {refusal(run, some, encoded) for run in ENGINES.values()}
            assert len(found) == 1, (seed, found)
            counts[found != {""}] += 1
    assert counts[False], "no network ran"
    assert counts[True], "no network was refused"


def test_a_network_that_cannot_leave_its_registers_is_not_replayed(monkeypatch):
    def forbidden(*_):
        raise AssertionError("replayed")

    monkeypatch.setattr(in_range, "arriving_at", forbidden)
    # 1024 x 254 x 2^6 is 2^24 - 2^17: with 2^23 of a current that stays, just below 3 x 2^23
    graph = network(lif(), np.full((1, 1024), 254))
    assert refusal(onnx.run, graph, Encoded({"in": np.ones((1, 4, 1024), np.uint8)}, 4)) == ""
    more = network(lif(), np.full((1, 1100), 254))
    few = np.zeros((1, 4, 1100), np.uint8)
    few[..., :1000] = 1  # no step brings more than 1000 weights
    assert refusal(onnx.run, more, Encoded({"in": few}, 4)) == ""
    with pytest.raises(AssertionError, match="replayed"):
        onnx.run(more, Encoded({"in": np.ones((1, 4, 1100), np.uint8)}, 4))


def exported(folder, what):
    """An export of a network, and its data, which it declares."""
    graph, train, sentence = BEYOND[what]
    values = entering(graph, train).values["in"]
    kind = "payloads" if graph.nodes["in"].payload_bits else "spikes"
    np.savez(folder / "x.npz", **{kind: values})
    data = {"source": str(folder / "x.npz"), "samples": 1, "steps": len(train), "seed": 0}
    write_artifact(
        folder / "net", {"fixed.onnx": to_bytes(graph)}, {"target": "loihi2-sim", "data": data}
    )
    return folder / "net", sentence


@pytest.mark.parametrize("what", ["a sum of Sigma", "a current of CubaLIF", "a readout"])
def test_commands_refuse_such_a_run_and_write_no_baseline(what, tmp_path, call):
    net, sentence = exported(tmp_path, what)
    for engine in ("fixed", "onnx"):
        code, stdout, stderr = call("simulate", net, "--engine", engine)
        assert (code, stdout) == (3, "")
        assert f"DoesNotFit: {sentence}" in stderr
        baseline = tmp_path / "base.json"
        code, stdout, stderr = call(
            "check", net, "--baseline", baseline, "--update", "--engine", engine,
            *("--keep-data", tmp_path / "kept.npz"),
        )  # fmt: skip
        assert (code, stdout) == (3, "")
        assert f"DoesNotFit: {sentence}" in stderr
        assert not baseline.exists()
        assert not (tmp_path / "kept.npz").exists()
