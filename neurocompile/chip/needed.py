"""Which events a complete model must price.

In:  the prices or times of one model, the events that it folds into others.
Out: the events of which it says nothing.
A model must price every event of NEEDED, or its target must say that another price contains it.
"""

from __future__ import annotations

from collections.abc import Collection

from neurocompile.chip.record import Prices

# Event -> prices of which at least one must be stated, or the model is not complete. A step of a
# neuron is priced in one of two ways: by access and update, or as active or inactive.
BY_ACTIVITY = ("neuron_active", "neuron_inactive")
BY_ACCESS = ("neuron_access", "neuron_update")
NEEDED: dict[str, tuple[str, ...]] = {
    "synaptic_operation_dense": ("synaptic_operation_dense", "synaptic_operation"),
    "synaptic_operation_sparse": ("synaptic_operation_sparse", "synaptic_operation"),
    "synaptic_operation_conv": ("synaptic_operation_conv", "synaptic_operation"),
    **{event: (event, *BY_ACCESS) for event in BY_ACTIVITY},
    **{event: (event, *BY_ACTIVITY) for event in BY_ACCESS},
    "spike_out": ("spike_out",),
    "message_out": ("message_out",),
    "message_in": ("message_in",),
    "message_within_tile": ("message_within_tile",),
    "hop_east_west": ("hop_east_west",),
    "hop_north_south": ("hop_north_south",),
    "off_chip_message": ("off_chip_message",),
}


def lacks(prices: Prices, event: str, folded: Collection[str]) -> bool:
    """Whether a model has no price at all for an event that it must price.

    Args:
        prices: Prices of the model, or its times.
        event: Name of the event.
        folded: Events that other prices of the model contain, see `Chip.folded_in`.
    """
    stated = any(other in prices for other in NEEDED.get(event, ()))
    return event in NEEDED and event not in folded and not stated


def lacking(prices: Prices, folded: Collection[str]) -> list[str]:
    """The events that a model must price and does not."""
    return [event for event in NEEDED if lacks(prices, event, folded)]
