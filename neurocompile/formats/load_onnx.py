"""Open any `.onnx` file: one of ours, or a plain one from another program.

In:  a file, possibly damaged or hostile.
Out: the graph in it, or one BadInput sentence that names the file.
A file with our metadata goes to `onnx.read`, any other to `onnx_plain.read`. Nothing outside the
file is opened.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from google.protobuf.message import DecodeError
from onnx import ModelProto

from neurocompile.errors import BadInput
from neurocompile.formats.onnx.large import without_large
from neurocompile.formats.onnx.read import NOT_TEXT, REBUILD, read_own
from neurocompile.formats.onnx.tensors import ByteRange
from neurocompile.formats.onnx.wire import MAX_FIELDS, too_many_fields
from neurocompile.formats.onnx.write import (
    FORMAT_KEY,
    GRAPH_KEY,
    LARGEST_FILE,
    SETTINGS_KEY,
    STAGE_KEY,
)
from neurocompile.formats.onnx_plain.read import read_plain
from neurocompile.ir.graph import Graph
from neurocompile.ir.pools import MaxPool


def load_onnx(path: str | Path, dt: float | None = None, max_pool: MaxPool | None = None) -> Graph:
    """The graph in an ONNX file: one of ours, or a plain one (docs/onnx.md).

    Args:
        path: Path of the file.
        dt: Length of a step in seconds, for a plain file that does not specify it.
        max_pool: What becomes of a MaxPool of spikes in a plain file; see `frontend.load`.

    Raises:
        BadInput: Whatever is wrong with the file; the message names the file and the node.
    """
    with _opened(path) as file:
        data, in_file = without_large(file, os.fstat(file.fileno()).st_size)
        return _from(parse(data, str(path)), in_file, str(path), dt, max_pool)


def read_bytes(path: str | Path) -> bytes:
    """The bytes of a file that is small enough to be an ONNX file."""
    with _opened(path) as file:
        return file.read()


@contextmanager
def _opened(path: str | Path) -> Iterator[BinaryIO]:
    """A file that is small enough to be an ONNX file."""
    try:
        with _open(path) as file:
            size = os.fstat(file.fileno()).st_size
            if size > LARGEST_FILE:
                raise BadInput(
                    f"{path}: the file has {size} bytes, but an ONNX file holds up to "
                    f"{LARGEST_FILE}. It is something else. {REBUILD}."
                )
            yield file
    except OSError as error:
        raise _unread(path, error) from None


def _open(path: str | Path) -> BinaryIO:
    try:
        return open(path, "rb")
    except (OSError, ValueError) as error:
        raise _unread(path, error) from None


def _unread(path: str | Path, error: OSError | ValueError) -> BadInput:
    words = getattr(error, "strerror", error)
    return BadInput(f"{path}: cannot be read: {words}. Check the path.")


def parse(data: bytes, file: str) -> ModelProto:
    """The protobuf message in these bytes."""
    if too_many_fields(data):
        raise BadInput(
            f"{file}: the file has over {MAX_FIELDS} fields, more than any network. {REBUILD}."
        )
    model = ModelProto()
    try:
        model.ParseFromString(data)
    except DecodeError:
        raise BadInput(f"{file}: this is not an ONNX file, or it is cut off. {REBUILD}.") from None
    return model


def from_onnx(
    model: ModelProto,
    file: str = "this ONNX model",
    dt: float | None = None,
    max_pool: MaxPool | None = None,
) -> Graph:
    """The graph that an ONNX model of ours was written from, or that a plain one describes.

    Args:
        model: Model, which is read and never executed.
        file: Name of the model, for messages.
        dt: Length of a step in seconds, for a plain model that does not specify it.
        max_pool: What becomes of a MaxPool of spikes in a plain model; see `frontend.load`.

    Raises:
        BadInput: If it is of another version, damaged, or edited so that what it executes is
            not what its metadata describes.
        Unsupported: If it is plain and holds a node that no rule reads.
    """
    return _from(model, {}, file, dt, max_pool)


def _from(
    model: ModelProto,
    in_file: Mapping[int, ByteRange],
    file: str,
    dt: float | None,
    max_pool: MaxPool | None,
) -> Graph:
    """`from_onnx` for a model whose large initializers are still in a file."""
    try:
        return _read(model, in_file, dt, max_pool)
    except BadInput as error:
        raise error.within(file) from None
    except UnicodeDecodeError:  # some versions of protobuf raise this at damaged text
        raise BadInput(f"{file}: {NOT_TEXT}") from None
    except RecursionError:
        raise BadInput(f"{file}: its metadata is nested too deep. {REBUILD}.") from None
    except ValueError as error:  # of Python, numpy or protobuf, at what no check of ours saw
        raise BadInput(f"{file}: it is damaged: {str(error)[:200]}. {REBUILD}.") from None


def _read(
    model: ModelProto,
    in_file: Mapping[int, ByteRange],
    dt: float | None,
    max_pool: MaxPool | None,
) -> Graph:
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    if not all(isinstance(text, str) for pair in metadata.items() for text in pair):
        raise BadInput(NOT_TEXT)  # other versions return bytes instead
    times = Counter(entry.key for entry in model.metadata_props)
    for key in (FORMAT_KEY, STAGE_KEY, GRAPH_KEY, SETTINGS_KEY):
        if times[key] > 1:
            raise BadInput(f"it has {times[key]} metadata entries '{key}'. Keep one.")
    if not metadata.keys() & {FORMAT_KEY, STAGE_KEY, GRAPH_KEY}:
        if not model.graph.node:
            raise BadInput(f"it holds no nodes, so neurocompile did not write it. {REBUILD}.")
        return read_plain(model, dt, in_file, max_pool)
    if max_pool is not None:
        raise BadInput(
            "neurocompile wrote it, and what it writes has no maximum pool. Leave out max_pool= "
            "(--max-pool), or give it where the trained network is read."
        )
    return read_own(model, metadata, in_file, dt)
