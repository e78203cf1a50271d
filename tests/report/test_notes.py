"""What a user should know before reading the results is said, in the terminal and in the report."""

import dataclasses
import json
from importlib.resources import files

import jsonschema
import numpy as np
import pytest

import neurocompile as nc
from neurocompile.ir.adapting import ALIF
from neurocompile.ir.fixed import CubaLIF, SpikeInput, Synapse
from neurocompile.ir.graph import chain
from neurocompile.ir.neurons import LIBox, LIFBox
from neurocompile.ir.nodes import Input, Linear
from neurocompile.ir.settings import OVERRIDDEN, Assumption
from neurocompile.report.notes import notes

SCHEMA = json.loads(files("neurocompile.report").joinpath("schema.json").read_text())
DIGITS = nc.Data("mine", "x", np.full((3, 2), 0.9), labels=np.array([0, 1, 0]))


def network(decoder, weight=2.0, spiking=True, **settings):
    """Two inputs to two neurons that spike at 1, or that only hold their potential."""
    leak, zero = np.asarray(500.0), np.asarray(0.0)
    neuron = (
        LIFBox(leak, zero, v_th=np.asarray(1.0), v_reset=zero) if spiking else LIBox(leak, zero)
    )
    nodes = {"input": Input((2,)), "fc": Linear(np.eye(2) * weight), "out": neuron}
    own = nc.Settings(1e-3, 6, encoder=nc.Encoder("bernoulli"), decoder=decoder, **settings)
    return chain(nodes, own)


def notes_of(graph, data=DIGITS, target="loihi-sim"):
    compiled = nc.compile(graph, target, data=data)
    report = compiled.report
    jsonschema.validate(report, SCHEMA)
    for sentence in report["notes"]:
        assert " ".join(sentence.split()) in " ".join(str(compiled).split())
    return report["notes"]


RATE = nc.Decoder("rate", task="classification")


def test_a_network_with_nothing_to_say_has_no_notes():
    assert notes_of(network(RATE)) == []


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        ("last", "what is left of it after the last step"),
        ("max", "the largest that did not reach the threshold"),
        ("mean", "its mean over the steps, each after the reset"),
    ],
)
def test_a_decoder_of_potentials_says_what_it_reads_of_a_layer_that_spikes(kind, what):
    decoder = nc.Decoder(kind, task="classification")
    (said,) = notes_of(network(decoder))
    assert f"the decoder '{kind}' reads the potential of layer 'out'" in said
    assert said.endswith(f"resets: {what}. Decoder('rate') reads its spikes per step.")
    assert notes_of(network(decoder, spiking=False)) == []


def test_an_output_that_never_spikes_is_named_with_what_its_accuracy_is_worth():
    (said,) = notes_of(network(RATE, weight=0.1))
    assert said.startswith(
        "layer 'out' never spiked, in 3 samples of 6 steps, and the result is its rate: all "
        "results are equal, and the accuracy is that of class 0. Nor did it in the float network. "
        "Use a larger gain of the encoder"
    )


def test_an_input_that_never_spikes_is_named():
    dark = nc.Data("dark", "x", np.zeros((3, 2)), labels=np.array([0, 1, 0]))
    first, second = notes_of(network(RATE), dark)
    assert first.startswith("layer 'input' never spiked, in 3 samples of 6 steps: nothing entered")
    assert second.startswith("layer 'out' never spiked")


@pytest.mark.parametrize(
    ("decoder", "spiking", "found", "cure"),
    [
        (nc.Decoder(), True, "the model has no decoder", "rate"),
        (nc.Decoder(), False, "the model has no decoder", "last"),
        (nc.Decoder("mean"), False, "the decoder 'mean' has no task", "mean"),
    ],
)
def test_labels_without_an_accuracy_get_the_reason_and_a_cure_that_works(
    decoder, spiking, found, cure
):
    (said,) = notes_of(network(decoder, spiking=spiking))
    assert said.startswith(
        f"no accuracy: data 'mine' have labels, but {found}. To get one, save a .pt file with "
        f"Settings(decoder=Decoder('{cure}', task='classification')), or load any other file and "
        "compile replace(graph, settings=replace(graph.settings, decoder="
    )
    graph, own = network(decoder, spiking=spiking), nc.Decoder(cure, task="classification")
    cured = dataclasses.replace(graph, settings=dataclasses.replace(graph.settings, decoder=own))
    assert nc.compile(cured, "loihi-sim", data=DIGITS).report["classification"] is not None


def test_steps_other_than_the_models_own_are_said_and_assumed_steps_are_only_replaced():
    graph = network(RATE)
    (said,) = notes_of(graph, nc.Sampling(DIGITS, steps=9))
    assert said == "a sample took 9 steps, as was asked for; the model's own are 6."
    assumed = chain(graph.nodes, nc.Settings(encoder=nc.Encoder("bernoulli"), decoder=RATE))
    compiled = nc.compile(assumed, "loihi-sim", data=nc.Sampling(DIGITS, steps=9))
    assert compiled.report["notes"] == []
    assert [s[:12] for s in compiled.report["provenance"]["assumed"]] == ["a step takes"]


def test_what_a_user_overrode_is_a_note_and_no_assumption(tmp_path, call):
    said = Assumption(f"{OVERRIDDEN}decoder", "the decoder is 'rate'; the forward's own is 'mean'.")
    graph = network(RATE, assumed=(said,))
    compiled = nc.compile(graph, "loihi-sim", data=DIGITS)
    assert compiled.report["notes"] == [said.sentence]
    assert compiled.report["provenance"]["assumed"] == []
    compiled.export(tmp_path / "out")
    code, text, _ = call("inspect", tmp_path / "out")
    assert code == 0
    assert f"note {said.sentence}" in " ".join(text.split())


def rounding(leak, exponent):
    """A chip's neuron of threshold 400 after weights whose sum such an exponent rounds down."""
    weights = Linear(np.array([[254, -96]], np.int16))
    nodes = {
        "input": SpikeInput((2,)),
        "fc": Synapse(weights, (2,), (1,), exponent),
        "out": CubaLIF((1,), 4095, leak, 400, 0, 0, 0),
    }
    return chain(nodes, nc.Settings(1e-3, 20, encoder=nc.Encoder("bernoulli")))


def test_a_layer_whose_potentials_a_negative_exponent_lowers_is_named_with_it():
    # 2^-3: remainders of 0, 2, 4 and 6 in 8, on average 3/8; with a leak of 1/8, 3 of 400
    (said,) = notes(rounding(512, -3))
    assert "layer 'out': the weights of 'fc' have the exponent -3" in said
    assert "by up to 0.75 % of its threshold. A lower threshold" in said
    (said,) = notes(rounding(512, -3), ["out"])
    assert said.endswith("Its weights were chosen to make up for that on average.")
    (said,) = notes(rounding(0, -3))  # nothing leaks, in 20 steps: 7.5 of 400
    assert "by up to 1.9 % of its threshold" in said
    assert notes(rounding(512, -1)) == []  # weights are even: nothing is lost
    assert notes(rounding(4096, -3)) == []  # nothing adds up: 0.09 %


def test_a_rise_that_needs_a_negative_exponent_is_noted_in_terminal_and_report():
    leaks = map(np.asarray, (200.0, 100.0, 10.0, 100.0, 0.0, 1.0, 8.0))
    weight = np.array([[0.3, -0.21], [0.17, 0.05]])
    nodes = {"input": Input((2,)), "fc": Linear(weight), "out": ALIF(*leaks)}
    own = nc.Settings(1e-3, 6, encoder=nc.Encoder("bernoulli"), decoder=RATE)
    said = notes_of(chain(nodes, own), target="loihi2-sim")
    assert any("have the exponent -" in sentence for sentence in said)
