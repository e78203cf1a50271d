"""The tables of `neurocompile energy A B`.

In:  the document that `--json` prints.
Out: tables for people: each design, then both side by side.
"""

from __future__ import annotations

from typing import Any

from neurocompile.commands.energy.asks_tables import power_of, too_fast
from neurocompile.commands.energy.designs import dynamic_name
from neurocompile.commands.energy.tables import sent_by_host
from neurocompile.terminal.tables import Facts, Page, Table
from neurocompile.terminal.words import prefixed

TITLES = {
    "design": "designs",
    "totals": "totals, per sample",
    "layers": "layers by {model}, per sample",
    "events": "events by {model}, per sample",
    "counts": "counts, per sample",
    "times": "times",
    "streaming": "events per second, real time, pipelined",
    "rates": "samples per second at most, by modelled time",
    "power": "power at {rate:g} samples per second; static power is in no sum",
}


def print_designs(document: dict[str, Any]) -> None:
    """Print the rows of both designs with their differences and ratios."""
    page, found = Page(), document["side_by_side"]
    for letter, one in zip("AB", document["designs"], strict=True):
        page.say(f"{letter}: {one['artifact']}, {one['target']}; counts: {one['counts']}")
        terms = (m["terms"] for m in one["energy"]["models"] if m["name"] == one["model"])
        if host := "".join(map(sent_by_host, terms)):
            page.say(f"{letter}:{host}")
    if found["no_joules"] is not None:
        page.say(found["no_joules"])
    rate = (document["designs"][0]["rate"] or {"per_s": 0})["per_s"]
    for name, rows in found["tables"].items():
        if rows:
            title = TITLES[name].format(model=found["model"], rate=rate)
            page.show(_table(title, rows, _unpowered(document) if name == "power" else {}))
    if found["prices_differ"]:
        listed = [
            (row["price"], f"A {prefixed(row['a_j'], 'J')}, B {prefixed(row['b_j'], 'J')}")
            for row in found["prices_differ"]
        ]
        page.show(Facts(listed, title=f"prices of {found['model']} that differ"))


def _table(
    title: str,
    rows: list[dict[str, Any]],
    instead: dict[tuple[str, str], tuple[str, str]],
) -> Table:
    """A table of both designs.

    Args:
        title: Line above it.
        rows: Rows of `side_by_side`.
        instead: By row and design ("a" or "b"), what stands where it has no value, and a note.
    """
    table = Table(("", "A", "B", "B - A", "B / A"), title=title)
    for row in rows:
        name = row["name"]
        difference = _value(row["difference"], row["unit"])
        sign = "+" if (row["difference"] or 0) > 0 else ""
        ratio = "-" if row["ratio"] is None else f"{row['ratio']:.4g}"
        cells, notes = [], []
        for design in ("a", "b"):
            words, note = instead.get((name, design), ("", ""))
            cells.append(words or _value(row[design], row["unit"]))
            notes += [f"{design.upper()}: {note}"] if note else []
        table.add(name, *cells, sign + difference, ratio, note="; ".join(notes))
    return table


def _unpowered(document: dict[str, Any]) -> dict[tuple[str, str], tuple[str, str]]:
    """By row and design, the words and note of a dynamic power that a design does not have."""
    return {
        (dynamic_name(row), design): (
            power_of(row), too_fast(one["rate"]) if row["keeps"] is False else ""
        )
        for design, one in zip("ab", document["designs"], strict=True)
        for row in (one["rate"] or {"rows": []})["rows"]
        if row["dynamic_w"] is None
    }  # fmt: skip


def _value(value: float | None, unit: str) -> str:
    """A value in its unit; a count with one digit after the point if it is not whole."""
    if value is None:
        return "-"
    if unit in ("J", "s", "W"):
        return prefixed(value, unit)
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.1f}"
