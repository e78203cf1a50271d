"""A mean over draws, and its interval."""

import numpy as np
import pytest

from neurocompile.faults.interval import mean_and_interval


def test_two_draws_have_the_interval_from_one_to_the_other():
    # The mean of two that are drawn again is 1, 2 or 3, with chances of 1/4, 1/2 and 1/4.
    assert mean_and_interval([1.0, 3.0]) == {"mean": 2.0, "low": 1.0, "high": 3.0}


def test_equal_draws_have_no_width():
    assert mean_and_interval([0.25] * 5) == {"mean": 0.25, "low": 0.25, "high": 0.25}


def test_one_draw_has_no_interval_and_none_has_no_mean():
    assert mean_and_interval([7.0]) == {"mean": 7.0, "low": None, "high": None}
    assert mean_and_interval([]) == {"mean": None, "low": None, "high": None}


def test_it_is_near_the_normal_interval_and_the_same_each_time():
    numbers = np.random.default_rng(3).normal(5, 2, 400).tolist()
    found = mean_and_interval(numbers)
    half = 1.96 * np.std(numbers) / 20
    assert found["low"] == pytest.approx(found["mean"] - half, abs=0.03)
    assert found["high"] == pytest.approx(found["mean"] + half, abs=0.03)
    assert mean_and_interval(numbers) == found
