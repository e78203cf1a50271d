"""Two designs side by side: layers, events, totals, power, times and cores of two exports.

In:  the two documents of `reprice`.
Out: JSON-ready rows with both values, their difference and their ratio; or a refusal.
Joules are compared only by a model that prices both designs, and a model of one name must price the
same events on both. Without such a model the rows of joules are left out, and it says why. All
joules and counts are per sample.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import fsum
from pathlib import Path
from typing import Any

from neurocompile.chip.record import Chip
from neurocompile.commands.energy.asks import refuse_rate
from neurocompile.commands.exported import target_of
from neurocompile.errors import BadInput, DoesNotFit
from neurocompile.formats.artifact import read_artifact

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
        DoesNotFit: If neither can keep the rate that is asked for; names both.
    """
    a, b = directories
    one, other = (target_of(read_artifact(directory))[1] for directory in directories)
    models = shared_models(a, b, (one, other), model)
    found = []
    for directory in directories:
        try:
            found.append(price(directory, next(iter(models), None)))
        except DoesNotFit as error:
            raise error.within(directory) from None
    if found[0]["rate"] is not None:
        refuse_rate({
            f"{letter} ({one['artifact']}, {one['target']})": one["rate"]
            for letter, one in zip("AB", found, strict=True)
        })  # fmt: skip
    why = "" if models else _no_joules(one, other)
    return {
        "designs": found,
        "side_by_side": {**side_by_side(found[0], found[1], models), "no_joules": why or None},
    }


def shared_models(a: Path, b: Path, chips: tuple[Chip, Chip], model: str | None) -> list[str]:
    """The energy models by which two designs can be compared, the one that is shown first.

    Without one there are no joules to compare, but cores, counts, events and times.

    Args:
        a, b: The two exports, for messages.
        chips: Their chips.
        model: Model that a user asks for; None takes the nominal one of the first chip.

    Raises:
        BadInput: If the model that is asked for is not common to both, or a common one prices
            other events.
    """
    one, other = chips
    shared = [name for name in one.energy if name in other.energy]
    wanted = model or (one.nominal if one.nominal in shared else next(iter(shared), None))
    if model is not None and model not in shared:
        raise BadInput(
            f"{a} and {b} cannot be compared by {model}: {_priced(str(a), one)}, and "
            f"{_priced(str(b), other)}. Export both for targets with the same energy model, or "
            "leave out --model."
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
        compared (None without one: then the tables of joules are empty); prices_differ: its
        prices that the targets do not have in common; tables: by subject, rows with name, unit, a,
        b, difference (b - a) and ratio (b / a). A value that a design lacks or that is not known
        is None, and so is a ratio to 0.
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
            "counts": rows(lambda one: _summed(one, model or one["model"], "quantity", "count")),
            "times": rows(_times, "s"),
            "streaming": rows(lambda one: one["streaming"]["per_second"], "1/s"),
            "rates": rows(_rates, "1/s"),
            "power": rows(lambda one: _power(one, models), "W"),
        },
    }


def _priced(design: str, chip: Chip) -> str:
    return f"{design} is priced by {' and '.join(chip.energy) or 'no model'} (target {chip.name})"


def _no_joules(one: Chip, other: Chip) -> str:
    """Why there are no joules side by side."""
    return (
        f"No joules side by side: {_priced('A', one)}, and {_priced('B', other)}. Prices of "
        "different models do not compare; cores, counts and times do."
    )


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


def _rates(one: dict[str, Any]) -> dict[str, Value]:
    """Samples per second at most, by how they follow each other and by model; {} without a rate."""
    rows = (one["rate"] or {"rows": []})["rows"]
    return {f"{row['samples_follow']}, {row['model']}": row["most_per_s"] for row in rows}


def _power(one: dict[str, Any], models: list[str]) -> dict[str, Value]:
    """Dynamic power at the rate that was asked for, and each static power; {} without a rate."""
    rate = one["rate"] or {"rows": [], "static": []}
    dynamic = {
        dynamic_name(row): row["dynamic_w"] for row in rate["rows"] if row["model"] in models
    }
    return {**dynamic, **{row["name"]: row["power_w"] for row in rate["static"]}}


def dynamic_name(row: dict[str, Any]) -> str:
    """How a row of `at_rate` is named in the table of powers."""
    return f"dynamic, {row['samples_follow']}, {row['model']}"


def _per(value: float | None, samples: int) -> float | None:
    return None if value is None else value / samples
