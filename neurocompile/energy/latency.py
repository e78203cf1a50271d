"""How long the chip takes: the work of the slowest core, and a barrier, in every step.

In:  counts; placement; the times of a chip's events.
Out: seconds of chip time for all samples; per row of the report, the times of a step and of a
     sample, and samples per second.
A core sends and receives at the same time, so its work is the longer of the two: visiting its
neurons and sending their spikes, or receiving messages and processing them. Messages never wait:
they travel on the mesh while cores work, and their hops add no time. So every time here is a
lower bound of the time with congestion.
Source: SANA-FE 2.2.9, its timing model "simple" (src/schedule.cpp); the cross-check compares all
digits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from neurocompile.chip.mesh import chips_used, tiles_used
from neurocompile.chip.record import Chip
from neurocompile.energy.counts import Counts
from neurocompile.energy.steps import MODES, Mode, event_times, sending
from neurocompile.ir.arrays import Array
from neurocompile.place.placed import Placed

EXACT, BOUND = "exact", "lower bound"


@dataclass(frozen=True)
class Busiest:
    """The cores that a run waits for.

    Attributes:
        core: Number of the core that is the slowest in most steps; None if there is no core.
        work_s: Work of the slowest core of each step, summed over all steps, seconds.
        barrier_s: Time of the barrier that closes one step, seconds.
        exact: Whether the slowest core of each sample and step is known for these event times.
            Otherwise the work is a lower bound: with event times other than those it was chosen
            at, another core may be the slowest; and if steps were not watched, all are assumed
            to be alike.
    """

    core: int | None
    work_s: float
    barrier_s: float
    exact: bool


def run_time(counts: Counts, placed: Placed, chip: Chip, model: str, mode: Mode) -> float | None:
    """Seconds that the chip takes when it runs as fast as it can; None if a time is not known.

    Args:
        counts: Counts of the run.
        placed: Placed network that ran.
        chip: Chip with the times.
        model: Name of a latency model.
        mode: How samples follow each other.
    """
    slowest = busiest(counts, placed, chip, model, mode)
    steps = counts.steps_charged(mode)
    return None if slowest is None else slowest.work_s + steps * slowest.barrier_s


def busiest(counts: Counts, placed: Placed, chip: Chip, model: str, mode: Mode) -> Busiest | None:
    """The slowest cores and the barrier; arguments and None as in `run_time`."""
    barrier = chip.barrier.get(model)
    if barrier is None or not counts.on_cores or chips_used(chip, len(placed.cores)) > 1:
        return None  # no source states the time of a message or a barrier between chips
    times = partial(event_times, chip.latency[model], chip.folded_in(model))
    work = _whole_run(counts, placed, times, mode)
    if work is None:
        return None
    closing = barrier.seconds(tiles_used(chip, len(placed.cores)))
    if not work.size:
        return Busiest(None, 0.0, closing, True)
    core, least = int(work.argmax()), float(work.max())
    slowest = counts.slowest.get((mode, model))
    if slowest is None:
        return Busiest(core, least, closing, False)
    now = times(slowest.events) or {}
    summed = sum(n * now.get(event, 0.0) for event, n in slowest.events.items())
    exact = now == dict(slowest.times_s)
    core = int(slowest.steps.argmax())
    return Busiest(core, summed if exact else max(summed, least), closing, exact)


def _whole_run(
    counts: Counts,
    placed: Placed,
    times: Callable[[Iterable[str]], dict[str, float] | None],
    mode: Mode,
) -> Array | None:
    """Work of each core in all steps, (cores,) seconds; None if a count or a time is unknown."""
    events = core_events(counts, placed, mode)
    seconds = times(events)
    if seconds is None or events["neuron_update"] is None:
        return None
    sides = np.zeros((2, len(placed.cores)))
    for event, time in seconds.items():
        sides[int(sending(event))] += time * np.asarray(events[event])
    return np.asarray(sides.max(axis=0))


def core_events(counts: Counts, placed: Placed, mode: Mode) -> dict[str, Array | None]:
    """By event of a core, (cores,) its counts; None if updates were not counted."""
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
    """Neuron updates by core, (cores,) float64; None if they were not counted.

    They are known only by population, so they are shared evenly among its neurons.
    """
    updates = np.zeros(len(placed.cores))
    for core in placed.cores:
        for name, neurons in core.held.items():
            layer = counts.layers[name]
            if layer.updated is None:
                return None
            updates[core.index] += layer.updated * neurons.size / layer.neurons
    return updates


def latency_table(counts: Counts, placed: Placed, chip: Chip) -> list[dict[str, Any]]:
    """One row per way in which samples follow each other and per pace of the steps.

    `step_s` is the mean time of a step, `work_s` and `barrier_s` are its parts, `core` is the one
    that is the slowest in most steps, `work_is` says whether the work is exact or a lower bound.
    `sample_s` is the time from a sample's first step to its result, T + depth steps;
    `samples_per_s` is of the steps charged: T + depth when reset between samples, T when pipelined.
    """
    rows = []
    for mode in MODES:
        charged = counts.steps_charged(mode)
        for model in chip.latency:
            slowest = busiest(counts, placed, chip, model, mode)
            work = None if slowest is None else slowest.work_s / charged
            barrier = None if slowest is None else slowest.barrier_s
            step = None if work is None or barrier is None else work + barrier
            rows.append(
                {
                    "samples_follow": mode,
                    "mode": "as fast as possible",
                    "model": model,
                    "core": None if slowest is None else slowest.core,
                    "work_is": None if slowest is None else EXACT if slowest.exact else BOUND,
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
