"""What a forward over time has in hand: a value of one step, of each, of all of them.

In:  nodes of the record of steps.
Out: plain records, for `loops`, which makes them, and `loop_result`, which reads the last.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import fx


@dataclass(frozen=True, eq=False)
class At:
    """A value of one step.

    Attributes:
        node: What gives it, in the record of steps.
        step: Which one.
    """

    node: fx.Node
    step: int


@dataclass(frozen=True, eq=False)
class Each:
    """A value that is the same in every step, and is computed in each anew.

    Attributes:
        nodes: What gives it, by step.
    """

    nodes: tuple[fx.Node, ...]


@dataclass(frozen=True, eq=False)
class Constant:
    """A value that depends on no input.

    Attributes:
        node: What gives it.
        zero: Whether it is known to be 0.
    """

    node: fx.Node
    zero: bool


@dataclass(frozen=True, eq=False)
class Series:
    """The values of all steps along an axis of one tensor.

    Attributes:
        values: By step.
        axis: Where time is.
    """

    values: tuple[At, ...]
    axis: int


@dataclass(frozen=True, eq=False)
class Filling:
    """A tensor that the forward made and writes steps into, one after another.

    Attributes:
        values: What was written, by step.
        axis: Where time is.
        length: Steps that it holds.
    """

    values: tuple[At, ...]
    axis: int
    length: int


@dataclass(frozen=True, eq=False)
class AfterLoop:
    """What is computed from the values of all steps, after the loop."""
