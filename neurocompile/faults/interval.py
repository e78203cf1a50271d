"""The mean of some draws, and how sure it is.

In:  a number from each draw.
Out: mean, and a 95 % interval of the mean over draws by the percentile bootstrap.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

RESAMPLED = 10_000  # times; the ends of the interval then move by less than 2 % of its width
ENDS = (2.5, 97.5)  # percentiles


def mean_and_interval(values: Sequence[float]) -> dict[str, Any]:
    """JSON-ready mean with the ends of its interval, None where there are too few values.

    The draws are drawn again with replacement, as many as there are, 10,000 times with a fixed
    seed; the interval goes from the 2.5th to the 97.5th percentile of the means.
    """
    if not values:
        return {"mean": None, "low": None, "high": None}
    numbers = np.array(values)
    mean = float(numbers.mean())
    if len(numbers) == 1:
        return {"mean": mean, "low": None, "high": None}
    again = np.random.default_rng(0).integers(0, len(numbers), (RESAMPLED, len(numbers)))
    low, high = np.percentile(numbers[again].mean(axis=1), ENDS)
    return {"mean": mean, "low": float(low), "high": float(high)}
