"""Small checks that shapes and `verify` are built from.

In:  the content of a node, which may come from an untrusted file.
Out: nothing, or a BadInput whose sentence continues "layer 'x' (Kind): ".
The limits are defined here. They are far above those of any chip and keep a file from asking
for more memory than a machine has.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from typing import Any

import numpy as np

from neurocompile.errors import BadInput
from neurocompile.ir.arrays import Array
from neurocompile.ir.nodes import Shape

MAX_LAYER = 1 << 24  # values in a layer; a Loihi 2 chip has a million neurons
MAX_AXES = 6
MAX_GEOMETRY = 1 << 20  # largest kernel, stride, padding, dilation, scale or number of groups
MAX_WINDOW = 1 << 20  # values in one window of a pool
MAX_POOL = 1 << 24  # channels x window: the array that a pool's matrix is built from
LARGEST_FLOAT = float(np.finfo(np.float32).max)


def expect(good: bool, wrong: str) -> None:
    """Raise BadInput with a sentence that continues the layer's name, unless `good`."""
    if not good:
        raise BadInput(wrong)


@contextmanager
def naming_layer(name: str, node: Any) -> Iterator[None]:
    """Put the layer's name and kind before the message of an error raised inside."""
    try:
        yield
    except BadInput as error:
        raise error.within(f"layer '{name}' ({type(node).__name__})") from None


def check_shape(shape: Shape, what: str = "its shape") -> None:
    """Check that a shape has 1 to 6 axes, each of 1 or more values, and not too many in all."""
    good = 1 <= len(shape) <= MAX_AXES and min(shape) >= 1 and prod(shape) <= MAX_LAYER
    expect(
        good,
        f"{what} is {shape}, allowed are 1 to {MAX_AXES} axes of 1 or more and {MAX_LAYER} values "
        "in all. Split the layer, or correct the shape.",
    )


def check_each(numbers: Shape, axes: int, low: int, what: str) -> None:
    """Check that a geometry has one number per axis, each within its limits."""
    good = len(numbers) == axes and all(low <= n <= MAX_GEOMETRY for n in numbers)
    expect(
        good,
        f"its {what} is {numbers}, allowed are {axes} whole numbers from {low} to {MAX_GEOMETRY}.",
    )


def check_one_or_each(values: Array, what: str, shape: Shape) -> None:
    """Check that a parameter has one value for the layer, or one per neuron."""
    expect(
        values.shape in ((), shape),
        f"its {what} has shape {values.shape}, allowed are () and {shape}. "
        "Give one value, or one per neuron.",
    )


def check_floats(values: Array, what: str) -> None:
    """Check that real numbers are float32 or float64."""
    good = values.dtype in (np.float32, np.float64)
    expect(good, f"its {what} is {values.dtype}, allowed are float32 and float64. Convert it.")
