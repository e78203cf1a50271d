"""A sum is exact, whatever its parts and their order."""

import math
import random
from fractions import Fraction

import numpy as np
import pytest

from neurocompile.engines.exact_sum import ExactSum


def summed(*parts):
    total = ExactSum()
    for part in parts:
        total.add(part)
    return total


def test_numbers_of_every_size_add_up_as_fractions_do():
    draw = random.Random(3)
    numbers = [draw.uniform(-1, 1) * 2.0 ** draw.randrange(-1070, 1000) for _ in range(2000)]
    numbers += [5e-324, -5e-324, 2.0**-1022, 1.7976931348623157e308, -1.7976931348623157e308, 0.0]
    exact = sum(map(Fraction, numbers))
    found = summed(np.array(numbers))
    assert Fraction(found.units, 2**1126) == exact
    assert float(found) == float(exact)


def test_no_order_and_no_grouping_changes_a_sum():
    numbers = np.random.default_rng(0).standard_normal(1001) * 10.0 ** np.arange(1001).clip(0, 30)
    whole, left, right = summed(numbers), summed(numbers[:7][::-1]), summed(numbers[7:])
    right.merge(left)
    assert right == whole
    assert float(summed(1e16, 1.0, -1e16)) == 1.0  # float64 itself says 0


@pytest.mark.parametrize("odd", [math.inf, -math.inf, math.nan])
def test_what_is_not_finite_stays_so(odd):
    assert str(float(summed(1.0, odd, 2.0))) == str(odd)


def test_nothing_adds_up_to_nothing():
    assert float(summed(np.zeros(0))) == 0.0
