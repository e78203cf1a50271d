"""Read-only arrays, so that nothing outside a graph can change it.

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

LATER = MappingProxyType({"later": True})  # metadata of fields that a later version added
AT_ONCE = 1 << 16  # values that are copied at a time to be checked


def frozen(values: Any, dtype: Any = None) -> Array:
    """A read-only copy of the values, in C order, with the given dtype or their own.

    An array that is already read-only and owns its memory is returned without a copy, because
    readers make large arrays that way.
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
    """The values in C order, in pieces, so that whatever is computed from them stays small.

    The pieces are views if the array is in C order; otherwise it is copied first.
    """
    flat = values.reshape(-1)
    for start in range(0, flat.size, AT_ONCE):
        yield flat[start : start + AT_ONCE]


def freeze_fields(node: Any, dtype: Any, *names: str) -> None:
    """Replace the named fields of a frozen dataclass by read-only arrays.

    Called by `__post_init__`; a field that is None stays None.
    """
    for name in names:
        value = getattr(node, name)
        if value is not None:
            object.__setattr__(node, name, frozen(value, dtype))


def stored_fields(node: Any) -> Iterator[str]:
    """Names of the fields that files and digests hold.

    A field with `LATER` is left out at its default, so that older networks keep their bytes.
    """
    for f in fields(node):
        if f.metadata != LATER or not _same(getattr(node, f.name), f.default):
            yield f.name


def same_fields(a: Any, b: Any) -> bool:
    """Whether two nodes have the same type and, field by field, bit for bit the same content."""
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
