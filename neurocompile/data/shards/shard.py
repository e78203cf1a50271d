"""One file of a data set: what it declares, before any of its numbers are read.

In:  what a format found in the file's headers.
Out: a record that is small enough to be sent to another process.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from neurocompile.errors import BadInput

WHOLE_BYTES = 1 << 28  # of an array that can only be read whole, and of a chunk of HDF5 and zarr
BLOCK_BYTES = 1 << 24  # of rows that are read at once where some can be
MOST_PIECES = 1 << 13  # chunks that are read at once: each takes a tenth of a millisecond, or more


@dataclass(frozen=True)
class Field:
    """An array in a file.

    Attributes:
        shape: (n, ...) its shape.
        dtype: Type of its numbers, as numpy names it.
        chunk: Number of rows that are stored together; None if it can only be read whole.
        pieces: Number of chunks that such rows are in, side by side.
    """

    shape: tuple[int, ...]
    dtype: str
    chunk: int | None = 1
    pieces: int = 1

    @property
    def row_bytes(self) -> int:
        """Bytes of one row."""
        return prod(self.shape[1:]) * np.dtype(self.dtype).itemsize

    @property
    def at_once(self) -> int:
        """Number of rows that are read at once: whole chunks, or all rows."""
        if self.chunk is None:
            return max(1, self.shape[0])
        wanted = max(1, BLOCK_BYTES // max(1, self.row_bytes))
        return max(min(wanted // self.chunk, MOST_PIECES // self.pieces), 1) * self.chunk

    def check(self, path: str, key: str) -> None:
        """Refuse what would take too much memory.

        Raises:
            BadInput: Names the file, what is read at once and the limit.
        """
        if self.pieces > MOST_PIECES:
            raise BadInput(
                f"{path}: rows of {key} are in {self.pieces} chunks each, and at most "
                f"{MOST_PIECES} are read at once. Save it in larger chunks."
            )
        rows = min(self.at_once, self.shape[0])
        if rows * self.row_bytes <= WHOLE_BYTES:
            return
        what = "which can only be read whole" if self.chunk is None else f"{rows} rows at once"
        raise BadInput(
            f"{path}: {key} has {self.shape[0]} rows of {self.row_bytes} bytes, {what}, but at "
            f"most {WHOLE_BYTES} bytes are read at once. Save it as several shards, or as .npy, "
            "HDF5 or zarr in smaller chunks, which are read in parts."
        )


def in_chunks(
    shape: Sequence[int], dtype: str, stored: Sequence[int], path: str, key: str, parts: int = 1
) -> Field:
    """An array that is stored in chunks of one shape, each of which may hold several.

    Raises:
        BadInput: If a chunk, which is unpacked whole, is too large, whatever its array needs of it.
    """
    Field(tuple(stored), dtype, None).check(path, f"a chunk of {key}")
    beside = zip(shape[1:], stored[1:], strict=True)
    pieces = parts * prod(-(-size // part) for size, part in beside)
    return Field(tuple(shape), dtype, int(stored[0]), max(1, pieces))


@dataclass(frozen=True)
class Shard:
    """A file with samples.

    Attributes:
        path: The file, or the folder of a zarr group.
        values: Its samples.
        labels: Its labels, or None.
    """

    path: str
    values: Field
    labels: Field | None
