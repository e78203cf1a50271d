"""What a block of samples holds while it runs: its state, and what was counted.

In:  nothing; `block` fills them.
Out: arrays in the engine's order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from neurocompile.ir.arrays import Array


class ActivitySums:
    """Activity of a population, while it is being counted.

    Attributes:
        spikes: (n,) int64, number of spikes of each neuron, in the engine's order.
        updated, saturations, wraps: See Activity.
    """

    def __init__(self, neurons: int) -> None:
        self.spikes = np.zeros(neurons, dtype=np.int64)
        self.updated = self.saturations = self.wraps = 0

    def add(self, other: ActivitySums) -> None:
        """Add the sums of another block."""
        self.spikes += other.spikes
        self.updated += other.updated
        self.saturations += other.saturations
        self.wraps += other.wraps


@dataclass(frozen=True, eq=False)
class State:
    """A block's populations between two chunks of steps; arrays in the engine's order.

    Attributes:
        first: Number of the first sample.
        fired: By population, (samples, history + chunk, n) bits (uint8) or payloads
            (int32), history before the chunk.
        states: By population, its states, (samples, n) each, changed by every step.
        bias: By population, (1 or samples, n) biases.
        sums: Activity so far, by population.
        kept: By synapse whose sums wait, what earlier steps brought or bring; see `late`.
        marked: By synapse whose sums wait, which neurons these reach.
        latest: By population of neurons, the steps of its latest pass as (first, number), and how
            many spikes it sent in them.
    """

    first: int
    fired: Mapping[str, Array]
    states: Mapping[str, tuple[Array, ...]]
    bias: Mapping[str, Array]
    sums: Mapping[str, ActivitySums]
    kept: Mapping[str, Array]
    marked: Mapping[str, Array]
    latest: dict[str, tuple[tuple[int, int], int]] = field(default_factory=dict)
