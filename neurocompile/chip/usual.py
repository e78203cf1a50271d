"""Say of a price, time or power that it is far from those of any chip that we know.

In:  the key and the quantity of a number of a target, or of `--set`.
Out: a sentence with the usual range, for a warning; the number is used as it is.
The ranges hold every number of `targets/` and of energy/comparators.py with a decade or more to
spare on both sides, so they find slips of a unit (5 J in place of 5 pJ) and nothing else. A price
of 0 is not unusual: a model may charge an event as part of another.
"""

from __future__ import annotations

from decimal import Decimal

from neurocompile.chip.record import Quantity

# By section of target.toml: what a number is of, and the lowest and highest usual one.
USUAL: dict[str, tuple[str, tuple[str, float], tuple[str, float]]] = {
    "energy": ("an event", ("10 fJ", 1e-14), ("1 uJ", 1e-6)),
    "latency": ("an event", ("10 ps", 1e-11), ("10 us", 1e-5)),
    "barrier": ("a barrier", ("1 ns", 1e-9), ("1 ms", 1e-3)),
    "power": ("a chip at rest", ("0.1 mW", 1e-4), ("10 W", 10.0)),
    "reset": ("a reset of a chip", ("1 nJ", 1e-9), ("1 mJ", 1e-3)),
}


def unusual(key: str, quantity: Quantity) -> str:
    """Why a number is probably a slip, with its usual range; "" if it is not.

    Args:
        key: Its key in target.toml, such as energy.davies2018.hop_east_west.
        quantity: The number.
    """
    section = key.partition(".")[0]
    if section not in USUAL or not quantity.value:
        return ""
    what, (low, lowest), (high, highest) = USUAL[section]
    if lowest <= quantity.si <= highest:
        return ""
    return (
        f"{key}: {Decimal(str(quantity.value)):f} {quantity.unit} is unusual. For {what}, {low} to "
        f"{high} is usual. It is used as it is; if it is a slip, correct the number or its unit."
    )
