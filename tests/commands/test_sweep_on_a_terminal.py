"""What a user sees while a sweep runs: a bar and the front on a terminal, lines in a log."""

import pytest

from neurocompile.asked import Asked
from neurocompile.commands.sweep.live import Screen, refusals, usual
from neurocompile.sweep.metrics import METRICS
from neurocompile.sweep.points import Axis, Point
from neurocompile.sweep.run import Sweep

AXES = [Axis("bits", (2, 3, 4))]


def outcome(mse, joules, code=0):
    metrics = dict.fromkeys(metric.column for metric in METRICS.values())
    found = {"exit_code": code, "reason": "too large. Use less.\nMore." if code else ""}
    return found | {"metrics": None if code else metrics | {"mse": mse, "energy_j": joules}}


@pytest.fixture
def sweep():
    points = [Point("m.pt", "t", (bits,), Asked()) for bits in (2, 3, 4)]
    return Sweep(points, [None] * 3, [None, None, None])


def shown(sweep):
    with Screen(AXES, [], quiet=False) as screen:
        feed(screen, sweep)


def feed(screen, sweep):
    screen.begin(sweep)
    for at, found in enumerate((outcome(0.5, 1e-9), outcome(0.25, 2e-9), outcome(0, 0, 3))):
        sweep.put(at, found)
        screen.finished(sweep, at)


def test_a_log_has_a_line_per_point_with_the_first_sentence_of_a_refusal(sweep, capsys):
    shown(sweep)
    assert capsys.readouterr().err.splitlines() == [
        "3 points, 0 of them known already",
        "1 of 3: bits=2: mse 0.5, energy 1 nJ",
        "2 of 3: bits=3: mse 0.25, energy 2 nJ",
        "3 of 3: bits=4: exit code 3: too large",
    ]
    assert refusals(sweep, AXES) == {"exit code 3: too large. Use less.\nMore.": ["bits=4"]}


def test_a_sweep_that_is_stopped_leaves_a_bar_above_the_front_best_first(
    sweep, capsys, monkeypatch
):
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("TTY_INTERACTIVE", "1")
    monkeypatch.setenv("TERM", "xterm")
    screen = Screen(AXES, [], quiet=False)
    feed(screen, sweep)
    screen.__exit__(KeyboardInterrupt)
    last = capsys.readouterr().err.split("3/3")[-1]
    assert "points that no other one beats" in last
    assert last.index("bits=3") < last.index("bits=2")
    assert "bits=4" not in last


def test_at_the_end_only_the_bar_is_left_for_the_front_is_printed_next(sweep, capsys, monkeypatch):
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("TTY_INTERACTIVE", "1")
    monkeypatch.setenv("TERM", "xterm")
    shown(sweep)
    assert "beats" not in capsys.readouterr().err.split("3/3")[-1]


def test_one_point_is_said_in_the_singular(capsys):
    point = Point("m.pt", "t", (), Asked())
    Screen([], [], quiet=False).begin(Sweep([point], [None], [None]))
    assert capsys.readouterr().err == "1 point, 0 of them known already\n"


def test_the_usual_metrics_are_those_that_the_points_have(sweep):
    assert [metric.name for metric in usual(sweep)] == ["mse", "energy"]
    sweep.outcomes[0] = outcome(None, 1e-9)
    sweep.outcomes[0]["metrics"]["accuracy"] = 0.5
    assert [metric.name for metric in usual(sweep)] == ["accuracy", "energy"]
