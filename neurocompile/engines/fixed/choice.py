"""Choose for a layer between events and one dense product, by what each was seen to cost.

In:  spikes of a block of rows, and the times that blocks took.
Out: which path the block takes. The choice changes no bit, only the time.
Every block teaches: a spike costs more where few neurons spike, as its weights are then far away.
"""

from __future__ import annotations

from dataclasses import dataclass

WORTH_MEASURING = 2_000_000  # operations of a block, below which events are taken: half a ms
MEASURED_WEIGHTS = 1 << 26  # above it no product is tried: its float32 weights are 256 MiB
SCAN_S = 0.5e-9  # a neuron looked at for a spike
OPERATION_S = 0.15e-9  # an event's addition, until a block was timed
SURE = 0.9  # events are taken where they seem to save a tenth: spikes vary, a product does not
FEW = 100  # operations of a row below which spikes are not what its time goes to
SLOWLY = 0.1
PRODUCT_S = 0.03e-9  # a product's multiply-add, until a block was timed


@dataclass
class PathChoice:
    """What is known about the cost of a synapse.

    Attributes:
        operations: A row's, if every source spikes.
        weights: How many are stored.
        product_s: Seconds of a row as a product, the fastest yet; 0 until it was timed.
        spike_s: Seconds of a spike as an event, of late; 0 until it was timed.
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
        a_row = seconds / rows
        self.product_s = min(self.product_s or a_row, a_row)

    def went_by_events(self, seconds: float, spikes: int, rows: int, sources: int) -> None:
        """Learn from rows that went by events, as busy as they were; too few spikes say nothing.

        A longer time is believed slowly: another program may have had the core meanwhile.
        """
        if spikes * self.operations <= FEW * rows * sources:
            return
        seen = max(seconds - rows * sources * SCAN_S, 0.0) / spikes
        longer = max(seen - self.spike_s, 0.0) if self.spike_s else 0.0
        self.spike_s = self.spike_s + SLOWLY * longer if longer else seen
