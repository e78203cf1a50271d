"""Where cores are on a chip, how far a message travels, and which core is put where.

In:  a chip with a mesh; messages between cores.
Out: coordinates of tiles; an order of the cores.
Core k of a chip is in tile k // cores_per_tile; tiles are numbered north-south first, as in
SANA-FE (src/arch.cpp, calculate_tile_coordinates). A message goes along x, then along y. If a
network needs more cores than a chip has, the next chip takes the next ones.
"""

from __future__ import annotations

from math import gcd

import numpy as np

from neurocompile.chip.record import Chip
from neurocompile.ir.arrays import Array

STEPS = (1, 2, 3, 5, 7, 11, 13)  # start orders of n cores: core k at place k * step % n
FEW = 128  # number of cores up to which every start order is tried
WORK = 1 << 26  # largest number of exchanges times cores squared; a chip takes a few hundred


def positions(chip: Chip, cores: int) -> tuple[Array, Array] | None:
    """Tile coordinates (x, y) of each core on its own chip, (cores,) int64.

    None if there is no mesh, or if a chip has more cores than its mesh has places.
    """
    if chip.mesh is None:
        return None
    height = chip.mesh.tiles_north_south.value
    tile = np.arange(cores) % _on_a_chip(chip, cores) // chip.mesh.cores_per_tile.value
    if tile.max(initial=0) >= height * chip.mesh.tiles_east_west.value:
        return None
    return tile // height, tile % height


def chip_of(chip: Chip, cores: int) -> Array:
    """(cores,) int64, number of each core's chip."""
    return np.arange(cores) // _on_a_chip(chip, cores)


def _on_a_chip(chip: Chip, cores: int) -> int:
    """Largest number of the cores that one chip takes."""
    return int(chip.limits.cores.value) if chip.limits.cores else max(cores, 1)


def tiles_used(chip: Chip, cores: int) -> int:
    """Number of tiles with at least one of the cores; without a mesh each core is its own tile."""
    return -(-cores // chip.mesh.cores_per_tile.value) if chip.mesh else cores


def chips_used(chip: Chip, cores: int) -> int:
    """Number of chips that hold the cores."""
    return -(-cores // chip.limits.cores.value) if chip.limits.cores else 1


def chips_allowed(chip: Chip) -> int:
    """Number of chips that a network may use."""
    return int(chip.limits.chips.value) if chip.limits.chips else 1


def distances(chip: Chip, cores: int) -> Array | None:
    """(cores, cores) float64, the cost of a message between two places; None if all are alike.

    On one chip the cost is the number of hops. No source describes the link between chips, so a
    message to another chip costs one hop more than the longest distance on a chip.
    """
    tiles, on = positions(chip, cores), chip_of(chip, cores)
    apart = on[:, None] != on
    if tiles is None:
        return apart.astype(np.float64) if on.any() else None
    assert chip.mesh is not None, "without a mesh there are no positions"
    across = chip.mesh.tiles_east_west.value + chip.mesh.tiles_north_south.value - 1
    hops = sum(np.abs(at[:, None] - at) for at in tiles)
    return np.where(apart, across, hops).astype(np.float64)


def arranged(traffic: Array, distance: Array) -> Array:
    """(cores,) int64, a place for each core such that messages travel little.

    This is a quadratic assignment problem. From the given order and from some others, the two
    cores whose exchange saves most are exchanged until no exchange saves anything; the best
    result is returned. All numbers are whole, so the result is the same on every machine.

    Args:
        traffic: (cores, cores) number of messages from one core to another.
        distance: (cores, cores) distance of two places, symmetric, 0 on the diagonal.
    """
    both = (traffic + traffic.T).astype(np.float64)
    np.fill_diagonal(both, 0.0)
    cores = len(both)
    steps = STEPS if cores <= FEW else STEPS[:1]
    starts = [np.arange(cores) * step % cores for step in steps if gcd(step, cores) == 1]
    ends = [_exchanged(both, distance, start) for start in starts] or [np.arange(cores)]
    return min(ends, key=lambda place: float((both * distance[np.ix_(place, place)]).sum()))


def _exchanged(both: Array, distance: Array, place: Array) -> Array:
    """Places after repeated exchanges of the two cores that save most."""
    place = place.copy()
    here = distance[np.ix_(place, place)]
    moved = both @ here  # cost of core i at the place of core j
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
