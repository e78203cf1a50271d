"""A recorded run of a placed network, for SANA-FE to replay, and what our own model says of it.

In:  Placed; a Recording and the Activity of one sample.
Out: arrays for numpy.savez, as bench/peers/sanafe_replay.py reads them; joules and seconds.
Time is the network's own: T steps, as when samples are pipelined. The core of what the host
sends is -1.
"""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

import numpy as np

from neurocompile.chip.mesh import positions
from neurocompile.data.inputs import Encoded
from neurocompile.energy import count, estimate
from neurocompile.energy.latency import run_time
from neurocompile.energy.steps import StepWork
from neurocompile.engines.recording import Activity, Recording
from neurocompile.ir.entries import entries
from neurocompile.ir.fixed import AlwaysOn, CubaLIF, SpikeInput, Synapse
from neurocompile.ir.nodes import size
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
        order = np.lexsort((pairs.rows, pairs.columns))  # entries come in any order
        told[f"{name}/from"], told[f"{name}/to"] = pairs.columns[order], pairs.rows[order]
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

    An input soma of SANA-FE is updated when it fires and never else, so `soma` and the time
    charge an update for each spike. SANA-FE has no host: `host_hops` is what messages of the
    host take from the tile 0 where its replay has them start. Its steps are the network's own,
    so no population lags behind another.
    """
    placed, steps = case.placed, case.encoded.steps
    graph = placed.graph
    fired = {name: _spikes(name, node, case) for name, node in graph.of(SpikeInput, CubaLIF)}
    shaped = {
        name: spikes.reshape(1, steps, *graph.nodes[name].shape) for name, spikes in fired.items()
    }
    activities = {
        name: Activity(spikes.sum(axis=(0, 1), dtype=np.int64), int(spikes.sum()))
        for name, spikes in shaped.items()
    }
    work = StepWork(placed, steps, lag=dict.fromkeys(graph.nodes, 0))
    work.add(shaped, shaped)
    counts = count(placed, activities, 1, steps, work.slowest_cores())
    found = estimate(counts, placed, placed.chip, "pipelined")
    spent: dict[str, float] = {"synapse": 0.0, "soma": 0.0, "network": 0.0}
    for term in next(m.terms for m in found.models if m.name == MODEL):
        block = {"synaptic": "synapse", "neuron": "soma", "spike": "soma"}
        spent[block.get(term.quantity.split("_")[0], "network")] += term.energy_j
    time = run_time(counts, placed, placed.chip, MODEL, "pipelined")
    return {**spent, "host_hops": _host_hops(case), "time": time}


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
