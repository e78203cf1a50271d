"""The numbers of an ONNX tensor, checked to be as many as it declares.

In:  an untrusted TensorProto, whose bytes are inside it or still in the file.
Out: a `Stored`, which returns read-only arrays; or a BadInput sentence that continues the
     file's name.
No other file is opened, and nothing larger than the file is allocated.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from onnx import TensorProto

from neurocompile.errors import BadInput
from neurocompile.formats.onnx.ops import TYPES
from neurocompile.ir.arrays import Array

MAX_AXES = 8
CHUNK = 1 << 16  # values that are processed at a time
_DTYPES: dict[int, Any] = {
    **{elem_type: dtype.newbyteorder("<") for dtype, elem_type in TYPES.items()},
    TensorProto.BOOL: np.dtype(bool),
}
# The field that holds a tensor's numbers if they are not bytes.
_FIELDS: dict[int, str] = {
    TensorProto.FLOAT: "float_data",
    TensorProto.DOUBLE: "double_data",
    TensorProto.INT64: "int64_data",
    **dict.fromkeys(
        (
            TensorProto.INT8,
            TensorProto.UINT8,
            TensorProto.INT16,
            TensorProto.INT32,
            TensorProto.BOOL,
        ),
        "int32_data",
    ),
}


class ByteRange(NamedTuple):
    """The position of bytes in an open file: the file, the first byte, and how many."""

    file: BinaryIO
    offset: int
    length: int


@dataclass(frozen=True, eq=False)
class Stored:
    """The numbers of a tensor.

    Attributes:
        shape, dtype: Shape and type of the array.
        source: Values of the array, or the position of its bytes in the file.
    """

    shape: tuple[int, ...]
    dtype: Any
    source: Array | ByteRange

    def array(self) -> Array:
        """All values, read-only."""
        if not isinstance(self.source, ByteRange):
            return self.source
        values = np.empty(self.shape, self.dtype)
        self._fill(values.reshape(-1), 0)
        values.setflags(write=False)
        return values

    def chunks(self) -> Iterator[Array]:
        """All values in C order, in pieces."""
        if not isinstance(self.source, ByteRange):
            yield from chunks(self.source)
            return
        count = prod(self.shape)
        for start in range(0, count, CHUNK):
            part = np.empty(min(CHUNK, count - start), self.dtype)
            self._fill(part, start * self.dtype.itemsize)
            yield part

    def _fill(self, values: Array, offset: int) -> None:
        assert isinstance(self.source, ByteRange)
        view, at = memoryview(values.data).cast("B"), self.source.offset + offset
        self.source.file.seek(at)
        if self.source.file.readinto(view) < len(view):  # type: ignore[attr-defined]
            raise BadInput("it was cut off while it was being read. Write it again.")


def chunks(array: Array) -> Iterator[Array]:
    """The values of an array in C order, in pieces."""
    flat = array.reshape(-1)
    return (flat[start : start + CHUNK] for start in range(0, flat.size, CHUNK))


def stored(tensor: TensorProto, name: str, in_file: ByteRange | None = None) -> Stored:
    """The values of a tensor.

    Args:
        tensor: Tensor whose numbers are in its bytes, in the list for its type, or in the file.
        name: Name of the tensor, for messages.
        in_file: Position of its bytes in the file, if they were left there.

    Raises:
        BadInput: If its data is in another file, of an unknown type, or not as long as declared.
    """
    if tensor.data_location == TensorProto.EXTERNAL or len(tensor.external_data):
        raise BadInput(
            f"the tensor '{name[:80]}' keeps its data in another file, which is not opened. "
            "Save the model with its data inside."
        )
    dtype = _DTYPES.get(tensor.data_type)
    if dtype is None:
        raise BadInput(
            f"the tensor '{name[:80]}' has the unknown type {tensor.data_type}. "
            f"Use one of {', '.join(sorted(str(d) for d in _DTYPES.values()))}."
        )
    if len(tensor.dims) > MAX_AXES:  # a product of many takes time for the square of their number
        raise BadInput(
            f"the tensor '{name[:80]}' has {len(tensor.dims)} axes, allowed are up to {MAX_AXES}. "
            "The file is damaged: write it again."
        )
    shape = tuple(tensor.dims)
    raw = tensor.raw_data  # read once: protobuf copies it each time
    listed = getattr(tensor, _FIELDS[tensor.data_type])
    present = in_file.length if in_file else len(raw) or len(listed) * dtype.itemsize
    declared = prod(shape) * dtype.itemsize  # Python integers, which do not overflow
    if min(shape, default=0) < 0 or declared != present:
        raise BadInput(
            f"the tensor '{name[:80]}' of shape {shape} would have {declared} bytes, "
            f"but {present} are there. The file is damaged: write it again."
        )
    if in_file:
        return Stored(shape, dtype, in_file)
    if raw:
        return Stored(shape, dtype, np.frombuffer(raw, dtype).reshape(shape))
    wide: Array = np.array(listed, np.int64 if dtype.kind in "iub" else dtype)
    values = wide.astype(dtype)
    if dtype.kind in "iu" and not np.array_equal(wide, values):
        raise BadInput(f"the tensor '{name[:80]}' holds a number beyond its type {dtype}.")
    values.setflags(write=False)
    return Stored(shape, dtype, values.reshape(shape))
