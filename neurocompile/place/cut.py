"""Cut one population into blocks that each fit a core.

In:  a population with its incoming synapses.
Out: layouts: how it may be cut, and the blocks that result if it shares no core.
Blocks are boxes, along space and channels. Shapes that need the fewest cores come first; among
these, shapes that need the fewest messages.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, reduce
from itertools import islice, product
from math import prod
from typing import NamedTuple

import numpy as np

from neurocompile.place.boxes import Box, even, piece_lengths
from neurocompile.place.limits import Load, Over, PopulationToPlace
from neurocompile.place.maps import messages_of

PROBES = 64  # number of shapes of each size of which one block is tried
SHAPES = 3  # number of shapes of each size that are tried in full


class Layout(NamedTuple):
    """A population as bars, each of which is cut along one axis.

    Attributes:
        axis: Axis along which the bars are cut.
        bars: Boxes that span the whole of that axis; together they are the population.
    """

    axis: int
    bars: tuple[Box, ...]


class Cut(NamedTuple):
    """A population on cores that it does not share.

    Attributes:
        layout: Bars and the axis along which they are cut.
        blocks: Blocks, as equal as the limits allow: the fullest core sets the pace of a step.
        messages: Number of messages when every source spikes once.
        longest: Number of neurons in the largest block that fits.
    """

    layout: Layout
    blocks: tuple[Box, ...]
    messages: int
    longest: int


def cuts(layer: PopulationToPlace) -> list[Cut]:
    """Ways to cut a population, the best first.

    Raises:
        DoesNotFit: If a single neuron is too much for a core.
    """
    possible: list[Cut] = []
    tried: set[Layout] = set()
    for fewest, layouts in _layouts(layer):
        if possible and fewest > min(len(cut.blocks) for cut in possible):
            break  # smaller blocks need more cores
        for layout in layouts:
            if layout not in tried:
                tried.add(layout)
                cut = _alone(layer, layout)
                possible += [cut] if cut else []
    possible.sort(key=lambda cut: (len(cut.blocks), cut.messages))  # stable: the same every time
    return possible


def longest(
    layer: PopulationToPlace, load: Load, bar: Box, axis: int, start: int, guess: int | None = None
) -> int | Over:
    """Where a piece of a bar that fits onto a core ends, on the axis of the bar.

    The piece is at most 1/32 shorter than the longest one that fits. Nothing is assumed about
    lengths in between: the length returned was itself checked. If not even one slice fits, the
    resource that runs out is returned. A guess of the length, and its neighbour, are tried first.
    """
    stop = bar.box[axis][1]
    slice_ = bar.size // bar.sides[axis]
    most = layer.most()
    room = stop - start
    if most is not None:
        room = min(room, max(1, (most - load.sums["neurons"]) // slice_))
    good, bad, probe, guessed = 0, room + 1, min(room, guess or room), guess is not None
    while bad - good > max(1, good // 32):
        over = layer.onto(load, bar.piece(axis, (start, start + probe)))
        if isinstance(over, Load):
            good = probe
        elif probe == 1:
            return over
        else:
            bad = probe
        probe = (good + bad) // 2
        if guessed:
            probe, guessed = good + max(1, good // 32) if good else max(1, bad - 1), False
    return start + good


def _alone(layer: PopulationToPlace, layout: Layout) -> Cut | None:
    """The population on cores that it does not share; None if one slice is too much for a core."""
    blocks: list[Box] = []
    largest, length = 0, None
    for bar in layout.bars:
        (start, end), pieces = bar.box[layout.axis], []
        while start < end:
            stop = longest(layer, Load(), bar, layout.axis, start, length)
            if isinstance(stop, Over):
                if bar.size == bar.sides[layout.axis]:
                    raise layer.refuse(bar.piece(layout.axis, (start, start + 1)), stop)
                return None
            pieces.append(bar.piece(layout.axis, (start, stop)))
            start, length = stop, stop - start
        largest = max(largest, *(piece.size for piece in pieces))
        equal = [bar.piece(layout.axis, s) for s in even(*bar.box[layout.axis], len(pieces))]
        fits = all(isinstance(layer.onto(Load(), piece), Load) for piece in equal)
        blocks += equal if fits else pieces
    messages = sum(onto.axons(block) for _, onto in layer.maps for block in blocks)
    return Cut(layout, tuple(blocks), messages, largest)


def _layouts(layer: PopulationToPlace) -> Iterator[tuple[int, list[Layout]]]:
    """Layouts whose blocks have at most so many neurons, then half as many, down to one.

    Of each size come the shapes with the fewest blocks, then the fewest messages: the first ones,
    which a cut along their bars may make fit, and the first ones of which a block in the middle
    fits. With the layouts of each size comes the smallest number of blocks that any of them has.
    """
    lengths = [piece_lengths(n) for n in layer.shape]
    volume = reduce(np.multiply.outer, lengths).ravel()
    pieces = reduce(
        np.multiply.outer, [-(-n // p) for n, p in zip(layer.shape, lengths, strict=True)]
    ).ravel()
    messages = messages_of([onto for _, onto in layer.maps], layer.shape, lengths).ravel()
    # With fewer pieces some block is too much for a core; single neurons are tried in any case.
    enough = (pieces >= layer.least_blocks(messages)) | (volume == 1)
    fits = cache(lambda sides: isinstance(layer.onto(Load(), _middle(layer, sides)), Load))
    most = min(layer.most() or int(volume.max()), int(volume.max()))
    order = np.lexsort((messages, pieces))
    order = order[enough[order]]
    while True:
        small = order[volume[order] <= most]
        at = np.stack(np.unravel_index(small[:PROBES], [p.size for p in lengths]), axis=1)
        shapes = [tuple(int(p[i]) for p, i in zip(lengths, ats, strict=True)) for ats in at]
        fitting = islice((shape for shape in shapes if fits(shape)), SHAPES)
        shapes = list(dict.fromkeys((*shapes[:SHAPES], *fitting)))
        layouts = [layout for shape in shapes for layout in _bars(layer, shape)]
        yield prod(-(-n // side) for n, side in zip(layer.shape, shapes[0], strict=True)), layouts
        if most == 1:
            return
        most = max(1, most // 2)


def _middle(layer: PopulationToPlace, sides: tuple[int, ...]) -> Box:
    """A block of this shape in the middle of a population, where blocks need most."""
    starts = [
        min(n // side // 2 * side, n - side) for n, side in zip(layer.shape, sides, strict=True)
    ]
    return Box(layer.shape, tuple((a, a + side) for a, side in zip(starts, sides, strict=True)))


def _bars(layer: PopulationToPlace, sides: tuple[int, ...]) -> Iterator[Layout]:
    """The layouts for one shape of block: bars along its longest axis and along its first."""
    axes = range(len(sides))
    longest_axis = max(axes, key=lambda a: (sides[a] < layer.shape[a], sides[a]))
    for axis in dict.fromkeys((longest_axis, 0)):
        spans = [
            [(0, n)] if a == axis else even(0, n, -(-n // side))
            for a, (n, side) in enumerate(zip(layer.shape, sides, strict=True))
        ]
        yield Layout(axis, tuple(Box(layer.shape, box) for box in product(*spans)))
