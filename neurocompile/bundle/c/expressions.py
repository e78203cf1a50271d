"""Emit C by writing ordinary arithmetic: the `ops` of a neuron's step, as statements.

In:  a neuron's own `step`, called with `COps` and values that stand for C variables.
Out: the same step as C99 statements, in the order in which Python evaluated it.
Nothing here knows any neuron: a step is written once, in `ir`, and only replayed here. A statement
whose value nobody reads is left out, so that a compiler with -Wall accepts the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from neurocompile.ir.ops import decayed, wrap_once
from neurocompile.ir.registers import UNITY

Number = Literal["int32_t", "int64_t"]
NAME = re.compile(r"\bx\d+\b")


@dataclass(eq=False)
class Body:
    """Statements of a loop over neurons, each the definition of one constant.

    Attributes:
        number: Type of every number in them.
        lines: Name, type and expression of each.
    """

    number: Number
    lines: list[tuple[str, str, str]] = field(default_factory=list)

    def define(self, text: str, kind: str | None = None) -> Value:
        """A new constant with the value of an expression."""
        name = f"x{len(self.lines)}"
        self.lines.append((name, kind or self.number, text))
        return Value(self, name)

    def needed(self, ends: Iterable[str]) -> set[str]:
        """Names of the constants on which these expressions depend."""
        wanted = {name for text in ends for name in NAME.findall(text)}
        for name, _, text in reversed(self.lines):
            if name in wanted:
                wanted.update(NAME.findall(text))
        return wanted

    def statements(self, ends: Iterable[str]) -> list[str]:
        """The statements on which these expressions depend."""
        wanted = self.needed(ends)
        return [f"const {kind} {x} = {text};" for x, kind, text in self.lines if x in wanted]


@dataclass(frozen=True, eq=False)
class Value:
    """A value in the loop; arithmetic on it appends a statement."""

    body: Body
    name: str

    def __add__(self, other: Any) -> Value:
        return self if _is(other, 0) else self.body.define(f"{self.name} + {text_of(other)}")

    def __radd__(self, other: Any) -> Value:
        return self + other

    def __sub__(self, other: Any) -> Value:
        return self if _is(other, 0) else self.body.define(f"{self.name} - {text_of(other)}")

    def __rsub__(self, other: Any) -> Value:
        return self.body.define(f"{text_of(other)} - {self.name}")

    def __mul__(self, other: Any) -> Value:
        if _is(other, 1):
            return self
        return self.body.define(f"{self.name} * {text_of(other)}")

    def __rmul__(self, other: Any) -> Value:
        return self * other

    def __gt__(self, other: Any) -> Value:
        return self.body.define(f"{self.name} > {text_of(other)}", "bool")

    def __lt__(self, other: Any) -> Value:
        return self.body.define(f"{self.name} < {text_of(other)}", "bool")


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
        below = x.body.define(f"({x.name} < {text_of(low)}) ? {text_of(low)} : {x.name}")
        return x.body.define(f"({below.name} > {text_of(high)}) ? {text_of(high)} : {below.name}")

    def where(self, condition: Value, yes: Any, no: Any) -> Value:
        """`yes` where the condition holds, else `no`."""
        return condition.body.define(f"{condition.name} ? {text_of(yes)} : {text_of(no)}")

    def wrap(self, x: Value) -> Any:
        """x brought once by 2^24 into (-2^23, 2^23]; x itself where it cannot leave it."""
        return wrap_once(self, x) if self.wraps else x

    def decay(self, x: Value, keep: Any) -> Any:
        """x keep / 4096, the fraction cut off.

        The product does not fit 32 bits. But x = 4096 q + r with r of the same sign, so that the
        quotient is q keep + r keep / 4096, each below 2^25 for |x| <= 2^23 and keep <= 4096.
        """
        if _is(keep, 0):
            return x.body.define("0")
        if _is(keep, UNITY):
            return x
        if x.body.number == "int64_t":
            return decayed(self, x, keep)
        times = text_of(keep)
        whole = x.body.define(f"{x.name} / {UNITY} * {times}")
        return whole + x.body.define(f"{x.name} % {UNITY} * {times} / {UNITY}")


def text_of(x: Any) -> str:
    """A value or a whole number as an operand."""
    if isinstance(x, Value):
        return x.name
    return f"({int(x)})" if x < 0 else str(int(x))


def _is(x: Any, number: int) -> bool:
    return not isinstance(x, Value) and int(x) == number
