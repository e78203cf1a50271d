"""How wide the weights of a neuron layer are, and which weight takes the whole grid.

In:  a layer's weights; what arrives at them, where calibration saw it.
Out: the smallest and largest weight that the grid shall reach; what lies beyond is cut off.
The largest weight costs no error of its own but makes the grid coarse for all others: with few
bits it may pay to cut it off.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from neurocompile.ir.arrays import Array
from neurocompile.ir.nodes import Sparse
from neurocompile.quantize.columns import kernels
from neurocompile.quantize.moments import Together
from neurocompile.quantize.scales import to_grid

Objective = Literal["max", "percentile", "squared error"]

Seen = tuple[Together, ...] | None  # of a synapse, where calibration saw it

OBJECTIVES: tuple[Objective, ...] = ("max", "percentile", "squared error")
PERCENTILE = 99.9
SHARES = np.linspace(1.0, 0.3, 15)  # of the largest weight, tried for the squared error


@dataclass(frozen=True)
class Choice:
    """What was chosen for a neuron layer.

    Attributes:
        bits: Width of its weights, 2..8.
        objective: What its grid is for: the largest weight, PERCENTILE of them, or the smallest
            squared error of what arrives at the neurons.
        correct_bias: Whether its bias, if it has one, makes up for what its weights cannot.
    """

    bits: int = 8
    objective: Objective = "max"
    correct_bias: bool = True


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
    top = 128 if choice.bits == 2 else 256
    unit = top / largest
    total = 0.0
    for w, op, seen in zip(weights, ops, moments, strict=True):
        error = to_grid(w * unit, choice.bits) / unit - w
        if seen is None or isinstance(op, Sparse):
            total += float(np.square(error).sum())
            continue
        power = np.stack([group.power for group in seen])[:, None]
        total += float((np.square(kernels(replace(op, weight=error))) * power).sum())
    return total
