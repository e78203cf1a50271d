"""The search for the settings of the anomaly study: what it looks at, and that it is followed."""

import numpy as np
import pytest

from paper import series, series_data, series_models, series_search, transmission


def test_the_held_out_windows_share_no_row_with_those_to_train_on(monkeypatch):
    # Rows 0 to 99 in windows of 6, a window every 4: 24 windows, the last 5 are held out.
    every = series_data.windows(np.arange(100.0)[:, None], length=6, stride=4)
    found = series_data.Windows(every, every[:1], np.array([True]), np.zeros(1))
    monkeypatch.setattr(series_data, "load", lambda name: found)
    monkeypatch.setitem(
        series_data.SOURCES, "made",
        series_data.Source("train", "test", 1, (0, 100), (0, 1), 6, 4, 4),
    )  # fmt: skip
    parts = series_data.held_out("made")
    assert parts.test[:, 0, 0].tolist() == [76, 80, 84, 88, 92]  # 24 * 4 // 5 = window 19
    assert parts.train[:, 0, 0].tolist() == list(range(0, 72, 4))  # window 18 holds rows 72 to 77
    assert parts.train.max() < parts.test.min()
    assert not parts.labels.any()
    assert len(parts.labels) == 5


def test_no_point_of_the_search_asks_for_the_test_windows():
    for job in series_search.jobs():
        assert job.question["training"]["part"] == "search"


def test_both_networks_are_tried_equally_often():
    for name in series_search.SMALL:
        spiking, plain = series_search._points(name).values()
        assert len(spiking) == len(plain)


def test_the_likelihoods_are_those_of_the_normal_densities():
    # One channel of one value with training residuals -1 and 1: both laws are N(0, 1).
    found = series_search.likelihoods(np.array([[[-1.0]], [[1.0]]]), np.array([[[0.0]], [[2.0]]]))
    expected = -(np.log(2 * np.pi) + (0 + 4) / 2) / 2
    assert found["channel"] == pytest.approx(expected)
    assert found["covariance"] == pytest.approx(expected)


def test_values_that_err_together_are_described_better_by_the_covariance():
    random = np.random.default_rng(0)
    train, held = (np.repeat(random.normal(size=(n, 2, 1)), 4, axis=2) for n in (400, 100))
    found = series_search.likelihoods(train, held)
    assert found["covariance"] > found["channel"] + 0.5


@pytest.mark.parametrize("name", series_search.SMALL)
def test_the_study_uses_what_the_search_found(name):
    points = series_search._points(name)
    if not all(job.done for each in points.values() for _, job in each):
        pytest.skip("the search has no answers yet: run paper/make.py")

    def error(job):
        return job.answer()["error"]["held_out"]

    chosen = series.CHOSEN[name]
    asked = min((job for _, job in points["spiking"]), key=error).question["training"]
    for what in ("hidden", "latent", "steps", "code"):
        assert chosen[what] == asked[what]
    same_sizes = [
        job for _, job in points["plain"] if job.question["training"]["hidden"] == chosen["hidden"]
    ]
    plain = min(same_sizes, key=error).question["training"]
    assert chosen["rates"] == {**asked["learning_rates"], **plain["learning_rates"]}


def test_the_questions_of_the_transmission_study_have_no_new_fields():
    for job in transmission.jobs():
        assert not {"code", "part"} & set(job.question.get("training", {}))


def test_a_slower_readout_and_a_weaker_drive_reach_the_network():
    asked = {"hidden": 4, "latent": 2, "steps": 6, "seed": 0}
    before = series_models._spiking((1, 8), asked)
    code = {"drive": 0.25, "tau_readout": 0.06}
    after = series_models._spiking((1, 8), {**asked, "code": code})
    # 0.25 of the threshold 0.1 a step, through a membrane that takes 0.001 / 0.05 of its input.
    assert after.settings.encoder.gain == pytest.approx(0.25 * 0.1 * 50)
    assert before.settings.encoder.gain == pytest.approx(0.9 * 0.1 * 50)
    assert after.settings.decoder.gain == pytest.approx(1 / (1 - (59 / 60) ** 6))
    assert before.settings.decoder.gain == 1
    assert float(after.neurons()["output"].p.tau_mem_inv) == pytest.approx(1 / 0.06)
    assert float(before.neurons()["output"].p.tau_mem_inv) == pytest.approx(100)


def test_the_text_without_any_answer_still_reads(monkeypatch, tmp_path):
    monkeypatch.setattr("paper.study.RESULTS", tmp_path)
    assert series_search.text().startswith("## Search for the settings of the anomaly")
    series_search.draw(tmp_path)
