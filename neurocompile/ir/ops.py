"""The few operations that neuron steps are written in, and their numpy form.

In:  a step written once, in `neurons.py` (float) or `fixed.py` (integers).
Out: the same step on numpy arrays here, on torch tensors in `engines`, as ONNX nodes in
     `formats`. The operands provide + - * >, and `Ops` the five operations below.
Integers are int64: a decay multiplies 24 bits by 13, so 32 bits would overflow.

Source of the integer rules: lava-nc 0.10.0, lava/proc/lif/models.py, subthr_dynamics.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from neurocompile.ir.registers import DECAY_BITS, STATE_LIMIT


class Ops(Protocol):
    """The operations that a step needs beyond the operators + - * and >."""

    def divide_toward_zero(self, x: Any, power: int) -> Any:
        """x / 2**power, the fraction cut off (-3 / 2 -> -1)."""

    def clip(self, x: Any, low: int, high: int) -> Any:
        """x limited to [low, high]."""

    def where(self, condition: Any, yes: Any, no: Any) -> Any:
        """`yes` where the condition holds, else `no`."""

    def wrap(self, x: Any) -> Any:
        """x shifted by at most one multiple of 2^24 into (-2^23, 2^23], as `wrap_once` does."""

    def decay(self, x: Any, keep: Any) -> Any:
        """x keep / 4096, the fraction cut off, as `decayed` does."""


def wrap_once(ops: Ops, x: Any) -> Any:
    """Shift a current by at most one multiple of 2^24 into (-2^23, 2^23], as Lava does."""
    too_high = x > STATE_LIMIT
    too_low = (x * -1) > STATE_LIMIT - 1
    lowered = ops.where(too_high, x - 2 * STATE_LIMIT, x)
    return ops.where(too_low, x + 2 * STATE_LIMIT, lowered)


def decayed(ops: Ops, x: Any, keep: Any) -> Any:
    """What remains of a state after a decay: `keep` parts in 4096 of it."""
    return ops.divide_toward_zero(x * keep, DECAY_BITS)


def shift(total: Any, exponent: int) -> Any:
    """The output of a synapse for a sum of its weights: times 2^exponent, rounded down.

    Args:
        total: Whole numbers, of Python or in an array whose type can hold the result.
        exponent: Weight exponent; a negative one drops low bits (-3 >> 1 is -2).
    """
    return total << exponent if exponent >= 0 else total >> -exponent


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

    def wrap(self, x: Any) -> Any:
        """x brought once by 2^24 into (-2^23, 2^23]."""
        return wrap_once(self, x)

    def decay(self, x: Any, keep: Any) -> Any:
        """x keep / 4096, the fraction cut off."""
        return decayed(self, x, keep)
