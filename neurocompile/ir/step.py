"""The few operations that neuron steps are written in, and their numpy form.

In:  a step written once, in `neurons.py` (float) or `fixed.py` (integers).
Out: the same step on numpy arrays here, on torch tensors in `engines`, as ONNX nodes in
     `exchange`: + - * > come from the operands, the three below from `Ops`.
Integers are int64: a decay multiplies 24 bits by 13, so 32 bits would overflow.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np


class Ops(Protocol):
    """What a step needs beyond the operators + - * and >."""

    def divide_toward_zero(self, x: Any, power: int) -> Any:
        """x / 2**power, the fraction cut off (-3 / 2 -> -1)."""

    def clip(self, x: Any, low: int, high: int) -> Any:
        """x limited to [low, high]."""

    def where(self, condition: Any, yes: Any, no: Any) -> Any:
        """Yes where the condition holds, else no."""


class NumpyOps:
    """The operations on numpy arrays."""

    def divide_toward_zero(self, x: Any, power: int) -> Any:
        """x / 2**power, the fraction cut off."""
        return np.sign(x) * (np.abs(x) >> power)

    def clip(self, x: Any, low: int, high: int) -> Any:
        """x limited to [low, high]."""
        return np.clip(x, low, high)

    def where(self, condition: Any, yes: Any, no: Any) -> Any:
        """Yes where the condition holds, else no."""
        return np.where(condition, yes, no)
