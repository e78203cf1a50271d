"""The tables of `neurocompile inspect`.

In:  the JSON-ready values that `--json` prints.
Out: tables for people, made from them and from nothing else.
"""

from __future__ import annotations

from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from neurocompile.terminal.words import console, plain_table


def print_inspection(found: dict[str, Any]) -> None:
    """The layers of a model."""
    screen = console()
    table = Table("layer", "kind", "shape", "parameters", box=SIMPLE_HEAD)
    for row in found["layers"]:
        details = ", ".join(f"{k} {_short(v)}" for k, v in row["parameters"].items())
        table.add_row(row["name"], row["kind"], _shape(row["shape"]), details)
    screen.print(table)
    settings = found["settings"]
    summary = plain_table()
    summary.add_row("stage", found["stage"])
    summary.add_row("time", f"{settings['steps']} steps of {settings['dt']:g} s")
    summary.add_row("encoder", _named(settings["encoder"]))
    summary.add_row("decoder", _named(settings["decoder"]))
    summary.add_row("data", settings["data"] or "not stated")
    for name, value in settings["training"].items():
        summary.add_row(f"training: {name}", str(value))
    for sentence in settings.get("assumed", ()):
        summary.add_row("assumed", sentence)
    screen.print(summary)


def _named(settings: dict[str, Any]) -> str:
    rest = ", ".join(f"{k} {v:g}" for k, v in settings.items() if isinstance(v, int | float))
    return f"{settings['kind']}, {rest}"


def _short(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _shape(shape: list[int]) -> str:
    return " x ".join(map(str, shape))
