"""How wide the weights of a neuron layer are, and which weight takes the whole grid.

In:  a layer's weights; what arrives at them, where calibration saw it.
Out: the smallest and largest weight that the grid shall reach; what lies beyond is cut off.
The largest weight costs no error of its own but makes the grid coarse for all others: with few
bits it may pay to cut it off.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from neurocompile.chip.record import Chip
from neurocompile.ir.arrays import Array
from neurocompile.ir.nodes import Linear, Shape, Sparse, size
from neurocompile.ir.registers import Grid
from neurocompile.quantize.columns import kernels
from neurocompile.quantize.moments import Together

Objective = Literal["max", "percentile", "squared error"]

Seen = tuple[Together, ...] | None  # of a synapse, where calibration saw it

OBJECTIVES: tuple[Objective, ...] = ("max", "percentile", "squared error")
PERCENTILE = 99.9
FINER_STEP = 2**0.5
FINER_STEPS = 6  # up to 8 times finer
SHARES = np.linspace(1.0, 0.3, 15)  # of the largest weight, tried for the squared error


@dataclass(frozen=True)
class Choice:
    """What was chosen for a neuron layer.

    Attributes:
        bits: Width of its weights, 2..8.
        objective: What its grid is for: the largest weight, PERCENTILE of them, or the smallest
            squared error of what arrives at the neurons.
        correct_bias: Whether its bias, if it has one, makes up for what its weights cannot.
        per_channel: Whether channels with small weights count their potential more finely.
    """

    bits: int = 8
    objective: Objective = "max"
    correct_bias: bool = True
    per_channel: bool = False


def finer(ops: Sequence[Any], shape: Shape, chip: Chip) -> Array:
    """How many times finer than the layer each neuron may count, so that its weights use the grid.

    Weights, bias and threshold of a neuron are multiplied by it, which no spike notices. A core
    has room for few different thresholds, so these are few steps of FINER_STEP.

    Args:
        ops: Every synapse into the layer, the membrane leak in its weights.
        shape: Of the layer.
        chip: The target, which says how many thresholds a core may hold.

    Returns:
        shape float64, from 1 up; equal in a channel where weights are shared.
    """
    largest = np.zeros(size(shape))
    for op in ops:
        largest = np.maximum(largest, _largest_of_each(op, size(shape)))
    count = chip.limits.threshold_configurations_per_core
    steps = FINER_STEPS if count is None else min(FINER_STEPS, int(count.value) - 1)
    with np.errstate(divide="ignore"):
        room = np.log(largest.max(initial=0.0) / largest) / np.log(FINER_STEP)
    room[largest == 0] = 0
    return np.asarray(FINER_STEP ** np.clip(np.floor(room + 1e-9), 0, steps)).reshape(shape)


def _largest_of_each(op: Any, neurons: int) -> Array:
    """The largest |weight| of each neuron, (neurons,)."""
    if isinstance(op, Sparse):
        found = np.zeros(neurons)
        rows = np.repeat(np.arange(neurons), np.diff(op.indptr))
        np.maximum.at(found, rows, np.abs(op.data))
        return found
    each = np.abs(kernels(op)).max(axis=2).ravel()
    times = neurons // each.size
    return np.tile(each, times) if isinstance(op, Linear) else np.repeat(each, times)


def reach(
    weights: Sequence[Array],
    ops: Sequence[Any],
    moments: Sequence[Seen],
    choice: Choice,
) -> tuple[float, float]:
    """Smallest and largest weight that the grid shall reach, 0 included.

    Args:
        weights: Of every synapse into the layer.
        ops: The synapses.
        moments: Of each, or None.
        choice: For the layer.
    """
    low = min((float(w.min(initial=0.0)) for w in weights), default=0.0)
    high = max((float(w.max(initial=0.0)) for w in weights), default=0.0)
    if choice.objective == "max" or not low < high:
        return low, high
    if choice.objective == "percentile":
        every = np.concatenate([np.abs(w).ravel() for w in weights])
        most = float(np.percentile(every, PERCENTILE))
        return max(low, -most), min(high, most)
    errors = [_error(weights, ops, moments, max(-low, high) * share, choice) for share in SHARES]
    share = float(SHARES[int(np.argmin(errors))])
    return low * share, high * share


def _error(
    weights: Sequence[Array],
    ops: Sequence[Any],
    moments: Sequence[Seen],
    largest: float,
    choice: Choice,
) -> float:
    """Squared error of what arrives, if each weight is rounded to nearest on its own."""
    grid = Grid(choice.bits)
    unit = -grid.used[0] / largest
    total = 0.0
    for w, op, seen in zip(weights, ops, moments, strict=True):
        error = grid.nearest(w * unit) / unit - w
        if seen is None or isinstance(op, Sparse):
            total += float(np.square(error).sum())
            continue
        power = np.stack([group.power for group in seen])[:, None]
        total += float((np.square(kernels(op.with_weights(error))) * power).sum())
    return total
