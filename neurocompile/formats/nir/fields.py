"""The fields of a NIR primitive out of a stranger's file, checked.

In:  a primitive's tree and where it stands.
Out: arrays, whole numbers and shapes, or a sentence that names the layer, its kind and the field.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from neurocompile.errors import BadInput
from neurocompile.ir.arrays import Array
from neurocompile.ir.checks import MAX_AXES
from neurocompile.ir.neurons import Reset
from neurocompile.ir.nodes import Shape, size
from neurocompile.ir.settings import Assumption

Parameter = Array  # () for the layer, or one for each neuron


@dataclass(frozen=True)
class NirNode:
    """A primitive and where it stands.

    Attributes:
        name: Name of the primitive in the flat network.
        fields: What the file says about it.
        shape: Shape that arrives at it.
        dt: Length of a step, seconds.
        reset: What a spike does to v.
        takes: How many values what follows it takes, where that is one Linear or Affine.
        assumed: What the file does not say; a rule adds to it.
    """

    name: str
    fields: dict[str, Any]
    shape: Shape
    dt: float
    reset: Reset = "zero"
    takes: int | None = None
    assumed: list[Assumption] = field(default_factory=list)

    @property
    def kind(self) -> str:
        """NIR's name of the primitive."""
        return str(self.fields["type"])

    def wrong(self, sentence: str) -> BadInput:
        """A refusal that names the layer."""
        return BadInput(f"layer '{self.name}' ({self.kind}): {sentence}")

    def assume(self, key: str, sentence: str) -> None:
        """Note what a rule takes for granted about a field of this layer."""
        words = f"layer '{self.name}' ({self.kind}): {sentence}"
        self.assumed.append(Assumption(key, words))

    def has(self, what: str) -> bool:
        """Whether the file holds a field."""
        return what in self.fields

    def array(self, what: str, axes: tuple[int, ...] | None = None) -> Array:
        """A field of real numbers; whole numbers and half floats are widened."""
        values = self._any(what)
        if not isinstance(values, np.ndarray) or values.dtype.kind not in "fiub":
            raise self.wrong(f"its {what} is no array of numbers.")
        if axes is not None and (values.ndim not in axes or not values.size):
            allowed = " or ".join(map(str, axes))
            raise self.wrong(f"its {what} has shape {values.shape}, allowed are {allowed} axes.")
        if values.dtype.kind != "f" or values.dtype.itemsize > np.dtype(np.float64).itemsize:
            values = values.astype(np.float64)
        elif values.dtype == np.float16:
            values = values.astype(np.float32)
        bad = ~np.isfinite(values)
        if bad.any():
            first = tuple(map(int, np.argwhere(bad)[0]))
            where = f", the first at {list(first)}" if first else ""
            raise self.wrong(
                f"its {what} holds {int(bad.sum())} of {values.size} values that are NaN or "
                f"infinite{where} ({values[first]}). Write the file with finite parameters."
            )
        return values

    def parameter(self, what: str, default: float | None = None) -> Parameter:
        """A neuron's parameter: () where it is the same for all, as most exporters repeat it."""
        if default is not None and not self.has(what):
            return np.array(default)
        values = self.array(what)
        if values.shape in (self.shape, (1, *self.shape)) or values.size == 1:
            alike = (values == values.reshape(-1)[:1]).all()
            return values.reshape(-1)[0].reshape(()) if alike else values.reshape(self.shape)
        if values.ndim == len(self.shape):
            try:
                return np.broadcast_to(values, self.shape)
            except ValueError:
                pass
        raise self.wrong(
            f"its {what} has shape {values.shape}, but {self.shape} neurons are fed. Give one "
            "value, or one for each neuron."
        )

    def whole(self, what: str) -> Shape:
        """A field of whole numbers; early versions of NIR wrapped a shape in a table."""
        values = self._any(what)
        if isinstance(values, dict):
            values = values.get("input", values.get("output"))
        good = isinstance(values, np.ndarray) and values.dtype.kind in "iuf" and values.ndim <= 1
        if not good or values.size > MAX_AXES or not _are_whole(values):
            raise self.wrong(f"its {what} is not made of whole numbers.")
        return tuple(int(v) for v in values.reshape(-1))

    def each(self, what: str, axes: int) -> Shape:
        """A whole number for each axis; one stands for all."""
        numbers = self.whole(what)
        if len(numbers) not in (1, axes):
            raise self.wrong(f"its {what} is {numbers}, allowed are {axes} whole numbers.")
        return numbers * axes if len(numbers) == 1 else numbers

    def one(self, what: str) -> int:
        """A whole number."""
        return self.each(what, 1)[0]

    def check_shape(self, what: str, arriving: Shape) -> None:
        """What the file says of a shape, where it says it, is what arrives."""
        if self.has(what) and self.whole(what) != arriving:
            raise self.wrong(
                f"its {what} is {self.whole(what)}, but {arriving} arrives (of {self.shape}). "
                "Correct the layer, or the shape of the Input."
            )

    @property
    def arriving(self) -> int:
        """How many values arrive."""
        return size(self.shape)

    def _any(self, what: str) -> Any:
        if what not in self.fields:
            raise self.wrong(f"the file does not hold its {what}.")
        return self.fields[what]


def _are_whole(values: Array) -> bool:
    """Whether numbers are finite and have no fraction."""
    return bool(np.isfinite(values).all() and (values == np.floor(values)).all())
