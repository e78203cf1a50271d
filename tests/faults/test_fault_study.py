"""Many draws make means, intervals and a document."""

import json
from dataclasses import replace

import numpy as np
import pytest
from gate_networks import SAMPLES, STEPS, network, samples
from networks import dense, lif
from place_networks import limited

from neurocompile.data.inputs import encode
from neurocompile.data.samples import Data
from neurocompile.data.stimulus import Stimulus
from neurocompile.energy.counts import count
from neurocompile.energy.estimate import estimate
from neurocompile.engines import fixed
from neurocompile.engines.results import results
from neurocompile.errors import BadInput
from neurocompile.faults.draw import Faulty, faulty
from neurocompile.faults.interval import mean_and_interval
from neurocompile.faults.measure import measured
from neurocompile.faults.study import MEASURED, Asked, study
from neurocompile.formats.json_files import fault_in, json_bytes, schema
from neurocompile.ir.fixed import ChipNeuron, SpikeInput
from neurocompile.ir.graph import chain
from neurocompile.ir.settings import Decoder, Encoder, Settings
from neurocompile.place.placement import place

SCHEMA = schema("neurocompile.faults", "schema.json")


@pytest.fixture(scope="module")
def placed(loihi):
    return place(network(), loihi)


@pytest.fixture(scope="module")
def stimulus():
    return Stimulus(Data("images", "x", samples()), STEPS)


def test_what_is_measured_is_what_other_parts_say_of_the_network(placed, stimulus):
    broken = faulty(placed, "weight-flips", 0.05)
    sound, before = measured(placed, Faulty(placed.graph, None, 0, 0), stimulus)
    found, after = measured(placed, broken, stimulus, before)
    for graph, outcome, shown in ((placed.graph, sound, before), (broken.graph, found, after)):
        read = results(graph, stimulus.data)
        assert (read == shown).all()
        assert outcome.mse == pytest.approx(np.square(read - samples()).mean(), rel=1e-12)
        ran = fixed.run(graph, encode(graph, stimulus.data, 0, SAMPLES, STEPS, 0))
        spikes = sum(ran.activity[name].spikes.sum() for name, _ in graph.of(ChipNeuron))
        assert outcome.spikes == spikes / SAMPLES
        energy = estimate(count(placed, ran.activity, SAMPLES, STEPS), placed, placed.chip)
        assert outcome.joules == energy.per_sample.nominal_j
    assert sound.difference == 0
    assert found.difference == pytest.approx(np.square(after - before).mean(), rel=1e-12)
    assert found.mse != sound.mse


@pytest.fixture(scope="module")
def found(placed, stimulus):
    asked = Asked(("weight-flips", "membrane-flips"), (0.2, 0.0, 0.02), draws=3, seed=7)
    return study(placed, stimulus, asked)


def test_the_document_is_as_its_schema_describes_it(found):
    assert fault_in(SCHEMA, json.loads(json_bytes(found))) == ""
    assert fault_in(SCHEMA, {**found, "draws": 0}) == "'draws' is 0, expected 1 or more"


def test_every_kind_and_share_has_its_draws_in_order(found):
    rows = [(row["kind"], row["share"], row["hit"]) for row in found["faults"]]
    assert rows == [
        *(("weight-flips", 0.0, 0), ("weight-flips", 0.02, 8), ("weight-flips", 0.2, 78)),
        *(("membrane-flips", 0.0, 0), ("membrane-flips", 0.02, 6), ("membrane-flips", 0.2, 64)),
    ]
    assert all([draw["draw"] for draw in row["draws"]] == [0, 1, 2] for row in found["faults"])
    assert found["metric"] == "mse"
    steps = {draw["after_step"] for row in found["faults"][4:] for draw in row["draws"]}
    assert steps <= set(range(1, STEPS))


def test_a_share_of_zero_is_the_sound_network_in_every_draw(found):
    for row in (found["faults"][0], found["faults"][3]):
        for draw in row["draws"]:
            assert {name: draw[name] for name in MEASURED} == found["sound"]
        assert row["mse"] == dict.fromkeys(("mean", "low", "high"), found["sound"]["mse"])


def test_means_and_intervals_are_those_of_the_draws(found):
    for row in found["faults"]:
        assert row["ran"] == 3
        for name in ("mse", "difference", "spikes", "joules"):
            assert row[name] == mean_and_interval([draw[name] for draw in row["draws"]])
        assert row["accuracy"] == dict.fromkeys(("mean", "low", "high"))


def test_a_draw_by_itself_is_the_draw_of_the_study(found, placed, stimulus):
    broken = faulty(placed, "weight-flips", 0.02, draw=2, seed=7)
    outcome, _ = measured(placed, broken, stimulus)
    assert found["faults"][1]["draws"][2]["mse"] == outcome.mse
    assert found["faults"][1]["draws"][2]["joules"] == outcome.joules


def test_a_study_is_the_same_again(found, placed, stimulus):
    asked = Asked(("weight-flips", "membrane-flips"), (0.0, 0.02, 0.2), draws=3, seed=7)
    assert json_bytes(study(placed, stimulus, asked)) == json_bytes(found)


def classifier(weight_exp=0, **settings):
    """Two axons, two readouts: the one whose axon spikes has the higher potential."""
    weight = np.array([[100, 0], [0, 100]], np.int16)
    synapse = replace(dense(np.random.default_rng(0), 2, 2), weight_exp=weight_exp)
    return chain(
        {
            "input": SpikeInput((2,)),
            "syn": replace(synapse, op=synapse.op.with_weights(weight)),
            "out": lif((2,), du=-1, dv=0, vth=(1 << 17) - 1, readout=True),
        },
        Settings(steps=4, encoder=Encoder("spikes"), **settings),
    )


def spikes_and_labels():
    """Each sample lets one axon spike, that of its label."""
    labels = np.array([0, 1, 1, 0])
    shown = np.zeros((4, 4, 2), np.uint8)
    shown[np.arange(4), :, labels] = 1
    return Data("axons", "spikes", shown, labels)


def test_a_classifier_is_judged_by_its_accuracy(ideal):
    graph = classifier(decoder=Decoder("last", task="classification"))
    asked = Asked(("stuck-weights",), (1.0,), draws=2)
    found = study(place(graph, ideal), Stimulus(spikes_and_labels(), 4), asked)
    assert found["metric"] == "accuracy"
    assert found["sound"]["accuracy"] == 1
    # All weights are 0 then, and of equal potentials the first wins: right in two of four.
    assert found["faults"][0]["accuracy"]["mean"] == 0.5
    with pytest.raises(BadInput, match="has no labels"):
        study(place(graph, ideal), Stimulus(replace(spikes_and_labels(), labels=None), 4), asked)


def test_results_that_nothing_is_wanted_of_are_compared_with_those_of_the_sound_network(ideal):
    graph = classifier(decoder=Decoder("last"))
    asked = Asked(("stuck-weights",), (1.0,), draws=2)
    found = study(place(graph, ideal), Stimulus(spikes_and_labels(), 4), asked)
    assert (found["metric"], found["sound"]["difference"]) == ("difference", 0)
    # u grows by 100 x 64 = 6400 in each of 4 steps, so v is 6400 (1 + 2 + 3 + 4) at one of two.
    assert found["faults"][0]["difference"]["mean"] == 64000**2 / 2


def test_a_draw_that_leaves_the_registers_is_kept_with_its_reason_and_in_no_mean(ideal):
    # A weight of 100 brings v to 100 x 2^13 x 10 = 8,192,000, below the threshold of 8,388,544.
    # Bits 2, 3 and 6 of its word, 00110010, bring it above, the other five do not.
    graph = classifier(7, decoder=Decoder("last", task="classification"))
    asked = Asked(("weight-flips",), (1.0,), draws=20)
    found = study(place(graph, ideal), Stimulus(spikes_and_labels(), 4), asked)
    (row,) = found["faults"]
    refused = [draw for draw in row["draws"] if draw["refused"]]
    assert 0 < len(refused) < 20
    assert row["ran"] == 20 - len(refused)
    assert all(draw["accuracy"] is None for draw in refused)
    assert all("readout 'out' reached its threshold" in draw["refused"] for draw in refused)
    ran = [draw["accuracy"] for draw in row["draws"] if not draw["refused"]]
    assert row["accuracy"] == mean_and_interval(ran)
    assert fault_in(SCHEMA, found) == ""


def test_without_any_core_nothing_spikes_and_each_readout_says_what_0_means(stimulus):
    placed = place(network(), limited(neurons_per_core=100))
    assert len(placed.cores) >= 4
    found = study(placed, stimulus, Asked(("silent-cores",), (0.5, 1.0), draws=2))
    some, none = found["faults"]
    assert 0 < some["spikes"]["mean"] < found["sound"]["spikes"]
    assert none["spikes"]["mean"] == 0
    # A potential of 0 is 0 x 2e-5 + 0.2.
    assert none["mse"]["mean"] == pytest.approx(np.square(samples() - 0.2).mean(), rel=1e-6)
    assert none["joules"]["mean"] < some["joules"]["mean"] < found["sound"]["joules"]


def test_a_network_without_a_decoder_is_refused(ideal):
    with pytest.raises(BadInput, match="has no decoder"):
        study(
            place(classifier(), ideal), Stimulus(spikes_and_labels(), 4), Asked(("weight-flips",))
        )


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (Asked(()), "no kind of faults"),
        (Asked(("weight-flips",), ()), "no share of faults"),
        (Asked(("weight-flips",), (2.0,)), "the share is 2.0"),
        (Asked(("weight-flips",), draws=0), "draws is 0, allowed are whole numbers, 1 to 10,000"),
        (Asked(("weight-flips",), draws=2.5), "draws is 2.5"),
        (Asked(("weight-flips",), seed=-1), "seed is -1, allowed are whole numbers, 0 or more"),
        (Asked(("threshold-drift",), factor=0.0), "the factor of threshold-drift is 0.0"),
        (Asked(("weights",)), "the kind of fault 'weights' is unknown"),
    ],
)
def test_what_nobody_can_draw_is_refused(placed, stimulus, asked, said):
    with pytest.raises(BadInput, match=said):
        study(placed, stimulus, asked)
