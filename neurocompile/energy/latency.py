"""How long the chip takes: the slowest core of each step, and a barrier every step.

In:  counts; placement; the times of a chip's events.
Out: seconds of chip time for all samples; by row of the report, a step, a sample, samples a
     second.
A core sends and receives at the same time, so its work is the longer of the two: visiting its
neurons and sending their spikes, or taking messages in and working on them. Messages wait for
nothing: on the mesh they travel while cores work, and their hops add no time. So a time is a
lower bound of one in which they wait.
Source: SANA-FE 2.2.9, its timing model "simple" (src/schedule.cpp), which the cross-check
compares to the last digit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from neurocompile.chip.mesh import chips_used, tiles_used
from neurocompile.chip.record import Barrier, Chip, Prices
from neurocompile.energy.counts import Counts
from neurocompile.energy.steps import MODES, Mode, event_times, sending
from neurocompile.ir.arrays import Array
from neurocompile.place.placed import Placed

EXACT, BOUND = "exact", "lower bound"


@dataclass(frozen=True)
class Busiest:
    """The cores that a run waits for.

    Attributes:
        core: The core that is the slowest in most steps, or None where there is no core.
        work_s: Work of the slowest core of each step, of all steps, seconds.
        barrier_s: What closes one step, seconds.
        exact: Whether the slowest core of each sample and step is known at these times. Else the
            work is a lower bound: at other times than it was chosen at another core may be the
            slowest, and where steps were not watched all count as alike.
    """

    core: int | None
    work_s: float
    barrier_s: float
    exact: bool


def run_time(counts: Counts, placed: Placed, chip: Chip, model: str, mode: Mode) -> float | None:
    """Seconds that the chip takes as fast as it can; None where a time is not known.

    Args:
        counts: What happened.
        placed: Where.
        chip: Whose times.
        model: Name of a latency model.
        mode: How samples follow each other.
    """
    found = busiest(counts, placed, chip, model, mode)
    steps = counts.steps_charged(mode)
    return None if found is None else found.work_s + steps * found.barrier_s


def busiest(counts: Counts, placed: Placed, chip: Chip, model: str, mode: Mode) -> Busiest | None:
    """The slowest cores, and the barrier; arguments and None as in `run_time`."""
    times, barrier = chip.latency[model], chip.barrier.get(model)
    if barrier is None or not counts.on_cores or chips_used(chip, len(placed.cores)) > 1:
        return None  # nor is there a time of what goes from a chip to another, or closes both
    work = _whole_run(counts, placed, times, mode)
    if work is None:
        return None
    closing = barrier_time(barrier, tiles_used(chip, len(placed.cores)))
    if not work.size:
        return Busiest(None, 0.0, closing, True)
    core, least = int(work.argmax()), float(work.max())
    slowest = counts.slowest.get((mode, model))
    if slowest is None:
        return Busiest(core, least, closing, False)
    now = event_times(times, slowest.events) or {}
    found = sum(n * now.get(event, 0.0) for event, n in slowest.events.items())
    exact = now == dict(slowest.times_s)
    core = int(slowest.steps.argmax())
    return Busiest(core, found if exact else max(found, least), closing, exact)


def _whole_run(counts: Counts, placed: Placed, times: Prices, mode: Mode) -> Array | None:
    """Work of each core in all steps, (cores,) seconds; None where a count or time is unknown."""
    events = core_events(counts, placed, mode)
    seconds = event_times(times, events)
    if seconds is None or events["neuron_update"] is None:
        return None
    sides = np.zeros((2, len(placed.cores)))
    for event, each in seconds.items():
        sides[int(sending(event))] += each * np.asarray(events[event])
    return np.asarray(sides.max(axis=0))


def core_events(counts: Counts, placed: Placed, mode: Mode) -> dict[str, Array | None]:
    """Every event that a core does, (cores,) each; None where updates were not counted."""
    held = np.array([sum(map(len, core.held.values())) for core in placed.cores], np.int64)
    visits = held * counts.steps_charged(mode)
    updated = _updates(counts, placed)
    return {
        **counts.on_cores,
        "message_within_tile": counts.on_cores.get("message_out"),
        "neuron_access": visits,
        "neuron_update": updated,
        "neuron_active": updated,
        "neuron_inactive": None if updated is None else visits - updated,
    }


def _updates(counts: Counts, placed: Placed) -> Array | None:
    """Neuron updates by core, (cores,) float64: of a population, shared evenly by its neurons.

    They are known by population only; None where they were not counted.
    """
    found = np.zeros(len(placed.cores))
    for core in placed.cores:
        for name, neurons in core.held.items():
            layer = counts.layers[name]
            if layer.updated is None:
                return None
            found[core.index] += layer.updated * neurons.size / layer.neurons
    return found


def latency_table(counts: Counts, placed: Placed, chip: Chip) -> list[dict[str, Any]]:
    """Rows by how samples follow each other, and how fast steps do.

    `step_s` is the mean step, `work_s` and `barrier_s` its parts, `core` the one that is slowest
    in most steps, `work_is` whether the work is exact or a lower bound.
    `sample_s` is from a sample's first step to its result, T + depth steps; `samples_per_s`
    counts the steps charged: T + depth when reset between samples, T when pipelined.
    """
    rows = []
    for mode in MODES:
        charged = counts.steps_charged(mode)
        for model in chip.latency:
            found = busiest(counts, placed, chip, model, mode)
            work = None if found is None else found.work_s / charged
            barrier = None if found is None else found.barrier_s
            step = None if work is None or barrier is None else work + barrier
            rows.append(
                {
                    "samples_follow": mode,
                    "mode": "as fast as possible",
                    "model": model,
                    "core": None if found is None else found.core,
                    "work_is": None if found is None else EXACT if found.exact else BOUND,
                    "work_s": work,
                    "barrier_s": barrier,
                    **_times(counts, charged, step),
                }
            )
        real = {"core": None, "work_is": None, "work_s": None, "barrier_s": None}
        dt = _times(counts, charged, placed.graph.settings.dt)
        rows.append({"samples_follow": mode, "mode": "real time", "model": None, **real, **dt})
    return rows


def _times(counts: Counts, charged: int, step: float | None) -> dict[str, float | None]:
    whole = counts.steps + counts.depth
    return {
        "step_s": step,
        "sample_s": None if step is None else step * whole,
        "samples_per_s": None if not step else counts.samples / (charged * step),
    }


def barrier_time(barrier: Barrier, tiles: int) -> float:
    """Seconds that close a step on so many mapped tiles."""
    known = sorted(barrier.times)
    if barrier.between == "below":
        return barrier.times[max((n for n in known if n <= tiles), default=known[0])].si
    return float(np.interp(tiles, known, [barrier.times[n].si for n in known]))
