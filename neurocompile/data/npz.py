"""One array out of a file of numpy's: the one place that reads what a stranger may have made.

In:  an open stream, and how many bytes it holds.
Out: header or array. Nothing is unpickled, and room is made only for bytes that are there.
"""

from __future__ import annotations

import io
import lzma
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from math import prod
from typing import IO, Protocol

import numpy as np

from neurocompile.ir.arrays import Array

# What zipfile and numpy raise at a file that is not as numpy writes it
DAMAGED = (
    OSError, ValueError, EOFError, LookupError, RuntimeError, SyntaxError, OverflowError,
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, tokenize.TokenError,
)  # fmt: skip

MOST_ENTRIES = 1_000  # arrays of an archive; its list may name one and the same many times
MOST_HEADER = 10_000  # bytes; what numpy reads without being told to trust the file
MOST_DIMENSIONS = 64  # of an array of numpy
LARGEST = (1 << 63) - 1  # of a size; Python writes no product of thousands of digits
AT_ONCE = 1 << 24  # bytes: Python makes room for all that it is asked for


class Readable(Protocol):
    """What bytes are read from: a file, a pipe, an entry of an archive."""

    def read(self, size: int, /) -> bytes:
        """At most so many bytes; none at the end."""


def entries(archive: zipfile.ZipFile, most: int = MOST_ENTRIES) -> Iterator[zipfile.ZipInfo]:
    """The entries of an archive, all of which can be opened.

    An entry has its name twice, and neither has a checksum: one that is damaged is found where they
    differ, as the entry is opened, or samples would lose their labels without a word.
    """
    listed = archive.infolist()
    if len(listed) > most:
        raise ValueError(f"it lists {len(listed)} entries, and at most {most} are read")
    for entry in listed:
        archive.open(entry).close()
        yield entry


def read_up_to(stream: Readable, size: int) -> bytearray:
    """So many bytes, or as many as there are: memory is taken only for those."""
    content = bytearray()
    while len(content) < size and (part := stream.read(min(size - len(content), AT_ONCE))):
        content += part
    return content


def header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, whether in Fortran order, and type of an array in numpy's format.

    Raises:
        One of DAMAGED: If it does not begin as one.
    """
    version = np.lib.format.read_magic(stream)
    if version not in ((1, 0), (2, 0)):
        raise ValueError("it is of version {}.{}, and 1.0 and 2.0 are read".format(*version))
    length = stream.read(2 * version[0])  # bytes that the length of the header takes
    size = int.from_bytes(length, "little")
    if size > MOST_HEADER:
        raise ValueError(f"its header has {size} bytes, but at most {MOST_HEADER} are read")
    read = (np.lib.format.read_array_header_1_0, np.lib.format.read_array_header_2_0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # 3L, as Python 2 wrote it, is a size too
            shape, fortran, dtype = read[version[0] - 1](io.BytesIO(length + stream.read(size)))
    except (ValueError, SyntaxError, tokenize.TokenError, TypeError, RecursionError, MemoryError):
        # numpy has Python parse the header; nesting may overflow the parser, whatever the memory
        raise ValueError("its header describes no array") from None
    sizes = all(type(n) is int and 0 <= n <= LARGEST for n in shape)  # True is an int, but no size
    if not sizes or len(shape) > MOST_DIMENSIONS:
        raise ValueError("its header describes no array")
    return shape, fortran, dtype


def array_in(stream: IO[bytes], size: int, key: str, kinds: str = "biuf") -> Array:
    """An array that declares as many bytes as there are.

    Args:
        stream: The array in numpy's format, from its first byte.
        size: Bytes that it holds, with its header.
        key: What it is called in a message.
        kinds: Allowed kinds of its type, as in numpy's `dtype.kind`.

    Raises:
        One of DAMAGED: If it is none, is of another kind, or declares more or less.
    """
    shape, fortran, dtype = header(stream)
    if dtype.kind not in kinds:
        raise ValueError(f"'{key}' is of the type {dtype}, expected numbers")
    declared, there = prod(shape) * dtype.itemsize, size - stream.tell()
    if declared != there:
        raise ValueError(f"'{key}' declares {declared} bytes, and the file has {there}")
    return np.frombuffer(read_up_to(stream, there), dtype).reshape(
        shape, order="F" if fortran else "C"
    )
