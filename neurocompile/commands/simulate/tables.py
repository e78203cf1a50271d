"""What a user sees at the end of `neurocompile simulate`.

In:  the JSON-ready values that `--json` prints.
Out: tables for people, made only from them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from neurocompile.terminal.tables import Facts, Page, Table
from neurocompile.terminal.words import exactness, number_of, whole


def print_simulation(simulation: dict[str, Any]) -> None:
    """Print the spikes by layer, and a summary."""
    table = Table(("layer", "neurons", "spikes", "rate"))
    for row in simulation["layers"]:
        table.add(row["name"], whole(row["neurons"]), whole(row["spikes"]), f"{row['rate']:.4f}")
    Page().show(table, Facts(list(_summary(simulation))))


def _summary(simulation: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield "engines", ", ".join(simulation["engines"])
    yield (
        "data",
        f"{number_of(simulation['samples'], 'sample')} of {simulation['data']}, "
        f"{number_of(simulation['steps'], 'step')}",
    )
    if simulation["mse_fixed"] is not None:
        yield "reconstruction error", f"{simulation['mse_fixed']:.6f} (mean squared, fixed)"
    if simulation["accuracy_fixed"] is not None:
        yield "accuracy", f"{simulation['accuracy_fixed']:.2%} (fixed)"
    if len(simulation["engines"]) > 1:
        yield "exactness", exactness(simulation)
    yield "speed", f"{simulation['samples_per_second']:.1f} samples/s on {simulation['engines'][0]}"
    for sentence in simulation["notes"]:
        yield "note", sentence
    if simulation["recording"]:
        yield "recording", simulation["recording"]
