"""The tables of `neurocompile targets`.

In:  the JSON-ready values that `--json` prints.
Out: tables for people, made from them and from nothing else.
"""

from __future__ import annotations

from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from neurocompile.commands.targets.describe import target_lines
from neurocompile.terminal.words import console, right


def print_targets(rows: list[dict[str, Any]]) -> None:
    """One line a target."""
    table = Table("target", "what it is", right("cores"), "energy models", box=SIMPLE_HEAD)
    for row in rows:
        cores = "no limit" if row["cores"] is None else str(row["cores"])
        table.add_row(row["name"], row["title"], cores, ", ".join(row["energy_models"]) or "none")
    console().print(table)


def print_target(found: dict[str, Any]) -> None:
    """Every number of a target with its source."""
    screen = console()
    for line in target_lines(found, screen.width):
        screen.print(line, markup=False, highlight=False, soft_wrap=True)
