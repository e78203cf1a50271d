"""Spikes with payloads: by hand, on every engine against the reference and Lava, and in counts."""

import os
from dataclasses import replace

import numpy as np
import pytest
from random_graphs import fixed_input, graded_graph

from neurocompile.chip.read import load_chip
from neurocompile.commands.check.digests import RunDigests
from neurocompile.compiler import compile_graph
from neurocompile.data.inputs import Encoded
from neurocompile.energy import count, step_events
from neurocompile.energy.by_step import ByStep
from neurocompile.engines import fixed, lava
from neurocompile.engines import onnx as onnx_engine
from neurocompile.engines.activity import activity_of
from neurocompile.engines.decode import result_of
from neurocompile.engines.fixed.choice import FLOAT
from neurocompile.engines.fixed.plan import plan_of
from neurocompile.engines.fixed.torch_path import run_torch
from neurocompile.engines.recording_file import RECORDED, recording_file
from neurocompile.errors import DoesNotFit, Unsupported
from neurocompile.formats.load_onnx import from_onnx, parse
from neurocompile.formats.onnx.write import to_bytes
from neurocompile.ir import reference
from neurocompile.ir.chip_neurons import TernaryLIF
from neurocompile.ir.fixed import CubaLIF, SpikeInput, Synapse
from neurocompile.ir.graph import chain, same
from neurocompile.ir.nodes import Linear
from neurocompile.ir.settings import Decoder, Settings
from neurocompile.ir.sigma_delta import Sigma
from neurocompile.ir.time import lead_in
from neurocompile.ir.verify import verify
from neurocompile.place import place

NETWORKS = int(os.environ.get("FUZZ_N", "4"))


def weighted(*weights, exponent=0):
    """A synapse with a row of weights onto one neuron."""
    return Synapse(Linear(np.array([weights], np.int16)), (len(weights),), (1,), exponent)


def signs(**registers):
    """One neuron that keeps its potential and sends 1 above 10, -1 below -20."""
    usual = {"du": 4095, "dv": 0, "vth_hi": 10, "vth_lo": -20, "bias_mant": 0, "bias_exp": 0}
    return TernaryLIF((1,), **{**usual, "v_init": 0, **registers})


SUM = CubaLIF((1,), 4095, 0, 131071, 0, 0, 0)
PAIR = {"in": SpikeInput((2,)), "s": weighted(12, -14), "signs": signs()}
TRAIN = np.array([[1, 0], [0, 1], [0, 1], [0, 0], [1, 1], [0, 0]], np.uint8)


def run(nodes, train=TRAIN, settings=None):
    graph = verify(chain(nodes, settings), "fixed")
    return graph, fixed.run(graph, Encoded({"in": train[None]}, len(train)))


def test_a_ternary_neuron_sends_minus_one_below_its_lower_threshold():
    _, found = run(PAIR)
    # v in units of 64: 12 > 10 spikes and resets; -14; -28 < -20 spikes -1; 0; 12 - 14; -2
    sent = found.recording.spikes["signs"]
    assert sent.dtype == np.int32
    assert sent[0, :, 0].tolist() == [1, 0, -1, 0, 0, 0]
    assert (found.recording.membrane["signs"][0, :, 0] / 64).tolist() == [0, -14, 0, 0, -2, -2]
    assert found.activity["signs"].spikes.tolist() == [2]  # two messages, whatever their sign


def test_a_payload_multiplies_the_weight_before_the_exponent_rounds_down():
    # 10 / 4 rounds down to 2, -10 / 4 to -3
    _, found = run({**PAIR, "t": weighted(10, exponent=-2), "sum": SUM})
    assert (found.recording.membrane["sum"][0, :, 0] / 64).tolist() == [2, 2, -1, -1, -1, -1]


def test_the_rate_of_payloads_is_their_mean_with_sign():
    nodes = {**PAIR, "signs": signs(vth_hi=1000, vth_lo=-15)}
    graph, found = run(nodes, settings=Settings(decoder=Decoder("rate")))
    assert result_of(graph, found.recording).ravel() == pytest.approx(-1 / 6)


def test_every_engine_agrees_with_the_reference_on_every_bit():
    negative = 0
    for seed in range(NETWORKS):
        graph = verify(graded_graph(seed), "fixed")
        encoded = Encoded(*fixed_input(graph, seed, n=2))
        try:
            lead_in(graph)
            ours = fixed.run(graph, encoded)
        except DoesNotFit:  # refused by design: no start, or a state beyond its register
            continue
        theirs, file = run_torch(graph, encoded), onnx_engine.run(graph, encoded)
        replayed = activity_of(graph, encoded, file)
        for name, counted in ours.activity.items():
            np.testing.assert_array_equal(counted.spikes, theirs.activity[name].spikes)
            np.testing.assert_array_equal(counted.spikes, replayed[name].spikes)
            if name != "in":
                assert counted.updated == theirs.activity[name].updated == replayed[name].updated
        for sample in range(encoded.samples):
            values = {name: v[sample] for name, v in encoded.values.items()}
            fired, membrane = reference.run_fixed(graph, values, encoded.steps)
            for found in (ours.recording, theirs.recording, file):
                for name, expected in membrane.items():
                    np.testing.assert_array_equal(found.membrane[name][sample], expected)
                    np.testing.assert_array_equal(found.spikes[name][sample], fired[name])
                    negative += int((found.spikes[name][sample].astype(int) < 0).sum())
    assert negative > 100


@pytest.mark.parametrize("largest", [3, 300, 70_001, 2**23 - 1])
def test_a_product_takes_payloads_of_every_size_exactly(largest):
    # 64 weights of up to 256 add up to 2^14: float32 holds their sums with payloads below 2^10
    rng = np.random.default_rng(largest)
    weights = (rng.integers(-128, 128, (2048, 64)) * 2).astype(np.int16)
    wide = Synapse(Linear(weights), (64,), (2048,), -8)
    one = Linear((-256 * np.eye(64)).astype(np.int16))
    nodes = {"in": SpikeInput((64,)), "s": Synapse(one, (64,), (64,)), "sum": Sigma((64,))}
    graph = verify(chain({**nodes, "t": wide, "pop": Sigma((2048,))}), "fixed")
    link = plan_of(graph).populations["pop"].links[0]
    sent = rng.integers(-largest, largest + 1, (40, 64)).astype(np.int32)
    products = link.dense.exact(link.row * largest)
    assert FLOAT in products
    for product in products:
        found = np.zeros((40, 2048), np.int64)
        link.dense.sums(sent, found, link.row * largest, product)
        np.testing.assert_array_equal(found, sent.astype(np.int64) @ weights.T.astype(np.int64))


def test_lavas_own_process_gives_the_same_bits():
    negative = 0
    for seed in range(300 if NETWORKS >= 300 else 2):
        graph = verify(graded_graph(seed), "fixed")
        encoded = Encoded(*fixed_input(graph, seed, n=1))
        try:
            lead_in(graph)
            ours = fixed.run(graph, encoded).recording
            theirs = lava.run(graph, encoded)
        except (DoesNotFit, Unsupported):  # no start, or more waiting than Lava's delays have
            continue
        for name, expected in theirs.membrane.items():
            np.testing.assert_array_equal(ours.membrane[name], expected)
            np.testing.assert_array_equal(ours.spikes[name], theirs.spikes[name])
            negative += int((theirs.spikes[name].astype(int) < 0).sum())
    assert negative > 20


def test_a_file_of_a_graded_network_reads_back_as_the_same_network():
    graph, found = run({**PAIR, "t": weighted(10), "sum": SUM})
    assert same(from_onnx(parse(to_bytes(graph), "file"), "file"), graph)
    digests = RunDigests(graph, "sum")
    digests.add(Encoded({"in": TRAIN[None]}, 6), found.recording)
    turned = replace(found.recording, spikes={**found.recording.spikes})
    turned.spikes["signs"] = -turned.spikes["signs"]
    others = RunDigests(graph, "sum")
    others.add(Encoded({"in": TRAIN[None]}, 6), turned)
    assert digests.to_dict()["spikes"]["signs"] != others.to_dict()["spikes"]["signs"]


def test_a_recording_file_keeps_payloads_as_integers_and_bits_as_bytes(tmp_path):
    import h5py

    graph, found = run({**PAIR, "t": weighted(10), "sum": SUM})
    with recording_file(tmp_path / "run.h5", RECORDED, graph, 1, len(TRAIN)) as keep:
        keep(0, found.recording)
    with h5py.File(tmp_path / "run.h5") as file:
        assert file["signs/spikes"][0, :, 0].tolist() == [1, 0, -1, 0, 0, 0]
        assert (file["signs/spikes"].dtype, file["sum/spikes"].dtype) == (np.int32, np.uint8)


@pytest.mark.parametrize("add", [step_events.compiled(), step_events.by_numpy])
def test_a_message_is_one_event_whatever_its_payload(add):
    sent = np.array([[[1, 0], [-1, 700], [0, -3]]], np.int32)
    tables = np.array([0, 1, 3]), np.array([0, 0, 1], np.int32), np.array([2, 5, 7])
    counters = np.zeros((1, 3, 2), np.int64)
    add(sent, 0, *tables, counters)
    assert counters.tolist() == [[[2, 0], [7, 7], [5, 7]]]


def test_a_message_and_an_operation_count_once_whatever_the_payload():
    graph, found = run({**PAIR, "t": weighted(10), "sum": SUM})
    placed = place(graph, load_chip("loihi2-sim"))
    counts = count(placed, found.activity, 1, len(TRAIN))
    assert counts.layers["signs"].spikes == 2  # 1 and -1
    assert (counts.synapses["t"].synops, counts.synapses["t"].messages) == (2, 2)
    by_step = ByStep(placed, len(TRAIN))
    by_step.add(found.recording.spikes, {n: np.ones((1, 6), int) for n in ("signs", "sum")})
    assert by_step.counts[0]["spike_out"].ravel().tolist() == [0, 1, 0, 1, 0, 0, 0, 0]


def test_a_chip_without_the_neuron_or_without_payloads_refuses_it_by_layer():
    graph, _ = run(PAIR)
    chip = load_chip("loihi2-sim")
    assert type(compile_graph(graph, chip).fixed_graph.nodes["signs"]) is TernaryLIF
    with pytest.raises(DoesNotFit, match="layer 'signs': the neurons are TernaryLIF, but loihi-s"):
        compile_graph(graph, load_chip("loihi-sim"))
    formats = chip.formats
    flag = replace(formats.graded_spikes, value=False)
    bare = replace(chip, formats=replace(formats, graded_spikes=flag))
    with pytest.raises(DoesNotFit, match="layer 'signs': the spikes carry payloads, but those of"):
        compile_graph(graph, bare)


@pytest.mark.parametrize(("register", "value"), [("vth_hi", -1), ("vth_lo", 1)])
def test_a_threshold_on_the_wrong_side_of_rest_is_refused(register, value):
    with pytest.raises(Exception, match=rf"layer 'signs' \(TernaryLIF\): its {register} is"):
        run({**PAIR, "signs": signs(**{register: value})})


def test_lava_has_one_pair_of_ternary_thresholds_per_population():
    wide = replace(signs(), shape=(2,), vth_hi=np.array([10, 11]))
    synapse = Synapse(Linear(np.full((2, 2), 4, np.int16)), (2,), (2,))
    graph, _ = run({"in": SpikeInput((2,)), "s": synapse, "signs": wide})
    with pytest.raises(Unsupported, match="layer 'signs': its vth_hi differs"):
        lava.run(graph, Encoded({"in": TRAIN[None]}, 6))
