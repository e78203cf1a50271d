"""Describe the targets: every number of a chip with its source.

In:  names of targets, or folders.
Out: JSON-ready values.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from neurocompile.chip.needed import lacking
from neurocompile.chip.read import chip_names, load_chip
from neurocompile.chip.record import Limits


def list_targets() -> list[dict[str, Any]]:
    """A row per target."""
    rows = []
    for name in chip_names():
        chip = load_chip(name)
        cores = chip.limits.cores
        rows.append(
            {
                "name": chip.name,
                "title": chip.title,
                "cores": None if cores is None else cores.value,
                "energy_models": list(chip.energy),
            }
        )
    return rows


def describe_target(name: str) -> dict[str, Any]:
    """Every number of one target, and the limits for which it has no number.

    Raises:
        BadInput: If there is no such target or its file is not valid.
    """
    chip = load_chip(name)
    return {
        "name": chip.name,
        "title": chip.title,
        "nominal": chip.nominal or None,
        # without a number of chips a network may use only one, which is a limit
        "no_limit": [
            f.name
            for f in fields(Limits)
            if f.name != "chips" and getattr(chip.limits, f.name) is None
        ],
        "no_price": {
            model: lacking(prices, chip.folded_in(model)) for model, prices in chip.energy.items()
        },
        "barriers": {model: barrier.between for model, barrier in chip.barrier.items()},
        "sources": {key: dict(source) for key, source in chip.sources.items()},
        "numbers": [
            {
                "key": key,
                "value": list(q.value) if isinstance(q.value, tuple) else q.value,
                "unit": q.unit,
                "source": q.source,
                "where": q.where,
                "kind": q.kind,
            }
            for key, q in chip.quantities()
        ],
    }
