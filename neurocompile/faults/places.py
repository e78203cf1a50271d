"""Numbers of places that run through all layers, and the layers that they are in.

In:  how many places each layer has; numbers that were drawn.
Out: by layer that is hit, its own numbers, from 0.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from neurocompile.ir.arrays import Array


def apart(sizes: Mapping[str, int], hit: Array, luck: Array) -> dict[str, tuple[Array, Array]]:
    """By layer that is hit, (numbers in it, their luck).

    Args:
        sizes: By layer, how many places it has.
        hit: (n,) numbers of places, counted through all layers.
        luck: (n,) a number for each.
    """
    ends = np.cumsum(list(sizes.values()))
    layer = np.searchsorted(ends, hit, side="right")
    starts = ends - list(sizes.values())
    names = list(sizes)
    return {
        names[number]: (hit[layer == number] - starts[number], luck[layer == number])
        for number in np.unique(layer)
    }
