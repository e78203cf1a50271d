"""Shards in HDF5: datasets x, spikes or payloads, and labels, at the root of a file.

In:  a path.
Out: what it declares; rows of a dataset. Links and data that are kept in other files are refused.
Only the process of `child.py` runs this.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurocompile.data.kinds import KEYS
from neurocompile.data.shards.numpy_files import damaged
from neurocompile.data.shards.shard import Field, in_chunks
from neurocompile.errors import BadInput

AGAIN = "Save it again with h5py"
UNREADABLE = (OSError, RuntimeError, KeyError, ValueError, TypeError)


def hdf5_fields(path: Path) -> dict[str, Field]:
    """The datasets at the root that samples can be read from."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            keys = [key for key in (*KEYS, "labels") if key in file]
            return {key: _field(h5py, file, key, path) for key in keys}
    except UNREADABLE as error:
        raise damaged(path, error, AGAIN) from None


def hdf5_rows(path: Path, key: str, first: int, last: int) -> NDArray:
    """The rows [first, last) of a dataset."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            return np.asarray(file[key][first:last])
    except UNREADABLE as error:
        raise damaged(path, error, AGAIN) from None


def _field(h5py: Any, file: Any, key: str, path: Path) -> Field:
    if not isinstance(file.get(key, getlink=True), h5py.HardLink):
        raise BadInput(f"{path}: {key} is a link, which is not followed. Save the numbers.")
    dataset = file[key]
    if not isinstance(dataset, h5py.Dataset) or not dataset.shape:
        raise BadInput(f"{path}: {key} is no dataset of samples. {AGAIN}.")
    if dataset.is_virtual or dataset.external:
        raise BadInput(
            f"{path}: keeps {key} in another file, which is not opened. Save the numbers."
        )
    if not dataset.chunks:
        return Field(tuple(dataset.shape), dataset.dtype.str)
    return in_chunks(dataset.shape, dataset.dtype.str, dataset.chunks, str(path), key)
