"""Sparsity in space and correlation, on counts that are worked out by hand."""

import numpy as np
import pytest

from paper.sparsity import space, together


def test_a_neuron_takes_part_in_an_image_if_it_spikes_once():
    found = space(np.array([[0, 2, 0, 0], [1, 3, 0, 2]]))
    assert found["active"] == 0.5  # a quarter, and three of four
    assert found["active_sd"] == pytest.approx(0.5 / np.sqrt(2))
    assert found["each"] == 2  # 8 spikes in 4 places


def test_layers_that_are_silent_have_no_active_neurons():
    assert space(np.zeros((2, 3), dtype=int)) == {"active": 0, "active_sd": 0, "each": 0}


def test_correlations_are_of_every_two_neurons_that_change():
    # The first two rise together, the third falls against both, the fourth is silent.
    counts = np.array([[0, 1, 2, 0], [1, 2, 1, 0], [2, 3, 0, 0]])
    found = together(counts)
    assert found["correlation"] == pytest.approx(1)
    assert found["histogram"][-1] == pytest.approx(1 / 3)
    assert found["histogram"][0] == pytest.approx(2 / 3)
