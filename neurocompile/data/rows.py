"""Rows of a recording, some at a time: from a .npy file of any size, or from standard input.

In:  a file, or an open stream, in numpy's format .npy: (rows, ...) in C order.
Out: arrays of some rows. What a header declares is checked before any memory is taken.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import IO

import numpy as np
from numpy.typing import NDArray

from neurocompile.data.npz import DAMAGED, header, read_up_to
from neurocompile.errors import BadInput

MOST_ROW_BYTES = 2**28  # a row of a sensor has a few bytes, a frame of video some millions
BLOCK_BYTES = 2**22


def rows_of(stream: IO[bytes], name: str, at_once: int) -> Iterator[NDArray]:
    """Read rows until the stream ends, or as many as it declares.

    Args:
        stream: Open file or pipe.
        name: What it is called in messages.
        at_once: Most rows at a time; fewer where they are large.

    Raises:
        BadInput: If it is no such stream, stops in the middle of a row, or goes on after the rows
            that it declares, as two files one after the other do.
    """
    shape, dtype = _header(stream, name)
    row, size = shape[1:], dtype.itemsize * math.prod(shape[1:])
    at_once, done = max(1, min(at_once, BLOCK_BYTES // max(size, 1))), 0
    while done < shape[0]:
        wanted = min(at_once, shape[0] - done)
        content = read_up_to(stream, wanted * size)
        whole, rest = divmod(len(content), size)
        if whole:
            yield np.frombuffer(content[: whole * size], dtype).reshape(whole, *row)
        if rest:
            raise BadInput(
                f"{name}: stops in the middle of row {done + whole}, counted from 0: {rest} of "
                f"{size} bytes. Send whole rows."
            )
        done += whole
        if whole < wanted:
            return
    if stream.read(1):
        raise BadInput(
            f"{name}: goes on after the {done} rows that it declares. Send one "
            ".npy file whose header declares all rows, or more."
        )


def _header(stream: IO[bytes], name: str) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and type of the rows."""
    try:
        shape, fortran, dtype = header(stream)
    except DAMAGED as error:
        raise BadInput(
            f"{name}: does not begin as a .npy file ({str(error)[:200]}). Write it with numpy.save."
        ) from None
    size = dtype.itemsize * math.prod(shape[1:])
    if len(shape) < 2 or fortran or dtype.kind not in "buif" or min(shape) < 1:
        order = ", in Fortran order" if fortran else ""
        raise BadInput(
            f"{name}: holds {dtype} of shape {list(shape)[:8]}{order}, but must be (rows, ...) of "
            "numbers in C order. Save it with numpy.ascontiguousarray."
        )
    if size > MOST_ROW_BYTES:
        raise BadInput(f"{name}: a row has {size} bytes, but at most {MOST_ROW_BYTES} are read.")
    return shape, dtype
