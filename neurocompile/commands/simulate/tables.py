"""What a user sees at the end of `neurocompile simulate`.

In:  the JSON-ready values that `--json` prints.
Out: tables for people, made from them and from nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from neurocompile.terminal.tables import Facts, Page, Table
from neurocompile.terminal.words import exactness, whole


def print_simulation(found: dict[str, Any]) -> None:
    """The end of `simulate`."""
    table = Table(("layer", "neurons", "spikes", "rate"))
    for row in found["layers"]:
        table.add(row["name"], whole(row["neurons"]), whole(row["spikes"]), f"{row['rate']:.4f}")
    Page().show(table, Facts(list(_summary(found))))


def _summary(found: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield "engines", ", ".join(found["engines"])
    yield "data", f"{found['samples']} samples of {found['data']}, {found['steps']} steps"
    if found["mse_fixed"] is not None:
        yield "reconstruction error", f"{found['mse_fixed']:.6f} (mean squared, fixed)"
    if found["accuracy_fixed"] is not None:
        yield "accuracy", f"{found['accuracy_fixed']:.2%} (fixed)"
    if len(found["engines"]) > 1:
        yield "exactness", exactness(found)
    yield "speed", f"{found['samples_per_second']:.1f} samples/s on {found['engines'][0]}"
    if found["recording"]:
        yield "recording", found["recording"]
