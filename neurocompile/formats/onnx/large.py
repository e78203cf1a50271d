"""Parse an ONNX file whose large tensors stay in the file until they are asked for.

In:  an open file.
Out: the bytes of its model without those of large initializers, and the positions of the latter.
Protobuf copies every tensor several times, so it gets the file without them. Only what every
writer makes is left out (one graph, one `raw_data` per tensor); else the whole file is parsed.

Source: protobuf.dev/programming-guides/encoding; onnx.proto: ModelProto.graph = 7,
GraphProto.initializer = 5, TensorProto.raw_data = 9.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from neurocompile.formats.onnx.tensors import ByteRange
from neurocompile.formats.onnx.wire import (
    EIGHT_BYTES,
    FOUR_BYTES,
    LENGTH,
    MAX_FIELDS,
    VARINT,
    OddError,
    number,
)

LARGE = 1 << 16  # bytes of a tensor that stays in the file
GRAPH, INITIALIZER, RAW_DATA = 7, 5, 9
LONGEST_HEADER = 20  # bytes: two numbers of up to ten


class _Field(NamedTuple):
    """A field of a message: number, kind, its start, and begin and end of its content."""

    number: int
    kind: int
    start: int
    begin: int
    end: int


def without_large(file: BinaryIO, size: int) -> tuple[bytes, dict[int, ByteRange]]:
    """The bytes of a file without its large tensors.

    Args:
        file: The open file.
        size: Size of the file, bytes.

    Returns:
        A message as protobuf writes it, and the positions of the bytes that were left out, by
        number of the initializer in its graph.
    """
    try:
        top = list(_fields(file, 0, size))
        graphs = [f for f in top if f.number == GRAPH]
        if len(graphs) == 1 and graphs[0].kind == LENGTH:
            graph, in_file = _graph(file, graphs[0])
            parts = [
                _message(GRAPH, graph) if f in graphs else _read(file, f.start, f.end) for f in top
            ]
            return b"".join(parts), in_file
    except OddError:
        pass
    return _read(file, 0, size), {}


def _graph(file: BinaryIO, graph: _Field) -> tuple[bytes, dict[int, ByteRange]]:
    """The bytes of a graph without its large tensors."""
    parts, in_file, number = [], {}, 0
    for field in _fields(file, graph.begin, graph.end):
        raw = None
        if field.number == INITIALIZER:
            raw = _large(file, field)
            number += 1
        if raw is None:
            parts.append(_read(file, field.start, field.end))
            continue
        in_file[number - 1] = ByteRange(file, raw.begin, raw.end - raw.begin)
        before = _read(file, field.begin, raw.start)
        parts.append(_message(INITIALIZER, before + _read(file, raw.end, field.end)))
    return b"".join(parts), in_file


def _large(file: BinaryIO, tensor: _Field) -> _Field | None:
    """The field with the bytes of a tensor, if they are many and there is one such field."""
    if tensor.kind != LENGTH or tensor.end - tensor.begin <= LARGE:
        return None
    raw = [f for f in _fields(file, tensor.begin, tensor.end) if f.number == RAW_DATA]
    if len(raw) != 1 or raw[0].kind != LENGTH or raw[0].end - raw[0].begin <= LARGE:
        return None
    return raw[0]


def _fields(file: BinaryIO, start: int, end: int) -> Iterator[_Field]:
    """The fields of the message between two positions of a file."""
    left = MAX_FIELDS
    while start < end:
        left -= 1
        if not left:
            raise OddError
        header = _read(file, start, min(start + LONGEST_HEADER, end))
        tag, at = number(header, 0, len(header))
        kind, length = tag & 7, 0
        if kind == VARINT:
            _, at = number(header, at, len(header))
        elif kind == LENGTH:
            length, at = number(header, at, len(header))
        elif kind in (EIGHT_BYTES, FOUR_BYTES):
            length = 8 if kind == EIGHT_BYTES else 4
        else:
            raise OddError
        begin = start + at
        if tag >> 3 == 0 or begin + length > end:
            raise OddError
        yield _Field(tag >> 3, kind, start, begin, begin + length)
        start = begin + length


def _message(number: int, content: bytes) -> bytes:
    """A field that holds a message."""
    header, rest = bytearray([number << 3 | LENGTH]), len(content)
    while rest > 127:
        header.append(rest & 127 | 128)
        rest >>= 7
    return bytes([*header, rest]) + content


def _read(file: BinaryIO, start: int, end: int) -> bytes:
    """The bytes of a file from `start` to `end`."""
    file.seek(start)
    content = file.read(end - start)
    if len(content) < end - start:
        raise OddError  # the file was cut off after its size was read
    return content
