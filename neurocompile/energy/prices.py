"""Which price of a model applies to an event, and which events a complete model must price.

In:  the prices of one model, the name of an event of chip.EVENTS.
Out: the price, or None; a count times its price as a row of a report.
"""

from __future__ import annotations

from typing import Any

from neurocompile.chip.record import Prices, Quantity

# Event -> events of which at least one must be priced, or the model is not complete. Events that
# are missing here (spike_out, message_in, ...) may be part of another price of a model.
NEEDED: dict[str, tuple[str, ...]] = {
    "synaptic_operation_dense": ("synaptic_operation_dense", "synaptic_operation"),
    "synaptic_operation_sparse": ("synaptic_operation_sparse", "synaptic_operation"),
    "synaptic_operation_conv": ("synaptic_operation_conv", "synaptic_operation"),
    "neuron_active": ("neuron_active", "neuron_access"),
    "neuron_inactive": ("neuron_inactive", "neuron_access"),
    "message_out": ("message_out", "message_within_tile"),
    "hop_east_west": ("hop_east_west",),
    "hop_north_south": ("hop_north_south",),
    "off_chip_message": ("off_chip_message",),
}


def price_of(prices: Prices, event: str) -> Quantity | None:
    """The price of an event; a synaptic operation without its own price has the general one."""
    return prices.get(price_key(prices, event))


def price_key(prices: Prices, event: str) -> str:
    """The key of the price that a model has for an event, if it has one."""
    general = event.startswith("synaptic_operation_") and event not in prices
    return "synaptic_operation" if general else event


def lacks(prices: Prices, event: str) -> bool:
    """Whether a model has no price at all for an event that it must price."""
    return event in NEEDED and not any(other in prices for other in NEEDED[event])


def priced(quantity: str, count: int, price: Quantity | None) -> dict[str, Any]:
    """A count times its price, JSON-ready; without a price the product is unknown (None)."""
    return {
        "quantity": quantity,
        "count": count,
        "price_j": None if price is None else price.si,
        "energy_j": None if price is None else count * price.si,
        "source": None if price is None else price.source,
        "kind": None if price is None else price.kind,
    }
