"""What is said of networks on the chip follows from the numbers, and pages from kept answers."""

import copy

import numpy as np
import pytest
from networks import dense, lif

from neurocompile.compiler import compile_graph
from neurocompile.ir.fixed import SpikeInput
from neurocompile.ir.graph import chain
from neurocompile.nn import SpikingAutoencoder
from paper import affinity, hardware, robustness, rows, study
from paper.settings import SETTINGS, UNREGULARIZED
from paper.study import open_jobs

PLAIN, SPARSE = UNREGULARIZED, "SAE, sparse"


@pytest.fixture
def asked(monkeypatch, tmp_path):
    """Two rows of small networks on few digits, answers elsewhere."""
    questions = {
        ("chip", row, 0): {
            "architecture": "chip",
            "backprop": "membrane",
            "regularization": penalties,
            "seed": 0,
        }
        for row, penalties in ((PLAIN, {}), (SPARSE, {"spikes_l2": 1.0}))
    }
    small = SpikingAutoencoder(channels=(2, 2), latent=4, steps=4, encoder_gain=4.5)
    monkeypatch.setattr(study, "RESULTS", tmp_path)
    monkeypatch.setattr(rows, "spiking_rows", lambda: copy.deepcopy(questions))
    monkeypatch.setattr(rows, "trained", lambda question: small)
    for module in (affinity, robustness):
        monkeypatch.setattr(module, "DIGITS", 6)
        monkeypatch.setattr(module, "CALIBRATION", 4)
    few = {name: how._replace(calibration=4, digits=6) for name, how in hardware.MEASURED.items()}
    monkeypatch.setattr(hardware, "MEASURED", few)
    monkeypatch.setattr(affinity, "BITS", (8, 2))
    monkeypatch.setattr(robustness, "LEVELS", {name: (v[0],) for name, v in LEVELS.items()})
    return questions


LEVELS = robustness.LEVELS


def answer(float_error, fixed_error, joules=1e-6):
    energies = dict.fromkeys(hardware.MODELS, joules)
    return {"float_error": float_error, "fixed_error": fixed_error, "joules": energies}


def test_the_goal_is_counted_for_regularized_rows_and_the_others_apart(asked):
    found = {PLAIN: [answer(10, 12)], SPARSE: [answer(10, 10.2), answer(10, 10.3)]}
    said = hardware._goal("chip", found)
    assert "1 of 2 regularized networks keep within 1.02" in said
    assert "worst 1.0300" in said
    assert "0 of 1 unregularized networks" in said
    assert f"{SPARSE} loses most: 1.0250" in said


def test_what_regularization_does_to_joules_may_turn_out_either_way(asked):
    cheap = {PLAIN: [answer(10, 20, 4e-6)], SPARSE: [answer(10, 15, 2e-6)]}
    dear = {PLAIN: [answer(10, 20, 4e-6)] * 2, SPARSE: [answer(10, 30, 5e-6)] * 2}
    less, more = "-50 % (-50 to -50)", "+25 % (+25 to +25)"
    assert f"| {SPARSE} | {PLAIN} | -25 % (-25 to -25) | {less} | {less} |" in hardware._pays(cheap)
    assert f"| {SPARSE} | {PLAIN} | +50 % (+50 to +50) | {more} | {more} |" in hardware._pays(dear)


def test_a_neuron_with_more_inputs_than_a_core_has_axons_is_refused_in_a_sentence():
    rng = np.random.default_rng(0)
    for inputs, says in ((4096, ""), (4097, "4097 input axons")):
        graph = chain(
            {
                "input": SpikeInput((inputs,)),
                "synapse": dense(rng, inputs, 1),
                "wide": lif((1,)),
            }
        )
        found = hardware.verdict(compile_graph(graph, "ideal"))
        assert says in found
        assert bool(found) == bool(says)


@pytest.mark.parametrize("module", [hardware, affinity, robustness], ids=lambda m: m.__name__)
def test_a_page_and_its_picture_are_made_of_kept_answers_alone(
    module, asked, tmp_path, monkeypatch
):
    assert not open_jobs([job for job in module.jobs() if job.done])
    assert PLAIN not in module.text()
    for job in module.jobs():
        job.answer()
    monkeypatch.setattr(rows, "trained", lambda question: pytest.fail("a network was asked for"))
    said = module.text()
    (name,) = [line.split("/")[1].rstrip(")") for line in said.splitlines() if "](results/" in line]
    assert f"| {PLAIN} |" in said
    assert f"| {SPARSE} |" in said
    pictures = []
    for folder in ("once", "again"):
        module.draw(tmp_path / folder)
        pictures.append((tmp_path / folder / name).read_bytes())
    assert pictures[0] == pictures[1]


def test_every_question_holds_its_training_and_the_numbers_of_its_chip(asked):
    for module in (hardware, affinity, robustness):
        for job in module.jobs():
            assert job.question["training"] in asked.values()
            (chips,) = [job.question[key] for key in ("chip", "chips") if key in job.question]
            assert chips["loihi-sim"] == rows.chip_digest("loihi-sim")


def test_a_regularized_row_is_compared_with_the_one_without_penalties_of_its_gradient():
    for setting in SETTINGS:
        asked = {row: one for (_, row, _), one in rows.spiking(setting).items()}
        for row, plain in rows.baselines(setting).items():
            assert asked[row]["regularization"]
            assert not asked[plain]["regularization"]
            assert asked[row]["backprop"] == asked[plain]["backprop"]
