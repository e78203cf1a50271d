"""How far two recordings of one network are apart, layer by layer and step by step.

In:  recordings of a reference and of another run, some samples at a time.
Out: sums that do not grow with the samples: equal spikes by step, rates of each neuron, errors of
     the membrane, and the first spike that differs.
"First" is the earliest step, then the first layer in the network's order, then the first sample
and neuron. Before a sample's first differing spike, all error of the membrane is rounding.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from neurocompile.ir.arrays import Array

# Decades of |membrane error| in thresholds, for the histogram.
EDGES = np.logspace(-8, 1, 37)


@dataclass(frozen=True, order=True)
class Place:
    """Where a spike differs; places order by time, then by the way through the network.

    Attributes:
        step: From 0.
        layer: Number of the layer in the network's order.
        sample: From 0.
        neuron: Index in the layer.
    """

    step: int
    layer: int
    sample: int
    neuron: tuple[int, ...]


@dataclass
class Errors:
    """Errors of a membrane, in units of its layer.

    Attributes:
        values: How many were compared.
        squares: Sum of squares.
        largest: Largest |error|.
    """

    values: int = 0
    squares: float = 0.0
    largest: float = 0.0

    def add(self, errors: Array) -> None:
        """Add any number of errors."""
        self.values += errors.size
        self.squares += float(np.square(errors).sum())
        self.largest = max(self.largest, float(np.abs(errors).max(initial=0.0)))

    @property
    def rms(self) -> float | None:
        """Root of the mean square; None where nothing was compared."""
        return float(np.sqrt(self.squares / self.values)) if self.values else None


@dataclass
class LayerApart:
    """One layer of two runs.

    Attributes:
        equal: (steps,) equal spikes, or non-spikes, by step.
        compared: Neurons x samples in a step.
        reference, other: (shape,) spikes of each neuron.
        samples: In how many samples a spike differs.
        first: The first spike that differs.
        samples_at_first: In how many samples the layer parts in that step.
        before: Errors of the membrane before any spike of their sample differs.
        after: All errors of the membrane.
        histogram: Counts of `before` in the bins of `EDGES`; zeros and ends left out.
        largest: Largest |v| of the reference from its level, for a readout's unit.
    """

    equal: Array
    reference: Array
    other: Array
    compared: int = 0
    samples: int = 0
    first: Place | None = None
    samples_at_first: int = 0
    before: Errors = field(default_factory=Errors)
    after: Errors = field(default_factory=Errors)
    histogram: Array = field(default_factory=lambda: np.zeros(len(EDGES) - 1, dtype=np.int64))
    largest: float = 0.0

    @property
    def agreement(self) -> float:
        """Part of all spikes and non-spikes that is equal."""
        return float(self.equal.sum() / (self.compared * len(self.equal)))


class Apart:
    """Two runs of a network, summed over samples.

    Attributes:
        layers: What is known of each, in the network's order.
        samples: How many were compared.
        parted: In how many of these any spike differs.
        different: Spikes that differ.
    """

    def __init__(self, layers: Mapping[str, tuple[int, ...]], steps: int):
        """Start.

        Args:
            layers: Shape of every layer to be compared, in the network's order.
            steps: Of a sample.
        """
        self.layers = {
            name: LayerApart(
                np.zeros(steps, dtype=np.int64),
                np.zeros(shape, dtype=np.int64),
                np.zeros(shape, dtype=np.int64),
            )
            for name, shape in layers.items()
        }
        self.steps = steps
        self.samples = 0
        self.parted = 0
        self.different = 0

    def add_spikes(
        self, reference: Mapping[str, Array], other: Mapping[str, Array], count: int
    ) -> Array:
        """Compare the spikes of the next samples, (n, steps, *shape) by spiking layer.

        Args:
            reference, other: Spikes; layers that the reference lacks never spike.
            count: n.

        Returns:
            (n,) first step in which any spike of a sample differs; `steps` where none does.
        """
        apart: list[Array] = []
        for number, (name, row) in enumerate(self.layers.items()):
            if name not in reference:
                continue
            a, b = reference[name], other[name]
            differs = a != b
            inner = tuple(range(2, a.ndim))
            row.compared += a[:, 0].size
            row.equal += (~differs).sum(axis=(0, *inner))
            self.different += int(differs.sum())
            row.reference += a.sum(axis=(0, 1), dtype=np.int64)
            row.other += b.sum(axis=(0, 1), dtype=np.int64)
            steps = differs.any(axis=inner) if inner else differs
            first = np.where(steps.any(axis=1), steps.argmax(axis=1), steps.shape[1])
            self._add_first(row, number, first, differs)
            apart.append(first)
        self.samples += count
        found = np.minimum.reduce(apart) if apart else np.full(count, self.steps)
        self.parted += int((found < self.steps).sum())
        return found

    def add_membrane(self, name: str, errors: Array, first: Array) -> None:
        """Add the membrane errors of the next samples.

        Args:
            name: Layer.
            errors: (n, steps, *shape), in the layer's unit.
            first: (n,) what `add_spikes` returned.
        """
        row = self.layers[name]
        row.after.add(errors)
        clean = errors[np.arange(errors.shape[1])[None] < first[:, None]]
        row.before.add(clean)
        row.histogram += np.histogram(np.abs(clean), EDGES)[0]

    @property
    def first(self) -> Place | None:
        """The first spike that differs in any layer."""
        found = [row.first for row in self.layers.values() if row.first is not None]
        return min(found, default=None)

    def _add_first(self, row: LayerApart, number: int, first: Array, differs: Array) -> None:
        """Keep the first difference of a layer, and count the samples that part where it does."""
        steps = differs.shape[1]
        row.samples += int((first < steps).sum())
        step = int(first.min(initial=steps))
        known = steps if row.first is None else row.first.step
        if step > known or step == steps:
            return
        if step < known:
            sample = int(first.argmin())
            neuron = tuple(int(i) for i in np.argwhere(differs[sample, step])[0])
            row.first = Place(step, number, self.samples + sample, neuron)
            row.samples_at_first = 0
        row.samples_at_first += int((first == step).sum())
