"""The narrowest weights that keep the error."""

import pytest

from paper.affinity import narrowest


def answer(**errors):
    return {
        "float": 10.0,
        "bits": {bits.removeprefix("b"): error for bits, error in errors.items()},
    }


WIDE = {"b8": 10.0, "b7": 10.0, "b6": 10.0}


@pytest.mark.parametrize(
    ("errors", "bits"),
    [
        ({"b5": 10.0, "b4": 10.4, "b3": 10.5, "b2": 90.0}, 4),  # 5 % more is no longer less
        ({"b5": 11.0, "b4": 10.0, "b3": 11.0, "b2": 90.0}, 6),  # a lucky width below does not count
        ({"b5": 9.0, "b4": 9.0, "b3": 9.0, "b2": 9.0}, 2),
    ],
)
def test_the_narrowest_weights_are_the_last_from_the_widest_on_that_keep_the_error(errors, bits):
    assert narrowest([answer(**WIDE, **errors)]) == bits


def test_the_mean_over_seeds_decides():
    one = {"b5": 10.0, "b4": 10.0, "b3": 10.8, "b2": 90.0}
    other = {"b5": 10.0, "b4": 10.0, "b3": 10.0, "b2": 90.0}
    assert narrowest([answer(**WIDE, **one), answer(**WIDE, **other)]) == 3  # 1.04 on average


def test_where_even_the_widest_weights_lose_too_much_there_are_none():
    errors = dict.fromkeys(("b8", "b7", "b6", "b5", "b4", "b3", "b2"), 11.0)
    assert narrowest([answer(**errors)]) is None


def test_a_width_that_does_not_fit_ends_the_row():
    errors = {"b5": 10.0, "b4": None, "b3": 10.0, "b2": 10.0}
    assert narrowest([answer(**WIDE, **errors)]) == 5
