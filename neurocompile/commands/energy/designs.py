"""Two designs side by side: layers, events, totals, power, times and cores of two exports.

In:  the two documents of `reprice`.
Out: JSON-ready rows with both values, their difference and their ratio; or a refusal.
Joules are compared only if both designs are priced by a model of the same name that has a price
for the same events. All joules and counts are per sample.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import fsum
from pathlib import Path
from typing import Any

from neurocompile.chip.record import Chip
from neurocompile.errors import BadInput, DoesNotFit
from neurocompile.formats.artifact import read_artifact
from neurocompile.place.target import exported_target

Value = int | float | None


def compare_designs(
    directories: tuple[Path, Path],
    model: str | None,
    price: Callable[[Path, str | None], dict[str, Any]],
) -> dict[str, Any]:
    """The document of two designs: each as for itself, and both side by side.

    Args:
        directories: What `export` wrote.
        model: Energy model to compare by; None is the nominal one of the first design.
        price: Function that returns the document of `reprice`, shown by a model.

    Raises:
        BadInput: As in `shared_models` and `reprice`.
        DoesNotFit: If one of them cannot keep the rate that is asked for; names it.
    """
    a, b = directories
    one, other = (exported_target(read_artifact(d).manifest).load() for d in directories)
    models = shared_models(a, b, (one, other), model)
    found = []
    for directory in directories:
        try:
            found.append(price(directory, next(iter(models), None)))
        except DoesNotFit as error:
            raise DoesNotFit(f"{directory}: {error}") from None
    return {"designs": found, "side_by_side": side_by_side(found[0], found[1], models)}


def shared_models(a: Path, b: Path, chips: tuple[Chip, Chip], model: str | None) -> list[str]:
    """The energy models by which two designs can be compared, the one that is shown first.

    Args:
        a, b: The two exports, for messages.
        chips: Their chips.
        model: Model that a user asks for; None takes the nominal one of the first chip.

    Raises:
        BadInput: If they have no model in common, not the one that is asked for, or one that
            prices other events.
    """
    one, other = chips
    if not one.energy and not other.energy:
        return []
    shared = [name for name in one.energy if name in other.energy]
    wanted = model or (one.nominal if one.nominal in shared else next(iter(shared), None))
    if wanted not in shared:
        raise BadInput(
            f"{a} and {b} cannot be compared{f' by {model}' if model else ''}: {_priced(a, one)}, "
            f"and {_priced(b, other)}. Export both for targets with the same energy model."
        )
    for name in shared:
        differ = sorted(set(one.energy[name]) ^ set(other.energy[name]))
        if differ:
            where = one if differ[0] in one.energy[name] else other
            raise BadInput(
                f"{a} and {b} cannot be compared: the model {name} prices {differ[0]} on "
                f"{where.name} only. Export both for targets whose model prices the same events."
            )
    return sorted(shared, key=lambda name: name != wanted)


def side_by_side(a: dict[str, Any], b: dict[str, Any], models: list[str]) -> dict[str, Any]:
    """Rows of both designs.

    Args:
        a, b: Documents of `reprice`.
        models: Result of `shared_models`.

    Returns:
        a, b: the two directories; model: the first of `models`, by which layers and events are
        compared; prices_differ: its prices that the targets do not have in common; tables: by
        subject, rows with name, unit, a, b, difference (b - a) and ratio (b / a). A value that a
        design lacks or that is not known is None, and so is a ratio to 0.
    """
    model = models[0] if models else None

    def rows(read: Callable[[dict[str, Any]], dict[str, Value]], unit: str = "") -> list[Any]:
        return _paired(read(a), read(b), unit)

    return {
        "a": a["artifact"],
        "b": b["artifact"],
        "model": model,
        "prices_differ": _prices_differ(_of(a, model), _of(b, model)),
        "tables": {
            "design": rows(_design),
            "totals": rows(lambda one: _totals(one, models), "J"),
            "layers": rows(lambda one: _summed(one, model, "layer", "energy_j"), "J"),
            "events": rows(lambda one: _summed(one, model, "quantity", "energy_j"), "J"),
            "counts": rows(lambda one: _summed(one, model, "quantity", "count")),
            "times": rows(_times, "s"),
            "streaming": rows(lambda one: one["streaming"]["per_second"], "1/s"),
            "power": rows(lambda one: _power(one, models), "W"),
        },
    }


def _priced(path: Path, chip: Chip) -> str:
    return f"{path} is priced by {' and '.join(chip.energy) or 'no model'} (target {chip.name})"


def _paired(a: Mapping[str, Value], b: Mapping[str, Value], unit: str) -> list[dict[str, Any]]:
    """A row per name, in the order of the first design, then of the second."""
    return [
        {"name": name, "unit": unit, **_compared(a.get(name), b.get(name))}
        for name in dict.fromkeys([*a, *b])
    ]


def _compared(a: Value, b: Value) -> dict[str, Value]:
    if a is None or b is None:
        return {"a": a, "b": b, "difference": None, "ratio": None}
    return {"a": a, "b": b, "difference": b - a, "ratio": b / a if a else None}


def _of(one: dict[str, Any], model: str | None) -> list[dict[str, Any]]:
    """The terms of a model."""
    return next((m["terms"] for m in one["energy"]["models"] if m["name"] == model), [])


def _prices_differ(a: list[dict[str, Any]], b: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Events that both designs have, at different prices."""
    prices = [{term["quantity"]: term["price_j"] for term in terms} for terms in (a, b)]
    return [
        {"price": event, "a_j": price, "b_j": prices[1][event]}
        for event, price in prices[0].items()
        if event in prices[1] and prices[1][event] != price
    ]


def _design(one: dict[str, Any]) -> dict[str, Value]:
    cores = (one["cores"] or {"rows": []})["rows"]
    held = sum(sum(core["layers"].values()) for core in cores)
    return {
        "samples": one["samples"],
        "steps per sample": one["steps"],
        "neurons": held if cores else None,
        "cores": one["cores_used"],
        "chips": one["chips"],
    }


def _totals(one: dict[str, Any], models: list[str]) -> dict[str, Value]:
    totals = {m["name"]: m["total_j"] for m in one["energy"]["models"]}
    return {name: _per(totals[name], one["samples"]) for name in models}


def _summed(one: dict[str, Any], model: str | None, by: str, what: str) -> dict[str, Value]:
    """Sums over the terms of a model, per sample; None where one is not known."""
    parts: dict[str, list[Any]] = {}
    for term in _of(one, model):
        parts.setdefault(term[by], []).append(term[what])
    return {
        name: None if None in each else _per(fsum(each), one["samples"])
        for name, each in parts.items()
    }


def _times(one: dict[str, Any]) -> dict[str, Value]:
    """Time of a step and of a sample, by how samples follow each other and by model."""
    return {
        f"{what}, {row['samples_follow']}, {row['model'] or row['mode']}": row[f"{what}_s"]
        for what in ("step", "sample")
        for row in one["latency"]
    }


def _power(one: dict[str, Any], models: list[str]) -> dict[str, Value]:
    """Dynamic power at the rate that was asked for, and each static power; {} without a rate."""
    rate = one["rate"] or {"rows": [], "static": []}
    dynamic = {
        f"dynamic, {row['samples_follow']}, {row['model']}": row["dynamic_w"]
        for row in rate["rows"]
        if row["model"] in models
    }
    return {**dynamic, **{row["name"]: row["power_w"] for row in rate["static"]}}


def _per(value: float | None, samples: int) -> float | None:
    return None if value is None else value / samples
