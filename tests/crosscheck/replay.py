"""A recorded run of a placed network, for SANA-FE to replay, and what our own model says of it.

In:  Placed; a Recording and the Activity of one sample.
Out: arrays for numpy.savez, as bench/peers/sanafe_replay.py reads them; joules and seconds.
Time is the network's own: T steps, as when samples are pipelined. The core of what the host
sends is -1.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from neurocompile.energy import Activity, Counts, count, estimate
from neurocompile.energy.latency import run_time
from neurocompile.engines.recording import Encoded, Recording
from neurocompile.ir.entries import entries
from neurocompile.ir.fixed import AlwaysOn, CubaLIF, SpikeInput, Synapse
from neurocompile.ir.nodes import size
from neurocompile.place.mesh import positions, tiles_used
from neurocompile.place.placed import Placed

MODEL = "boyle2025"


class Case(NamedTuple):
    """A placed network and one recorded sample."""

    placed: Placed
    encoded: Encoded
    found: Recording
    activity: dict[str, Activity]  # as the engine counted it


def replay(case: Case) -> dict[str, Any]:
    """Populations with cores and spikes (steps, neurons), synapses pair by pair."""
    graph, steps = case.placed.graph, case.encoded.steps
    told: dict[str, Any] = {"steps": steps, "populations": [], "synapses": []}
    for name, node in graph.of(SpikeInput, AlwaysOn, CubaLIF):
        told["populations"].append(name)
        told[f"{name}/spikes"] = _spikes(name, node, case)
        told[f"{name}/core"] = case.placed.core_of.get(name, np.full(size(node.shape), -1))
    for name, synapse in graph.of(Synapse):
        told["synapses"].append(name)
        route = case.placed.routes[name]
        told[f"{name}/ends"] = [route.source, route.target, route.format]
        pairs = entries(synapse.op, synapse.in_shape)
        told[f"{name}/from"], told[f"{name}/to"] = pairs.columns, pairs.rows
    return told


def _spikes(name: str, node: Any, case: Case) -> np.ndarray:
    if isinstance(node, AlwaysOn):
        return np.ones((case.encoded.steps, size(node.shape)), np.uint8)
    held = case.encoded.values if isinstance(node, SpikeInput) else case.found.spikes
    return np.asarray(held[name])[0].reshape(case.encoded.steps, -1).astype(np.uint8)


def digest(told: dict[str, Any]) -> str:
    """Says whether a replay is the one that numbers were kept of."""
    found = hashlib.sha256()
    for key in sorted(told):
        value = np.asarray(told[key])
        text = value.dtype.kind == "U"
        found.update(key.encode())
        found.update(" ".join(value.ravel().tolist()).encode() if text else _bytes(value))
    return found.hexdigest()


def _bytes(value: np.ndarray) -> bytes:
    return value.astype("<i8").tobytes()


def ours(case: Case) -> dict[str, float]:
    """Joules and seconds of our model of one sample, with the corrections that a replay needs.

    An input soma of SANA-FE is updated when it fires and never else, so `soma` and the times
    charge an update for each spike. SANA-FE has no host: `host_hops` is what messages of the
    host take from the tile 0 where its replay has them start. SANA-FE closes a step with the
    table's entry of the largest number of tiles that is not above those used, where our model
    draws a line between entries: the times follow SANA-FE.

    `time` is the time of a report: the busiest core of the whole run. `time_by_step` is the
    same model applied to each step alone.
    """
    placed, chip = case.placed, case.placed.chip
    barrier = chip.barrier[MODEL]
    below = max(n for n in barrier if n <= tiles_used(chip, len(placed.cores)))
    chip = replace(chip, barrier={MODEL: {1: barrier[below]}})
    steps = range(case.encoded.steps)
    graph = placed.graph
    fired = {name: _spikes(name, node, case) for name, node in graph.of(SpikeInput, CubaLIF)}

    def done(part: slice) -> Counts:
        sums = {name: spikes[part].sum(axis=0, dtype=np.int64) for name, spikes in fired.items()}
        activities = {
            name: Activity(spikes.reshape(graph.nodes[name].shape), int(spikes.sum()))
            for name, spikes in sums.items()
        }
        return count(placed, activities, 1, len(steps[part]))

    whole = done(slice(None))
    found = estimate(whole, placed, chip, "pipelined")
    spent: dict[str, float] = {"synapse": 0.0, "soma": 0.0, "network": 0.0}
    for term in next(m.terms for m in found.models if m.name == MODEL):
        block = {"synaptic": "synapse", "neuron": "soma", "spike": "soma"}
        spent[block.get(term.quantity.split("_")[0], "network")] += term.energy_j
    each = [run_time(done(slice(t, t + 1)), placed, chip, MODEL, 1) for t in steps]
    return {
        **spent,
        "host_hops": _host_hops(case),
        "time": run_time(whole, placed, chip, MODEL, len(steps)),
        "time_by_step": sum(each),
    }


def _host_hops(case: Case) -> float:
    """Joules of the hops from tile 0 of what the host sends."""
    prices = case.placed.chip.energy[MODEL]
    x, y = positions(case.placed.chip, len(case.placed.cores))
    total = 0.0
    for route in case.placed.routes.values():
        if route.host:
            node = case.placed.graph.nodes[route.source]
            fired = _spikes(route.source, node, case).sum(axis=0, dtype=np.int64)[route.fan.neuron]
            total += float(fired @ x[route.fan.core]) * prices["hop_east_west"].si
            total += float(fired @ y[route.fan.core]) * prices["hop_north_south"].si
    return total
