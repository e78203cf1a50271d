"""How far apart two recordings of one network are, layer by layer and step by step.

In:  recordings of a reference and of another run, a batch of samples at a time.
Out: sums whose size does not depend on the number of samples: equal spikes by step, rates of each
     neuron, errors of the membrane, and the first spike that differs.
"First" is the earliest step, then the first layer in the network's order, then the first sample
and neuron. Before the first spike of a sample that differs, every membrane error is rounding.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from neurocompile.ir.arrays import Array

# Decades of |membrane error| in thresholds, for the histogram.
EDGES = np.logspace(-8, 1, 37)


@dataclass(frozen=True, order=True)
class SpikeIndex:
    """Where a spike differs; sorted by time first, then by depth in the network.

    Attributes:
        step: Time step, counted from 0.
        layer: Number of the layer in the network's order, counted from 0.
        sample: Number of the sample, counted from 0.
        neuron: Index of the neuron in its layer.
    """

    step: int
    layer: int
    sample: int
    neuron: tuple[int, ...]


@dataclass
class MembraneErrors:
    """Errors of a membrane potential, in the unit of its layer.

    Attributes:
        values: Number of values compared.
        squares: Sum of the squared errors.
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
        """Root mean square of the errors; None if nothing was compared."""
        return float(np.sqrt(self.squares / self.values)) if self.values else None


@dataclass
class LayerApart:
    """How one layer differs between two runs.

    Attributes:
        equal: (steps,) number of equal values (spike or no spike) by step.
        compared: Number of values compared per step: neurons x samples.
        reference, other: (shape,) number of spikes of each neuron.
        samples: Number of samples in which a spike differs.
        first: The first spike that differs.
        samples_at_first: Number of samples whose first difference is in the step of `first`.
        before: Membrane errors before any spike of the sample differs.
        after: All membrane errors.
        histogram: Counts of `before` in the bins of `EDGES`; zeros and values outside are left out.
        largest: Largest |v - level| of the reference: the unit of a readout.
    """

    equal: Array
    reference: Array
    other: Array
    compared: int = 0
    samples: int = 0
    first: SpikeIndex | None = None
    samples_at_first: int = 0
    before: MembraneErrors = field(default_factory=MembraneErrors)
    after: MembraneErrors = field(default_factory=MembraneErrors)
    histogram: Array = field(default_factory=lambda: np.zeros(len(EDGES) - 1, dtype=np.int64))
    largest: float = 0.0

    @property
    def agreement(self) -> float:
        """Part of all values (spike or no spike) that are equal."""
        return float(self.equal.sum() / (self.compared * len(self.equal)))


def fired(sent: Array) -> Array:
    """Whether each neuron sent a spike, whatever it carried, as 0 and 1."""
    return sent if sent.dtype == np.uint8 else (sent != 0).astype(np.uint8)


class Apart:
    """How two runs of a network differ, summed over samples.

    Attributes:
        layers: The differences of each layer, in the network's order.
        samples: Number of samples compared.
        parted: Number of samples in which any spike differs.
        different: Number of spikes that differ.
    """

    def __init__(self, layers: Mapping[str, tuple[int, ...]], steps: int):
        """Start with no samples.

        Args:
            layers: Shape of every layer to compare, in the network's order.
            steps: Time steps per sample.
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
            reference, other: Spikes by layer; a layer missing from the reference never spikes.
            count: Number of samples, n.

        Returns:
            (n,) first step in which any spike of the sample differs; `steps` if none does.
        """
        apart: list[Array] = []
        for number, (name, row) in enumerate(self.layers.items()):
            if name not in reference:
                continue
            a, b = fired(reference[name]), fired(other[name])
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
        first_of_sample = np.minimum.reduce(apart) if apart else np.full(count, self.steps)
        self.parted += int((first_of_sample < self.steps).sum())
        return first_of_sample

    def add_membrane(self, name: str, errors: Array, first: Array) -> None:
        """Add the membrane errors of the next samples.

        Args:
            name: Name of the layer.
            errors: (n, steps, *shape) membrane errors, in the layer's unit.
            first: (n,) the result of `add_spikes`.
        """
        row = self.layers[name]
        row.after.add(errors)
        clean = errors[np.arange(errors.shape[1])[None] < first[:, None]]
        row.before.add(clean)
        row.histogram += np.histogram(np.abs(clean), EDGES)[0]

    @property
    def first(self) -> SpikeIndex | None:
        """The first spike that differs in any layer."""
        firsts = [row.first for row in self.layers.values() if row.first is not None]
        return min(firsts, default=None)

    def _add_first(self, row: LayerApart, number: int, first: Array, differs: Array) -> None:
        """Keep the first difference of a layer, and count the samples that differ in its step."""
        steps = differs.shape[1]
        row.samples += int((first < steps).sum())
        step = int(first.min(initial=steps))
        earliest = steps if row.first is None else row.first.step
        if step > earliest or step == steps:
            return
        if step < earliest:
            sample = int(first.argmin())
            neuron = tuple(int(i) for i in np.argwhere(differs[sample, step])[0])
            row.first = SpikeIndex(step, number, self.samples + sample, neuron)
            row.samples_at_first = 0
        row.samples_at_first += int((first == step).sum())
