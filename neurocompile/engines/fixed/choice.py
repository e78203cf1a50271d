"""Choose for a layer between events and one dense product, by their measured costs.

In:  number of spikes in a block of rows, and the times that earlier blocks took.
Out: which path the block takes. The choice changes no bit, only the time.
Every block updates the costs: with few spikes each one costs more, as its weights are not cached.
"""

from __future__ import annotations

from dataclasses import dataclass

WORTH_MEASURING = 2_000_000  # a block with fewer operations takes events: half a ms
MEASURED_WEIGHTS = 1 << 26  # with more weights no product is tried: in float32 these are 256 MiB
SCAN_S = 0.5e-9  # seconds to check a neuron for a spike
OPERATION_S = 0.15e-9  # assumed seconds of an event's addition until a block is timed
SURE = 0.9  # events must seem to save a tenth: their time varies with the spikes, a product's not
FEW = 100  # with fewer operations per row, spikes do not dominate the time
SLOWLY = 0.1  # part by which a longer time of a spike is adopted
PRODUCT_S = 0.03e-9  # assumed seconds of a product's multiply-add until a block is timed


@dataclass
class PathChoice:
    """What is known about the cost of a synapse.

    Attributes:
        operations: Number of operations per row if every source spikes.
        weights: Number of stored weights.
        product_s: Seconds per row as a product, the fastest so far; 0 until timed.
        spike_s: Seconds per spike as an event, recently; 0 until timed.
    """

    operations: int
    weights: int
    product_s: float = 0.0
    spike_s: float = 0.0

    def wants_measuring(self, rows: int) -> bool:
        """Whether a block is large enough, and the product small enough, to time the product."""
        large = rows * self.operations > WORTH_MEASURING
        return large and self.weights <= MEASURED_WEIGHTS and not self.product_s

    def events(self, spikes: int, rows: int, sources: int) -> bool:
        """Whether events are the faster path for these spikes."""
        if rows * self.operations <= WORTH_MEASURING:
            return True
        spike_s = self.spike_s or OPERATION_S * self.operations / sources
        product_s = self.product_s or PRODUCT_S * self.operations
        events_s = spikes * spike_s + rows * sources * SCAN_S
        return events_s < SURE * rows * product_s

    def went_as_product(self, seconds: float, rows: int) -> None:
        """Learn from rows that were multiplied: their cost does not depend on the spikes."""
        per_row = seconds / rows
        self.product_s = min(self.product_s or per_row, per_row)

    def went_by_events(self, seconds: float, spikes: int, rows: int, sources: int) -> None:
        """Learn from rows that took events; too few spikes are ignored.

        A longer time is adopted slowly, because another program may have used the core.
        """
        if spikes * self.operations <= FEW * rows * sources:
            return
        per_spike = max(seconds - rows * sources * SCAN_S, 0.0) / spikes
        longer = max(per_spike - self.spike_s, 0.0) if self.spike_s else 0.0
        self.spike_s = self.spike_s + SLOWLY * longer if longer else per_spike
