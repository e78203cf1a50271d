"""How a total depends on each price, and on how much the network spikes.

In:  the terms of one model.
Out: JSON-ready rows.
A total is a sum of count times price, so it is linear in every price and these numbers are
exact. Spikes are different: with other spikes other neurons would be updated, but the sweep keeps
the updates as they were counted, and resets of the chip. It is an extrapolation, and labelled as
one.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import fsum
from typing import Any

from neurocompile.chip.record import Prices
from neurocompile.energy.estimate import ModelEnergy, Term
from neurocompile.energy.prices import price_key

FACTORS = (0.0, 0.25, 0.5, 1.0, 1.5, 2.0, 4.0)
SWEEP = (
    "modelled extrapolation: terms of spikes (operations, messages, hops, spikes out) are "
    "multiplied by the factor, neuron steps and resets stay as they were counted"
)
NO_SPIKES = ("neuron_access", "neuron_update", "neuron_active", "neuron_inactive", "chip_reset")


def sensitivity(model: ModelEnergy, prices: Prices) -> list[dict[str, Any]]:
    """One row per price, the one with the largest effect first; [] if there is no total.

    `energy_j` is the energy charged at the price, `share` its part of the total. A price 10 %
    higher or lower changes the total by `change_10_percent_j`; a doubled price, by `energy_j`.
    """
    if model.total_j is None:
        return []
    by_price: dict[str, list[float]] = {}
    for term in model.terms:
        key = price_key(prices, term.quantity)
        by_price.setdefault(key, []).append(term.energy_j or 0.0)
    rows = []
    for key, energies in by_price.items():
        energy = fsum(energies)
        rows.append(
            {
                "price": f"{model.name}.{key}",
                "energy_j": energy,
                "share": energy / model.total_j if model.total_j else 0.0,
                "change_10_percent_j": energy / 10,
                "total_doubled_j": model.total_j + energy,
            }
        )
    return sorted(rows, key=lambda row: -row["energy_j"])


def parts(model: ModelEnergy) -> tuple[float, float] | None:
    """Joules of neuron steps and resets, and of what spikes cause; None if there is no total."""
    if model.total_j is None:
        return None
    steps = _sum(t for t in model.terms if t.quantity in NO_SPIKES)
    return steps, _sum(t for t in model.terms if t.quantity not in NO_SPIKES)


def sweep(model: ModelEnergy, samples: int) -> dict[str, Any] | None:
    """The total and the joules per sample with other numbers of spikes."""
    split = parts(model)
    if split is None:
        return None
    steps, spikes = split
    totals = [(factor, steps + factor * spikes) for factor in FACTORS]
    return {
        "model": model.name,
        "label": SWEEP,
        "neuron_steps_j": steps,
        "spikes_j": spikes,
        "rows": [{"factor": f, "total_j": j, "per_sample_j": j / samples} for f, j in totals],
    }


def _sum(terms: Iterable[Term]) -> float:
    return fsum(term.energy_j or 0.0 for term in terms)
