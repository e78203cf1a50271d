"""Replay a neuron's step as statements of another language.

In:  a neuron's own `step`, called with the `ops` of that language and values that stand for its
     constants.
Out: the same step as statements, in the order in which Python evaluated it.
Nothing here knows any neuron: a step is written once, in `ir`. A statement whose value nobody reads
is left out, so that a compiler that warns accepts the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

NAME = re.compile(r"\bx\d+\b")
BOOL = "bool"


@dataclass(eq=False)
class Body:
    """Statements, each the definition of one constant; `declared` and `literal` are C's.

    Attributes:
        number: Type of every number in them.
        lines: Name, type and expression of each.
    """

    number: str
    lines: list[tuple[str, str, str]] = field(default_factory=list)

    def define(self, text: str, kind: str | None = None) -> Value:
        """A new constant with the value of an expression; kind is BOOL for a comparison."""
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
        return [self.declared(kind, x, text) for x, kind, text in self.lines if x in wanted]

    def declared(self, kind: str, name: str, text: str) -> str:
        """The statement that defines a constant."""
        return f"const {kind} {name} = {text};"

    def literal(self, number: int) -> str:
        """A whole number as an operand."""
        return f"({number})" if number < 0 else str(number)

    def text(self, x: Any) -> str:
        """A value or a whole number as an operand."""
        return x.name if isinstance(x, Value) else self.literal(int(x))

    def clipped(self, x: Value, low: int, high: int) -> Value:
        """x limited to [low, high]."""
        least, most = self.text(low), self.text(high)
        below = self.define(f"({x.name} < {least}) ? {least} : {x.name}")
        return self.define(f"({below.name} > {most}) ? {most} : {below.name}")

    def chosen(self, condition: Value, yes: Any, no: Any) -> Value:
        """`yes` where the condition holds, else `no`."""
        return self.define(f"{condition.name} ? {self.text(yes)} : {self.text(no)}")


@dataclass(frozen=True, eq=False)
class Value:
    """A value in the loop; arithmetic on it appends a statement."""

    body: Body
    name: str

    def __add__(self, other: Any) -> Value:
        return self if is_number(other, 0) else self._with("+", other)

    def __radd__(self, other: Any) -> Value:
        return self + other

    def __sub__(self, other: Any) -> Value:
        return self if is_number(other, 0) else self._with("-", other)

    def __rsub__(self, other: Any) -> Value:
        return self.body.define(f"{self.body.text(other)} - {self.name}")

    def __mul__(self, other: Any) -> Value:
        return self if is_number(other, 1) else self._with("*", other)

    def __rmul__(self, other: Any) -> Value:
        return self * other

    def __gt__(self, other: Any) -> Value:
        return self._with(">", other, BOOL)

    def __lt__(self, other: Any) -> Value:
        return self._with("<", other, BOOL)

    def _with(self, sign: str, other: Any, kind: str | None = None) -> Value:
        return self.body.define(f"{self.name} {sign} {self.body.text(other)}", kind)


def is_number(x: Any, number: int) -> bool:
    """Whether x is this very number, and not a value."""
    return not isinstance(x, Value) and int(x) == number
