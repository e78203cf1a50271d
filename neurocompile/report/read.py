"""Counts as report.json has them: joules anew without a run.

In:  a report, its FIXED graph on a chip.
Out: the Counts of the run that the report is of.
A report that was placed otherwise, or lacks a count, is refused: the messages and hops in it are
of another placement.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from math import isfinite
from typing import Any, TypeVar

import numpy as np

from neurocompile.energy.counts import Counts, HostCounts, LayerCounts, SynapseCounts
from neurocompile.energy.steps import MODES, Mode, Slowest
from neurocompile.errors import BadInput
from neurocompile.ir.arrays import Array
from neurocompile.ir.fixed import AlwaysOn, CubaLIF, SpikeInput
from neurocompile.ir.time import depths
from neurocompile.place.fit import core_table
from neurocompile.place.placed import Placed

Row = TypeVar("Row", HostCounts, LayerCounts, SynapseCounts)
TYPES: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "bool": (bool,),
    "int": (int,),
    "float": (float, int),
    "int | None": (int, type(None)),
}


def recorded(report: Mapping[str, Any], placed: Placed, steps: int) -> Counts:
    """The counts in a report.

    Args:
        report: Content of report.json.
        placed: The network on the chip of the report.
        steps: Steps of the network's time, a sample.

    Raises:
        BadInput: If they are not all there, or belong to another network or placement.
    """
    if not report.get("energy"):
        raise BadInput("report.json holds no counts: the export ran no data")
    if report["fit"]["cores"] != core_table(placed):
        raise BadInput("report.json is of another placement")
    layers = [_row(LayerCounts, row) for row in report["layers"]]
    synapses = [_row(SynapseCounts, row) for row in report["synapses"]]
    populations = [name for name, _ in placed.graph.of(SpikeInput, AlwaysOn, CubaLIF)]
    if [r.name for r in layers] != populations or [r.name for r in synapses] != [*placed.routes]:
        raise BadInput("report.json is of another network")
    samples = report["energy"].get("samples")
    if type(samples) is not int or samples < 1:
        raise BadInput(f"report.json says {samples!r} samples")
    rows = [row for row in report["energy"].get("modes") or () if isinstance(row, dict)]
    charged = [row.get("steps_charged") for row in rows if row.get("mode") == "pipelined"]
    if charged != [samples * steps]:
        raise BadInput(f"report.json charges {charged} steps, but {samples} samples of {steps} ran")
    return Counts(
        samples,
        steps,
        max(depths(placed.graph).values(), default=0),
        {row.name: row for row in layers},
        {row.name: row for row in synapses},
        _row(HostCounts, report.get("host")),
        _core_events(report.get("core_events"), len(placed.cores)),
        _slowest(report.get("slowest_cores", []), len(placed.cores)),
    )


def _row(kind: type[Row], row: Any) -> Row:
    """One dataclass of counts; keys that it does not have are other figures of the report."""
    found: dict[str, Any] = {}
    for field in fields(kind):
        value = row.get(field.name, ...) if isinstance(row, dict) else ...
        wrong = type(value) not in TYPES[str(field.type)]
        if wrong or (isinstance(value, int | float) and value < 0):
            said = "missing" if value is ... else repr(value)[:40]
            raise BadInput(f"report.json: '{field.name}' of {kind.__name__} is {said}")
        found[field.name] = value
    return kind(**found)


def _core_events(found: Any, cores: int) -> dict[str, Array]:
    """Events by core; without them there are joules and no modelled time."""
    if not isinstance(found, dict) or any(
        not isinstance(row, list) or len(row) != cores or any(type(n) is not int for n in row)
        for row in found.values()
    ):
        raise BadInput("report.json: 'core_events' is missing, or no list of counts by core")
    return {event: np.array(row, np.int64) for event, row in found.items()}


def _slowest(found: Any, cores: int) -> dict[tuple[Mode, str], Slowest]:
    """The slowest cores; without them, as in reports before 1.2, times are lower bounds."""
    rows: dict[tuple[Mode, str], Slowest] = {}
    listed: list[Any] = found if isinstance(found, list) else [None]
    for row in listed:
        if not _is_slowest(row, cores):
            raise BadInput("report.json: 'slowest_cores' is no list of numbers by event and core")
        steps = np.array(row["steps"], np.int64)
        key = row["samples_follow"], row["model"]
        rows[key] = Slowest(row["times_s"], row["events"], steps)
    return rows


def _is_slowest(row: Any, cores: int) -> bool:
    """Whether a row has what a Slowest needs."""
    if not isinstance(row, dict) or row.get("samples_follow") not in MODES:
        return False
    steps: Any = row.get("steps")
    named: list[Any] = [row.get("times_s"), row.get("events")]
    return (
        isinstance(row.get("model"), str)
        and isinstance(steps, list)
        and len(steps) == cores
        and all(type(n) is int and 0 <= n < 1 << 62 for n in steps)
        and all(isinstance(part, dict) for part in named)
        and all(_is_amount(n) for part in named for n in part.values())
    )


def _is_amount(value: Any) -> bool:
    return type(value) in (int, float) and isfinite(value) and value >= 0
