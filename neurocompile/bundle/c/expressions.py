"""The `ops` of a neuron's step in C99.

In:  a neuron's own `step`, called with `COps` and values that stand for C variables.
Out: statements (`bundle.expressions`).
"""

from __future__ import annotations

from typing import Any, Literal

from neurocompile.bundle.expressions import Value, is_number
from neurocompile.ir.ops import decayed, wrap_once
from neurocompile.ir.registers import UNITY

Number = Literal["int32_t", "int64_t"]


class COps:
    """The operations of `ir.ops.Ops` in C99, whose division cuts the fraction off.

    Args:
        wraps: Whether a current may leave 24 bits; if not, `wrap` returns it as it is.
    """

    def __init__(self, wraps: bool) -> None:
        self.wraps = wraps

    def divide_toward_zero(self, x: Value, power: int) -> Value:
        """x / 2**power, the fraction cut off."""
        return x.body.define(f"{x.name} / {1 << power}") if power else x

    def clip(self, x: Value, low: int, high: int) -> Value:
        """x limited to [low, high]."""
        return x.body.clipped(x, low, high)

    def where(self, condition: Value, yes: Any, no: Any) -> Value:
        """`yes` where the condition holds, else `no`."""
        return condition.body.chosen(condition, yes, no)

    def wrap(self, x: Value) -> Any:
        """x brought once by 2^24 into (-2^23, 2^23]; x itself where it cannot leave it."""
        return wrap_once(self, x) if self.wraps else x

    def decay(self, x: Value, keep: Any) -> Any:
        """x keep / 4096, the fraction cut off.

        The product does not fit 32 bits. But x = 4096 q + r with r of the same sign, so that the
        quotient is q keep + r keep / 4096, each below 2^25 for |x| <= 2^23 and keep <= 4096.
        """
        if is_number(keep, 0):
            return x.body.define("0")
        if is_number(keep, UNITY):
            return x
        if x.body.number == "int64_t":
            return decayed(self, x, keep)
        times = x.body.text(keep)
        whole = x.body.define(f"{x.name} / {UNITY} * {times}")
        return whole + x.body.define(f"{x.name} % {UNITY} * {times} / {UNITY}")
