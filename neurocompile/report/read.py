"""Counts as report.json has them: joules anew without a run.

In:  report.json, its FIXED graph on a chip.
Out: the Counts of the run that the report is of.
What is read is held against the report's schema first. A report that was placed otherwise, or
lacks a count, is refused: the messages and hops in it are of another placement.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from neurocompile.energy.counts import Counts, HostCounts, LayerCounts, SynapseCounts
from neurocompile.energy.steps import Mode, Slowest
from neurocompile.errors import BadInput
from neurocompile.formats.json_files import Schema, fault_in, open_to_more, read_json, schema
from neurocompile.ir.arrays import Array
from neurocompile.ir.fixed import AlwaysOn, CubaLIF, SpikeInput
from neurocompile.ir.time import depths
from neurocompile.place.fit import core_table
from neurocompile.place.placed import Placed

MAX_BYTES = 1 << 28
Row = TypeVar("Row", HostCounts, LayerCounts, SynapseCounts)


def read_report(file: Path) -> Mapping[str, Any]:
    """Content of report.json, which `recorded` reads.

    Raises:
        BadInput: If it is too large or no report.
    """
    try:
        found = read_json(file, MAX_BYTES)
    except ValueError as error:
        raise BadInput(f"{file} is broken: {error}. Export the model again.") from None
    if not isinstance(found, dict) or "schema_version" not in found:
        raise BadInput(f"{file} is no report of neurocompile. Export the model again.")
    return found


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
    fault = fault_in(_read_here(), report)
    if fault:
        raise BadInput(f"report.json: {fault}")
    if report["fit"]["cores"] != core_table(placed):
        raise BadInput("report.json is of another placement")
    layers = [_row(LayerCounts, row) for row in report["layers"]]
    synapses = [_row(SynapseCounts, row) for row in report["synapses"]]
    populations = [name for name, _ in placed.graph.of(SpikeInput, AlwaysOn, CubaLIF)]
    if [r.name for r in layers] != populations or [r.name for r in synapses] != [*placed.routes]:
        raise BadInput("report.json is of another network")
    samples = report["energy"]["samples"]
    if samples < 1:
        raise BadInput(f"report.json says {samples} samples")
    modes = report["energy"]["modes"]
    charged = [row["steps_charged"] for row in modes if row["mode"] == "pipelined"]
    if charged != [samples * steps]:
        raise BadInput(f"report.json charges {charged} steps, but {samples} samples of {steps} ran")
    return Counts(
        samples,
        steps,
        max(depths(placed.graph).values(), default=0),
        {row.name: row for row in layers},
        {row.name: row for row in synapses},
        _row(HostCounts, report["host"]),
        _core_events(report["core_events"], len(placed.cores)),
        _slowest(report.get("slowest_cores", []), len(placed.cores)),
    )


@cache
def _read_here() -> Schema:
    """The report's schema of the parts read here, each there and none of them null.

    A later minor version may have more fields; one that came with a minor version and that a
    count needs is asked for.
    """
    whole = open_to_more(schema("neurocompile.report", "schema.json"))["properties"]
    host, energy = (whole[key]["anyOf"][0] for key in ("host", "energy"))
    parts = {
        "schema_version": whole["schema_version"],
        "energy": {**energy, "required": ["samples", "modes"]},
        "fit": {**whole["fit"], "required": ["cores"]},
        "layers": {"type": "array", "items": _row_of(whole["layers"]["items"], LayerCounts)},
        "synapses": {"type": "array", "items": _row_of(whole["synapses"]["items"], SynapseCounts)},
        "host": _row_of(host, HostCounts),
        "core_events": {**whole["core_events"], "type": "object"},
    }
    slowest = {**whole["slowest_cores"], "type": "array"}  # reports before 1.2 have none
    properties = {**parts, "slowest_cores": slowest}
    return {"type": "object", "properties": properties, "required": list(parts)}


def _row_of(described: Schema, kind: type) -> Schema:
    """What describes a row, asking for every field of a dataclass of counts."""
    return {**described, "required": [field.name for field in fields(kind)]}


def _row(kind: type[Row], row: Mapping[str, Any]) -> Row:
    """One dataclass of counts; keys that it does not have are other figures of the report."""
    return kind(**{field.name: row[field.name] for field in fields(kind)})


def _core_events(found: Mapping[str, list[int]], cores: int) -> dict[str, Array]:
    """Events by core; without them there are joules and no modelled time."""
    for event, row in found.items():
        if len(row) != cores:
            raise BadInput(
                f"report.json: 'core_events.{event}' has {len(row)} counts, expected one for each "
                f"of {cores} cores"
            )
    return {event: np.array(row, np.int64) for event, row in found.items()}


def _slowest(found: list[Mapping[str, Any]], cores: int) -> dict[tuple[Mode, str], Slowest]:
    """The slowest cores; without them, as in reports before 1.2, times are lower bounds."""
    rows: dict[tuple[Mode, str], Slowest] = {}
    for at, row in enumerate(found):
        if len(row["steps"]) != cores:
            raise BadInput(
                f"report.json: 'slowest_cores[{at}].steps' has {len(row['steps'])} counts, "
                f"expected one for each of {cores} cores"
            )
        key = row["samples_follow"], row["model"]
        rows[key] = Slowest(row["times_s"], row["events"], np.array(row["steps"], np.int64))
    return rows
