"""Shards in numpy's formats: .npy, read in parts, and .npz, read whole for its checksum.

In:  a path.
Out: what its headers declare; rows of one of its arrays. Nothing is unpickled.
"""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from neurocompile.data.npz import DAMAGED, array_in, entries, header
from neurocompile.data.shards.shard import Field
from neurocompile.errors import BadInput, first_line
from neurocompile.formats.archives import archive_in

AGAIN = "Save it again with numpy"


def npy_fields(path: Path) -> dict[str, Field]:
    """The one array, as x."""
    try:
        with path.open("rb") as stream:
            return {"x": _field(stream, path.stat().st_size, path, "x", chunk=1)}
    except DAMAGED as error:
        raise damaged(path, error) from None


def npy_rows(path: Path, key: str, first: int, last: int) -> NDArray:
    """The rows [first, last)."""
    try:
        with path.open("rb") as stream:
            shape, _, dtype = header(stream)
            row = prod(shape[1:])
            stream.seek(first * row * dtype.itemsize, 1)
            found = np.fromfile(stream, dtype, (last - first) * row)
        return found.reshape(last - first, *shape[1:])
    except DAMAGED as error:
        raise damaged(path, error) from None


def npz_fields(path: Path) -> dict[str, Field]:
    """The arrays by key."""
    try:
        with archive_in(path) as archive:
            fields = {}
            for entry in entries(archive):
                key = entry.filename.removesuffix(".npy")
                with archive.open(entry) as stream:
                    fields[key] = _field(stream, entry.file_size, path, key, chunk=None)
            return fields
    except DAMAGED as error:
        raise damaged(path, error) from None


def npz_rows(path: Path, key: str, first: int, last: int) -> NDArray:
    """The rows [first, last) of an array that is read whole."""
    try:
        with archive_in(path) as archive:
            entry = archive.getinfo(f"{key}.npy")
            with archive.open(entry) as stream:
                array = array_in(stream, entry.file_size, key)
                stream.read(1)  # at the end the checksum is compared
        return array[first:last]
    except DAMAGED as error:
        raise damaged(path, error) from None


def damaged(path: Path, error: BaseException, again: str = AGAIN) -> BadInput:
    """The error about a file that is not as its format demands."""
    what = "it takes more memory than there is" if isinstance(error, MemoryError) else None
    return BadInput(f"{path}: cannot be read ({what or first_line(error)[:200]}). {again}.")


def _field(stream: IO[bytes], size: int, path: Path, key: str, chunk: int | None) -> Field:
    """What the header of an array declares, which must be what the file holds."""
    shape, fortran, dtype = header(stream)
    if dtype.hasobject:
        raise BadInput(f"{path}: {key} holds pickled objects, which may run code. Save numbers.")
    declared, there = prod(shape) * dtype.itemsize, size - stream.tell()
    if declared != there:
        raise BadInput(
            f"{path}: {key} declares {declared} bytes of shape {list(shape)}, but the file holds "
            f"{there}. {AGAIN}."
        )
    if fortran and chunk is not None and len(shape) > 1:
        raise BadInput(
            f"{path}: {key} is in Fortran order, of which no rows can be read. Save "
            "numpy.ascontiguousarray of it."
        )
    return Field(shape, dtype.str, chunk)
