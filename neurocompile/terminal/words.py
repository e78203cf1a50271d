"""Numbers as people read them.

In:  values in SI units.
Out: short texts with a prefix of the unit.
"""

from __future__ import annotations

from typing import Any

UNITS = ((1.0, ""), (1e-3, "m"), (1e-6, "u"), (1e-9, "n"), (1e-12, "p"))


def joules(value: float | None) -> str:
    """Joules with a prefix and four digits; "not known" for None."""
    return "not known" if value is None else prefixed(value, "J")


def prefixed(value: float, unit: str) -> str:
    """A value with a prefix of its unit and four digits."""
    for factor, prefix in UNITS:
        if abs(value) >= factor:
            return f"{value / factor:.4g} {prefix}{unit}"
    return f"{value:.4g} {unit}"


def fewest(of: str) -> str:
    """What a placement has fewest of, by the value of --place."""
    return "fewest " + ("cores times messages" if of == "both" else of)


def number_of(count: int, thing: str) -> str:
    """How many of a thing, such as "1 core" or "12 cores"."""
    return f"{whole(count)} {thing}{'' if count == 1 else 's'}"


def exactness(found: dict[str, Any]) -> str:
    """How many values engines agree on, in a sentence."""
    compared = found["spikes_compared"] + found["membrane_values_compared"]
    engines = " = ".join(found["engines"])
    if not compared:
        return f"only {engines} ran, so there is nothing to compare"
    return f"{engines}: {compared:,} spikes and potentials compared, {found['mismatches']} differ"


def whole(value: int | None) -> str:
    """A whole number with commas; "-" for None."""
    return "-" if value is None else f"{value:,}"
