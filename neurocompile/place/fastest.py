"""Choose the cores so that the slowest of them takes as little time as possible for a step.

In:  populations; the pace of the chip; how many cores there are.
Out: what each core holds.
The work of a core becomes a limit like its memory: with less and less work per core, equal blocks
(`pack.py`) need more and more cores. The least work for which there are enough cores is found by
bisection. Of all placements on the way, the one with the shortest step counts: more cores also
make the barrier longer.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isqrt

from neurocompile.errors import DoesNotFit
from neurocompile.place.level import levelled
from neurocompile.place.limits import Load, PopulationToPlace
from neurocompile.place.pace import Pace
from neurocompile.place.pack import announce_all, packings

HALVINGS = 7  # number of limits that are tried


def fastest(layers: Sequence[PopulationToPlace], pace: Pace) -> list[Load]:
    """The cores of a network, on one chip if it fits one.

    Args:
        layers: Populations, in the graph's order; their output axons are set on the way.
        pace: Times of the chip and rates of the network.

    Raises:
        DoesNotFit: If a single neuron is too much for a core.
    """
    tried = packings(layers)
    limit = pace.chip.limits.cores
    room = limit.value if limit else sum(load.sums["neurons"] for load in tried[0])
    room = max(room, min(map(len, tried)))
    best, shortest, high = _best(layers, pace, [loads for loads in tried if len(loads) <= room])
    low = max(1, pace.least(layers, room))
    for _ in range(HALVINGS):
        most = isqrt(low * high)
        found = [loads for loads in _within(layers, pace, most) if len(loads) <= room]
        low, high = (low, most) if found else (most, high)
        if found:
            of_these, step, _ = _best(layers, pace, found)
            best, shortest = (of_these, step) if step < shortest else (best, shortest)
    announce_all(layers, best)
    return levelled(layers, best, pace.work)


def _best(
    layers: Sequence[PopulationToPlace], pace: Pace, tried: Sequence[list[Load]]
) -> tuple[list[Load], tuple[int, int], int]:
    """The placement with the shortest step; its step and cores; the work of its slowest core."""
    timed = []
    for loads in tried:
        announce_all(layers, loads)
        step = pace.step(layers, loads), len(loads)
        timed.append((loads, step, pace.slowest(layers, loads)))
    return min(timed, key=lambda each: each[1])


def _within(layers: Sequence[PopulationToPlace], pace: Pace, most: int) -> list[list[Load]]:
    """Placements in which no core works longer than so many picoseconds; maybe none."""
    for layer in layers:
        layer.hurry(pace.work, most)
    try:
        return packings(layers, pour=False)
    except DoesNotFit:  # a single neuron takes longer
        return []
    finally:
        for layer in layers:
            layer.hurry(None, None)
