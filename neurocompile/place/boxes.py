"""Blocks: the boxes into which a population is cut.

In:  the shape of a population.
Out: boxes of neurons, one range per axis, channels first; how an axis is divided.
"""

from __future__ import annotations

from itertools import pairwise
from math import prod
from typing import NamedTuple

import numpy as np

from neurocompile.ir.arrays import Array
from neurocompile.ir.nodes import Shape

Span = tuple[int, int]


class Box(NamedTuple):
    """A box of neurons, which are on their core in C order.

    Attributes:
        shape: Shape in which the population is cut.
        box: By axis, the first index and one past the last index.
    """

    shape: Shape
    box: tuple[Span, ...]

    @property
    def sides(self) -> tuple[int, ...]:
        """Length along each axis."""
        return tuple(stop - start for start, stop in self.box)

    @property
    def size(self) -> int:
        """Number of neurons."""
        return prod(self.sides)

    @property
    def strides(self) -> tuple[int, ...]:
        """By axis, the distance of two neighbouring neurons on the core, in neurons."""
        sides = self.sides
        return tuple(prod(sides[a + 1 :]) for a in range(len(sides)))

    @property
    def slices(self) -> tuple[slice, ...]:
        """The box as an index into an array of the population."""
        return tuple(slice(*span) for span in self.box)

    def piece(self, axis: int, span: Span) -> Box:
        """The part of the box within a range of one axis."""
        return Box(self.shape, (*self.box[:axis], span, *self.box[axis + 1 :]))

    def neurons(self) -> Array:
        """(size,) int64, numbers of the neurons in the population, in their order on the core."""
        return np.ravel_multi_index(
            tuple(np.ix_(*(np.arange(*span) for span in self.box))), self.shape
        ).ravel()


def even(start: int, stop: int, pieces: int) -> list[Span]:
    """A range divided into so many pieces, whose lengths differ by at most 1."""
    cuts = [start + (stop - start) * k // pieces for k in range(pieces + 1)]
    return list(pairwise(cuts))


def piece_lengths(length: int) -> Array:
    """Length of the longest piece of an axis divided evenly into 1, 2, 3, ... pieces; each once."""
    return np.unique(-(-length // np.arange(1, length + 1)))
