"""What a few seeds and runs can tell: intervals of effects, and tests that stand together.

In:  a value per seed; or counts per run, and a figure of their sum.
Out: 95 % intervals, and p-values after Holm's correction where the seeds can reach any.
Rows of the same seeds are compared seed by seed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from scipy.special import comb
from scipy.stats import mannwhitneyu, t, ttest_1samp

from neurocompile.ir.arrays import Array

LEVEL = 0.95
ALPHA = 1 - LEVEL
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


def or_mean(values: Sequence[float], digits: int) -> str:
    """A mean with its interval where there are several values, else the one value."""
    one = f"{np.mean(values):.{digits}f}"
    return one if len(values) < 2 else with_interval(values, digits)


def mean_interval(values: Sequence[float], digits: int) -> str:
    """A difference with its sign and its interval, in words: "+0.003 ± 0.002"."""
    return f"{np.mean(values):+.{digits}f} ± {half_width(values):.{digits}f}"


def lowest(values: Mapping[str, Sequence[float]]) -> list[str]:
    """The name with the lowest mean, and all whose interval overlaps its own, by their mean.

    Empty without any values.
    """
    if not values:
        return []
    means = {name: float(np.mean(each)) for name, each in values.items()}
    order = sorted(means, key=means.__getitem__)
    end = means[order[0]] + half_width(values[order[0]])
    return [name for name in order if means[name] - half_width(values[name]) <= end]


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> tuple[float, float, float]:
    """How many times a positive value is another of the same seed: mean, low and high end.

    The mean is the geometric one, the interval that of the mean logarithm.
    """
    logs = np.log(np.asarray(ours) / np.asarray(theirs)).tolist()
    middle, half = float(np.mean(logs)), half_width(logs)
    return tuple(np.exp([middle, middle - half, middle + half]).tolist())


def ratio_words(ours: Sequence[float], theirs: Sequence[float], digits: int = 2) -> str:
    """A ratio with its interval, in words: "2.65 (2.40 to 2.93)"."""
    middle, low, high = ratio(ours, theirs)
    return f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def change_words(ours: Sequence[float], theirs: Sequence[float]) -> str:
    """A ratio as a change in percent, in words: "-31 % (-34 to -28)"."""
    middle, low, high = (100 * (end - 1) for end in ratio(ours, theirs))
    return f"{middle:+.0f} % ({low:+.0f} to {high:+.0f})"


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values of tests that stand together, each as it counts beside the others.

    Source:
        Holm, A simple sequentially rejective multiple test procedure, 1979.
    """
    order = np.argsort(p_values, kind="stable")
    times = np.arange(len(p_values), 0, -1)
    stepped = np.maximum.accumulate(np.asarray(p_values, dtype=float)[order] * times)
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted.tolist()


def smallest(ours: int, theirs: int, tests: int) -> float:
    """The smallest p that a two-sided rank test of so many values can reach, among so many."""
    return float(tests * 2 / comb(ours + theirs, ours, exact=True))


def ranked(pairs: Sequence[tuple[Sequence[float], Sequence[float]]]) -> list[float] | None:
    """Mann and Whitney's exact two-sided p of each pair of groups, after Holm.

    None where not even groups that lie apart would get below `ALPHA`: such a p says nothing but
    how many seeds there are.
    """
    if any(smallest(len(a), len(b), len(pairs)) > ALPHA for a, b in pairs):
        return None
    return holm([float(mannwhitneyu(a, b, method="exact").pvalue) for a, b in pairs])


def signs(differences: Sequence[Sequence[float]]) -> list[int]:
    """Of each list of differences, one per seed, whether the mean is above 0, below it, or neither.

    Student's tests, all of them together after Holm at `ALPHA`; 0 where it is undecided.
    """
    tested = [_p_of_mean(each) for each in differences]
    return [
        int(np.sign(np.mean(each))) if p <= ALPHA else 0
        for each, p in zip(differences, holm(tested), strict=True)
    ]


def _p_of_mean(differences: Sequence[float]) -> float:
    """Student's p that the mean is 0; where nothing varies it is 0 or it is not."""
    if len(differences) < 2:
        return 1.0
    if not np.ptp(differences):
        return float(differences[0] == 0)
    return float(ttest_1samp(differences, 0.0).pvalue)


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
