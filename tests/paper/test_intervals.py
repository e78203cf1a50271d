"""Intervals of means and of figures of a few runs, against tables and by hand."""

import numpy as np
import pytest

from paper.intervals import (
    change_words,
    half_width,
    holm,
    lowest,
    mean_interval,
    ranked,
    ratio,
    ratio_words,
    resampled,
    signs,
    smallest,
)


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


def test_a_ratio_is_of_the_same_seed_and_its_interval_that_of_its_logarithm():
    # Logarithms to the base of 2: 1 and 3; mean 2, sd sqrt(2), t at 1 degree 12.706: half 12.706
    middle, low, high = ratio([2.0, 16.0], [1.0, 2.0])
    assert middle == pytest.approx(4)
    assert np.log2(high / middle) == pytest.approx(12.706, abs=1e-3)
    assert np.log2(middle / low) == pytest.approx(12.706, abs=1e-3)
    assert ratio_words([3.0, 30.0], [1.0, 10.0]) == "3.00 (3.00 to 3.00)"
    assert change_words([1.5, 3.0], [2.0, 4.0]) == "-25 % (-25 to -25)"


def test_holm_multiplies_the_smallest_p_by_all_tests_and_lets_none_fall_below_a_smaller_one():
    # 0.01 x 3; 0.02 x 2; 0.03 x 1, but not below 0.04
    assert holm([0.03, 0.01, 0.02]) == pytest.approx([0.04, 0.03, 0.04])
    assert holm([0.5, 0.9]) == [1.0, 1.0]


def test_no_p_is_given_that_so_few_seeds_cannot_reach():
    apart = [1.0, 2.0, 3.0, 4.0, 5.0], [6.0, 7.0, 8.0, 9.0, 10.0]
    # One of the 252 ways to draw 5 of 10, on either side
    assert smallest(5, 5, 1) == pytest.approx(2 / 252)
    assert ranked([apart]) == pytest.approx([2 / 252])
    assert ranked([apart] * 6) == pytest.approx([12 / 252] * 6)  # 0.048
    assert ranked([apart] * 7) is None  # 0.056
    eight = [float(n) for n in range(8)], [float(n) for n in range(8, 16)]
    assert ranked([eight] * 10) == pytest.approx([20 / 12_870] * 10)


def test_what_is_tested_together_needs_more_to_be_told():
    # t = 0.5 / (0.577 / sqrt(4)) = 1.73: p = 0.18; and t = 8.66: p = 0.0032
    weak, strong = [0.0, 0.0, 1.0, 1.0], [2.0, 2.0, 3.0, 3.0]
    assert signs([strong]) == [1]
    assert signs([[-each for each in strong], weak]) == [-1, 0]
    assert signs([strong] + [weak] * 15) == [0] * 16  # 16 x 0.0032 = 0.052
    assert signs([[0.0, 0.0], [0.5, 0.5], [0.5]]) == [0, 1, 0]  # the last has one seed


def test_rows_whose_interval_overlaps_the_lowest_are_not_told_from_it():
    # Half of the interval of two values is 12.706 times half of their distance: 0.6353 and 6.353.
    near, wide, far = [10.0, 10.1], [10.5, 11.5], [12.0, 12.1]
    assert lowest({"far": far, "wide": wide, "near": near}) == ["near", "wide"]
    assert lowest({"far": far, "near": near}) == ["near"]
    assert lowest({}) == []
