"""Choose for a layer between events and its dense products, by their measured costs.

In:  number of spikes in a block of rows, and the times that earlier blocks took.
Out: which path the block takes. The choice changes no bit, only the time.
Every block updates the costs: with few spikes each one costs more, as its weights are not cached.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

EVENTS, INT8, FLOAT = "events", "int8", "float"
WEIGHT_BYTES = {INT8: 1, FLOAT: 4}  # dense products, and the bytes of a weight in each
WORTH_MEASURING = 2_000_000  # a block with fewer operations takes events: half a ms
MEASURED_BYTES = 1 << 28  # no product whose weights take more memory is tried
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
        product_s: By product, seconds per row, the fastest so far; none until timed.
        spike_s: Seconds per spike as an event, recently; 0 until timed.
    """

    operations: int
    weights: int
    product_s: dict[str, float] = field(default_factory=dict)
    spike_s: float = 0.0

    def untimed(self, rows: int, products: Sequence[str]) -> list[str]:
        """The products to time on this block, if it is large and they are small enough."""
        if rows * self.operations <= WORTH_MEASURING:
            return []
        fit = (p for p in products if self.weights * WEIGHT_BYTES[p] <= MEASURED_BYTES)
        return [product for product in fit if product not in self.product_s]

    def path(self, spikes: int, rows: int, sources: int, products: Sequence[str]) -> str:
        """The fastest path for these spikes: events, or one of these products, the first is best.

        Args:
            spikes, rows, sources: Number of spikes in a block of so many rows and sources.
            products: Names of the products that are exact for them.
        """
        if not products or rows * self.operations <= WORTH_MEASURING:
            return EVENTS
        spike_s = self.spike_s or OPERATION_S * self.operations / sources
        assumed = PRODUCT_S * self.operations
        product = min(products, key=lambda name: self.product_s.get(name, assumed))
        events_s = spikes * spike_s + rows * sources * SCAN_S
        product_s = rows * self.product_s.get(product, assumed)
        return EVENTS if events_s < SURE * product_s else product

    def went_as_product(self, product: str, seconds: float, rows: int) -> None:
        """Learn from rows that were multiplied: their cost does not depend on the spikes."""
        per_row = seconds / rows
        self.product_s[product] = min(self.product_s.get(product, per_row), per_row)

    def went_by_events(self, seconds: float, spikes: int, rows: int, sources: int) -> None:
        """Learn from rows that took events; too few spikes are ignored.

        A longer time is adopted slowly, because another program may have used the core.
        """
        if spikes * self.operations <= FEW * rows * sources:
            return
        per_spike = max(seconds - rows * sources * SCAN_S, 0.0) / spikes
        longer = max(per_spike - self.spike_s, 0.0) if self.spike_s else 0.0
        self.spike_s = self.spike_s + SLOWLY * longer if longer else per_spike
