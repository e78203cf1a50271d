"""The way to the narrowest weights as a table: what each bit of memory costs.

In:  `quantization.points` of report.json.
Out: a table for people.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import mode
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from neurocompile.terminal.words import joules, right

KIB = 8 * 1024  # bits


def points_table(points: Sequence[Mapping[str, Any]]) -> Table:
    """A row a network, the widest first."""
    table = Table(
        "bits", *map(right, ("error", "over float", "weights", "synapse memory", "energy")),
        box=SIMPLE_HEAD,
    )  # fmt: skip
    for point in points:
        memory = point["memory_bits"]
        table.add_row(
            _widths(point["bits"]) + (" <- taken" if point["chosen"] else ""),
            f"{point['error']:.6f}",
            f"{100 * point['increase']:+.2f} %",
            f"{point['weight_bits'] / KIB:,.1f} KiB",
            "-" if memory is None else f"{memory / KIB:,.1f} KiB",
            joules(point["energy_j"]),
        )
    table.caption = (
        "On calibration data, energy a sample. No network tried has less memory and less error."
    )
    return table


def _widths(bits: Mapping[str, int]) -> str:
    """Most layers' width, and those that have another: "5, latent 4"."""
    usual = mode(bits.values())
    others = [f"{name} {n}" for name, n in bits.items() if n != usual]
    return ", ".join([str(usual), *others])
