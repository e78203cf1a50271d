"""What an engine returns: what every population did, step by step or summed.

In:  a FIXED graph and its encoded input, samples first.
Out: spikes and membrane potentials of every population in the network's own time; activity.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from neurocompile.ir.arrays import Array


@dataclass(frozen=True, eq=False)
class Activity:
    """What one population did, summed over samples and over the steps of the network's time.

    Attributes:
        spikes: (shape of the population,) int64, number of spikes of each neuron, each
            one whatever its payload.
        updated: Number of neuron steps in which input arrived, or u, v or the bias was nonzero at
            the start; None if the engine did not count them. Unused for a SpikeInput.
        saturations: Number of times that v was clipped to its range.
        wraps: Number of times that u wrapped.
    """

    spikes: Array
    updated: int | None = None
    saturations: int = 0
    wraps: int = 0

    def __add__(self, other: Activity) -> Activity:
        """The activity of two batches together."""
        known = self.updated is not None and other.updated is not None
        return Activity(
            self.spikes + other.spikes,
            (self.updated or 0) + (other.updated or 0) if known else None,
            self.saturations + other.saturations,
            self.wraps + other.wraps,
        )


def add_up(total: dict[str, Activity], batch: Mapping[str, Activity]) -> None:
    """Add the activity of one more batch to the total, by population."""
    for name, done in batch.items():
        total[name] = total[name] + done if name in total else done


@dataclass(frozen=True, eq=False)
class Recording:
    """What every population did, step by step.

    Attributes:
        spikes: By population (SpikeInput and ChipNeuron), (n, steps, *shape), uint8 bits
            or int32 payloads.
        membrane: By ChipNeuron, (n, steps, *shape) int32 potentials after the reset.
        activity: Activity by population, which only the fixed engine counts; None from the others.
    """

    spikes: Mapping[str, Array]
    membrane: Mapping[str, Array]
    activity: Mapping[str, Activity] | None = None
