"""The constant tables of a network: weights.c and weights.h.

In:  arrays of whole numbers, by name.
Out: C text that holds each in the smallest type, the size of all, and their digest.
The digest runs over the little-endian bytes of the tables in their order, so that it is the same
on every machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from zlib import crc32

import numpy as np

from neurocompile.errors import DoesNotFit
from neurocompile.ir.arrays import Array

TYPES = (np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32, np.int64)
MOST_BYTES = 1 << 26  # of all tables: a compiler takes minutes and gigabytes for more
LINE = 100  # characters of a line of numbers


class Tables:
    """Tables under construction, in order."""

    def __init__(self) -> None:
        self.held: dict[str, Array] = {}

    def add(self, name: str, values: Any, number: Any = None) -> str:
        """Add a table and return its name in C; an empty one gets a 0, as C allows no empty array.

        Args:
            name: Name, without the prefix of all our names.
            values: Whole numbers.
            number: Type of the numbers; the smallest one that holds all if None.
        """
        flat = np.asarray(values).ravel()
        flat = flat if flat.size else np.zeros(1, np.uint8)
        name = f"nc_{name}"
        while name in self.held:
            name += "_"
        self.held[name] = flat.astype(number or smallest(flat))
        return name

    @property
    def bytes(self) -> int:
        """Size of all tables."""
        return sum(values.nbytes for values in self.held.values())

    def check(self, what: str) -> None:
        """Refuse tables that are larger than a compiler takes.

        Args:
            what: Whose tables were added last.

        Raises:
            DoesNotFit: Names it, their size and what is allowed.
        """
        if self.bytes > MOST_BYTES:
            raise DoesNotFit(
                f"{what}: with it the tables of the C program take {self.bytes >> 20} MiB, but "
                f"compilers take at most {MOST_BYTES >> 20} MiB in reasonable time and memory. Use "
                "fewer connections, or convolutions, whose kernels are stored once."
            )

    def digest(self) -> int:
        """CRC-32 over all tables."""
        found = 0
        for values in self.held.values():
            found = crc32(values.astype(values.dtype.newbyteorder("<")).tobytes(), found)
        return found

    def header(self) -> str:
        """Declarations, for weights.h."""
        return "\n".join(
            f"extern const {c_type(v.dtype)} {name}[{v.size}];" for name, v in self.held.items()
        )

    def source(self) -> Iterator[str]:
        """Definitions, for weights.c."""
        for name, values in self.held.items():
            yield f"const {c_type(values.dtype)} {name}[{values.size}] = {{\n"
            yield from _lines(values)
            yield "};\n\n"


def smallest(values: Array) -> Any:
    """The smallest type of C that holds whole numbers."""
    low, high = int(values.min()), int(values.max())
    fits = (n for n in TYPES if np.iinfo(n).min <= low and high <= np.iinfo(n).max)
    return next(fits)


def c_type(number: Any) -> str:
    """The name of a type of numpy in C: int16_t for int16."""
    return f"{np.dtype(number).name}_t"


def _lines(values: Array) -> Iterator[str]:
    texts = [str(number) for number in values.tolist()]
    if values.dtype.itemsize == np.dtype(np.int64).itemsize:
        texts = [f"INT64_C({text})" for text in texts]
    width = max(map(len, texts)) + 2
    each = max(1, LINE // width)
    for start in range(0, len(texts), each):
        yield "    " + ", ".join(texts[start : start + each]) + ",\n"
