"""Windows, faults and scores of the anomaly study, on numbers made by hand."""

import numpy as np
import pytest
import torch

from neurocompile.errors import NotInstalled
from paper import series, series_chip, series_data, series_models, series_scores
from paper.series_data import FAULTS, SD, faulty, windows


def test_a_window_holds_the_rows_of_its_place_channel_by_channel():
    rows = np.array([[0, 10], [1, 11], [2, 12], [3, 13], [4, 14]])
    assert windows(rows, length=2, stride=2).tolist() == [
        [[0, 1], [10, 11]],
        [[2, 3], [12, 13]],
    ]  # row 4 makes no whole window


def test_a_recording_is_cut_to_the_range_of_its_training_rows(monkeypatch):
    # Training rows have mean 2 and standard deviation 2: the range is -6 to 10.
    rows = {
        "train": np.array([[0.0], [4.0]] * 2),
        "test": np.array([[2.0], [10.0], [99.0], [-7.0]]),
    }
    labels = {"train": np.zeros(4, bool), "test": np.array([False, False, True, False])}
    monkeypatch.setattr(series_data, "_read", lambda file, *_: (rows[file], labels[file]))
    monkeypatch.setitem(
        series_data.SOURCES, "made",
        series_data.Source("train", "test", 1, (0, 4), (0, 4), 2, 1, 2),
    )  # fmt: skip
    found = series_data.load("made")
    assert found.test.tolist() == [[[0.5, 1.0]], [[1.0, 0.0]]]
    assert found.labels.tolist() == [False, True]
    assert found.zero.tolist() == [0.375]  # 0 is 6 of 16 above the low end
    assert found.train.shape == (3, 1, 2)


@pytest.fixture
def clean():
    return np.random.default_rng(1).uniform(0.3, 0.7, (6, 3, 20)).astype(np.float32)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_hits_one_channel_of_each_window_and_leaves_the_clean_ones_alone(clean, fault):
    kept = clean.copy()
    found = faulty(clean, fault, np.zeros(3), np.random.default_rng(0))
    assert np.array_equal(clean, kept)
    assert ((found != clean).any(axis=2).sum(axis=1) == 1).all()
    assert found.min() >= 0
    assert found.max() <= 1


def test_each_fault_is_what_it_says(clean):
    def hit(fault):
        found = faulty(clean, fault, np.array([0.1, 0.2, 0.3]), np.random.default_rng(0))
        channel = (found != clean).any(axis=2).argmax(axis=1)
        every = np.arange(len(clean))
        return found[every, channel], clean[every, channel], channel

    stuck, before, _ = hit("stuck")
    assert (stuck == before[:, :1]).all()
    dropout, _, channel = hit("dropout")
    assert np.allclose(dropout, np.array([0.1, 0.2, 0.3])[channel][:, None])
    spikes, before, _ = hit("spikes")
    assert ((spikes != before).sum(axis=1) == 2).all()  # 6 sd are 0.75: cut at the range's end
    drift, before, _ = hit("drift")
    ramp = np.linspace(0, 4 * SD, 20)
    up, down = (np.isclose(drift, np.clip(before + r, 0, 1)).all(axis=1) for r in (ramp, -ramp))
    assert (up ^ down).all()


def test_the_same_seed_puts_the_same_faults_in(clean):
    twice = [faulty(clean, "noise", np.zeros(3), np.random.default_rng(7)) for _ in range(2)]
    assert np.array_equal(*twice)


def test_an_unknown_fault_is_refused(clean):
    with pytest.raises(ValueError, match="'rust'"):
        faulty(clean, "rust", np.zeros(3), np.random.default_rng(0))


def test_the_worst_channel_counts_in_units_of_its_usual_error():
    # Usual errors: channel 0: 1, channel 1: (16 + 0) / 2 = 8.
    usual = np.array([[[1.0, 1.0], [4.0, 0.0]]])
    score = series_scores.worst_channel(usual)
    assert score(usual).tolist() == [1.0]
    assert score(np.array([[[2.0, 0.0], [4.0, 4.0]]])).tolist() == [2.0]  # max(2 / 1, 16 / 8)
    assert score(np.array([[[3.0, 3.0], [0.0, 0.0]]])).tolist() == [9.0]


def test_an_error_counts_by_how_unusual_it_is_in_its_place_and_direction():
    # Value 0 is known to 0.1 and value 1 to 1; values 2 and 3 always err together.
    random = np.random.default_rng(0)
    usual = random.normal(0, (0.1, 1, 1, 0.01), (4000, 1, 4))
    usual[..., 3] += usual[..., 2]
    score = series_scores.score(usual)
    small, large, apart, together, none = score(
        np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, -1], [0, 0, 1, 1], [0, 0, 0, 0]])
        .astype(float)[:, None]
    )  # fmt: skip
    assert small > 20 * large  # 100 times, less what the shrinkage takes
    assert apart > 20 * together
    assert none < 0.1
    assert large == pytest.approx(1, rel=0.1)


def test_a_bias_that_training_shows_is_no_anomaly():
    usual = np.random.default_rng(0).normal(2, 1, (500, 1, 3))
    score = series_scores.score(usual)
    assert (score(np.full((1, 1, 3), 2.0)) < score(np.zeros((1, 1, 3)))).all()


def test_clean_and_faulty_windows_are_told_apart_by_their_labels():
    x, wrong = series.beside(np.zeros((2, 1, 3)), np.ones((1, 1, 3)))
    assert x[:, 0, 0].tolist() == [0, 0, 1]
    assert wrong.tolist() == [False, False, True]


def test_what_is_missing_is_named_with_the_command_that_brings_it(monkeypatch):
    def absent(name):
        raise series_data.PackageNotFoundError(name)

    monkeypatch.setattr(series_data, "distribution", absent)
    with pytest.raises(NotInstalled, match=r"aeon.*doctor --install paper"):
        series_data._path("any.csv")


ASKED = {"hidden": 12, "latent": 4, "steps": 6, "seed": 0}


def test_the_chip_gives_the_floats_results_and_latent_spikes_within_rounding():
    torch.set_num_threads(1)
    network = series_models._spiking((2, 8), ASKED).eval()
    x = np.random.default_rng(0).uniform(0, 1, (40, 2, 8)).astype(np.float32)
    done = series_chip.run(series_chip.on_chip(network, x), x)
    with torch.no_grad():
        floating = network(torch.tensor(x)).numpy()
    assert done.latent.shape == (40, 6, 4)
    assert done.latent.any()
    assert done.results.shape == x.shape
    assert np.square(done.results - floating).mean() < 0.1 * floating.var()


def test_the_senders_energy_is_a_part_of_the_whole():
    network = series_models._spiking((2, 8), ASKED).eval()
    x = np.random.default_rng(0).uniform(0, 1, (20, 2, 8)).astype(np.float32)
    compiled = series_chip.on_chip(network, x)
    figures = series_chip.figures(compiled, series_chip.run(compiled, x))
    for model, whole in figures["joules"].items():
        assert 0 < figures["encoder_joules"][model] < whole


def test_plain_and_spiking_have_the_same_weights_to_learn():
    sizes = [
        [tuple(p.shape) for p in make((2, 8), ASKED).parameters()]
        for make in (series_models._spiking, series_models._plain)
    ]
    assert sizes[0] == sizes[1]


def test_the_text_without_any_answer_still_reads(monkeypatch, tmp_path):
    monkeypatch.setattr("paper.study.RESULTS", tmp_path)
    assert series.text().startswith("## Anomalies")
    series.draw(tmp_path)


def test_the_goal_is_judged_against_the_plain_autoencoder():
    def answer(chip, plain):
        return {"auc": {"chip": {"labelled": chip}, "plain": {"labelled": plain}}}

    said = series._verdict(
        {"ecg": [answer(0.75, 0.5), answer(0.5, 0.75)], "pressure": [answer(0.5, 0.625)]}, "auc"
    )
    # t of 0.975 at one degree of freedom is 12.706 (tables): 12.706 x 0.3536 / sqrt(2)
    assert "ECG, labelled +0.000 ± 3.177 (undecided, 2 seeds)" in said
    assert "pressure, labelled -0.125 ± 0.000 (missed, 1 seeds)" in said


def test_the_text_says_where_no_network_is_as_good():
    def answers(chip, raw):
        return [{"auc": {"chip": {"labelled": chip}, "raw": {"labelled": raw}}}] * 2

    said = series._against_raw(
        {"gait": answers(0.5, 0.75), "ecg": answers(0.75, 0.5), "pressure": answers(1.0, 1.0)}
    )
    assert "gait, sensor faults -0.250 ± 0.000 (no network)" in said
    assert "ECG, labelled +0.250 ± 0.000 (chip)" in said
    assert "pressure, labelled +0.000 ± 0.000 (equal)" in said
    assert "2 of 3 recordings (gait, sensor faults; pressure, labelled)" in said


def test_raw_windows_have_an_area_for_every_seed_and_fault(monkeypatch):
    train = np.random.default_rng(0).uniform(0.4, 0.6, (200, 2, 8)).astype(np.float32)
    test = np.random.default_rng(1).uniform(0.4, 0.6, (100, 2, 8)).astype(np.float32)
    made = series_data.Windows(train, test, np.zeros(100, bool), np.array([0.0, 1.0]))
    monkeypatch.setattr(series_data, "load", lambda *_: made)
    asked = {"recording": {"made": {}}, "faults": ["dropout", "stuck"], "seeds": [0, 1]}
    first, second = series._answer_raw(asked)["auc"]
    assert first["dropout"] == 1  # 0 and 1 are far outside of 0.4 to 0.6
    assert first["stuck"] < 0.5  # in white noise a constant is nearer to the mean
    assert first["stuck"] != second["stuck"]  # other channels are drawn


def test_the_text_has_a_line_for_each_method_and_marks_the_best():
    auc = {m: dict.fromkeys(FAULTS, 0.5 + 0.1 * i) for i, m in enumerate(series.METHODS)}
    rows = series._areas({"gait": [{"auc": auc}] * 2}, "auc")
    assert rows[-1] == ["covariance of the raw windows, no network", "**1.000 ± 0.000**"]
    assert rows[0] == ["spiking autoencoder, loihi-sim", "0.500 ± 0.000"]
