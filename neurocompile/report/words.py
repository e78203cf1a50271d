"""Numbers as people read them, and the columns that hold them.

In:  values in SI units.
Out: short texts with a prefix of the unit.
"""

from __future__ import annotations

from rich.table import Column

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


def right(title: str) -> Column:
    """A column of numbers."""
    return Column(title, justify="right", no_wrap=True)
