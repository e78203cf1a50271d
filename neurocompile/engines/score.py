"""Score the results of a network: squared errors and right classes, summed over batches.

In:  recordings of a network, one batch at a time; the target of the decoder's task.
Out: the mean squared error, the accuracy, and the difference from the results of another run.
Sums are exact, so that neither the order of batches nor who added which of them changes a bit.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields

import numpy as np

from neurocompile.data.samples import Data
from neurocompile.engines.batches import spans
from neurocompile.engines.decode import Recorded, last_layer, result_of
from neurocompile.engines.exact_sum import ExactSum
from neurocompile.errors import BadInput
from neurocompile.ir.arrays import Array
from neurocompile.ir.graph import Graph
from neurocompile.ir.nodes import size


@dataclass(frozen=True, eq=False)
class Wanted:
    """What the results of all samples should be; both None if there is nothing to compare with.

    Attributes:
        values: (n, ...) values that a reconstruction should have, or None.
        labels: (n,) right classes, or None.
    """

    values: Array | None = None
    labels: Array | None = None


def wanted(graph: Graph, data: Data, first: int = 0, last: int | None = None) -> Wanted:
    """What the results on some data should be, by the task of a network's decoder.

    Args:
        graph: FIXED graph.
        data: Samples that are run.
        first, last: Range of those whose labels are looked at, [first, last); by default all.

    Raises:
        BadInput: If the network classifies and a label is not one of its classes.
    """
    task = graph.settings.decoder.task
    if task == "reconstruction" and data.kind == "x":
        return Wanted(values=data.values)
    if task == "classification" and data.labels is not None:
        classes = size(graph.nodes[last_layer(graph)].shape)
        check_labels(data, classes, first, len(data) if last is None else last)
        return Wanted(labels=data.labels)
    return Wanted()


def check_labels(data: Data, classes: int, begin: int = 0, end: int | None = None) -> None:
    """Refuse labels that are not classes of a network.

    Raises:
        BadInput: Names the data, the first such label and what is allowed.
    """
    assert data.labels is not None
    for first, last in spans(len(data.labels) if end is None else end, begin):
        labels = np.asarray(data.labels[first:last])
        numbers = labels.astype(np.float64)
        wrong = ~((numbers >= 0) & (numbers < classes) & (numbers == np.floor(numbers)))  # NaN too
        if wrong.any():
            at = int(np.flatnonzero(wrong)[0])
            raise BadInput(
                f"data '{data.name}': sample {first + at} has the label {labels[at]}, but this "
                f"network has {classes} classes: allowed are whole numbers from 0 to "
                f"{classes - 1}. Correct the labels, or choose data with the classes of this "
                "network."
            )


def require_labels(graph: Graph, data: Data) -> None:
    """Refuse data without labels if the network classifies."""
    if graph.settings.decoder.task == "classification" and data.labels is None:
        raise BadInput(
            f"data '{data.name}' has no labels, but this network classifies. Add the key 'labels'."
        )


@dataclass
class Tally:
    """Errors and right classes of the results of some samples of one run.

    Attributes:
        against: What the results are compared with: "values", "labels", or "" for nothing.
        samples: Number of samples.
        values: Number of result values in them.
        squared: Sum of squared errors against the wanted values.
        differing: Sum of squared differences from the results of the other run.
        right: Number of samples that are classified right.
        classes: By the number of a first sample, (2, n) its label and those after it, and the
            classes that these samples were given; empty without labels.
    """

    against: str = ""
    samples: int = 0
    values: int = 0
    squared: ExactSum = field(default_factory=ExactSum)
    differing: ExactSum = field(default_factory=ExactSum)
    right: int = 0
    classes: dict[int, Array] = field(default_factory=dict)

    def merge(self, other: Tally) -> None:
        """Add other samples of the same run."""
        self.against = self.against or other.against
        self.samples += other.samples
        self.values += other.values
        self.squared.merge(other.squared)
        self.differing.merge(other.differing)
        self.right += other.right
        self.classes.update(other.classes)

    @property
    def squares(self) -> float:
        """Sum of squared errors against the wanted values."""
        return float(self.squared)

    @property
    def mse(self) -> float | None:
        """Mean squared error per value; None if no values are wanted."""
        return self.squares / self.values if self.against == "values" and self.values else None

    @property
    def accuracy(self) -> float | None:
        """Part of the samples that are classified right; None if no labels are known."""
        return self.right / self.samples if self.against == "labels" and self.samples else None

    @property
    def mean_difference(self) -> float | None:
        """Mean squared difference per value from the other run; None without results."""
        return float(self.differing) / self.values if self.values else None

    def labels_and_classes(self) -> Array:
        """(2, n) int64 labels and classes given, in the order of the samples."""
        parts = [self.classes[first] for first in sorted(self.classes)]
        none = np.zeros((2, 0), np.int64)
        return np.concatenate([none, *parts], axis=1)


class Score(Tally):
    """A tally that decodes recordings and adds them.

    Args:
        graph: Graph of either stage whose results are scored.
        wanted: What the results should be.
    """

    def __init__(self, graph: Graph, wanted: Wanted) -> None:
        against = "values" if wanted.values is not None else ""
        super().__init__("labels" if wanted.labels is not None else against)
        self.graph, self.wanted = graph, wanted

    def add(self, first: int, did: Recorded, other: Array | None = None) -> Array | None:
        """Decode the next batch and add it.

        Args:
            first: Number of its first sample.
            did: Recording of the graph's layers.
            other: (n, ...) results of another run of the same samples to compare with.

        Returns:
            (n, ...) the results; None if the network has no decoder.
        """
        result = result_of(self.graph, did)
        if result is not None:
            self.add_result(first, result, other)
        return result

    def add_result(self, first: int, result: Array, other: Array | None = None) -> None:
        """Add the results of the next batch; arguments as for `add`."""
        span = slice(first, first + len(result))
        self.samples += len(result)
        self.values += result.size
        if other is not None:
            self.differing.add(_squares(result, other))
        if self.wanted.values is not None:
            self.squared.add(_squares(result, self.wanted.values[span]))
        if self.wanted.labels is not None:
            given = result.reshape(len(result), -1).argmax(axis=1)
            labels = np.asarray(self.wanted.labels[span])
            self.classes[first] = np.stack([labels, given]).astype(np.int32)
            self.right += int((given == labels).sum())

    def tally(self) -> Tally:
        """What was added, without the graph and the data."""
        kept = {each.name: getattr(self, each.name) for each in fields(Tally)}
        found = self.labels_and_classes().astype(np.int32)
        return Tally(**{**kept, "classes": {min(self.classes): found} if self.classes else {}})


def _squares(result: Array, target: Array) -> Array:
    """Squared differences, float64."""
    difference = result.reshape(len(result), -1) - target.reshape(len(target), -1)
    return np.asarray(difference**2)
