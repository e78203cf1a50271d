"""Small checks that shapes and `verify` are built from.

In:  what a node holds, possibly made up by a stranger.
Out: nothing, or a BadInput sentence that goes on after "layer 'x' (Kind): ".
Limits stand here; they are far above any chip's and keep a file from asking for more memory
than a machine has.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from typing import Any

import numpy as np

from neurocompile.errors import BadInput, Unsupported
from neurocompile.ir.arrays import Array
from neurocompile.ir.nodes import Shape

MAX_LAYER = 1 << 24  # values in a layer; a Loihi 2 chip has a million neurons
MAX_AXES = 6
MAX_GEOMETRY = 1 << 20  # of a kernel, stride, padding, dilation, scale or number of groups
MAX_WINDOW = 1 << 20  # values that one window of a pool reads
MAX_POOL = 1 << 24  # channels x window; a pool's matrix starts as an array of this size
LARGEST_FLOAT = float(np.finfo(np.float32).max)


def expect(good: bool, wrong: str) -> None:
    """Refuse with a sentence that goes on after the layer's name."""
    if not good:
        raise BadInput(wrong)


@contextmanager
def layer(name: str, node: Any) -> Iterator[None]:
    """Puts the layer's name and kind before what is refused inside."""
    try:
        yield
    except Unsupported as error:
        raise Unsupported(f"layer '{name}' ({type(node).__name__}): {error}") from None
    except BadInput as error:
        raise BadInput(f"layer '{name}' ({type(node).__name__}): {error}") from None


def check_shape(shape: Shape, what: str = "its shape") -> None:
    """A layer has 1 to 6 axes of 1 or more values each, and not too many in all."""
    good = 1 <= len(shape) <= MAX_AXES and min(shape) >= 1 and prod(shape) <= MAX_LAYER
    expect(
        good,
        f"{what} is {shape}, allowed are 1 to {MAX_AXES} axes from 1 up and {MAX_LAYER} values "
        "in all. Split the layer, or correct the shape.",
    )


def check_each(numbers: Shape, axes: int, low: int, what: str) -> None:
    """A geometry has a number for each axis, within its limits."""
    good = len(numbers) == axes and all(low <= n <= MAX_GEOMETRY for n in numbers)
    expect(
        good,
        f"its {what} is {numbers}, allowed are {axes} whole numbers from {low} to {MAX_GEOMETRY}.",
    )


def check_one_or_each(values: Array, what: str, shape: Shape) -> None:
    """A parameter is one value for the layer, or one for each neuron."""
    expect(
        values.shape in ((), shape),
        f"its {what} has shape {values.shape}, allowed are () and {shape}. "
        "Give one value, or one for each neuron.",
    )


def check_floats(values: Array, what: str) -> None:
    """Real numbers are float32 or float64."""
    good = values.dtype in (np.float32, np.float64)
    expect(good, f"its {what} is {values.dtype}, allowed are float32 and float64. Convert it.")
