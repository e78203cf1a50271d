"""A metric is one number of report.json; the front is what no other point beats."""

import pytest

from neurocompile.errors import BadInput
from neurocompile.sweep.metrics import METRICS, front, metrics

MSE, ENERGY, ACCURACY = (METRICS[name] for name in ("mse", "energy", "accuracy"))


def row(mse, energy, accuracy=None):
    return {"mse": mse, "energy_j": energy, "accuracy": accuracy}


def test_the_front_is_what_no_other_point_beats_best_first():
    rows = [row(3, 1), row(1, 3), row(2, 2), row(2, 3), row(3, 3), row(1, 4)]
    assert front(rows, [MSE, ENERGY]) == [1, 2, 0]


def test_equal_points_are_all_on_the_front_and_points_without_a_number_never_are():
    rows = [row(1, 1), row(1, 1), row(None, 0.5), None, row(1, 2)]
    assert front(rows, [MSE, ENERGY]) == [0, 1]


def test_more_accuracy_is_better_and_three_metrics_count_together():
    rows = [row(1, 1, 0.5), row(2, 2, 0.9), row(2, 2, 0.8), row(3, 0.5, 0.1)]
    assert front(rows, [ACCURACY, MSE, ENERGY]) == [1, 0, 3]
    assert front(rows, [ACCURACY]) == [1]


def test_a_brute_force_over_random_points_finds_the_same_front():
    import random

    random.seed(0)
    rows = [row(random.randint(0, 20), random.randint(0, 20)) for _ in range(200)]
    pairs = [(r["mse"], r["energy_j"]) for r in rows]
    beaten = {
        i
        for i, a in enumerate(pairs)
        if any(b[0] <= a[0] and b[1] <= a[1] and b != a for b in pairs)
    }
    assert set(front(rows, [MSE, ENERGY])) == set(range(200)) - beaten


def test_a_metric_that_there_is_not_is_refused_with_the_nearest():
    with pytest.raises(BadInput, match=r"no metric 'energie'. Did you mean 'energy'\? Use mse"):
        metrics(["mse", "energie"])
    assert [metric.name for metric in metrics(["energy", "mse", "energy"])] == ["energy", "mse"]
