"""Samples in files of a user: numpy's .npy and .npz, and MNIST's IDX.

In:  the path of a file, or the folder of IDX files.
Out: kind, values and labels.
Nothing is unpickled, and the size that a file declares is checked before it is read.
"""

from __future__ import annotations

import gzip
import math
import os
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from neurocompile.data.kinds import KEYS, Kind, check_numbers
from neurocompile.data.npz import DAMAGED, entries, header, read_up_to
from neurocompile.errors import BadInput
from neurocompile.formats.archives import archive_in

MAX_BYTES = 2**32  # of an array, in its file and as float32, however small the file is
NOT_READ = np.empty(0)  # in the place of arrays that are only named
IDX_IMAGES, IDX_LABELS = 0x0803, 0x0801  # magic numbers of MNIST: bytes in 3 or 1 dimensions
NUMPY = (".npy", ".npz")

Read = tuple[Kind, NDArray[np.float32], NDArray[np.int64] | None]


def read_idx(folder: str, train: bool) -> Read:
    """MNIST, or a data set like it, in its authors' files.

    Raises:
        BadInput: If a file is missing or damaged, or the two are not of one data set.
    """
    part = "train" if train else "t10k"
    images = _idx_array(Path(folder), f"{part}-images-idx3-ubyte", IDX_IMAGES)
    labels = _idx_array(Path(folder), f"{part}-labels-idx1-ubyte", IDX_LABELS)
    if len(images) != len(labels) or not len(images):
        raise BadInput(
            f"{folder}: {len(images)} {part} images and {len(labels)} labels. "
            "Use two files of the same data set."
        )
    values = images[:, None].astype(np.float32) / np.float32(255)
    return "x", values, labels.astype(np.int64)


def _idx_array(folder: Path, name: str, magic: int) -> NDArray[np.uint8]:
    """One IDX file of bytes: magic number, sizes, values, all big-endian."""
    names = [name, name + ".gz", name.replace("-idx", ".idx"), name.replace("-idx", ".idx") + ".gz"]
    path = next((folder / n for n in names if os.path.isfile(folder / n)), None)
    if path is None:
        raise BadInput(
            f"{folder}: has no file {name} or {name}.gz. Give the folder with MNIST's files."
        )
    try:
        with gzip.open(path) if path.suffix == ".gz" else open(path, "rb") as stream:
            start = int.from_bytes(stream.read(4))
            if start != magic:
                raise BadInput(
                    f"{path}: starts with 0x{start:08x}, but an IDX file of this kind starts with "
                    f"0x{magic:08x}. Download the file again."
                )
            shape = tuple(int.from_bytes(stream.read(4)) for _ in range(magic & 0xFF))
            _check_floats(shape, str(path))
            content = read_up_to(stream, math.prod(shape) + 1)
    except DAMAGED as error:
        raise BadInput(
            f"{path}: cannot be read ({str(error)[:200]}). Download the file again."
        ) from None
    if len(content) != math.prod(shape):
        raise BadInput(
            f"{path}: declares {math.prod(shape)} bytes of shape {list(shape)}, "
            f"but holds {len(content)} or more. Download the file again."
        )
    return np.frombuffer(content, np.uint8).reshape(shape)


def read_numpy(path: Path) -> Read:
    """The samples of a .npy or .npz file.

    Raises:
        BadInput: If it is missing, damaged, too large or holds something else.
    """
    if not os.path.exists(path):
        raise BadInput(
            f"there is no file {path} in {Path.cwd()}. A relative path is read from the folder in "
            "which the command runs; give another path (--data)."
            if not path.is_absolute()
            else f"there is no file {path}. Check the path."
        )
    if not os.path.isfile(path):
        raise BadInput(
            f"{path} is a folder, a pipe or a device. Give the path of a .npy or .npz file."
        )
    arrays = _arrays(path)
    keys = [key for key in KEYS if key in arrays]
    if len(keys) != 1:
        raise BadInput(
            f"{path}: has the keys {sorted(arrays)}, but needs one of x (samples to be encoded), "
            "spikes and payloads, both (n, steps, ...). Save it with numpy.savez(path, x=samples)."
        )
    (kind,) = keys
    values = arrays[kind]
    if values.ndim < 2 or not len(values):
        raise BadInput(
            f"{path}: {kind} has shape {list(values.shape)}, but must be (n, ...) "
            "with at least one sample. Put the samples along the first axis."
        )
    if values.dtype.kind not in "buif":
        raise BadInput(f"{path}: {kind} has type {values.dtype}. Use real numbers.")
    check_numbers(kind, values, str(path))
    values = np.ascontiguousarray(values, np.float32)
    labels = arrays.get("labels")
    if labels is not None and (labels.shape != (len(values),) or labels.dtype.kind not in "ui"):
        raise BadInput(
            f"{path}: labels has shape {list(labels.shape)} and type {labels.dtype}, "
            f"but must be ({len(values)},) whole numbers, one per "
            f"sample.{_swapped(arrays, kind)}"
        )
    return kind, values, None if labels is None else labels.astype(np.int64)


def _arrays(path: Path) -> dict[str, NDArray]:
    """The arrays of a .npz file, or the single array of a .npy file as x."""
    try:
        if path.suffix == ".npy":
            with open(path, "rb") as stream:
                return {"x": _array(stream, path.stat().st_size, path, "x")}
        with archive_in(path) as archive:
            arrays = {}
            for entry in entries(archive):
                key = entry.filename.removesuffix(".npy")
                arrays[key] = NOT_READ
                if key in (*KEYS, "labels"):
                    with archive.open(entry) as stream:
                        arrays[key] = _array(stream, entry.file_size, path, key)
            return arrays
    except DAMAGED as error:
        raise BadInput(
            f"{path}: cannot be read ({str(error)[:200]}). Save it again with numpy."
        ) from None


def _array(stream: IO[bytes], size: int, path: Path, key: str) -> NDArray:
    """One array in numpy's format, of `size` bytes with its header; never unpickled."""
    shape, fortran, dtype = header(stream)
    if dtype.hasobject:
        raise BadInput(f"{path}: {key} holds pickled objects, which may run code. Save numbers.")
    declared = math.prod(shape) * dtype.itemsize
    if declared != size - stream.tell() or declared > MAX_BYTES:
        raise BadInput(
            f"{path}: {key} declares {declared} bytes of shape {list(shape)}, but the file holds "
            f"{size - stream.tell()}, and at most {MAX_BYTES} are read. Save it again with numpy."
        )
    if key in KEYS:
        _check_floats(shape, f"{path}: {key}")
    content = read_up_to(stream, declared)
    return np.frombuffer(content, dtype).reshape(shape, order="F" if fortran else "C")


def _check_floats(shape: tuple[int, ...], name: str) -> None:
    """Refuse samples that take too much memory as float32, before any of them is read."""
    needed = math.prod(shape) * 4
    if needed > MAX_BYTES:
        raise BadInput(
            f"{name} declares {needed} bytes as float32, of shape {list(shape)}, but at most "
            f"{MAX_BYTES} are held. Use fewer samples, or run a .npy file as a stream (--stream)."
        )


def _swapped(arrays: dict[str, NDArray], key: str) -> str:
    """A hint, where there are as many labels as spikes have along their second axis."""
    shape, labels = arrays[key].shape, len(np.atleast_1d(arrays["labels"]))
    if key == "x" or labels != shape[1]:
        return ""
    return (
        f" There are {labels} labels, and {key} has {labels} along its second axis: {key} are "
        f"(n, steps, ...). Where its first axis is time, save {key}.swapaxes(0, 1)."
    )
