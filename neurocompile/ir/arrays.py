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

from neurocompile.errors import BadInput, a_or_an

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


def plain_numbers(node: Any) -> None:
    """Replace numpy's integers in the fields of a frozen dataclass, and in its tuples, by Python's.

    Called by `__post_init__`. numpy's wrap, have not all methods, and are not what files hold.
    """
    for f in fields(node):
        value = getattr(node, f.name)
        if isinstance(value, np.integer):
            object.__setattr__(node, f.name, int(value))
        elif type(value) is tuple and any(isinstance(n, np.integer) for n in value):
            plain = tuple(int(n) if isinstance(n, np.integer) else n for n in value)
            object.__setattr__(node, f.name, plain)


def freeze_fields(node: Any, dtype: Any, *names: str) -> None:
    """Replace the named fields of a frozen dataclass by read-only arrays; see `plain_numbers`.

    Called by `__post_init__`; a field that is None stays None.

    Raises:
        BadInput: If the dtype is one of integers and a value is none that it holds.
    """
    plain_numbers(node)
    for name in names:
        value = getattr(node, name)
        if value is not None:
            if dtype is not None and np.dtype(dtype).kind == "i":
                _check_whole(node, name, value, dtype)
            object.__setattr__(node, name, frozen(value, dtype))


def _check_whole(node: Any, name: str, value: Any, dtype: Any) -> None:
    """Refuse what a conversion to integers would cut or wrap, or could not convert."""
    wrong = next(_not_whole(value, np.iinfo(dtype)), None)
    if wrong is not None:
        raise BadInput(
            f"{type(node).__name__}: found {wrong} in its {name}, allowed are whole numbers of up "
            "to 64 bits. Round its values where the network is made."
        )


def _not_whole(value: Any, limits: Any) -> Iterator[str]:
    """What in a value is no whole number within the limits, as texts."""
    try:
        array = np.asarray(value)
    except (ValueError, TypeError):
        yield "lists of different lengths"
        return
    if array.dtype == limits.dtype or array.dtype.kind == "b" or not array.size:
        return
    if array.dtype.kind in "iu":
        ends = int(array.min()), int(array.max())
        yield from (f"the value {end}" for end in ends if not limits.min <= end <= limits.max)
    elif array.dtype.kind == "f":
        with np.errstate(invalid="ignore"):  # a NaN may be a signalling one
            real = array.astype(np.float64)  # which holds 2**63, but not the largest int64
            inside = (real >= float(limits.min)) & (real < float(limits.max) + 1)
            bad = real[~(inside & (real == np.rint(real)))]
        yield from ("NaN" if np.isnan(one) else f"the value {one:g}" for one in bad.flat)
    else:
        for one in array.flat:
            if not isinstance(one, int | np.integer):
                yield f"{a_or_an(type(one).__name__)}"
            elif not limits.min <= one <= limits.max:
                yield f"a value of {int(one).bit_length()} bits"


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
