"""Turn real values into random spikes with integers only.

In:  values (n, ...), a gain, a seed and the index of the first sample.
Out: uint8 spikes (n, steps, ...), 0 or 1.
The spikes of a sample depend only on the seed and the sample's index, never on its batch.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurocompile.errors import BadInput

DRAW_BITS = 32  # a draw is half of a 64-bit output of Philox, the low half first


def bernoulli(
    values: ArrayLike, steps: int, *, gain: float = 1.0, seed: int, first_index: int = 0
) -> NDArray[np.uint8]:
    """Spike in each step with probability p = gain * x.

    A value spikes if its raw 32-bit draw is below floor(p * 2**32), so p = 1 always spikes
    and p = 0 never does. Draws come from Philox with key (seed, sample index), ordered by step,
    then by value, so a longer run begins with the same spikes as a shorter one.

    Args:
        values: (n, ...) real, with gain * x in [0, 1].
        steps: Number of time steps T.
        gain: Probability per unit of x.
        seed: Seed of the random draws, 0 .. 2**64 - 1.
        first_index: Index of values[0] in its data set, 0 .. 2**64 - 1 - n.

    Returns:
        (n, T, ...) uint8 spikes, 0 or 1.

    Raises:
        BadInput: If a probability is not a number in [0, 1], or an argument is out of range.

    Source:
        Salmon et al., Parallel random numbers: as easy as 1, 2, 3 (SC 2011): Philox4x64-10, as in
        numpy, which promises never to change a bit generator's stream.
    """
    x = np.asarray(values, dtype=np.float64)
    if x.ndim == 0:
        raise BadInput("bernoulli: values is a single number. Give an array (n, ...).")
    if steps < 1:
        raise BadInput(f"bernoulli: steps = {steps}. Use at least 1 step.")
    if not 0 <= seed < 2**64:
        raise BadInput(f"bernoulli: seed = {seed}. Use a whole number from 0 to 2**64 - 1.")
    if not 0 <= first_index <= 2**64 - 1 - len(x):
        raise BadInput(f"bernoulli: first_index = {first_index}. Use a whole number from 0 up.")
    limits = _limits(x, gain, first_index)
    spikes = np.empty((len(x), steps, *x.shape[1:]), dtype=np.uint8)
    for row, limit in enumerate(limits):
        key = np.array([seed, first_index + row], dtype=np.uint64)
        draws = _draws(np.random.Philox(key=key), steps * limit.size)
        spikes[row] = draws.reshape(steps, *limit.shape) < limit
    return spikes


def _limits(x: NDArray[np.float64], gain: float, first_index: int) -> NDArray[np.uint64]:
    """floor(gain * x * 2**32), in [0, 2**32]."""
    probability = gain * x
    wrong = ~((probability >= 0) & (probability <= 1))  # NaN is wrong too
    if wrong.any():
        where = tuple(int(i) for i in np.argwhere(wrong)[0])
        shown = [first_index + where[0], *where[1:]]
        raise BadInput(
            f"bernoulli: value {x[where]:g} at index {shown} times gain {gain:g} "
            f"is {probability[where]:g}, but a probability lies in [0, 1]. "
            "Scale the data or lower the gain."
        )
    return np.floor(probability * 2**DRAW_BITS).astype(np.uint64)


def _draws(philox: np.random.Philox, count: int) -> NDArray[np.uint64]:
    """`count` 32-bit draws; each 64-bit output yields its low half, then its high half."""
    raw = philox.random_raw((count + 1) // 2)
    halves = np.stack([raw & np.uint64(2**DRAW_BITS - 1), raw >> np.uint64(DRAW_BITS)], axis=1)
    return halves.reshape(-1)[:count]
