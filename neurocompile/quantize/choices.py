"""Choose the width of a neuron layer's weights, and which weights its grid covers.

In:  a layer's weights; the moments of what arrives at them, if calibration observed it.
Out: the smallest and largest weight that the grid covers; weights beyond them are clipped.
A grid that covers the largest weight clips nothing but is coarse for all other weights. With few
bits it may be better to clip.
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
from neurocompile.quantize.moments import GroupMoments

GridFit = Literal["max", "percentile", "squared error"]

Seen = tuple[GroupMoments, ...] | None  # moments of a synapse; None if it was not observed

GRID_FITS: tuple[GridFit, ...] = ("max", "percentile", "squared error")
PERCENTILE = 99.9
FINER_STEP = 2**0.5
FINER_STEPS = 6  # a channel is up to 8 times finer
SHARES = np.linspace(1.0, 0.3, 15)  # parts of the largest weight, tried for the squared error


@dataclass(frozen=True)
class WeightChoice:
    """How the weights of a neuron layer are put on the grid; the fields are those of report.json.

    Attributes:
        bits: Width of the weights, 2..8.
        objective: What the grid is fitted to: the largest weight, PERCENTILE of the weights, or
            the smallest squared error of what arrives at the neurons.
        correct_bias: Whether the bias, if there is one, compensates what the weights cannot.
        per_channel: Whether channels with small weights have a finer unit of potential.
        correct_sums: Whether the weights, or the bias, make up for what negative weight exponents
            cut off sums of spikes on average.
    """

    bits: int = 8
    objective: GridFit = "max"
    correct_bias: bool = True
    per_channel: bool = False
    correct_sums: bool = False


def finer(ops: Sequence[Any], shape: Shape, chip: Chip) -> Array:
    """Factor by which each neuron's unit is finer than its layer's, so that weights use the grid.

    Weights, bias and threshold of a neuron are multiplied by it, so its spikes do not change. A
    core has room for only a few different thresholds, so the factors are powers of FINER_STEP.

    Args:
        ops: Synapses into the layer, with the membrane leak in their weights.
        shape: Shape of the layer.
        chip: Target chip, which limits the number of thresholds per core.

    Returns:
        shape float64, at least 1; equal within a channel if weights are shared.
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
    """(neurons,) the largest |weight| of each neuron."""
    if isinstance(op, Sparse):
        largest = np.zeros(neurons)
        rows = np.repeat(np.arange(neurons), np.diff(op.indptr))
        np.maximum.at(largest, rows, np.abs(op.data))
        return largest
    by_output = np.abs(kernels(op)).max(axis=2).ravel()
    times = neurons // by_output.size
    return np.tile(by_output, times) if isinstance(op, Linear) else np.repeat(by_output, times)


def reach(
    weights: Sequence[Array],
    ops: Sequence[Any],
    moments: Sequence[Seen],
    choice: WeightChoice,
) -> tuple[float, float]:
    """Smallest and largest weight that the grid covers, 0 included.

    Args:
        weights: Weights of every synapse into the layer.
        ops: Synapses into the layer.
        moments: Moments of each synapse, or None.
        choice: Choice for the layer.
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
    choice: WeightChoice,
) -> float:
    """Squared error of what arrives if each weight is rounded to nearest independently."""
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
