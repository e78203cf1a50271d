"""Score the results of a network: squared errors and right classes, summed over batches.

In:  recordings of a network, one batch at a time; the target of the decoder's task.
Out: the mean squared error, the accuracy, and the difference from the results of another run.
Sums are taken batch by batch, in the order of the samples.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from neurocompile.data.samples import Data
from neurocompile.engines.decode import Recorded, last_layer, result_of, squared_error
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


def wanted(graph: Graph, data: Data) -> Wanted:
    """What the results on some data should be, by the task of a network's decoder.

    Args:
        graph: FIXED graph.
        data: Samples that are run.

    Raises:
        BadInput: If the network classifies and a label is not one of its classes.
    """
    task = graph.settings.decoder.task
    if task == "reconstruction" and data.kind == "x":
        return Wanted(values=data.values)
    if task == "classification" and data.labels is not None:
        check_labels(data, size(graph.nodes[last_layer(graph)].shape))
        return Wanted(labels=data.labels)
    return Wanted()


def check_labels(data: Data, classes: int) -> None:
    """Refuse labels that are not classes of a network.

    Raises:
        BadInput: Names the data, the first such label and what is allowed.
    """
    labels = np.asarray(data.labels)
    numbers = labels.astype(np.float64)
    wrong = ~((numbers >= 0) & (numbers < classes) & (numbers == np.floor(numbers)))  # NaN too
    if wrong.any():
        sample = int(np.flatnonzero(wrong)[0])
        raise BadInput(
            f"data '{data.name}': sample {sample} has the label {labels[sample]}, but this network "
            f"has {classes} classes: allowed are whole numbers from 0 to {classes - 1}. "
            "Correct the labels, or choose data with the classes of this network."
        )


def require_labels(graph: Graph, data: Data) -> None:
    """Refuse data without labels if the network classifies."""
    if graph.settings.decoder.task == "classification" and data.labels is None:
        raise BadInput(
            f"data '{data.name}' has no labels, but this network classifies. Add the key 'labels'."
        )


@dataclass
class Score:
    """Errors and right classes of the results of one run, summed over its samples.

    Attributes:
        graph: Graph of either stage whose results are scored.
        wanted: What the results should be.
        samples: Number of samples added so far.
        values: Number of result values in them.
        squares: Sum of squared errors against the wanted values.
        difference: Sum of squared differences from the results of the other run.
        right: Number of samples that are classified right.
        chosen: Class that each sample was given, batch by batch; empty without labels.
    """

    graph: Graph
    wanted: Wanted
    samples: int = 0
    values: int = 0
    squares: float = 0.0
    difference: float = 0.0
    right: int = 0
    chosen: list[Array] = field(default_factory=list)

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
            self.difference += squared_error(result, other)
        if self.wanted.values is not None:
            self.squares += squared_error(result, self.wanted.values[span])
        if self.wanted.labels is not None:
            classes = result.reshape(len(result), -1).argmax(axis=1)
            self.chosen.append(classes)
            self.right += int((classes == self.wanted.labels[span]).sum())

    @property
    def mse(self) -> float | None:
        """Mean squared error per value; None if no values are wanted."""
        measured = self.wanted.values is not None and self.values
        return self.squares / self.values if measured else None

    @property
    def accuracy(self) -> float | None:
        """Part of the samples that are classified right; None if no labels are known."""
        measured = self.wanted.labels is not None and self.samples
        return self.right / self.samples if measured else None

    @property
    def mean_difference(self) -> float | None:
        """Mean squared difference per value from the other run; None without results."""
        return self.difference / self.values if self.values else None
