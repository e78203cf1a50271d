"""Where cores lie on a chip, how far a message travels, and which core lies where.

In:  a chip with a mesh; messages between cores.
Out: coordinates of tiles; an order of the cores.
Core k of a chip lies in tile k // cores_per_tile; tiles are numbered north-south first, as in
SANA-FE (src/arch.cpp, calculate_tile_coordinates). A message goes along x, then along y. Where a
network needs more cores than a chip has, the next chip takes the next ones.
"""

from __future__ import annotations

from math import gcd

import numpy as np

from neurocompile.chip.record import Chip
from neurocompile.ir.arrays import Array

STEPS = (1, 2, 3, 5, 7, 11, 13)  # an order of n cores to start from: core k at place k * step % n
FEW = 128  # cores up to which every start is tried
WORK = 1 << 26  # exchanges at most, times the square of the cores; a chip takes some hundred


def positions(chip: Chip, cores: int) -> tuple[Array, Array] | None:
    """Tile coordinates (x, y) of each core on its own chip, (cores,) int64; None without a mesh.

    None too where a chip has more cores than its mesh has places.
    """
    if chip.mesh is None:
        return None
    height = chip.mesh.tiles_north_south.value
    tile = np.arange(cores) % _on_a_chip(chip, cores) // chip.mesh.cores_per_tile.value
    if tile.max(initial=0) >= height * chip.mesh.tiles_east_west.value:
        return None
    return tile // height, tile % height


def chip_of(chip: Chip, cores: int) -> Array:
    """(cores,) int64, the chip of each core."""
    return np.arange(cores) // _on_a_chip(chip, cores)


def _on_a_chip(chip: Chip, cores: int) -> int:
    """How many of the cores one chip takes at most."""
    return int(chip.limits.cores.value) if chip.limits.cores else max(cores, 1)


def tiles_used(chip: Chip, cores: int) -> int:
    """How many tiles hold at least one of the first cores; each its own tile without a mesh."""
    return -(-cores // chip.mesh.cores_per_tile.value) if chip.mesh else cores


def chips_used(chip: Chip, cores: int) -> int:
    """How many chips hold the cores."""
    return -(-cores // chip.limits.cores.value) if chip.limits.cores else 1


def chips_allowed(chip: Chip) -> int:
    """How many chips a network may take."""
    return int(chip.limits.chips.value) if chip.limits.chips else 1


def distances(chip: Chip, cores: int) -> Array | None:
    """(cores, cores) float64, what a message between two places costs; None where no place
    differs from another.

    On one chip hops. From a chip to another, for nothing describes the way between them, as
    much as one tile more than the longest way on a chip.
    """
    lie, on = positions(chip, cores), chip_of(chip, cores)
    apart = on[:, None] != on
    if lie is None:
        return apart.astype(np.float64) if on.any() else None
    assert chip.mesh is not None, "without a mesh there are no positions"
    across = chip.mesh.tiles_east_west.value + chip.mesh.tiles_north_south.value - 1
    hops = sum(np.abs(at[:, None] - at) for at in lie)
    return np.where(apart, across, hops).astype(np.float64)


def arranged(traffic: Array, distance: Array) -> Array:
    """Places of cores between which messages travel little, (cores,) int64.

    A quadratic assignment: from the order given and from some others on, the exchange of two
    cores that saves most, until none saves anything; the best end counts. All numbers are
    whole, so every machine finds the same.

    Args:
        traffic: (cores, cores) messages from a core to another.
        distance: (cores, cores) of two places, symmetrical, 0 to itself.
    """
    both = (traffic + traffic.T).astype(np.float64)
    np.fill_diagonal(both, 0.0)
    cores = len(both)
    steps = STEPS if cores <= FEW else STEPS[:1]
    starts = [np.arange(cores) * step % cores for step in steps if gcd(step, cores) == 1]
    ends = [_exchanged(both, distance, start) for start in starts] or [np.arange(cores)]
    return min(ends, key=lambda place: float((both * distance[np.ix_(place, place)]).sum()))


def _exchanged(both: Array, distance: Array, place: Array) -> Array:
    """Places after the exchanges that each save most."""
    place = place.copy()
    here = distance[np.ix_(place, place)]
    moved = both @ here  # what core i would cost at the place of core j
    for _ in range(WORK // max(1, both.size)):
        stays = np.diagonal(moved)
        change = moved + moved.T - stays[:, None] - stays + 2 * both * here
        i, j = divmod(int(change.argmin()), len(both))
        if change[i, j] >= 0:
            break
        pair, other = [i, j], [j, i]
        moved += both[:, pair] @ (here[other] - here[pair])
        here[pair] = here[other]
        here[:, pair], moved[:, pair] = here[:, other], moved[:, other]
        place[pair] = place[other]
    return place
