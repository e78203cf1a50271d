"""Numbers and texts out of the entries of a `.net` file.

In:  a group of a file, as `read_hdf5` gives it, and the name of an entry.
Out: int64 numbers, int16 weights, shapes, texts; or one sentence that names the entry and what it
     holds.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from neurocompile.errors import BadInput, Unsupported
from neurocompile.formats.hdf5.read import Tree
from neurocompile.formats.netx.layer import shifted
from neurocompile.ir.arrays import Array, pieces
from neurocompile.ir.checks import MAX_AXES, check_shape
from neurocompile.ir.nodes import Shape

LARGEST = 1 << 40  # of a number in a file


def shape_of(entry: Tree) -> Shape:
    """The shape of a layer."""
    shape = _few(entry, "shape", range(1, MAX_AXES + 1))
    check_shape(shape)
    return shape


def pair(entry: Tree, key: str) -> Shape:
    """A number for each of two axes; one stands for both."""
    values = _few(entry, key, (1, 2))
    return values * (3 - len(values))


def _few(entry: Tree, key: str, allowed: Collection[int]) -> Shape:
    """Some numbers of an entry, counted before a list is made of them."""
    values = _whole(entry, key)
    if values.size not in allowed:
        raise BadInput(
            f"its {key} has {values.size} numbers, allowed are {min(allowed)} to {max(allowed)}."
        )
    return tuple(values.astype(np.int64).ravel().tolist())


def one(entry: Tree, key: str, default: int | None = None) -> int:
    """The one number of an entry, or the default where the entry is missing."""
    if default is not None and key not in entry:
        return default
    return _few(entry, key, (1,))[0]


def whole(entry: Tree, key: str) -> Array:
    """Numbers of an entry as int64; netx cuts off fractions, which is refused here."""
    return _whole(entry, key).astype(np.int64)


def narrow(entry: Tree, key: str, allowed: tuple[int, int]) -> Array:
    """Many numbers of an entry as read-only int16, within what is allowed; without large copies."""
    values = _whole(entry, key)
    check_range(values, key, allowed)
    return shifted(values, 0)


def _whole(entry: Tree, key: str) -> Array:
    """Numbers of an entry in the type of the file, all of them whole."""
    values = entry.get(key)
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "biuf":
        raise BadInput(f"its entry '{key}' is missing, or holds no numbers.")
    if values.dtype.kind in "uf":
        for piece in pieces(values):
            _check_whole(piece.astype(np.float64), key)  # LARGEST is no float16
    return values


def _check_whole(values: Array, key: str) -> None:
    if not np.all(np.abs(values) <= LARGEST):  # NaN compares false
        raise BadInput(f"its {key} holds numbers beyond {LARGEST}, or none at all.")
    if np.any(values != np.rint(values)):
        raise Unsupported(
            f"its {key} holds {values[values != np.rint(values)][0]:g}, which netx cuts to a "
            "whole number. Round it in the training (lava-dl's quantize), then export again."
        )


def text(entry: Tree, key: str) -> str:
    """The one text of an entry."""
    value = entry.get(key)
    if isinstance(value, np.ndarray) and value.dtype.kind == "U" and value.size == 1:
        value = str(value.ravel()[0])
    if not isinstance(value, str):
        raise BadInput(f"its entry '{key}' is missing, or holds no text.")
    return value


def check_range(values: Array, what: str, allowed: tuple[int, int]) -> None:
    """Refuse numbers that a register or a weight cannot have."""
    if not values.size:
        return
    low, high = allowed
    least, most = int(values.min()), int(values.max())
    if least < low or most > high:
        worst = least if least < low else most
        raise Unsupported(f"its {what} reaches {worst}, allowed are {low}..{high}.")
