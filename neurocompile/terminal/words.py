"""Numbers formatted for people.

In:  values in SI units.
Out: short texts whose unit has a prefix.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

# Of an energy model with no price of the chip itself.
ALL_ASSUMED = (
    "every price is assumed, for this chip has none of its own; 'against silicon' in `neurocompile "
    "energy DIR` says what was measured"
)
MADE = {  # parts of names that no user wrote
    "+": "a+b: the layers a and b, which became one synapse",
    ".input_weights": "a.input_weights: the weights that layer a has of its own",
    ".gain": "a.gain: the factor that layer a puts on its input",
    ".sum": "a.sum: what the neurons of a are given: the sum over the windows of a maximum pool, "
    "or of the input and the spikes that come back to a recurrent layer",
    ".recurrent_": "a.recurrent_weights, a.recurrent_gain: from the spikes of layer a back to it",
    "_bias": "a_bias: the bias of layer a, as the weights of an axon that spikes in every step; "
    "a_bias_axon: that axon",
    ".drop_": "a.drop_1, a.drop_2: what a spike of layer a takes off beside its threshold, as a "
    "synapse back to it, 1 or 2 steps later",
}

UNITS = ((1.0, ""), (1e-3, "m"), (1e-6, "u"), (1e-9, "n"), (1e-12, "p"))


def joules(value: float | None) -> str:
    """Joules with a prefix and four digits; "not known" for None."""
    return "not known" if value is None else prefixed(value, "J")


def exact(value: float, power: int) -> str:
    """A value in units of 10**power with all its digits, without those of binary rounding.

    Of the 17 digits of a sum of products, the first 15 are certain.
    """
    scaled = Decimal(f"{value:.14e}").scaleb(-power)
    rounded = scaled.quantize(Decimal(1).scaleb(-9))
    text = f"{rounded:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def prefixed(value: float, unit: str) -> str:
    """A value with a prefix of its unit and four digits."""
    for factor, prefix in UNITS:
        if abs(value) >= factor:
            return f"{value / factor:.4g} {prefix}{unit}"
    return f"{value:.4g} {unit}"


def fewest(of: str) -> str:
    """What a placement has fewest of, by the value of --place."""
    if of == "halves":
        return "cuts in halves, as by Loihi 2's compiler"
    if of == "time":
        return "least time per step"
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


def golden(row: dict[str, Any]) -> str:
    """How many recorded values an engine has, in one sentence; or where it first differs."""
    values = row["spikes"] + row["potentials"]
    if row["mismatches"]:
        return f"{row['mismatches']:,} of {values:,} values differ: {row['first']}"
    return f"{values:,} values equal, and {row['digests']:,} digests"


def whole(value: int | None) -> str:
    """A whole number with commas; "-" for None."""
    return "-" if value is None else f"{value:,}"


def made_names(names: Iterable[str]) -> list[tuple[str, str]]:
    """What the parts of names mean that this compiler made, where one of the names has them."""
    held = tuple(names)
    return [(part, words) for part, words in MADE.items() if any(part in name for name in held)]
