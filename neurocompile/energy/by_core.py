"""Joules of each core: its events times the prices of each model.

In:  counts; placement; the prices and times of a chip.
Out: JSON-ready rows by core, and what belongs to no core: hops, messages between chips, resets.
An event belongs to the core that performs it: operations and incoming messages to the receiver,
spikes and outgoing messages to the sender. The cores and what belongs to none add up to the total
of a model.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import fsum
from typing import Any

import numpy as np

from neurocompile.chip.needed import lacks
from neurocompile.chip.record import Chip
from neurocompile.energy.counts import Counts
from neurocompile.energy.estimate import ModelEnergy
from neurocompile.energy.latency import busiest, core_events
from neurocompile.energy.prices import price_of
from neurocompile.energy.steps import Mode, event_times, sending
from neurocompile.ir.arrays import Array
from neurocompile.place.placed import Placed

NO_CORE = ("hop_east_west", "hop_north_south", "off_chip_message", "chip_reset")
HOW = (
    "neuron updates are known only by population and are shared evenly among its neurons; busy is "
    "the time a core spends on sending and on receiving in all steps, divided by the modelled "
    "time, barriers included"
)


def by_core(
    counts: Counts, placed: Placed, chip: Chip, models: tuple[ModelEnergy, ...], mode: Mode
) -> dict[str, Any] | None:
    """Events, joules and busy time of every core.

    Args:
        counts: Counts of the run.
        placed: Placed network that ran.
        chip: Chip with the prices and times.
        models: Models of the estimate in this mode; their terms show what belongs to no core.
        mode: How samples follow each other.

    Returns:
        mode; rows: core, layers (neurons of each population), events, energy_j and share by
        energy model (None without a total), busy and slowest_steps by latency model (None
        if no time is known); no_core_j by energy model; how. None if nothing was counted
        by core.
    """
    if not counts.on_cores:
        return None
    events = core_events(counts, placed, mode)
    joules = {m.name: _joules(chip, events, m) for m in models}
    busy = {name: _busy(counts, placed, chip, name, mode, events) for name in chip.latency}
    totals = {m.name: m.total_j for m in models}
    rows = []
    for core in placed.cores:
        at = core.index
        spent = {name: None if j is None else float(j[at]) for name, j in joules.items()}
        rows.append({
            "core": at,
            "layers": {name: len(neurons) for name, neurons in core.held.items()},
            "events": {e: None if n is None else _plain(n[at]) for e, n in events.items()},
            "energy_j": spent,
            "share": {n: None if j is None else _part(j, totals[n]) for n, j in spent.items()},
            "busy": {n: None if b is None else _sides(b[:, at]) for n, b in busy.items()},
            "slowest_steps": {
                name: int(watched.steps[at])
                if (watched := counts.slowest.get((mode, name))) else None
                for name in chip.latency
            },
        })  # fmt: skip
    return {"mode": mode, "rows": rows, "no_core_j": _no_core(models), "how": HOW}


def _joules(chip: Chip, events: Mapping[str, Array | None], model: ModelEnergy) -> Any:
    """(cores,) joules; None if the model has no total."""
    if model.total_j is None:
        return None
    prices, folded = chip.energy[model.name], chip.folded_in(model.name)
    known = {e: n for e, n in events.items() if n is not None}
    parts = [n * price.si for e, n in known.items() if (price := price_of(prices, e)) is not None]
    lacking = [e for e in events if lacks(prices, e, folded) and known.get(e, np.zeros(1)).any()]
    return None if lacking or not parts else [fsum(core) for core in zip(*parts, strict=True)]


def _busy(
    counts: Counts,
    placed: Placed,
    chip: Chip,
    model: str,
    mode: Mode,
    events: Mapping[str, Array | None],
) -> Array | None:
    """(2, cores), parts of the modelled time that each core spends on sending and on receiving."""
    slowest = busiest(counts, placed, chip, model, mode)
    times = event_times(chip.latency[model], chip.folded_in(model), events)
    if slowest is None or times is None or any(events[e] is None for e in times):
        return None
    whole = slowest.work_s + counts.steps_charged(mode) * slowest.barrier_s
    sides = np.zeros((2, len(placed.cores)))
    for event, time in times.items():
        sides[0 if sending(event) else 1] += time * np.asarray(events[event])
    return sides / whole if whole else sides


def _no_core(models: tuple[ModelEnergy, ...]) -> dict[str, float | None]:
    """By model, joules that belong to no core; None without a total."""
    return {
        m.name: None
        if m.total_j is None
        else fsum(t.energy_j or 0.0 for t in m.terms if t.quantity in NO_CORE)
        for m in models
    }


def _sides(busy: Array) -> dict[str, float]:
    return {"sending": float(busy[0]), "receiving": float(busy[1])}


def _part(of: float, total: float | None) -> float:
    return of / total if total else 0.0


def _plain(count: Any) -> int | float:
    """A count as a JSON number; a share of updates need not be whole."""
    value = float(count)
    return int(count) if value.is_integer() else round(value, 6)
