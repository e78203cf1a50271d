"""Round the weights of a synapse jointly, so that their errors cancel where spikes arrive.

In:  weights in units of the chip's grid; the moments of what arrives at them.
Out: integers on the grid, and what a bias should add to compensate.
Weights are rounded one column after the other. The columns still to come compensate the error of
each column as far as possible. Busy columns are rounded first, when all others can still
compensate.

Source of the method: Hassibi and Stork, Optimal Brain Surgeon, NIPS 1992, for the update;
Frantar et al., GPTQ, ICLR 2023, for one order for all rows and a Cholesky factor.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from neurocompile.ir.arrays import Array
from neurocompile.ir.nodes import Conv, ConvTranspose, Linear, Weighted
from neurocompile.ir.registers import Grid
from neurocompile.quantize.columns import from_kernels, kernels
from neurocompile.quantize.moments import GroupMoments

BLOCK = 128  # columns rounded before later ones are updated: one product instead of many sums


class Rounded(NamedTuple):
    """A synapse on the grid.

    Attributes:
        values: int16 in the shape of the weights.
        bias: (targets with their own weights,) float64, to be added to their bias in every step,
            in the same units: the error that the columns could not compensate.
    """

    values: Array
    bias: Array


def round_weights(
    op: Weighted,
    values: Array,
    moments: tuple[GroupMoments, ...] | None,
    bits: int,
    bias: bool = True,
    lost: float = 0.0,
) -> Rounded:
    """Integers for the weights of a synapse.

    Args:
        op: Synapse; its kind decides which weights act on the same targets.
        values: Weights in units of a weight at exponent 0, in the shape of the synapse's.
        moments: Moments of what arrives at it; with None each weight is rounded to nearest.
        bits: Width of the weights.
        bias: Whether a bias may compensate what the weights cannot.
        lost: What the chip cuts off the sum in every step, in the same units as the weights; they,
            or the bias, make up for it.
    """
    grid = Grid(bits)
    if moments is None or not isinstance(op, Linear | Conv | ConvTranspose):
        return Rounded(grid.nearest(values), np.zeros(1))
    split = kernels(op.with_weights(values))
    parts = [_round(w, m, grid, bias, lost) for w, m in zip(split, moments, strict=True)]
    whole = from_kernels(op, np.stack([part.values for part in parts]))
    return Rounded(whole, np.concatenate([part.bias for part in parts]))


def spread(op: Weighted, bias: Array, neurons: int) -> Array:
    """(neurons,) the biases of targets with their own weights, repeated for all their neurons."""
    times = neurons // bias.size
    return np.tile(bias, times) if isinstance(op, Linear) else np.repeat(bias, times)


def _round(weights: Array, seen: GroupMoments, grid: Grid, bias: bool, lost: float) -> Rounded:
    """Integers (outputs, columns) for weights at which the same spikes arrive."""
    last = len(seen.order)  # the bias: it is not rounded here, and compensates what is left
    factor = seen.with_bias if bias else seen.without_bias
    left = np.zeros((len(weights), len(factor)))
    left[:, :last] = weights[:, seen.order]
    if lost and bias:
        left[:, last] = lost
    elif lost:
        left[:, :last] += lost * seen.like_bias
    rounded = np.empty(weights.shape, dtype=np.int16)
    for first in range(0, last, BLOCK):
        block = slice(first, min(first + BLOCK, last))
        errors = _round_block(left, rounded, factor, block, grid)
        left[:, block.stop :] -= errors @ factor[block, block.stop :]
    back = np.empty_like(rounded)
    back[:, seen.order] = rounded
    return Rounded(back, left[:, last] if bias else np.zeros(len(weights)))


def _round_block(left: Array, rounded: Array, upper: Array, block: slice, grid: Grid) -> Array:
    """Round the columns of a block one by one; returns the errors for later columns."""
    here, factor = left[:, block], upper[block, block]
    errors = np.empty_like(here)
    for k in range(here.shape[1]):
        whole = grid.nearest(here[:, k])
        rounded[:, block.start + k] = whole
        errors[:, k] = (here[:, k] - whole) / factor[k, k]
        here[:, k + 1 :] -= np.outer(errors[:, k], factor[k, k + 1 :])
    return errors
