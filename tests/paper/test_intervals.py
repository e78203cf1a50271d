"""Intervals of means and of figures of a few runs, against tables and by hand."""

import numpy as np
import pytest

from paper.intervals import half_width, mean_interval, resampled


def test_a_half_of_the_interval_is_students():
    # n = 4, sd = 1: t of 0.975 at 3 degrees of freedom is 3.182 (tables); 3.182 / 2
    values = np.array([-1, -1, 1, 1]) * np.sqrt(3) / 2
    assert half_width(values) == pytest.approx(3.182 / 2, abs=1e-3)
    assert half_width([7.0]) == 0
    assert mean_interval(values + 0.5, 2) == "+0.50 ± 1.59"


def test_the_bootstrap_draws_whole_runs():
    # Two runs of 0 and 10: a draw has a sum of 0, 10 or 20 with chances of 1/4, 1/2, 1/4.
    low, high = resampled(lambda sums: sums[:, 0], np.array([[0.0], [10.0]]))
    assert (low, high) == (0, 20)
    same = resampled(lambda sums: sums[:, 0], np.array([[3.0], [3.0]]))
    assert same == (6, 6)
