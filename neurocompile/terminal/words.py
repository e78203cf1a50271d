"""Numbers formatted for people.

In:  values in SI units.
Out: short texts whose unit has a prefix.
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
    """A count with its noun, such as "1 core" or "12 cores"."""
    return f"{whole(count)} {thing}{'' if count == 1 else 's'}"


def exactness(agreement: dict[str, Any]) -> str:
    """How many values of the engines were compared and differ, in one sentence."""
    compared = agreement["spikes_compared"] + agreement["membrane_values_compared"]
    engines = " = ".join(agreement["engines"])
    if not compared:
        return f"only {engines} ran, so there is nothing to compare"
    differ = agreement["mismatches"]
    return f"{engines}: {compared:,} spikes and potentials compared, {differ} differ"


def whole(value: int | None) -> str:
    """A whole number with commas; "-" for None."""
    return "-" if value is None else f"{value:,}"
