"""Arrays that nobody can change behind a graph's back.

In:  anything numpy can read as an array.
Out: a read-only, contiguous array that shares no memory with its origin.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

LATER = MappingProxyType({"later": True})  # metadata of a field that a later version added
AT_ONCE = 1 << 16  # values that are copied to be looked at


def frozen(values: Any, dtype: Any = None) -> Array:
    """A read-only copy of the values, in C order, with the type given or their own.

    An array that is that already, and whose memory is its own, is taken as it is: a reader makes
    large ones so.
    """
    if (
        type(values) is np.ndarray
        and values.flags.owndata
        and values.flags.c_contiguous
        and not values.flags.writeable
        and values.dtype == (values.dtype if dtype is None else dtype)
    ):
        return values
    array = np.array(values, dtype=dtype, order="C", copy=True)
    array.setflags(write=False)
    return array


def pieces(values: Array) -> Iterator[Array]:
    """The values in C order, some at a time, so that what is made of them stays small.

    Views of an array in C order; only of another one is a copy made.
    """
    flat = values.reshape(-1)
    for start in range(0, flat.size, AT_ONCE):
        yield flat[start : start + AT_ONCE]


def freeze_fields(node: Any, dtype: Any, *names: str) -> None:
    """Replace the named fields of a frozen dataclass by read-only arrays.

    For `__post_init__`; a field that is None stays None.
    """
    for name in names:
        value = getattr(node, name)
        if value is not None:
            object.__setattr__(node, name, frozen(value, dtype))


def stored_fields(node: Any) -> Iterator[str]:
    """Names of the fields that files and digests hold.

    A field of `LATER` with its default is left out: a network without it keeps its bytes.
    """
    for f in fields(node):
        if f.metadata != LATER or not _same(getattr(node, f.name), f.default):
            yield f.name


def same_fields(a: Any, b: Any) -> bool:
    """Whether two nodes have one type and, field by field and bit for bit, one content."""
    if type(a) is not type(b):
        return False
    return all(_same(getattr(a, f.name), getattr(b, f.name)) for f in fields(a))


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return (
            isinstance(a, np.ndarray)
            and isinstance(b, np.ndarray)
            and a.dtype == b.dtype
            and a.shape == b.shape
            and a.tobytes() == b.tobytes()
        )
    if hasattr(a, "__dataclass_fields__"):
        return same_fields(a, b)
    return type(a) is type(b) and bool(a == b)
