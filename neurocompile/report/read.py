"""Read the counts in report.json, so that joules need no new run.

In:  report.json, its FIXED graph on a chip.
Out: the Counts of the run that the report describes.
The content is checked against the report's schema first. A report that lacks a count is refused,
and so is one of other integers, whose spikes differ, and of another placement, whose messages and
hops do.
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
from neurocompile.ir.digest import graph_digest
from neurocompile.ir.fixed import AlwaysOn, ChipNeuron, SpikeInput
from neurocompile.ir.time import depths
from neurocompile.place.placed import Placed
from neurocompile.place.utilisation import core_table

SCHEMA_VERSION = "1.6"  # MAJOR.MINOR; a minor step only adds fields
MAX_BYTES = 1 << 24  # a hundred kilobytes is usual; the schema looks at each number
INTEGERS = "fixed_graph"  # the digest of the graph whose spikes were counted
Row = TypeVar("Row", HostCounts, LayerCounts, SynapseCounts)


def read_report(file: Path) -> Mapping[str, Any]:
    """Content of report.json, which `recorded` reads.

    Raises:
        BadInput: If the file is too large or not a report.
    """
    try:
        report = read_json(file, MAX_BYTES)
    except ValueError as error:
        raise BadInput(f"{file} is broken: {error}. Export the model again.") from None
    if not isinstance(report, dict) or "schema_version" not in report:
        raise BadInput(f"{file} is not a report of neurocompile. Export the model again.")
    return report


def recorded(report: Mapping[str, Any], placed: Placed, steps: int) -> Counts:
    """The counts in a report.

    Args:
        report: Content of report.json.
        placed: The network on the chip of the report.
        steps: Steps per sample in the network's time.

    Raises:
        BadInput: If counts are missing, or belong to another network or placement.
    """
    if not report.get("energy"):
        raise BadInput("report.json holds no counts: the export ran no data")
    fault = fault_in(_read_here(), report)
    if fault:
        raise BadInput(f"report.json: {fault}")
    if report["provenance"]["digests"][INTEGERS] != graph_digest(placed.graph):
        raise BadInput("report.json is of other integers")
    if report["fit"]["cores"] != core_table(placed):
        raise BadInput("report.json is of another placement")
    layers = [_row(LayerCounts, row) for row in report["layers"]]
    synapses = [_row(SynapseCounts, row) for row in report["synapses"]]
    populations = [name for name, _ in placed.graph.of(SpikeInput, AlwaysOn, ChipNeuron)]
    if [r.name for r in layers] != populations or [r.name for r in synapses] != [*placed.routes]:
        raise BadInput("report.json is of another network")
    samples = report["energy"]["samples"]
    if samples < 1:
        raise BadInput(f"report.json says {samples} samples")
    modes = report["energy"]["modes"]
    charged = [row["steps_charged"] for row in modes if row["mode"] == "pipelined"]
    if charged != [samples * steps]:
        raise BadInput(f"report.json charges {charged} steps, but {samples} samples of {steps} ran")
    on_cores = _core_events(report["core_events"], len(placed.cores))
    _check_sums(report["core_events"], layers, synapses)
    return Counts(
        samples,
        steps,
        max(depths(placed.graph).values(), default=0),
        {row.name: row for row in layers},
        {row.name: row for row in synapses},
        _row(HostCounts, report["host"]),
        on_cores,
        _slowest(report.get("slowest_cores", []), len(placed.cores)),
    )


@cache
def _read_here() -> Schema:
    """The report's schema for the parts read here, all required and none of them null.

    A later minor version may have more fields. A field is also required if a minor version added
    it and a count needs it.
    """
    whole = open_to_more(schema("neurocompile.report", "schema.json"))["properties"]
    host, energy = (whole[key]["anyOf"][0] for key in ("host", "energy"))
    digests = {**whole["provenance"]["properties"]["digests"], "required": [INTEGERS]}
    parts = {
        "schema_version": whole["schema_version"],
        "provenance": {
            "type": "object",
            "properties": {"digests": digests},
            "required": ["digests"],
        },
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
    """The schema of a row, in which every field of a dataclass of counts is required."""
    return {**described, "required": [field.name for field in fields(kind)]}


def _row(kind: type[Row], row: Mapping[str, Any]) -> Row:
    """One dataclass of counts; other keys of the row are other figures of the report."""
    return kind(**{field.name: row[field.name] for field in fields(kind)})


def _core_events(events: Mapping[str, list[int]], cores: int) -> dict[str, Array]:
    """Events by core; without them there are joules but no modelled time."""
    for event, row in events.items():
        if len(row) != cores:
            raise BadInput(
                f"report.json: 'core_events.{event}' has {len(row)} counts, expected one for each "
                f"of {cores} cores"
            )
    return {event: np.array(row, np.int64) for event, row in events.items()}


def _check_sums(
    events: Mapping[str, list[int]], layers: list[LayerCounts], synapses: list[SynapseCounts]
) -> None:
    """Refuse events by core that do not add up to those of the layers and synapses.

    Raises:
        BadInput: If an event has another sum; names both.
    """
    whole = {
        "spike_out": sum(layer.spikes for layer in layers if layer.on_chip),
        "message_in": sum(synapse.messages for synapse in synapses),
        "message_out": sum(synapse.messages for synapse in synapses if not synapse.host),
    }
    for synapse in synapses:
        event = f"synaptic_operation_{synapse.format}"
        whole[event] = whole.get(event, 0) + synapse.synops
    for event in {**whole, **events} if events else ():
        found, expected = sum(events.get(event, ())), whole.get(event, 0)
        if found != expected:
            raise BadInput(
                f"report.json is damaged: 'core_events.{event}' adds up to {found:,}, but the "
                f"layers and synapses to {expected:,}"
            )


def _slowest(entries: list[Mapping[str, Any]], cores: int) -> dict[tuple[Mode, str], Slowest]:
    """The slowest cores; without them, as in reports before 1.2, times are lower bounds."""
    rows: dict[tuple[Mode, str], Slowest] = {}
    for at, row in enumerate(entries):
        if len(row["steps"]) != cores:
            raise BadInput(
                f"report.json: 'slowest_cores[{at}].steps' has {len(row['steps'])} counts, "
                f"expected one for each of {cores} cores"
            )
        key = row["samples_follow"], row["model"]
        rows[key] = Slowest(row["times_s"], row["events"], np.array(row["steps"], np.int64))
    return rows
