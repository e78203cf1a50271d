"""Which price of a model applies to an event.

In:  the prices of one model, the name of an event of chip.EVENTS.
Out: the price, or None; a count times its price as a row of a report.
"""

from __future__ import annotations

from typing import Any

from neurocompile.chip.record import Prices, Quantity


def price_of(prices: Prices, event: str) -> Quantity | None:
    """The price of an event; a synaptic operation without its own price has the general one."""
    return prices.get(price_key(prices, event))


def price_key(prices: Prices, event: str) -> str:
    """The key of the price that a model has for an event, if it has one."""
    general = event.startswith("synaptic_operation_") and event not in prices
    return "synaptic_operation" if general else event


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
