"""What results miss: squared errors, right classes, and labels that no class can match."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from planted import Numbers, network

from neurocompile.data.samples import Data
from neurocompile.engines.decode import squared_error
from neurocompile.engines.score import Score, Wanted, check_labels, require_labels, wanted
from neurocompile.errors import BadInput
from neurocompile.ir.settings import Decoder


@dataclass
class Did:
    """What the layers of a network did."""

    spikes: dict
    membrane: dict


def decoded_by(task, kind="rate"):
    """A FLOAT graph that ends in the layer "neuron", and whose decoder reads its spikes."""
    graph, _ = network(Numbers(), Numbers())
    decoder = Decoder(kind, task=task)
    return replace(graph, settings=replace(graph.settings, decoder=decoder))


def rates(*samples):
    """Two steps of spikes of some samples with these rates, 0, 0.5 or 1."""
    spikes = np.array([[[rate >= 0.5, rate == 1] for rate in row] for row in samples])
    return Did({"neuron": spikes.transpose(0, 2, 1).astype(np.uint8)}, {})


def test_the_squared_error_is_summed_over_samples_and_values():
    target = np.array([[1.0, 0.0], [0.5, 1.0], [0.0, 0.5]])
    goal = wanted(decoded_by("reconstruction"), Data("made", "x", target, None))
    score = Score(decoded_by("reconstruction"), goal)
    score.add(0, rates((1, 0.5), (0, 1)))  # misses 0.5, then 0.5
    score.add(2, rates((0, 1)))  # misses 0.5
    assert (score.samples, score.values, score.squares) == (3, 6, 0.75)
    assert score.mse == 0.125
    assert score.accuracy is None


def test_the_class_is_the_neuron_that_spikes_most_and_of_several_the_first():
    graph = decoded_by("classification")
    score = Score(graph, Wanted(labels=np.array([1, 0, 1])))
    score.add(0, rates((0, 1), (1, 1), (1, 0.5)))  # classes 1, 0, 0
    assert (score.right, score.accuracy, score.mse) == (2, 2 / 3, None)


def test_two_runs_differ_by_the_mean_square_of_their_results():
    graph = decoded_by("none")
    ours, other = Score(graph, Wanted()), Score(graph, Wanted())
    theirs = other.add(0, rates((1, 0), (0.5, 0.5)))
    ours.add(0, rates((0.5, 0), (0.5, 1)), theirs)
    assert ours.mean_difference == (0.25 + 0.25) / 4
    assert other.mean_difference == 0
    assert (ours.mse, ours.accuracy) == (None, None)


def test_without_a_decoder_there_is_nothing_to_score():
    graph = decoded_by("none", "none")
    score = Score(graph, Wanted())
    assert score.add(0, rates((1, 0))) is None
    assert (score.values, score.mse, score.accuracy, score.mean_difference) == (0, None, None, None)


def test_spikes_that_are_given_as_spikes_are_no_picture_to_reconstruct():
    """A mean squared error of 0 would say that the reconstruction is perfect."""
    data = Data("given", "spikes", np.ones((1, 4, 1), dtype=np.float32), None)
    assert wanted(decoded_by("reconstruction"), data).values is None


@pytest.mark.parametrize(
    ("labels", "sample", "said"),
    [
        ([0, 9, 10], 2, "10"),
        ([0, -1, 3], 1, "-1"),
        ([0.0, 1.5, 2.0], 1, "1.5"),
        ([float("nan"), 1.0, 2.0], 0, "nan"),
        ([1, 2**40, 255], 1, str(2**40)),
    ],
)
def test_labels_that_no_class_can_match_are_refused_by_sample_and_value(labels, sample, said):
    values = np.zeros((3, 2), dtype=np.float32)
    data = Data("mine.npz", "x", values, np.array(labels), digest="not asked for")
    words = rf"'mine.npz': sample {sample} has the label {said}, .* 10 classes.* from 0 to 9"
    with pytest.raises(BadInput, match=words):
        check_labels(data, 10)


def test_labels_from_zero_to_the_last_class_are_taken():
    data = Data("mine.npz", "x", np.zeros((3, 2), dtype=np.float32), np.array([0, 9, 5]))
    check_labels(data, 10)


def test_a_network_that_classifies_needs_labels_and_no_other_does():
    data = Data("bare.npy", "x", np.zeros((1, 2), dtype=np.float32), None)
    require_labels(decoded_by("reconstruction"), data)
    with pytest.raises(BadInput, match=r"'bare.npy' has no labels.*Add the key 'labels'"):
        require_labels(decoded_by("classification"), data)


def test_a_reconstruction_of_another_size_than_its_sample_is_refused():
    with pytest.raises(BadInput, match="reconstructs 3 values, but a sample has 4"):
        squared_error(np.zeros((2, 3)), np.zeros((2, 2, 2)))
