"""Parse an ONNX file whose large tensors stay in the file until they are asked for.

In:  an open file.
Out: its model, in which the initializers that are large hold no bytes, and where those stand.
Protobuf copies every tensor several times; so what it gets is the file without them. Only what
every writer makes is taken out (one graph, one `raw_data` a tensor); else the whole is parsed.

Source: protobuf.dev/programming-guides/encoding; onnx.proto: ModelProto.graph = 7,
GraphProto.initializer = 5, TensorProto.raw_data = 9.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

from neurocompile.formats.onnx.tensors import ByteRange

LARGE = 1 << 16  # bytes of a tensor that stays in the file
GRAPH, INITIALIZER, RAW_DATA = 7, 5, 9
VARINT, EIGHT_BYTES, LENGTH, FOUR_BYTES = 0, 1, 2, 5  # how a field is written
LONGEST_HEADER = 20  # bytes: two numbers of up to ten


class _OddError(Exception):
    """What no writer of ONNX files makes."""


class _Field(NamedTuple):
    """Of a message: its number and kind, where it starts, and where its content stands."""

    number: int
    kind: int
    start: int
    begin: int
    end: int


def without_large(descriptor: int, size: int) -> tuple[bytes, dict[int, ByteRange]]:
    """The bytes of a file without its large tensors.

    Args:
        descriptor: Of the open file.
        size: Of the file, bytes.

    Returns:
        A message as protobuf writes it; and by the number of the initializer in its graph,
        where the bytes stand that were left out.
    """
    try:
        top = list(_fields(descriptor, 0, size))
        graphs = [f for f in top if f.number == GRAPH]
        if len(graphs) == 1 and graphs[0].kind == LENGTH:
            graph, places = _graph(descriptor, graphs[0])
            parts = [
                _message(GRAPH, graph) if f in graphs else _read(descriptor, f.start, f.end)
                for f in top
            ]
            return b"".join(parts), places
    except _OddError:
        pass
    return _read(descriptor, 0, size), {}


def _graph(descriptor: int, graph: _Field) -> tuple[bytes, dict[int, ByteRange]]:
    """The bytes of a graph without its large tensors."""
    parts, places, number = [], {}, 0
    for field in _fields(descriptor, graph.begin, graph.end):
        raw = None
        if field.number == INITIALIZER:
            raw = _large(descriptor, field)
            number += 1
        if raw is None:
            parts.append(_read(descriptor, field.start, field.end))
            continue
        places[number - 1] = ByteRange(descriptor, raw.begin, raw.end - raw.begin)
        before = _read(descriptor, field.begin, raw.start)
        parts.append(_message(INITIALIZER, before + _read(descriptor, raw.end, field.end)))
    return b"".join(parts), places


def _large(descriptor: int, tensor: _Field) -> _Field | None:
    """The bytes of a tensor, if they are many and stand there once."""
    if tensor.kind != LENGTH or tensor.end - tensor.begin <= LARGE:
        return None
    found = [f for f in _fields(descriptor, tensor.begin, tensor.end) if f.number == RAW_DATA]
    if len(found) != 1 or found[0].kind != LENGTH or found[0].end - found[0].begin <= LARGE:
        return None
    return found[0]


def _fields(descriptor: int, start: int, end: int) -> Iterator[_Field]:
    """The fields of the message between two places of a file."""
    while start < end:
        header = os.pread(descriptor, min(LONGEST_HEADER, end - start), start)
        tag, at = _number(header, 0)
        kind, length = tag & 7, 0
        if kind == VARINT:
            _, at = _number(header, at)
        elif kind == LENGTH:
            length, at = _number(header, at)
        elif kind in (EIGHT_BYTES, FOUR_BYTES):
            length = 8 if kind == EIGHT_BYTES else 4
        else:
            raise _OddError
        begin = start + at
        if tag >> 3 == 0 or begin + length > end:
            raise _OddError
        yield _Field(tag >> 3, kind, start, begin, begin + length)
        start = begin + length


def _number(data: bytes, at: int) -> tuple[int, int]:
    """A number of 7 bits a byte, and where it ends."""
    value = 0
    for place in range(at, min(at + 10, len(data))):
        value |= (data[place] & 127) << 7 * (place - at)
        if data[place] < 128:
            return value, place + 1
    raise _OddError


def _message(number: int, content: bytes) -> bytes:
    """A field that holds a message."""
    header, rest = bytearray([number << 3 | LENGTH]), len(content)
    while rest > 127:
        header.append(rest & 127 | 128)
        rest >>= 7
    return bytes([*header, rest]) + content


def _read(descriptor: int, start: int, end: int) -> bytes:
    """Bytes of a file."""
    parts = []
    while start < end:
        part = os.pread(descriptor, min(end - start, 1 << 30), start)
        if not part:
            raise _OddError  # the file was cut off since its size was asked for
        parts.append(part)
        start += len(part)
    return b"".join(parts)
