"""The tables of `neurocompile targets`.

In:  the JSON-ready values that `--json` prints.
Out: tables for people, made only from them.
"""

from __future__ import annotations

from itertools import groupby
from typing import Any

from neurocompile.terminal.tables import Facts, Page, Table
from neurocompile.terminal.words import ALL_ASSUMED

BETWEEN = {
    "below": "between two numbers of tiles: the entry below",
    "line": "between two numbers of tiles: linear interpolation",
}


def print_targets(rows: list[dict[str, Any]]) -> None:
    """Print what each target is, its cores and its energy models."""
    table = Table(("target", "cores", "energy models"), texts=("energy models",))
    for row in rows:
        cores = "no limit" if row["cores"] is None else str(row["cores"])
        models = ", ".join(row["energy_models"]) or "none"
        table.add(row["name"], cores, models, note=row["title"])
    Page().show(table)


def print_target(target: dict[str, Any]) -> None:
    """Print every number of a target with its source."""
    page = Page()
    page.say(f"{target['name']}: {target['title']}")
    for section, rows in groupby(target["numbers"], lambda row: row["key"].rpartition(".")[0]):
        held = list(rows)
        table = Table(
            (section, "value", "kind"), texts=("kind",), caption=_caption(section, target, held)
        )
        for row in held:
            name, source = row["key"].rpartition(".")[2], f"{row['source']}: {row['where']}"
            table.add(name, _value(row), row["kind"], note=source)
        page.show(table)
    nominal = target["nominal"] or "none, so a report has no nominal total"
    page.show(Facts([("nominal energy model", nominal)]))
    page.sources(target["sources"])


def _caption(section: str, target: dict[str, Any], rows: list[dict[str, Any]]) -> str:
    """The note below the numbers of a section."""
    kind, _, model = section.partition(".")
    if kind == "barrier":
        return BETWEEN[target["barriers"][model]]
    if kind == "energy":
        assumed = all(row["kind"] == "assumed" for row in rows)
        said = [f"{model}: {ALL_ASSUMED}"] if assumed else []
        if lacked := target["no_price"][model]:
            said.append(f"no price, so no total where it happens: {', '.join(lacked)}")
        return ". ".join(said)
    if section == "limits" and target["no_limit"]:
        return f"without a number: {', '.join(target['no_limit'])}"
    return ""


def _value(row: dict[str, Any]) -> str:
    """The number as written in the file, with its unit where it has one."""
    value, unit = row["value"], row["unit"]
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if unit in ("1", "name") else f"{text} {unit}"
