"""The curve of error and joules: its section and picture come only from answers on disk."""

import importlib.util
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from paper import pareto, study, weights

ROOT = Path(__file__).parents[2]


def answer(error, microjoules, milliseconds=1.0):
    return {
        "float_error": error - 0.25,
        "fixed_error": error,
        "spikes": 12345.0,
        "synops": 1.5e6,
        "joules": {"davies2018": microjoules * 2e-6, "boyle2025": microjoules * 1e-6},
        "step_s": {"davies2018": 1e-4, "boyle2025": milliseconds * 5e-5},
        "sample_s": {"davies2018": 2e-3, "boyle2025": milliseconds * 1e-3},
        "cores": 12,
        "rates": {},
    }


# A control at error 4 and 80 uJ; from there prices on operations fall faster than those on spikes.
ANSWERS = {
    "as shipped": answer(4.5, 90.0),
    "control": answer(4.0, 80.0),
    "synops 3": answer(4.2, 60.0),
    "synops 30": answer(5.0, 40.0),
    "spikes_l1 0.002": answer(4.4, 60.0),
    "spikes_l1 0.008": answer(6.0, 50.0),
}


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.setattr(study, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(weights, "WEIGHTS", tmp_path / "weights")
    return tmp_path


@pytest.fixture
def answered(results):
    for job in pareto.jobs():
        if job.name in ANSWERS:
            replace(job, compute=lambda _, name=job.name: ANSWERS[name]).answer()
    return results


def test_the_section_is_the_same_twice_and_trains_nothing(answered, monkeypatch):
    monkeypatch.setattr(pareto, "train", None)
    text = pareto.text()
    assert pareto.text() == text
    assert "| control | 3.750 | 4.000 | 12,345 | 1.500 | 160.00 | 80.00 | 2.000 | 1.000 |" in text
    assert "6 of 12 points have been computed so far." in text


def test_the_penalties_are_compared_at_equal_error(answered):
    """+5 %: 4.2, a point of one, half way from 80 to 60 uJ for the other; +2 %: 4.08.

    +10 %: 4.4, a quarter of the way from 60 to 40 uJ, and a point.
    +20 %: 4.8, three quarters of it, and a quarter of the way from 60 to 50 uJ.
    +50 %: 6.0, behind the last point of the first.
    """
    text = pareto.text()
    assert "| +2 % | 72.00 (-10 %) | 76.00 (-5 %) |" in text
    assert "| +5 % | 60.00 (-25 %) | 70.00 (-12 %) |" in text
    assert "| +10 % | 55.00 (-31 %) | 60.00 (-25 %) |" in text
    assert "| +20 % | 45.00 (-44 %) | 57.50 (-28 %) |" in text
    assert "| +50 % | - | 50.00 (-38 %) |" in text
    assert "at 10 % more error 8.3 % less energy than a price on spikes" in text


def test_a_point_that_another_beats_is_passed_over():
    points = [answer(4, 80), answer(5, 90), answer(6, 60), answer(7, 70)]
    assert pareto.joules_at(points, 5.0) == pytest.approx(70e-6)
    assert pareto.joules_at(points, 6.5) is None
    assert pareto.joules_at(points, 3.9) is None


def test_the_picture_is_the_same_twice(answered):
    for folder in ("one", "two"):
        pareto.draw(answered / folder)
    assert (answered / "one/pareto.svg").read_text() == (answered / "two/pareto.svg").read_text()


def test_without_answers_there_is_no_table_and_no_picture(results):
    assert "0 of 12 points have been computed so far." in pareto.text()
    pareto.draw(results / "pictures")
    assert not (results / "pictures").exists()


def test_a_question_says_all_of_the_training_and_differs_from_the_control_in_one_weight():
    asked = {job.name: json.loads(json.dumps(job.question)) for job in pareto.jobs()}
    assert len(asked) == 12
    control = asked["control"]["training"]
    assert set(control) == {
        "checkpoint", "regularization", "epochs", "batch", "learning_rate", "shift",
        "weight_noise", "seed", "images",
    }  # fmt: skip
    for name, question in asked.items():
        assert question["measuring"] == asked["control"]["measuring"]
        penalties = question["training"]["regularization"].items()
        changed = [f"{k} {v:g}" for k, v in penalties if control["regularization"][k] != v]
        assert changed == ([] if name in ("as shipped", "control") else [name])
        assert question["training"]["epochs"] == (0 if name == "as shipped" else pareto.EPOCHS)


def test_the_other_penalties_are_those_that_the_network_was_trained_with():
    file = ROOT / "examples" / "train_mnist_autoencoder.py"
    spec = importlib.util.spec_from_file_location("shipped_training", file)
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    assert pareto.BEFORE == example.REGULARIZATION
    training = pareto.jobs()[0].question["training"]
    assert (training["shift"], training["weight_noise"]) == (example.SHIFT, example.WEIGHT_NOISE)


def test_a_small_question_is_trained_once_and_measured(results, monkeypatch):
    question = pareto.jobs()[2].question
    small = {**question["training"], "epochs": 1, "images": 4, "batch": 2}
    first = pareto._tuned(small)
    monkeypatch.setattr(pareto, "train", None)  # the second time it is taken from disk
    again = pareto._tuned(small)
    shipped = pareto._shipped()
    for name, weight in first.state_dict().items():
        assert torch.equal(weight, again.state_dict()[name])
    assert not torch.equal(first.layers.conv1.weight, shipped.layers.conv1.weight)
    found = pareto.measured(again, {**question["measuring"], "images": 2, "calibration": 4})
    assert set(found) == set(ANSWERS["control"])
    assert 0 < found["spikes"] < 16 * (784 + 3136 + 1568 + 100 + 1568 + 3136)
    assert 0 < found["joules"]["davies2018"] < found["joules"]["boyle2025"]
