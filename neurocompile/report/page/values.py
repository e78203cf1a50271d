"""Values that several sections of the page read out of report.json.

In:  report.json, also of an older minor version.
Out: sums and names.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

QUANTITIES = {
    "synaptic_operation_dense": "synaptic operations (dense)",
    "synaptic_operation_sparse": "synaptic operations (sparse)",
    "synaptic_operation_conv": "synaptic operations (conv)",
    "neuron_access": "visits of neurons",
    "neuron_update": "updates of neurons",
    "neuron_active": "updates of active neurons",
    "neuron_inactive": "visits of idle neurons",
    "spike_out": "spikes sent",
    "message_out": "messages sent",
    "message_in": "messages received",
    "message_within_tile": "messages into the mesh",
    "hop_east_west": "hops east or west",
    "hop_north_south": "hops north or south",
}


def quantity_words(quantity: str) -> str:
    """What is priced, for people."""
    return QUANTITIES.get(quantity, quantity.replace("_", " "))


def neurons_of(report: Mapping[str, Any]) -> int | None:
    """Number of neurons; None in a report that does not tell, of before 1.6 without a run."""
    if report["layers"]:
        return sum(r["neurons"] for r in report["layers"] if r["kind"] in ("neurons", "readout"))
    if "graph" not in report:
        return None
    others = ("SpikeInput", "AlwaysOn", "BiasInput")
    rows = (row for row in report["graph"] if not is_synapse(row) and row["kind"] not in others)
    return sum(prod(row["shape"]) for row in rows)


def synapses_of(report: Mapping[str, Any]) -> int | None:
    """Number of synapses that are not 0; None if nothing was run."""
    rows = report["synapses"]
    return sum(row["synapses"] for row in rows) if rows else None


def is_synapse(row: Mapping[str, Any]) -> bool:
    """Whether a row of the graph is a synapse."""
    return bool(row["kind"].endswith(" synapse"))


def nominal_model(energy: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The model whose total is the nominal one; None without one."""
    if energy["nominal_j"] is None:
        return None
    return next((m for m in energy["models"] if m["total_j"] == energy["nominal_j"]), None)


def borrowed_model(energy: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The model of another chip that stands in where the target has no total of its own."""
    if nominal_model(energy) is not None:
        return None
    return next((m for m in energy["models"] if m["total_j"]), None)


def arrows(path: str) -> str:
    """A synapse and its layer, as the tables write it."""
    return path.replace(" -> ", " → ")


def by_layer(report: Mapping[str, Any], model: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Joules of all samples by layer and quantity; what a synapse takes is its target's."""
    into = {row["name"]: row["target"] for row in report["synapses"]}
    spent: dict[str, dict[str, float]] = {row["name"]: {} for row in report["layers"]}
    for term in model["terms"]:
        layer = spent.setdefault(into.get(term["layer"], term["layer"]), {})
        layer[term["quantity"]] = layer.get(term["quantity"], 0.0) + (term["energy_j"] or 0.0)
    return {layer: terms for layer, terms in spent.items() if any(terms.values())}
