"""What a baseline remembers of a network: every integer by layer and field, in little space.

In:  FIXED graph, spikes, potentials, encoded input.
Out: JSON-ready entries: small arrays whole; of large ones a SHA-256, the range, a checksum for
     each slice of the first two axes, and two sums that betray a single changed value.
Numbers count, not their types: the same integers in another width are the same.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from neurocompile.data.inputs import Encoded
from neurocompile.engines.recording import Recording
from neurocompile.ir.arrays import Array
from neurocompile.ir.graph import Graph

WHOLE = 16  # values of an array that are kept themselves
SLICES = 4096  # checksums of an axis at most; longer axes have none
CHECKSUM = 4  # hex digits


def describe(graph: Graph) -> dict[str, dict[str, Any]]:
    """By node: its class under "node", then every field; nested fields joined by a dot."""
    return {name: fields_of(node) for name, node in graph.nodes.items()}


def fields_of(node: Any) -> dict[str, Any]:
    """The entries of one node."""
    return {name: entry(value) for name, value in values_of(node).items()}


def values_of(node: Any, prefix: str = "") -> dict[str, Any]:
    """Every field of a node by its dotted name, arrays as they are."""
    found: dict[str, Any] = {prefix.removesuffix(".") or "node": type(node).__name__}
    for field in fields(node):
        value = getattr(node, field.name)
        if is_dataclass(value):
            found.update(values_of(value, f"{prefix}{field.name}."))
        else:
            found[prefix + field.name] = list(value) if isinstance(value, tuple) else value
    return found


def entry(value: Any) -> Any:
    """A field as JSON: a plain value, or what is kept of an array."""
    if not isinstance(value, np.ndarray):
        return value
    array = normal(value)
    if array.shape == ():
        return array.item()
    kept: dict[str, Any] = {"shape": list(array.shape)}
    if array.size <= WHOLE:
        return {**kept, "values": array.ravel().tolist()}
    kept |= {"sha256": digest(array), "range": [array.min().item(), array.max().item()]}
    if array.dtype.kind == "i":
        kept["sums"] = list(sums(array))
    return {**kept, "slices": [checksums(array, axis) for axis in range(min(2, array.ndim))]}


def normal(array: Array) -> Array:
    """Integers as little-endian int64, other numbers as float64."""
    return np.array(array, "<i8" if array.dtype.kind in "biu" else "<f8", order="C")


def digest(array: Array) -> str:
    """SHA-256 over shape and values of a `normal` array."""
    return hashlib.sha256(str(array.shape).encode() + array.tobytes()).hexdigest()


def sums(array: Array) -> tuple[int, int]:
    """Sum of the values, and of each times its index, in int64 that wraps.

    Where one value changed by d at index j, they change by d and j d.
    """
    flat = array.ravel()
    return int(flat.sum()), int((flat * np.arange(flat.size)).sum())


def checksums(array: Array, axis: int) -> str:
    """A checksum for each slice along an axis, joined; "" where there are too many."""
    if array.shape[axis] > SLICES:
        return ""
    slices = np.ascontiguousarray(np.moveaxis(array, axis, 0))
    return "".join(f"{zlib.crc32(one.tobytes()) & 0xFFFF:0{CHECKSUM}x}" for one in slices)


class RunDigests:
    """SHA-256 of what entered a network and of what every layer did, batch after batch."""

    def __init__(self, graph: Graph, read: str) -> None:
        self._graph, self._read = graph, read
        self._input: dict[str, Any] = {}
        self._spikes: dict[str, Any] = {}
        self._result = hashlib.sha256()

    def add(self, encoded: Encoded, found: Recording) -> None:
        """A batch, sample by sample, so that the size of batches does not matter."""
        for name, values in encoded.values.items():
            seen = self._input.setdefault(name, hashlib.sha256())
            seen.update(np.ascontiguousarray(values, "<i2").tobytes())
        for name, spikes in found.spikes.items():
            seen = self._spikes.setdefault(name, hashlib.sha256())
            flat = np.asarray(spikes, np.uint8).reshape(len(spikes), -1)
            seen.update(np.packbits(flat, axis=1).tobytes())
        self._result.update(np.ascontiguousarray(found.membrane[self._read], "<i4").tobytes())

    def to_dict(self) -> dict[str, Any]:
        """Hex by name; layers in the order of the graph."""
        order = list(self._graph.nodes)
        return {
            "input": _hex(self._input),
            "spikes": _hex({n: self._spikes[n] for n in sorted(self._spikes, key=order.index)}),
            "result": self._result.hexdigest(),
        }


def _hex(seen: Mapping[str, Any]) -> dict[str, str]:
    return {name: one.hexdigest() for name, one in seen.items()}
