"""The price of a sweep is arithmetic over what was measured, worked out here by hand."""

import pytest

from neurocompile.asked import Asked
from neurocompile.sweep import price
from neurocompile.sweep.points import Point
from neurocompile.sweep.price import Cost, Layer, Scheduler, StageClock, document, wall_s

SCHEDULER = Scheduler(start_s=5.0, task_s=0.01)


def cost(compile_s, sample_s):
    point = Point("m", "t", (2,), Asked())
    layers = [Layer("a", sample_s / 2, 100)]
    stages = {"reading": 0.25 * compile_s, "choosing": 0.75 * compile_s}
    return Cost(point, stages, sample_s, 3000.0, 2000, 10**9, layers)


@pytest.mark.parametrize(
    ("points", "workers", "seconds"),
    [
        (1000, 1, 5 + 1000 * 10.01),  # one after the other
        (1000, 16, 5 + 63 * 10.01),  # 62.5 rounds are 63
        (1000, 256, 5 + 4 * 10.01),
        (1000, 1000, 5 + 10.01),
        (100_000, 100_000, 5 + 1000),  # the scheduler, a hundredth of a second per task
        (3, 256, 5 + 10.01),
    ],
)
def test_whole_points_run_on_each_worker_until_the_scheduler_is_the_limit(points, workers, seconds):
    assert wall_s(10.0, points, workers, SCHEDULER) == pytest.approx(seconds)


def test_the_plan_prices_this_sweep_and_a_million_samples_by_a_thousand_points():
    plan = document([cost(2.0, 0.001), cost(4.0, 0.003)], SCHEDULER, 10, 100)
    assert [(p["samples"], p["points"], p["workers"]) for p in plan["prices"]] == [
        (100, 10, 1), (100, 10, 16), (100, 10, 256),
        (10**6, 1000, 1), (10**6, 1000, 16), (10**6, 1000, 256),
    ]  # fmt: skip
    here, large = plan["prices"][0], plan["prices"][5]
    assert here["core_s"] == pytest.approx(10 * (3 + 100 * 0.002))
    assert large["core_s"] == pytest.approx(1000 * (3 + 10**6 * 0.002))
    assert large["wall_s"] == pytest.approx(5 + 4 * (2003 + 0.01))
    assert large["worker_bytes"] == 10**9 + 10**6 * 3000
    assert large["results_bytes"] == 1000 * 2000
    assert any("linear in the number of workers" in words for words in plan["assumed"])


def test_a_stage_lasts_until_the_next_begins(monkeypatch):
    times = iter([1.0, 2.0, 5.0, 6.0, 8.0])
    monkeypatch.setattr(price.time, "process_time", lambda: next(times))
    clock = StageClock()
    for what in ("reading m", "choosing scales", "placing on x", "choosing again", "running 3"):
        clock.tell(what)
    assert clock.stages() == ({"reading": 1.0, "choosing": 5.0, "placing": 1.0}, 8.0)
