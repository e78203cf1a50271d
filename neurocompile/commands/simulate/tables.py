"""What a user sees at the end of `neurocompile simulate`.

In:  the JSON-ready values that `--json` prints.
Out: tables for people, made from them and from nothing else.
"""

from __future__ import annotations

from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from neurocompile.terminal.words import console, exactness, plain_table, right, whole


def print_simulation(found: dict[str, Any]) -> None:
    """The end of `simulate`."""
    screen = console()
    columns = map(right, ("neurons", "spikes", "rate"))
    table = Table("layer", *columns, box=SIMPLE_HEAD)
    for row in found["layers"]:
        table.add_row(
            row["name"], whole(row["neurons"]), whole(row["spikes"]), f"{row['rate']:.4f}"
        )
    screen.print(table)
    summary = plain_table()
    summary.add_row("engines", ", ".join(found["engines"]))
    summary.add_row(
        "data", f"{found['samples']} samples of {found['data']}, {found['steps']} steps"
    )
    if found["mse_fixed"] is not None:
        error = f"{found['mse_fixed']:.6f} (mean squared, fixed)"
        summary.add_row("reconstruction error", error)
    if found["accuracy_fixed"] is not None:
        summary.add_row("accuracy", f"{found['accuracy_fixed']:.2%} (fixed)")
    if len(found["engines"]) > 1:
        summary.add_row("exactness", exactness(found))
    summary.add_row(
        "speed", f"{found['samples_per_second']:.1f} samples/s on {found['engines'][0]}"
    )
    if found["recording"]:
        summary.add_row("recording", found["recording"])
    screen.print(summary)
