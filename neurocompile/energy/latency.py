"""How long the chip takes: the busiest core's work, and a barrier every step.

In:  counts; placement; the times of a chip's events.
Out: seconds of chip time for all samples.
A step lasts as long as its slowest core, and only sums over steps are known here, so the work
of the core that is busiest over the whole run stands for it: a lower bound. Messages on the
mesh travel while cores work; their hops add no time.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from neurocompile.chip import Chip, Prices, Quantity
from neurocompile.energy.counts import Counts
from neurocompile.energy.prices import price_of
from neurocompile.place.mesh import tiles_used
from neurocompile.place.placed import Placed


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
    times = chip.latency[model]
    work = np.zeros(len(placed.cores))
    for event, done in counts.on_cores.items():
        if event.startswith("synaptic_operation") and price_of(times, event) is None:
            return None
        work += done * _seconds(times, event)
    for core in placed.cores:
        layer = counts.layers[core.layer]
        if layer.updated is None:
            return None
        share = core.neurons.size / layer.neurons  # updates are known by population only
        updated = layer.updated * share
        idle = core.neurons.size * steps_charged - updated
        work[core.index] += (
            idle * (_seconds(times, "neuron_inactive") + _seconds(times, "neuron_access"))
            + updated * (_seconds(times, "neuron_active") + _seconds(times, "neuron_access"))
            + updated * _seconds(times, "neuron_update")
        )
    barrier = chip.barrier.get(model)
    if not barrier:
        return None
    closing = steps_charged * barrier_time(barrier, tiles_used(chip, len(placed.cores)))
    return float(work.max(initial=0.0)) + closing


def barrier_time(barrier: Mapping[int, Quantity], tiles: int) -> float:
    """Seconds that close a step, on a straight line between the tile counts that are known."""
    known = sorted(barrier)
    return float(np.interp(tiles, known, [barrier[n].si for n in known]))


def _seconds(times: Prices, event: str) -> float:
    quantity = price_of(times, event)
    return 0.0 if quantity is None else quantity.si
