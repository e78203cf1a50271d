"""What a user sees at the end of `neurocompile faults`.

In:  the document that `--json` prints.
Out: a table for each kind of fault, made only from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from typing import Any

from neurocompile.terminal.tables import Facts, Page, Table
from neurocompile.terminal.words import joules, number_of, whole

TITLES = {"mse": "error", "accuracy": "accuracy", "difference": "difference"}
MEANS = {
    "mse": "mean squared error per value",
    "accuracy": "part of the samples that are classified right",
    "difference": "mean squared difference per value from the network without faults",
}


def print_faults(found: Mapping[str, Any]) -> None:
    """Print a table for each kind, and what was run."""
    page = Page()
    for _, rows in groupby(found["faults"], lambda row: row["kind"]):
        page.show(_table(found, list(rows)))
    page.show(Facts(_facts(found)))


def _table(found: Mapping[str, Any], rows: list[Mapping[str, Any]]) -> Table:
    """One kind, a line for each share; the first line is without faults."""
    first, metric = rows[0], found["metric"]
    title = TITLES[metric]
    table = Table(
        ("share", "hit", title, "95 %", "spikes", "energy", "ran"),
        title=f"{first['kind']}, of {whole(first['places'])} {first['of']}",
    )
    sound = found["sound"]
    table.add(
        "none", "0", _number(sound[metric], metric), "-", f"{sound['spikes']:,.1f}",
        joules(sound["joules"]), "-",
    )  # fmt: skip
    for row in rows:
        result = row[metric]
        table.add(
            f"{row['share']:g}", whole(row["hit"]), _number(result["mean"], metric),
            _interval(result, metric), _spikes(row["spikes"]["mean"]),
            joules(row["joules"]["mean"]) if row["ran"] else "-",
            f"{row['ran']} of {found['draws']}",
        )  # fmt: skip
    factor = "" if first["factor"] is None else f" The factor is {first['factor']:g}."
    table.caption = first["what"] + factor + _refused(rows)
    return table


def _refused(rows: list[Mapping[str, Any]]) -> str:
    """Why some draws are in no mean; "" if all are."""
    why = [draw["refused"] for row in rows for draw in row["draws"] if draw["refused"]]
    if not why:
        return ""
    return (
        f" {number_of(len(why), 'draw')} left the registers and count in no mean; first: {why[0]}"
    )


def _facts(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [
        (
            "data",
            f"{number_of(found['samples'], 'sample')} of {found['data']}, "
            f"{number_of(found['steps'], 'step')}",
        ),
        (TITLES[found["metric"]], MEANS[found["metric"]]),
        (
            "draws",
            f"{number_of(found['draws'], 'draw')} from seed {found['fault_seed']}: means over "
            "draws, with a 95 % interval of the mean by the bootstrap; spikes and energy are per "
            "sample",
        ),
    ]


def _number(value: float | None, metric: str) -> str:
    if value is None:
        return "-"
    return f"{value:.2%}".replace("%", " %") if metric == "accuracy" else f"{value:.4g}"


def _interval(result: Mapping[str, Any], metric: str) -> str:
    if result["low"] is None:
        return "-"
    return f"{_number(result['low'], metric)} to {_number(result['high'], metric)}"


def _spikes(mean: float | None) -> str:
    return "-" if mean is None else f"{mean:,.1f}"
