"""Codes are compared where the errors are equal, by what a reader who knows the digits can tell."""

import numpy as np
import pytest

from paper import codes


def test_a_figure_is_read_between_the_two_nearest_errors():
    errors, values = [10.0, 2.0, 6.0], [0.5, 0.9, 0.8]
    assert codes.at_error(errors, values, 8.0) == pytest.approx(0.65)
    assert codes.at_error(errors, values, 1.0) == 0.9
    assert codes.at_error(errors, values, 99.0) == 0.5


def test_codes_that_lie_apart_are_told_apart_and_noise_is_not():
    random = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2, 3], 50)
    apart = np.eye(4)[labels] + random.normal(0, 0.05, (200, 4))
    noise = random.normal(0, 1, (200, 4))
    found = codes.measured([apart, apart], [labels, labels])
    assert found == {"probe": 1.0, "neighbours": 1.0}
    of_noise = codes.measured([noise[::2], noise[1::2]], [labels[::2], labels[1::2]])
    assert of_noise["probe"] < 0.5
    assert of_noise["neighbours"] < 0.5


def test_differences_are_paired_by_seed_and_taken_at_the_spiking_network_s_error(monkeypatch):
    class Kept:
        done = True

        def __init__(self, *found):
            self.found = {codes.MEAN: found[0], codes.SAMPLED: found[-1]}

        def answer(self):
            return self.found

    def one(error, probe):
        return {"error": error, "probe": probe, "neighbours": 0.0}

    monkeypatch.setattr(codes, "SEEDS", (0, 1))
    monkeypatch.setattr(codes, "BETAS", (0.1, 1.0))
    monkeypatch.setattr(codes, "_spiking", lambda seed: Kept(one(5.0, 0.9 + 0.01 * seed)))
    monkeypatch.setattr(
        codes,
        "_plain",
        lambda seed, beta: Kept(one(10 * beta, 1 - beta / 10), one(20 * beta, 0.5)),
    )
    # At error 5 beta is read 4/9 of the way from 1 to 10: 0.99 - 0.04.
    assert codes.differences(codes.MEAN, "probe") == pytest.approx([-0.05, -0.04])
    assert codes.differences(codes.SAMPLED, "probe") == pytest.approx([0.4, 0.41])
