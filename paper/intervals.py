"""Intervals of means over seeds, and of what a few runs can tell.

In:  a value per seed; or counts per run, and a figure of their sum.
Out: 95 % intervals.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.stats import t

from neurocompile.ir.arrays import Array

LEVEL = 0.95
DRAWS = 10_000


def half_width(values: Sequence[float]) -> float:
    """Half of Student's interval of the mean; 0 for a single value."""
    n = len(values)
    if n < 2:
        return 0.0
    return float(t.ppf((1 + LEVEL) / 2, n - 1) * np.std(values, ddof=1) / np.sqrt(n))


def with_interval(values: Sequence[float], digits: int) -> str:
    """A mean and half of its interval, in words: "0.893 ± 0.005"."""
    return f"{np.mean(values):.{digits}f} ± {half_width(values):.{digits}f}"


def mean_interval(values: Sequence[float], digits: int) -> str:
    """A difference with its sign and its interval, in words: "+0.003 ± 0.002"."""
    return f"{np.mean(values):+.{digits}f} ± {half_width(values):.{digits}f}"


def resampled(
    figure: Callable[[Array], Array], counts: Array, seed: int = 0
) -> tuple[float, float]:
    """The bootstrap interval of a figure of several runs, which are drawn with replacement.

    Args:
        figure: From sums of counts (draws, ...) to one number each.
        counts: (runs, ...).
        seed: Of the draws.
    """
    weights = np.random.default_rng(seed).multinomial(
        len(counts), np.full(len(counts), 1 / len(counts)), DRAWS
    )
    values = figure(np.tensordot(weights, counts, axes=1))
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
