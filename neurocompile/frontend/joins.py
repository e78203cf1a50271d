"""Operations that join several signals: additions and concatenations.

In:  a call that torch.fx recorded, with signals in the place of nodes.
Out: what joins them (Add or Concat), or a refusal; how a recurrent layer's parts are joined.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from neurocompile.errors import BadInput, Unsupported
from neurocompile.frontend.numbers import weights
from neurocompile.frontend.signals import Stack, TracedSignal
from neurocompile.ir.graph import Edge
from neurocompile.ir.nodes import Add, Concat, Identity, Linear, Reshape

IN_PLACE = frozenset({operator.iadd, "add_", "__iadd__"})
ADDITIONS = frozenset({operator.add, torch.add, "add", "__add__", "__radd__", *IN_PLACE})
STACKS = frozenset({torch.stack})
SUMS = frozenset({"sum", torch.sum})
CONCATENATIONS = frozenset({torch.cat, torch.concat, torch.concatenate})


@dataclass(frozen=True, eq=False)
class Join:
    """Signals and what joins them.

    Attributes:
        node: Add or Concat.
        signals: In order.
        value: An example of what comes out.
    """

    node: Add | Concat
    signals: tuple[TracedSignal, ...]
    value: Tensor


def join_of(
    target: Any, args: tuple[Any, ...], kwargs: dict[str, Any], leads: int, where: str
) -> Join | None:
    """The addition or concatenation that a call is, or None if it is none of signals only.

    Args:
        target: What is called; a string for a method.
        args, kwargs: Its arguments, with signals among them.
        leads: Axes before those of a sample.
        where: The forward that the call is in, for the message.

    Raises:
        Unsupported: If it scales, broadcasts, or concatenates along another axis.
    """
    if target in SUMS and args and isinstance(args[0], Stack):
        return _sum_of_stack(args, dict(kwargs))
    if target in ADDITIONS:
        return _addition(args, dict(kwargs), where)
    if target in CONCATENATIONS:
        return _concatenation(args, dict(kwargs), leads, where)
    return None


def joins(target: Any) -> bool:
    """Whether a call joins signals, if it is given several."""
    return target in ADDITIONS or target in CONCATENATIONS or target in STACKS


def adds_nothing(target: Any, args: tuple[Any, ...]) -> bool:
    """Whether a call adds the number 0, as Python's sum does first."""
    return target in ADDITIONS and any(type(a) in (int, float) and a == 0 for a in args[:2])


def check_in_place(name: str, nodes: Mapping[str, Any], edges: list[Edge], where: str) -> None:
    """What `x += y` writes to is used for nothing else, or both uses would see the sum."""
    while True:
        users = [b for a, b in edges if a == name]
        if len(users) > 1 or not getattr(nodes[name], "spiking", True):
            raise Unsupported(
                f"{where} adds to the output of layer '{name}' in place, but that is used "
                "elsewhere too. Write x = x + y."
            )
        if not isinstance(nodes[name], Reshape | Identity):  # a view shares its source's values
            return
        name = next(a for a, b in edges if b == name)


def recurrent_weights(module: Any, name: str) -> tuple[Linear, Linear]:
    """What a recurrent layer of Norse does to its input, and to its own spikes of a step before."""
    return (
        Linear(weights(module.input_weights, "input_weights", layer=name)),
        Linear(weights(module.recurrent_weights, "recurrent_weights", layer=name)),
    )


def stack_of(target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Stack | None:
    """The stack that a call makes of signals of one shape along a new first axis, or None."""
    stacked, *axis = args
    signals = tuple(stacked) if isinstance(stacked, tuple | list) else ()
    if target not in STACKS or [*axis, *kwargs.values()] not in ([], [0]) or len(signals) < 2:
        return None
    if not all(isinstance(signal, TracedSignal) for signal in signals):
        return None
    return Stack(signals) if len({s.value.shape for s in signals}) == 1 else None


def _sum_of_stack(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Join | None:
    stack, *axis = args
    if [*axis, *kwargs.values()] != [0]:
        return None
    return Join(Add(), stack.signals, sum(signal.value for signal in stack.signals))


def _addition(args: tuple[Any, ...], kwargs: dict[str, Any], where: str) -> Join | None:
    terms = [*args[:2], *(kwargs.pop(key) for key in ("input", "other") if key in kwargs)]
    factor = kwargs.pop("alpha", args[2] if len(args) > 2 else 1)
    if kwargs or len(terms) != 2 or not all(isinstance(term, TracedSignal) for term in terms):
        return None
    if factor != 1:
        raise Unsupported(
            f"{where} adds {factor} times a signal. Use alpha=1, and multiply the weights of the "
            "layer before by the factor."
        )
    a, b = terms
    if a.value.shape != b.value.shape:
        raise BadInput(
            f"{where} adds the outputs of layers '{a.source}' and '{b.source}', of shapes "
            f"{tuple(a.value.shape)} and {tuple(b.value.shape)}. Add signals of one shape."
        )
    return Join(Add(), (a, b), a.value + b.value)


def _concatenation(
    args: tuple[Any, ...], kwargs: dict[str, Any], leads: int, where: str
) -> Join | None:
    joined, *rest = (*args, *(kwargs.pop(key) for key in ("tensors",) if key in kwargs))
    axis = rest[0] if rest else kwargs.pop("dim", kwargs.pop("axis", 0))
    signals = tuple(joined) if isinstance(joined, tuple | list) else ()
    if (
        kwargs
        or len(signals) < 2
        or not all(isinstance(signal, TracedSignal) for signal in signals)
    ):
        return None
    shapes = [tuple(signal.value.shape) for signal in signals]
    if axis not in (leads, leads - len(shapes[0])):
        raise Unsupported(
            f"{where} concatenates along axis {axis}, allowed is {leads}: channels or features."
        )
    if len({shape[:leads] + shape[leads + 1 :] for shape in shapes}) > 1:
        raise BadInput(
            f"{where} concatenates the shapes {', '.join(map(str, shapes))}. Only their axis "
            f"{leads} may differ."
        )
    return Join(Concat(), signals, torch.cat([signal.value for signal in signals], leads))
