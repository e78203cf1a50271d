"""The front of error and joules, what an error costs along it, and what a change buys: by hand."""

import pytest

from paper.front import Point, Step, front, joules_at

CHEAP, MIDDLE, BEST = (
    Point("cheap", 8.0, 1e-6),
    Point("middle", 4.0, 4e-6),
    Point("best", 2.0, 9e-6),
)
BEATEN = Point("beaten", 5.0, 5e-6)  # the middle one has less of both


def test_the_front_is_what_no_other_beats_by_rising_error():
    assert front([CHEAP, BEATEN, BEST, MIDDLE]) == [BEST, MIDDLE, CHEAP]


def test_of_two_with_one_error_only_the_cheaper_is_on_the_front():
    dear = Point("dear", 4.0, 5e-6)
    assert front([dear, MIDDLE]) == front([MIDDLE, dear]) == [MIDDLE]


@pytest.mark.parametrize(
    ("error", "microjoules"),
    [
        (2.0, 9.0),  # a point
        (3.0, 6.0),  # half way from 9 to 4 in logarithms: the root of 36
        (6.0, 2.0),  # the root of 4
        (8.0, 1.0),
        (20.0, 1.0),  # the cheapest has less error than that
    ],
)
def test_joules_lie_on_the_line_of_their_logarithms_between_two_points(error, microjoules):
    points = [CHEAP, MIDDLE, BEST, BEATEN]
    assert joules_at(points, error) == pytest.approx(microjoules * 1e-6)


def test_nothing_reaches_an_error_below_the_best_one():
    assert joules_at([CHEAP, MIDDLE, BEST], 1.9) is None
    assert joules_at([], 5.0) is None


def test_a_change_buys_error_or_saves_joules_at_a_rate():
    buys = Step(error=[-1.0, -3.0], joules=[3e-6, 5e-6])  # 2 of error for 4 uJ
    assert (buys.buys, buys.saves) == (True, False)
    assert buys.rate == pytest.approx(0.5e6)
    saves = Step(error=[0.5, 1.5], joules=[-8e-6, -12e-6])  # 1 of error for 10 uJ
    assert (saves.buys, saves.saves) == (False, True)
    assert saves.rate == pytest.approx(0.1e6)
    better = Step(error=[-1.0], joules=[-1e-6])
    assert (better.buys, better.saves) == (False, False)
