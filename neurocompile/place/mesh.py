"""Where cores lie on a chip, and how far a message travels between two of them.

In:  a chip with a mesh.
Out: coordinates of tiles, hops east-west and north-south.
Core k lies in tile k // cores_per_tile; tiles are numbered north-south first, as in SANA-FE
(src/arch.cpp, calculate_tile_coordinates). A message goes along x, then along y.
"""

from __future__ import annotations

import numpy as np

from neurocompile.chip import Chip
from neurocompile.ir.arrays import Array


def positions(chip: Chip, cores: int) -> tuple[Array, Array] | None:
    """Tile coordinates (x, y) of each core, (cores,) int64; None without a mesh.

    None too where the cores do not fit on one chip: routes between chips are not modelled.
    """
    if chip.mesh is None:
        return None
    height = chip.mesh.tiles_north_south.value
    tile = np.arange(cores) // chip.mesh.cores_per_tile.value
    if cores and tile[-1] >= height * chip.mesh.tiles_east_west.value:
        return None
    return tile // height, tile % height


def tiles_used(chip: Chip, cores: int) -> int:
    """How many tiles hold at least one of the first cores; each its own tile without a mesh."""
    return -(-cores // chip.mesh.cores_per_tile.value) if chip.mesh else cores


def chips_used(chip: Chip, cores: int) -> int:
    """How many chips hold the cores."""
    return -(-cores // chip.limits.cores.value) if chip.limits.cores else 1
