"""The `ops` of a neuron's step in Verilog.

In:  a neuron's own `step`, called with `VerilogOps` and values that stand for wires.
Out: wires (`bundle.expressions`), all signed and as wide as the widest number of a step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from neurocompile.bundle.expressions import BOOL, Body, Value, is_number
from neurocompile.ir.ops import decayed, wrap_once
from neurocompile.ir.registers import UNITY

NARROW, WIDE = 48, 64  # bits: for numbers of 32 times a decay of 13, as the plan proves; for others


@dataclass(eq=False)
class Wires(Body):
    """Wires, each driven by an expression; `number` is their width in bits."""

    def declared(self, kind: str, name: str, text: str) -> str:
        """The statement that drives a wire."""
        width = "" if kind == BOOL else f" signed [{int(kind) - 1}:0]"
        return f"wire{width} {name} = {text};"

    def literal(self, number: int) -> str:
        """A whole number as wide as the wires: Verilog takes any other for 32 bits."""
        text = f"{self.number}'sd{abs(number)}"
        return f"(-{text})" if number < 0 else text


class VerilogOps:
    """The operations of `ir.ops.Ops` in Verilog, whose shift of a negative number rounds down.

    Args:
        wraps: Whether a current may leave 24 bits; if not, `wrap` returns it as it is.
    """

    def __init__(self, wraps: bool) -> None:
        self.wraps = wraps

    def divide_toward_zero(self, x: Value, power: int) -> Value:
        """x / 2**power, the fraction cut off: what is missing to 2**power is added below 0."""
        if not power:
            return x
        body = x.body
        most, zero = body.literal((1 << power) - 1), body.literal(0)
        raised = body.define(f"{x.name} + (({x.name} < {zero}) ? {most} : {zero})")
        return body.define(f"{raised.name} >>> {power}")

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
        """x keep / 4096, the fraction cut off."""
        if is_number(keep, 0):
            return x.body.define(x.body.literal(0))
        return x if is_number(keep, UNITY) else decayed(self, x, keep)
