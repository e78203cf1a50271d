"""Sums of float64 numbers without any rounding, so that no order and no grouping changes one.

In:  arrays of float64, in any order and in any parts.
Out: their exact sum, rounded once when it is read.
A float64 is a whole number of 2**-1126, and Python's whole numbers have no limit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from neurocompile.ir.arrays import Array

LOWEST = 1126  # frexp of the smallest number, 2**-1074, has 53 bits below the exponent -1073
MANTISSA = 53  # bits
HALF = 27  # bits of the lower part of a mantissa: a float64 adds 2**26 of either part exactly
AT_ONCE = 1 << 26


@dataclass
class ExactSum:
    """A sum to which numbers and other sums are added.

    Attributes:
        units: The sum of all finite numbers in units of 2**-1126.
        beyond: The sum of what is not finite; 0 if there was none.
    """

    units: int = 0
    beyond: float = 0.0

    def add(self, values: Array | float) -> None:
        """Add numbers, float64."""
        flat = np.asarray(values, dtype=np.float64).ravel()
        finite = np.isfinite(flat)
        if not finite.all():
            self.beyond += float(flat[~finite].sum())
            flat = flat[finite]
        for first in range(0, len(flat), AT_ONCE):
            self._add(flat[first : first + AT_ONCE])

    def _add(self, flat: Array) -> None:
        fraction, exponent = np.frexp(flat)
        whole = (fraction * 2.0**MANTISSA).astype(np.int64)  # exact
        lowest = int(exponent.min(initial=0))
        at = exponent - lowest
        for shift, part in ((0, whole & ((1 << HALF) - 1)), (HALF, whole >> HALF)):
            for place, total in enumerate(np.bincount(at, weights=part).tolist()):
                self.units += int(total) << (lowest + place - MANTISSA + LOWEST + shift)

    def merge(self, other: ExactSum) -> None:
        """Add another sum."""
        self.units += other.units
        self.beyond += other.beyond

    def __float__(self) -> float:
        """The sum, rounded once."""
        if self.beyond != 0:
            return self.beyond
        try:
            return self.units / (1 << LOWEST)
        except OverflowError:
            return math.inf if self.units > 0 else -math.inf
