"""What the fields of a node hold: the one reader of a class's type hints.

In:  the class of a node, or of a linear map inside one.
Out: its fields: the kind of value each holds, whether it may be None, whether it must be given.
Checks, files and front ends use this table, so that a new node needs no code in them.
"""

from __future__ import annotations

from dataclasses import MISSING, fields
from functools import cache
from types import UnionType
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

import numpy as np

from neurocompile.ir.arrays import Array
from neurocompile.ir.nodes import WEIGHTED, Shape, Weighted

Holds = Literal["array", "shape", "whole", "flag", "word", "map"]

MAX_INT = (1 << 31) - 1  # no shape, stride or exponent of a network comes near it
MAX_NUMBERS = 8  # whole numbers in a shape or stride


class Field(NamedTuple):
    """A field of a node's class.

    Attributes:
        name: Name of the field.
        holds: Kind of value: "array" of numbers, "shape" of whole numbers, "whole" number,
            "flag", "word" (one of `words`) or "map" (another node, of one of `kinds`).
        optional: Whether it may be None.
        required: Whether its class has no default value for it.
        words: Allowed texts of a "word".
        kinds: Allowed classes of a "map".
    """

    name: str
    holds: Holds
    optional: bool
    required: bool
    words: tuple[str, ...] = ()
    kinds: tuple[type, ...] = ()

    @property
    def allowed(self) -> str:
        """Description of what it may hold, for a message."""
        match self.holds:
            case "array":
                return "an array of numbers"
            case "shape":
                return f"up to {MAX_NUMBERS} whole numbers"
            case "whole":
                return "a whole number of up to 32 bits"
            case "flag":
                return "True or False"
            case "word":
                return " or ".join(map(repr, self.words))
            case _:
                return " or ".join(kind.__name__ for kind in self.kinds)


def fields_of(kind: type) -> tuple[Field, ...]:
    """The fields of a node's class, in their order.

    Raises:
        TypeError: If a field has a type that no file of ours holds.
    """
    return _read(kind)


def arrays_of(kind: type) -> tuple[str, ...]:
    """Names of the fields of a node's class that always hold arrays; for a neuron, parameters."""
    each = fields_of(kind)
    return tuple(f.name for f in each if f.holds == "array" and not f.optional)


def step_words(neuron: Any) -> dict[str, Any]:
    """The fields of a neuron of a chip that its step reads beside its registers."""
    named = [f.name for f in fields_of(type(neuron)) if f.holds in ("word", "whole", "flag")]
    return {name: getattr(neuron, name) for name in named if name != "readout"}


def is_whole(number: Any) -> bool:
    """Whether a value is a whole number of up to 32 bits; True and False are not."""
    whole = isinstance(number, int | np.integer) and not isinstance(number, bool)
    return whole and abs(int(number)) <= MAX_INT


@cache
def _read(kind: Any) -> tuple[Field, ...]:
    hints = get_type_hints(kind)
    return tuple(_field(f.name, hints[f.name], f.default is MISSING) for f in fields(kind))


def _field(name: str, hint: Any, required: bool) -> Field:
    options = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    optional = type(None) in options
    (one,) = (option for option in options if option is not type(None))
    if get_origin(one) is Literal:
        return Field(name, "word", optional, required, words=get_args(one))
    if one is Weighted:
        return Field(name, "map", optional, required, kinds=WEIGHTED)
    plain: tuple[tuple[Any, Holds], ...] = (
        *((Array, "array"), (Shape, "shape")),
        *((int, "whole"), (bool, "flag")),
    )
    for held, holds in plain:
        if one == held:
            return Field(name, holds, optional, required)
    raise TypeError(
        f"the field {name} is a {one}, which no file holds. Use Array, Shape, int, bool, a Literal "
        "of words or Weighted, each by itself or with None."
    )
