"""How many fields an ONNX file has, counted before protobuf makes an object of each.

In:  the bytes of a file.
Out: whether they are too many. A field without content takes two bytes in the file and over a
     hundred in memory, so that the size of a file says little.

Source: protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

from onnx import ModelProto

MAX_FIELDS = 1 << 20  # of messages, numbers and texts; networks of this kind have a few thousand
VARINT, EIGHT_BYTES, LENGTH, FOUR_BYTES = 0, 1, 2, 5  # how a field is written
WIDTHS = {EIGHT_BYTES: 8, FOUR_BYTES: 4}


class OddError(Exception):
    """The file has a structure that no writer of ONNX files makes."""


def too_many_fields(data: bytes) -> bool:
    """Whether the messages in these bytes have more than `MAX_FIELDS` fields together.

    What is no message ends the count of its own part; protobuf says what is wrong with it.
    """
    count = 0
    pending = [(0, len(data), ModelProto.DESCRIPTOR)]
    while pending:
        at, end, message = pending.pop()
        inner = {
            number: field.message_type
            for number, field in message.fields_by_number.items()
            if field.message_type is not None
        }
        try:
            while at < end:
                count += 1
                if count > MAX_FIELDS:
                    return True
                tag, at = number(data, at, end)
                kind = tag & 7
                length = WIDTHS.get(kind, 0)
                if kind in (VARINT, LENGTH):
                    value, at = number(data, at, end)
                    length = value if kind == LENGTH else 0
                if kind == LENGTH and (deeper := inner.get(tag >> 3)) is not None:
                    pending.append((at, min(at + length, end), deeper))
                at += length
        except OddError:
            continue
    return False


def number(data: bytes, at: int, end: int) -> tuple[int, int]:
    """A number with 7 bits per byte, and the position after it.

    Raises:
        OddError: If it does not end before `end`, or has more than ten bytes.
    """
    value = 0
    for position in range(at, min(at + 10, end)):
        value |= (data[position] & 127) << 7 * (position - at)
        if data[position] < 128:
            return value, position + 1
    raise OddError
