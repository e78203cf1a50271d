"""Describe the targets: every number of a chip with its source.

In:  names of targets, or folders.
Out: JSON-ready values; lines of text for a terminal.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from itertools import groupby
from textwrap import wrap
from typing import Any

from neurocompile.chip.read import chip_names, load_chip
from neurocompile.chip.record import Limits

BETWEEN = {
    "below": "for a number of tiles between two entries: the entry below",
    "line": "for a number of tiles between two entries: the line from one to the other",
}


def list_targets() -> list[dict[str, Any]]:
    """A row a target."""
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
    """Every number of one target, and the limits that it has no number for.

    Raises:
        BadInput: If there is no such target or its file is not valid.
    """
    chip = load_chip(name)
    return {
        "name": chip.name,
        "title": chip.title,
        "nominal": chip.nominal or None,
        "range": list(chip.range),
        # without a number of chips a network takes one, which is a limit
        "no_limit": [
            f.name
            for f in fields(Limits)
            if f.name != "chips" and getattr(chip.limits, f.name) is None
        ],
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


def target_lines(found: dict[str, Any], width: int) -> Iterator[str]:
    """What `describe_target` gave, to be read: a number and its kind, below it the source.

    Args:
        found: The description.
        width: Columns of the terminal.
    """
    yield from wrap(f"{found['name']}: {found['title']}", width)
    for section, rows in groupby(found["numbers"], lambda row: row["key"].rpartition(".")[0]):
        yield ""
        yield section
        numbers = [(row["key"].rpartition(".")[2], _value(row), row) for row in rows]
        names, values = (max(len(row[i]) for row in numbers) for i in (0, 1))
        for name, value, row in numbers:
            yield f"  {name:<{names}}  {value:>{values}}  {row['kind']}"
            yield from _hanging(f"{row['source']}: {row['where']}", width, 6)
        kind, _, model = section.partition(".")
        if kind == "barrier":
            yield from _hanging(BETWEEN[found["barriers"][model]], width, 2)
        if section == "limits" and found["no_limit"]:
            yield from _hanging(f"without a number: {', '.join(found['no_limit'])}", width, 2)
    yield ""
    nominal = found["nominal"] or "none, so a report has no nominal total"
    between = " and ".join(found["range"]) or "none, so a report has no low and no high"
    yield from _hanging(f"nominal energy model: {nominal}", width, 0)
    yield from _hanging(f"energy range from the models: {between}", width, 0)
    yield ""
    yield "sources"
    for key, source in found["sources"].items():
        yield from _hanging(f"{key}: {source['title']}", width, 2)
        if "link" in source:
            yield from _hanging(source["link"], width, 4)


def _value(row: dict[str, Any]) -> str:
    """The number as written in the file, with its unit where it has one."""
    value, unit = row["value"], row["unit"]
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if unit in ("1", "name") else f"{text} {unit}"


def _hanging(text: str, width: int, indent: int) -> list[str]:
    """Lines below each other; a word longer than a line stays whole."""
    before, after = " " * indent, " " * (indent + 2)
    return wrap(
        text, width, initial_indent=before, subsequent_indent=after,
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip
