"""Shards in MNIST's format: NAME-images-idx3-ubyte with NAME-labels-idx1-ubyte, or both as .gz.

In:  the path of the images.
Out: images (n, 1, height, width) in [0, 1] and labels, read whole.
"""

from __future__ import annotations

import gzip
import re
import zlib
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from neurocompile.data.npz import read_up_to
from neurocompile.data.shards.numpy_files import damaged
from neurocompile.data.shards.shard import Field
from neurocompile.errors import BadInput

MAGIC = {"x": 0x0803, "labels": 0x0801}  # bytes in 3 dimensions, or in 1
IMAGES = re.compile(r"images(?P<point>[-.])idx3(?P<end>-ubyte(\.gz)?)$")  # the end of a name
AGAIN = "Download the file again"
UNREADABLE = (OSError, EOFError, zlib.error)


def labels_of(path: Path) -> Path:
    """The file with the labels of a file of images."""
    return path.with_name(IMAGES.sub(r"labels\g<point>idx1\g<end>", path.name))


def idx_fields(path: Path) -> dict[str, Field]:
    """The images, and their labels if there is such a file."""
    images = _shape(path, "x")
    fields = {"x": Field((images[0], 1, *images[1:]), "<f4", None)}
    if labels_of(path).is_file():
        fields["labels"] = Field(_shape(labels_of(path), "labels"), "|u1", None)
    return fields


def idx_rows(path: Path, key: str, first: int, last: int) -> NDArray:
    """The rows [first, last) of images or labels."""
    if key == "labels":
        return _numbers(labels_of(path), key)[first:last]
    return _numbers(path, key)[first:last, None].astype(np.float32) / np.float32(255)


def _shape(path: Path, key: str) -> tuple[int, ...]:
    """The sizes in the header, which must fit the file."""
    header = 4 + 4 * (MAGIC[key] & 0xFF)
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            begin = stream.read(header)
    except UNREADABLE as error:
        raise damaged(path, error, AGAIN) from None
    sizes = tuple(int.from_bytes(begin[at : at + 4]) for at in range(4, len(begin), 4))
    if int.from_bytes(begin[:4]) != MAGIC[key]:
        raise BadInput(
            f"{path}: starts with 0x{begin[:4].hex()}, but an IDX file of this kind starts with "
            f"0x{MAGIC[key]:08x}. {AGAIN}."
        )
    if len(begin) < header:
        raise BadInput(
            f"{path}: ends in its header, after {len(begin)} of {header} bytes. {AGAIN}."
        )
    there = path.stat().st_size - len(begin)
    if path.suffix != ".gz" and there != prod(sizes):
        raise BadInput(
            f"{path}: declares {prod(sizes)} bytes of shape {list(sizes)}, but holds {there}. "
            f"{AGAIN}."
        )
    return sizes


def _numbers(path: Path, key: str) -> NDArray[np.uint8]:
    """All numbers of a file."""
    sizes = _shape(path, key)
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            stream.read(4 + 4 * len(sizes))
            content = read_up_to(stream, prod(sizes) + 1)
    except UNREADABLE as error:
        raise damaged(path, error, AGAIN) from None
    if len(content) != prod(sizes):
        raise BadInput(
            f"{path}: declares {prod(sizes)} bytes of shape {list(sizes)}, but holds "
            f"{len(content)} or more. {AGAIN}."
        )
    return np.frombuffer(content, np.uint8).reshape(sizes)
