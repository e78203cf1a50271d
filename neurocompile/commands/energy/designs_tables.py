"""The tables of `neurocompile energy A B`.

In:  the document that `--json` prints.
Out: tables for people: each design, then both side by side.
"""

from __future__ import annotations

from typing import Any

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
    "power": "power at {rate:g} samples per second; static power is in no sum",
}


def print_designs(document: dict[str, Any]) -> None:
    """Print the rows of both designs with their differences and ratios."""
    page, found = Page(), document["side_by_side"]
    for letter, one in zip("AB", document["designs"], strict=True):
        page.say(f"{letter}: {one['artifact']}, {one['target']}; counts: {one['counts']}")
    if found["model"] is None:
        page.say("Neither target has prices, so there are counts but no joules.")
    rate = (document["designs"][0]["rate"] or {"per_s": 0})["per_s"]
    for name, rows in found["tables"].items():
        if rows:
            page.show(_table(TITLES[name].format(model=found["model"], rate=rate), rows))
    if found["prices_differ"]:
        listed = [
            (row["price"], f"A {prefixed(row['a_j'], 'J')}, B {prefixed(row['b_j'], 'J')}")
            for row in found["prices_differ"]
        ]
        page.show(Facts(listed, title=f"prices of {found['model']} that differ"))


def _table(title: str, rows: list[dict[str, Any]]) -> Table:
    table = Table(("", "A", "B", "B - A", "B / A"), title=title)
    for row in rows:
        a, b, difference = (_value(row[key], row["unit"]) for key in ("a", "b", "difference"))
        sign = "+" if (row["difference"] or 0) > 0 else ""
        ratio = "-" if row["ratio"] is None else f"{row['ratio']:.4g}"
        table.add(row["name"], a, b, sign + difference, ratio)
    return table


def _value(value: float | None, unit: str) -> str:
    """A value in its unit; a count with one digit after the point if it is not whole."""
    if value is None:
        return "-"
    if unit in ("J", "s", "W"):
        return prefixed(value, unit)
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.1f}"
