"""Which format reads a file of a data set.

In:  a path.
Out: two functions: what the file declares, and rows of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from numpy.typing import NDArray

from neurocompile.data.shards.apart import fields_apart, rows_apart
from neurocompile.data.shards.idx import idx_fields, idx_rows
from neurocompile.data.shards.numpy_files import npy_fields, npy_rows, npz_fields, npz_rows
from neurocompile.data.shards.shard import Field
from neurocompile.errors import BadInput

IDX = re.compile(r"(?P<what>images|labels)[-.]idx[31]-ubyte(\.gz)?$")


class Format(NamedTuple):
    """How files of a format are read.

    Attributes:
        fields: The arrays by key that a file declares.
        rows: The rows [first, last) of one of them, as they are stored.
    """

    fields: Callable[[Path], dict[str, Field]]
    rows: Callable[[Path, str, int, int], NDArray]


HDF5 = Format(partial(fields_apart, "HDF5"), partial(rows_apart, "HDF5"))
BY_SUFFIX = {
    ".npy": Format(npy_fields, npy_rows),
    ".npz": Format(npz_fields, npz_rows),
    ".h5": HDF5,
    ".hdf5": HDF5,
    ".zarr": Format(partial(fields_apart, "zarr"), partial(rows_apart, "zarr")),
}
IDX_FORMAT = Format(idx_fields, idx_rows)


def format_of(path: Path) -> Format:
    """The format of a file.

    Raises:
        BadInput: If it is none of ours.
    """
    if IDX.search(path.name):
        return IDX_FORMAT
    if path.suffix not in BY_SUFFIX:
        raise BadInput(
            f"{path}: is no shard. Keep only shards in the folder: {', '.join(BY_SUFFIX)}, or "
            "NAME-images-idx3-ubyte with NAME-labels-idx1-ubyte, also as .gz."
        )
    return BY_SUFFIX[path.suffix]


def is_labels(path: Path) -> bool:
    """Whether a file only has the labels of another one."""
    found = IDX.search(path.name)
    return found is not None and found["what"] == "labels"
