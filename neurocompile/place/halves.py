"""Cut a population as the compiler of Loihi 2 cuts it: in halves, until a block fits a core.

In:  one population with its incoming synapses.
Out: what its cores hold; no core is shared.

A population of channels, rows and columns is cut into blocks of whole columns of neurons. Their
number is a power of two, the largest with which a core holds as many columns as the block has,
also where the population ends before the block does. Where one column is too much, rows are
halved, then channels. Any other population is divided by how many times it is too large for a
core, until its blocks fit.

Source: that the compiler divides until every limit holds is in OzU-CAST/LoihiScalingEfficiency at
1c5a162, README. Powers of two, whole columns and the division are derived from the tables that it
printed (docs/crosschecks.md).
"""

from __future__ import annotations

from itertools import product

from neurocompile.place.boxes import Box
from neurocompile.place.limits import Load, Over, PopulationToPlace


def halved(layer: PopulationToPlace) -> list[Load]:
    """The cores of a population.

    Raises:
        DoesNotFit: If a single neuron is too much for a core.
    """
    sides = list(layer.shape)
    axis = len(sides) - 1
    if axis:
        sides[axis] = 1 << (sides[axis] - 1).bit_length()  # the columns, to a power of two
    while True:
        loads, over = _with_blocks(layer, sides)
        if over is None:
            return loads
        while axis and sides[axis] == 1:
            axis -= 1
        if sides[axis] == 1:
            raise layer.refuse(Box(layer.shape, tuple((0, 1) for _ in sides)), over)
        sides[axis] = -(-sides[axis] // _pieces(layer, over))


def _pieces(layer: PopulationToPlace, over: Over) -> int:
    """Into how many pieces a block is divided that is too much for a core."""
    limit = layer.most() if over.resource == "neurons" else layer.limit(over.resource)
    assert limit is not None, "what has no limit does not run out"
    return 2 if len(layer.shape) > 1 else -(-over.needed // limit)


def _with_blocks(layer: PopulationToPlace, sides: list[int]) -> tuple[list[Load], Over | None]:
    """The cores with blocks of these sides, or what runs out on one of them."""
    most, size = layer.most(), 1
    for side in sides:
        size *= side
    if most is not None and size > most:
        return [], Over("neurons", size)
    spans = [
        [(start, min(start + side, stop)) for start in range(0, stop, side)]
        for side, stop in zip(sides, layer.shape, strict=True)
    ]
    loads: list[Load] = []
    for box in product(*spans):
        load = layer.onto(Load(), Box(layer.shape, box))
        if isinstance(load, Over):
            return [], load
        loads.append(load)
    return loads, None
