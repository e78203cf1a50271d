"""Points of error and joules: which of them no other beats, and what an error costs along these.

In:  points, each with a name, an error and joules.
Out: the front, joules at an error, what a change buys.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np


class Point(NamedTuple):
    """A network; error and joules are both better if they are smaller."""

    name: str
    error: float
    joules: float


def front(points: Iterable[Point]) -> list[Point]:
    """The points that no other beats in error and joules, by rising error."""
    found: list[Point] = []
    for point in sorted(points, key=lambda one: (one.error, one.joules)):
        if not found or point.joules < found[-1].joules:
            found.append(point)
    return found


def joules_at(points: Iterable[Point], error: float) -> float | None:
    """Joules for an error, on straight lines between points of the front, over log joules.

    Above the largest error of the front it is the joules of that point, which has less error than
    asked; below the smallest one nothing reaches the error: None.
    """
    found = front(points)
    if not found or error < found[0].error:
        return None
    logs = np.log([one.joules for one in found])
    return float(np.exp(np.interp(error, [one.error for one in found], logs)))


class Step(NamedTuple):
    """What a change of a network does to error and joules, a value per seed."""

    error: Sequence[float]
    joules: Sequence[float]

    @property
    def buys(self) -> bool:
        """Whether it pays joules for less error, in the mean."""
        return float(np.mean(self.error)) < 0 < float(np.mean(self.joules))

    @property
    def saves(self) -> bool:
        """Whether it saves joules for more error, in the mean."""
        return float(np.mean(self.joules)) < 0 < float(np.mean(self.error))

    @property
    def rate(self) -> float:
        """Error per joule: bought where it buys, given up where it saves."""
        return float(-np.mean(self.error) / np.mean(self.joules))
