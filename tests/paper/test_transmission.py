"""What is sent arrives as it was sent, in about as many bits as it carries."""

import numpy as np
import pytest

from paper import transmission
from paper.transmission_coding import (
    learn_numbers,
    learn_spikes,
    receive_numbers,
    receive_spikes,
    send_numbers,
    send_spikes,
)


@pytest.fixture
def random():
    return np.random.default_rng(0)


@pytest.mark.parametrize("memory", [0, 3, 16])
def test_spikes_arrive_as_they_were_sent(random, memory):
    spikes = (random.random((30, 16, 5)) < [0.0, 0.05, 0.2, 0.5, 1.0]).astype(np.uint8)
    model = learn_spikes(spikes[:10], memory)
    words = send_spikes(model, spikes)
    assert np.array_equal(receive_spikes(model, words, 30, 16), spikes)


def test_independent_spikes_take_their_entropy(random):
    spikes = (random.random((400, 16, 4)) < 0.1).astype(np.uint8)
    words = send_spikes(learn_spikes(spikes, 0), spikes)
    entropy = -(0.1 * np.log2(0.1) + 0.9 * np.log2(0.9)) * spikes.size
    assert 32 * len(words) == pytest.approx(entropy, rel=0.02)


def test_a_regular_neuron_costs_nearly_nothing_where_silence_is_told_apart():
    spikes = np.zeros((100, 12, 1), np.uint8)
    spikes[:, 2::3] = 1  # after two steps of silence, always
    apart, together = (len(send_spikes(learn_spikes(spikes, m), spikes)) for m in (3, 0))
    assert 32 * apart < 0.05 * spikes.size
    assert 32 * together == pytest.approx(0.918 * spikes.size, rel=0.03)  # entropy of 1 / 3


def test_probabilities_count_spikes_by_the_steps_since_the_last_one():
    # One neuron, one sample: silent 0 -> no, 1 -> spike, 0 -> spike, 0 -> no. One more of each.
    model = learn_spikes(np.array([[[0], [1], [1], [0]]], np.uint8), memory=1)
    assert model.probability.tolist() == [[2 / 5, 2 / 3]]
    assert model.table_bits == 32


def test_numbers_arrive_as_they_were_sent_even_those_that_training_never_showed(random):
    numbers = np.rint(random.normal(0, 3, (200, 4))).astype(int)
    numbers[:, 2] = 7  # always the same
    model = learn_numbers(numbers[:50])
    sent = model.cut(numbers + 1)
    assert np.array_equal(receive_numbers(model, send_numbers(model, sent), 200), sent)


def test_numbers_beyond_the_range_of_training_are_cut_to_it():
    model = learn_numbers(np.array([[-2, 5], [1, 6]]))
    assert model.cut(np.array([[9, 9], [-9, -9]])).tolist() == [[1, 6], [-2, 5]]
    assert [p.size for p in model.probability] == [4, 2]


def test_eight_equal_numbers_take_three_bits_each(random):
    numbers = random.permutation(np.repeat(np.arange(8), 500))[:, None]
    words = send_numbers(learn_numbers(numbers), numbers)
    assert 32 * len(words) == pytest.approx(3 * 4000, rel=0.01)


def test_the_comparison_takes_no_code_with_more_bits():
    points = [{"bits": 10, "error": 0.5}, {"bits": 20, "error": 0.3}, {"bits": 40, "error": 0.1}]
    assert transmission.best_within(points, 39.9) == "0.300"
    assert transmission.best_within(points, 9) == "-"


def test_without_an_answer_there_is_no_section_and_no_picture(monkeypatch, tmp_path):
    monkeypatch.setattr("paper.study.RESULTS", tmp_path)
    assert transmission.text() == ""
    transmission.draw(tmp_path)
    assert not list(tmp_path.iterdir())
