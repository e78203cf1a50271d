"""How long the chip takes: the busiest core's work, and a barrier every step.

In:  counts; placement; the times of a chip's events.
Out: seconds of chip time for all samples; by row of the report, a step, a sample, samples a
     second.
A step lasts as long as its slowest core, and only sums over steps are known here, so the work
of the core that is busiest over the whole run stands for it: a lower bound. A core's messages,
in and out, are part of its work where a model gives them a time; on the mesh they travel while
cores work, and their hops add no time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from neurocompile.chip import Chip, Prices, Quantity
from neurocompile.energy.counts import Counts
from neurocompile.energy.prices import price_of
from neurocompile.place.mesh import tiles_used
from neurocompile.place.placed import Placed

Mode = Literal["reset", "pipelined"]
MODES: tuple[Mode, ...] = ("reset", "pipelined")


@dataclass(frozen=True)
class Busiest:
    """The core that a run waits for.

    Attributes:
        core: Its number, or None where there is no core.
        work_s: Its work in all steps, seconds.
        barrier_s: What closes one step, seconds.
    """

    core: int | None
    work_s: float
    barrier_s: float


def run_time(
    counts: Counts, placed: Placed, chip: Chip, model: str, steps_charged: int
) -> float | None:
    """Seconds that the chip takes as fast as it can; None where a time is not known.

    Args:
        counts: What happened.
        placed: Where.
        chip: Whose times.
        model: Name of a latency model.
        steps_charged: Chip steps of all samples.
    """
    found = busiest(counts, placed, chip, model, steps_charged)
    return None if found is None else found.work_s + steps_charged * found.barrier_s


def busiest(
    counts: Counts, placed: Placed, chip: Chip, model: str, steps_charged: int
) -> Busiest | None:
    """The core with most work, and the barrier; arguments and None as in `run_time`."""
    times, barrier = chip.latency[model], chip.barrier.get(model)
    if not barrier or not counts.on_cores:
        return None
    work = np.zeros(len(placed.cores))
    for event, done in counts.on_cores.items():
        if event.startswith("synaptic_operation") and price_of(times, event) is None:
            return None
        work += done * _seconds(times, event)
    for core, name, neurons in ((c, *held) for c in placed.cores for held in c.held.items()):
        layer = counts.layers[name]
        if layer.updated is None:
            return None
        share = neurons.size / layer.neurons  # updates are known by population only
        updated = layer.updated * share
        idle = neurons.size * steps_charged - updated
        work[core.index] += (
            idle * (_seconds(times, "neuron_inactive") + _seconds(times, "neuron_access"))
            + updated * (_seconds(times, "neuron_active") + _seconds(times, "neuron_access"))
            + updated * _seconds(times, "neuron_update")
        )
    closing = barrier_time(barrier, tiles_used(chip, len(placed.cores)))
    if not work.size:
        return Busiest(None, 0.0, closing)
    return Busiest(int(work.argmax()), float(work.max()), closing)


def latency_table(counts: Counts, placed: Placed, chip: Chip) -> list[dict[str, Any]]:
    """Rows by how samples follow each other, and how fast steps do.

    `step_s` is the mean step, `work_s` and `barrier_s` its parts, `core` the busiest one.
    `sample_s` is from a sample's first step to its result, T + depth steps; `samples_per_s`
    counts the steps charged: T + depth when reset between samples, T when pipelined.
    """
    rows = []
    for mode in MODES:
        charged = counts.steps_charged(mode)
        for model in chip.latency:
            found = busiest(counts, placed, chip, model, charged)
            work = None if found is None else found.work_s / charged
            barrier = None if found is None else found.barrier_s
            step = None if work is None or barrier is None else work + barrier
            rows.append(
                {
                    "samples_follow": mode,
                    "mode": "as fast as possible",
                    "model": model,
                    "core": None if found is None else found.core,
                    "work_s": work,
                    "barrier_s": barrier,
                    **_times(counts, charged, step),
                }
            )
        real = {"core": None, "work_s": None, "barrier_s": None}
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


def barrier_time(barrier: Mapping[int, Quantity], tiles: int) -> float:
    """Seconds that close a step, on a straight line between the tile counts that are known."""
    known = sorted(barrier)
    return float(np.interp(tiles, known, [barrier[n].si for n in known]))


def _seconds(times: Prices, event: str) -> float:
    quantity = price_of(times, event)
    return 0.0 if quantity is None else quantity.si
