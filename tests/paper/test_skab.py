"""Runs of the pump, sensor faults in them, and scores of alarms, on small made-up runs."""

import csv

import numpy as np
import pytest
import torch

from neurocompile.errors import BadInput
from paper import skab, skab_data, skab_measure, skab_models, skab_scores, skab_search
from paper.skab_data import FAULTS, SENSORS, Rig
from paper.skab_scores import Found, Rows

COLUMNS = ("datetime", *SENSORS, "anomaly", "changepoint")


@pytest.fixture
def made(tmp_path, monkeypatch):
    """Writes a run of five rows, of which three train; the sensors count up from their number."""
    monkeypatch.setenv("SKAB", str(tmp_path))
    monkeypatch.setattr(skab_data, "TRAIN_ROWS", 3)

    def write(rows=5, columns=COLUMNS, change=None):
        path = tmp_path / "valve1" / "0.csv"
        path.parent.mkdir(exist_ok=True)
        with path.open("w", newline="") as file:
            writer = csv.writer(file, delimiter=";")
            writer.writerow(columns)
            for row in range(rows):
                line = [f"2020-03-09 10:14:{58 + row if row < 2 else row - 2:02}"]
                line[0] = line[0].replace("10:14", "10:14" if row < 2 else "10:15")
                line += [f"{sensor + 10 * row}" for sensor in range(8)]
                line += ["1.0" if row == 3 else "0.0", "1.0" if row in (3, 4) else "0.0"]
                writer.writerow(line if change is None else change(row, line))
        return path

    return write


def test_a_run_is_read_with_times_sensors_and_labels(made):
    made()
    rig = skab_data.load("valve1/0")
    assert rig.seconds.tolist() == [0, 1, 2, 3, 4]  # over the full minute
    assert rig.values[2].tolist() == [20, 21, 22, 23, 24, 25, 26, 27]
    assert rig.anomaly.tolist() == [False, False, False, True, False]
    assert rig.changepoint.tolist() == [False, False, False, True, True]


def test_missing_runs_are_named_with_where_to_get_them(tmp_path, monkeypatch):
    monkeypatch.setenv("SKAB", str(tmp_path / "nowhere"))
    with pytest.raises(BadInput, match=r"nowhere/valve2/3\.csv.*github\.com/waico/SKAB.*SKAB"):
        skab_data.load("valve2/3")


def test_a_missing_column_is_named(made):
    made(columns=tuple("Flow" if name == "Pressure" else name for name in COLUMNS))
    with pytest.raises(BadInput, match=r"0\.csv: there is no column Pressure\."):
        skab_data.load("valve1/0")


def test_an_empty_file_is_refused(made):
    made(rows=0)
    with pytest.raises(BadInput, match=r"0\.csv: there is no column datetime,"):
        skab_data.load("valve1/0")


def test_a_run_without_a_test_is_refused(made):
    made(rows=3)
    with pytest.raises(BadInput, match="3 rows, of which the first 3 train and none is left"):
        skab_data.load("valve1/0")


@pytest.mark.parametrize("broken", ["", "off"])
def test_a_value_that_is_no_number_is_named_with_its_line(made, broken):
    made(change=lambda row, line: [*line[:4], broken, *line[5:]] if row == 2 else line)
    with pytest.raises(BadInput, match=r"0\.csv, line 4: could not convert string to float"):
        skab_data.load("valve1/0")


def test_a_row_that_ends_early_is_named_with_its_line(made):
    made(change=lambda row, line: line[:5] if row == 1 else line)
    with pytest.raises(BadInput, match=r"0\.csv, line 3: "):
        skab_data.load("valve1/0")


def rig_of(values, anomaly=None):
    values = np.asarray(values, float)
    no = np.zeros(len(values), bool)
    labels = no if anomaly is None else np.asarray(anomaly, bool)
    return Rig(np.arange(float(len(values))), values, labels, no)


def test_windows_are_in_units_of_the_training_rows_and_keep_what_is_outside(monkeypatch):
    # Pressure trains on 0, 4: mean 2, standard deviation 2, so 0 to 1 is -6 to 10.
    monkeypatch.setattr(skab_data, "TRAIN_ROWS", 2)
    values = np.zeros((4, 8))
    values[:, 3] = 0, 4, 10, 18
    found = skab_data.windows_of(rig_of(values), ("Pressure",), 2)
    assert found[:, 0].tolist() == [[0.375, 0.625], [0.625, 1.0], [1.0, 1.5]]


def test_the_test_begins_with_windows_that_end_in_the_last_training_rows(monkeypatch):
    monkeypatch.setattr(skab_data, "TRAIN_ROWS", 8)
    monkeypatch.setattr(skab_models, "TRAIN_ROWS", 8)
    values = np.random.default_rng(0).normal(size=(12, 8))
    train, test = skab_models.split(rig_of(values), {"sensors": ["Current"], "length": 3})
    assert len(train) == 6  # they end in rows 2 to 7
    assert len(test) == 8  # in rows 4 to 11: medians of 5 scores judge rows 8 to 11
    assert np.array_equal(test[0], train[2])


@pytest.fixture
def eight():
    """Ten rows of eight sensors; the first four, which train, have a standard deviation of 1."""
    values = np.tile(np.arange(10.0)[:, None] % 2 * 2, (1, 8))
    return rig_of(values)


@pytest.fixture(autouse=True)
def _short(request, monkeypatch):
    if "eight" in request.fixturenames:
        monkeypatch.setattr(skab_data, "TRAIN_ROWS", 4)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_changes_one_sensor_in_its_rows_alone(eight, fault):
    before = eight.values.copy()
    found = skab_data.faulty(eight, fault, "Voltage", (5, 9), np.random.default_rng(0)).values
    changed = found != eight.values
    assert changed[5:9, 6].any()
    changed[5:9, 6] = False
    assert not changed.any()
    assert np.array_equal(eight.values, before)


def test_each_fault_is_what_it_says(eight):
    def sensor(fault):
        random = np.random.default_rng(0)
        return skab_data.faulty(eight, fault, "Voltage", (5, 9), random).values[5:9, 6]

    usual = eight.values[5:9, 6]
    assert sensor("stuck").tolist() == [0, 0, 0, 0]  # row 4
    drift = sensor("drift") - usual
    assert np.abs(drift).tolist() == [1, 2, 3, 4]  # 4 standard deviations at the end
    assert len(set(np.sign(drift))) == 1
    # NumPy's generator by itself, with the same seed: two standard deviations
    noise = np.random.default_rng(0).normal(0, 2, 4)
    assert np.allclose(sensor("noise") - usual, noise)


def test_an_unknown_fault_is_refused(eight):
    with pytest.raises(ValueError, match="'rust'"):
        skab_data.faulty(eight, "rust", "Voltage", (5, 9), np.random.default_rng(0))


@pytest.mark.parametrize(
    ("first_label", "rows"),
    [(9, (7, 9)), (8, (6, 8)), (5, None), (2, None)],  # the test begins with row 4
)
def test_a_fault_is_put_into_the_later_half_of_the_normal_rows(eight, first_label, rows):
    labels = np.arange(10) >= first_label
    assert skab_data.before_the_fault(rig_of(eight.values, labels)) == rows


def test_without_a_label_there_is_no_place_for_a_fault(eight):
    assert skab_data.before_the_fault(eight) is None


def test_rows_are_counted_by_hand():
    labels = np.array([1, 1, 1, 0, 0, 0, 0, 0], bool)
    alarms = np.array([1, 1, 0, 1, 0, 0, 0, 0], bool)
    found = skab_scores.rows(labels, alarms)
    assert found == Rows(hits=2, false=1, missed=1, quiet=4)
    assert found.f1 == pytest.approx(2 / 3)  # precision and recall are both 2 / 3
    assert found.far == 20
    assert found.mar == pytest.approx(100 / 3)
    assert skab_scores.together([found, found]) == Rows(4, 2, 2, 8)


def test_f1_of_counted_rows_is_that_of_the_rows():
    counted = np.array([[2, 1, 1, 4], [5, 0, 0, 5]])
    assert skab.f1(counted).tolist() == [Rows(2, 1, 1, 4).f1, 1.0]


def test_an_alarm_turns_where_it_begins_and_ends():
    assert skab_scores.turns(np.array([1, 1, 0, 0, 1], bool)).tolist() == [1, 0, 1, 0, 1]
    assert skab_scores.turns(np.array([0, 1], bool)).tolist() == [0, 1]


def changes(points, turns, seconds=300):
    every = np.arange(float(seconds))
    return skab_scores.found(every, np.isin(every, points), np.isin(every, turns))


def test_a_change_point_is_found_in_the_sixty_seconds_after_it():
    assert changes([100], [100]) == Found((0.0,), 0, 0)
    assert changes([100], [130, 140]) == Found((0.5,), 0, 0)  # the first counts
    assert changes([100], [160]) == Found((1.0,), 0, 0)
    assert changes([100], [99, 161]) == Found((), 1, 2)
    assert changes([], [7]) == Found((), 0, 1)


def test_a_window_that_would_overlap_begins_at_the_end_of_the_one_before():
    # windows 100 to 160 and 160 to 190: the turn at 160 is the end of one and the begin of the
    # next, that at 175 the middle of the second
    assert changes([100, 130], [160]) == Found((1.0, 0.0), 0, 0)
    assert changes([100, 130], [120, 175]) == Found((1 / 3, 0.5), 0, 0)


def test_a_perfect_detector_has_100_and_a_silent_one_0():
    perfect, silent = Found((0.0, 0.0), 0, 0), Found((), 2, 0)
    assert set(skab_scores.nab([perfect]).values()) == {100.0}
    assert set(skab_scores.nab([silent]).values()) == {0.0}


def test_the_nab_score_is_worked_out_by_hand():
    # One of two windows is found in its middle, where half of the way from 1 to the cost of a false
    # turn is earned, but for half a step of the table: entry 500 of 0 to 999.
    found = [Found((0.5,), 1, 0), Found((), 0, 3)]
    scores = skab_scores.nab(found)
    half = (1 - np.tanh(np.pi / 999 / 2) / np.tanh(np.pi / 2)) / 2
    for profile, wrong, miss in (
        ("standard", -0.11, -1.0), ("low_fp", -0.22, -1.0), ("low_fn", -0.11, -2.0),
    ):  # fmt: skip
        score = wrong + (1 - wrong) * half + 3 * wrong + miss
        assert scores[profile] == pytest.approx(100 * (score - 2 * miss) / (2 - 2 * miss))


def test_a_median_of_five_scores_is_compared_with_the_threshold():
    scores = np.array([0, 0, 9, 9, 0, 9, 0, 0], float)
    assert skab_models.alarms(scores, 1.0).tolist() == [False, True, True, False]


def test_t2_and_q_tell_apart_what_is_far_along_and_what_is_far_across():
    # Values 0 and 1 go together, value 2 hardly moves: one component holds 85 %.
    random = np.random.default_rng(0)
    both = random.normal(0, 1, (2000, 1, 1))
    train = np.concatenate([both, both, np.zeros_like(both)], axis=2)
    train += random.normal(0, 0.05, train.shape)
    score = skab_models.t2_and_q(train)
    along, across, usual = score(np.array([[[4, 4, 0]], [[0, 0, 1]], [[1, 1, 0]]], float))
    # T2: the component is sqrt(2) x value, of sd sqrt(2); its 99 % quantile is 2.576
    assert along == pytest.approx(4 / 2.576, rel=0.1)
    assert across > 5
    assert usual < 1


def test_the_residual_counts_what_the_range_cuts_off():
    train = np.random.default_rng(0).normal(0.5, 0.2, (300, 1, 2))
    score = skab_models.by_residual(skab_models.in_range, train)
    inside, outside = score(np.array([[[0.9, 0.9]], [[3.0, 3.0]]]))
    assert outside > 5 * inside


def test_the_development_runs_are_every_fourth_and_the_others_are_held_out():
    assert len(skab_data.RUNS) == 34
    assert len(skab_data.DEVELOPMENT) == 9
    assert len(skab.HELD_OUT) == 25
    assert not set(skab.HELD_OUT) & set(skab_data.DEVELOPMENT)
    for job in skab_search.jobs():
        assert tuple(job.question["runs"]) == skab_data.DEVELOPMENT


def test_the_study_uses_what_the_search_found():
    points = skab_search.points()

    def best(sensors, method, length):
        return skab_search.best(points[sensors, length, method].answer())

    for sensors, chosen in skab.CHOSEN.items():
        for method, (length, factor) in chosen.items():
            searched = "spiking" if method in skab.CHIP else method
            by = "spiking" if method == "plain" else searched  # whose length: the same layers
            lengths = {n: best(sensors, by, n)["f1"] for n in skab_search.LENGTHS}
            assert length == max(lengths, key=lengths.get)
            assert factor == best(sensors, searched, length)["factor"]


def made_rig(seed):
    """A run of 60 rows, of which 40 train; from row 52 on the flow is gone."""
    random = np.random.default_rng(seed)
    values = random.normal(5, 1, (60, 8))
    labels = np.arange(60) >= 52
    values[labels, 7] = -20
    points = np.arange(60) == 52
    return Rig(np.arange(60.0), values, labels, points)


def test_a_whole_answer_on_made_up_runs(monkeypatch, tmp_path):
    torch.set_num_threads(1)
    for module in (skab_data, skab_models, skab_measure):
        monkeypatch.setattr(module, "TRAIN_ROWS", 40)
    monkeypatch.setattr(skab_data, "load", lambda run: made_rig(int(run[-1])))
    monkeypatch.setattr("paper.weights.WEIGHTS", tmp_path)
    training = skab_models.question("six sensors", 4, 0)
    methods = {m: {"length": 4, "factor": 1.5} for m in skab.METHODS}
    found = skab_measure.answer(
        {
            "training": {**training, "hidden": 8, "latent": 3, "steps": 4, "epochs": 2},
            "methods": methods,
            "runs": ["made/1", "made/2"],
            "faults": FAULTS,
        }
    )
    for method in skab.METHODS:
        for hits, false, missed, quiet in found["rows"][method].values():
            assert (hits + missed, false + quiet) == (8, 12)
        assert found["faults"][method]["noise"][0] == 12  # rows 46 to 51 of both runs
    assert found["rows"]["raw"]["made/1"][0] == 6  # the median sees it two rows late
    assert found["chip"]["chip 8"]["joules"]["davies2018"] > 0
    assert set(found["error"]) == {"spiking", "plain", "chip 8", "chip 4"}


def test_without_a_network_nothing_is_trained(monkeypatch):
    for module in (skab_data, skab_models, skab_measure):
        monkeypatch.setattr(module, "TRAIN_ROWS", 40)
    monkeypatch.setattr(skab_data, "load", lambda run: made_rig(1))
    monkeypatch.setattr("paper.series_models.fitted", None)
    found = skab_measure.answer(
        {
            "training": skab_models.question("eight sensors", 4, 0),
            "methods": {"raw": {"length": 4, "factor": 1.5}, "t2q": {"length": 3, "factor": 1.5}},
            "runs": ["made/1"],
            "faults": FAULTS,
        }
    )
    assert (found["error"], found["chip"]) == ({}, {})
    assert set(found["rows"]) == {"raw", "t2q"}


def test_an_alarm_by_the_number_of_the_row_takes_the_medians(monkeypatch):
    monkeypatch.setattr(skab_measure, "TRAIN_ROWS", 2)
    labels = {"a": [0, 0, 0, 1, 1, 0, 0, 0], "b": [0, 0, 0, 0, 0, 1, 1, 0]}  # 3 to 4, 5 to 6
    monkeypatch.setattr(
        skab_data, "load", lambda run: rig_of(np.zeros((8, 8)), np.array(labels[run], bool))
    )
    found = skab_measure.by_number({"runs": ["a", "b"], "from": ["a", "b"]})
    assert found["between"] == [4, 6]
    assert found["rows"] == {"a": [1, 1, 1, 3], "b": [1, 1, 1, 3]}  # rows 4 and 5 of 2 to 7


def test_a_mean_of_figures_enters_what_is_within():
    each = [{"a": 1, "b": {"c": 2.0}}, {"a": 3, "b": {"c": 6.0}}]
    assert skab_measure.mean_of(each) == {"a": 2.0, "b": {"c": 4.0}}


def answers(**rows):
    """Three seeds with the same counted rows in every run, and one more hit by seed."""
    return [
        {"rows": {m: {run: [hits + seed, *rest] for run in skab.RUNS}
                  for m, (hits, *rest) in rows.items()}}
        for seed in range(3)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("chip", "verdict"),
    [((80, 5, 5, 10), "reached"), ((10, 40, 40, 10), "missed"), ((12, 4, 4, 80), "undecided")],
)
def test_the_goal_is_judged_by_the_interval(chip, verdict):
    # F1 of the last: 12 / 16, 13 / 17, 14 / 18 = 0.75, 0.765, 0.778: 0.764 and half an interval of
    # 4.303 x 0.014 / sqrt(3) = 0.035, which holds 0.78
    made = answers(**dict.fromkeys(skab.METHODS, (20, 5, 5, 70)) | {"chip 8": chip})
    assert f"({verdict})" in skab._verdict({"six sensors": made})


def test_a_difference_has_the_interval_of_the_seeds_and_that_of_the_runs():
    made = answers(a=(9, 1, 1, 0), b=(6, 4, 4, 0))
    # seeds: 9/10 - 6/10, 10/11 - 7/11, 11/12 - 8/12: 0.300, 0.273, 0.250, sd 0.0251; t 4.303;
    # all runs are alike, so drawing them anew changes nothing: 30 / 33 - 21 / 33
    assert skab._against(made, "a", "b") == "+0.274 ± 0.062 (+0.273 to +0.273)"


def test_the_text_without_any_answer_still_reads(monkeypatch, tmp_path):
    monkeypatch.setattr("paper.study.RESULTS", tmp_path)
    assert skab.text().startswith("## Faults of a water pump")
    assert skab_search.text().startswith("## Search for the settings of the pump")
    skab.draw(tmp_path)
    skab_search.draw(tmp_path)
