"""How good alarms are, as the Skoltech Anomaly Benchmark counts it.

In:  by run, which rows are labelled and which ones raise an alarm; times of change points.
Out: F1, false and missed alarms over all rows of all runs; the NAB score of change points.
The rules are those of waico/SKAB b2c0d46, core/metrics.py, with the options of its notebooks: a
change point may be found in the 60 s after it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from neurocompile.ir.arrays import Array

WINDOW_S = 60.0  # after a change point, in which it counts as found
STEPS = 1000  # into which the benchmark divides a window
# By profile: what an alarm outside all windows costs, and what a missed window costs.
PROFILES = {"standard": (-0.11, -1.0), "low_fp": (-0.22, -1.0), "low_fn": (-0.11, -2.0)}


@dataclass(frozen=True)
class Rows:
    """Rows of one run or of several.

    Attributes:
        hits: Labelled, with an alarm.
        false: Not labelled, with an alarm.
        missed: Labelled, without an alarm.
        quiet: Not labelled, without an alarm.
    """

    hits: int
    false: int
    missed: int
    quiet: int

    @property
    def f1(self) -> float:
        """F1 of the labelled rows."""
        return self.hits / (self.hits + (self.false + self.missed) / 2)

    @property
    def far(self) -> float:
        """Share of the unlabelled rows with an alarm, %."""
        return 100 * self.false / (self.false + self.quiet)

    @property
    def mar(self) -> float:
        """Share of the labelled rows without an alarm, %."""
        return 100 * self.missed / (self.missed + self.hits)


def rows(labels: Array, alarms: Array) -> Rows:
    """Labels and alarms (n,) bool, counted."""
    return Rows(
        *(int(x.sum()) for x in (
            labels & alarms, ~labels & alarms, labels & ~alarms, ~labels & ~alarms,
        ))
    )  # fmt: skip


def together(runs: Iterable[Rows]) -> Rows:
    """The rows of several runs."""
    return Rows(*np.sum([(r.hits, r.false, r.missed, r.quiet) for r in runs], axis=0).tolist())


def turns(alarms: Array) -> Array:
    """(n,) bool, rows at which the alarm begins or ends; the first one, if it has an alarm."""
    return np.diff(alarms, prepend=False)


@dataclass(frozen=True)
class Found:
    """Change points of one run.

    Attributes:
        places: Of each window that holds a turn, where its first one is, in [0, 1].
        missed: Windows without a turn.
        false: Turns outside all windows.
    """

    places: tuple[float, ...]
    missed: int
    false: int


def found(seconds: Array, changepoint: Array, turning: Array) -> Found:
    """The windows after the change points of a run, and the turns in them and outside.

    A window that would overlap the one before it begins at that one's end. The end of a window
    belongs to it, so a turn there counts for both.

    Args:
        seconds: (n,) times of the rows, ascending.
        changepoint: (n,) bool.
        turning: (n,) bool, of `turns`.
    """
    begins = seconds[changepoint]
    ends = begins + WINDOW_S
    for i in range(1, len(begins)):
        begins[i] = max(begins[i], ends[i - 1])
    times = seconds[turning]
    inside = (times >= begins[:, None]) & (times <= ends[:, None])
    has = inside.any(axis=1)
    first = times[inside[has].argmax(axis=1)] if has.any() else np.zeros(0)
    places = (first - begins[has]) / (ends[has] - begins[has])
    return Found(tuple(places.tolist()), int((~has).sum()), int((~inside.any(axis=0)).sum()))


def nab(runs: Iterable[Found]) -> dict[str, float]:
    """The NAB score by profile: 100 finds each change point at once, 0 is a silent detector.

    A turn in a window earns from 1, at its begin, down to the cost of a false one, at its end, by
    a hyperbolic tangent.
    """
    every = list(runs)
    places = np.array([p for run in every for p in run.places])
    missed, false = sum(run.missed for run in every), sum(run.false for run in every)
    windows = len(places) + missed
    at = np.linspace(-np.pi / 2, np.pi / 2, STEPS)
    falling = (1 - np.tanh(at) / np.tanh(np.pi / 2)) / 2  # from 1 to 0
    reached = falling[np.minimum((places * STEPS).astype(int), STEPS - 1)]
    scores = {}
    for name, (wrong, miss) in PROFILES.items():
        score = (wrong + (1 - wrong) * reached).sum() + wrong * false + miss * missed
        scores[name] = float(100 * (score - miss * windows) / (windows - miss * windows))
    return scores
