"""What a baseline stores of a network: every integer by layer and field, in little space.

In:  FIXED graph, spikes, potentials, encoded input.
Out: JSON-ready entries: small arrays whole; for a large array its SHA-256, its range, a checksum
     per slice of the first two axes, and two sums that reveal a single changed value.
Only values count, not their types: equal integers of another width are equal.
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
from neurocompile.ir.payloads import graded

WHOLE = 16  # an array of at most so many values is stored whole
SLICES = 4096  # largest number of checksums of an axis; longer axes have none
CHECKSUM = 4  # hex digits


def describe(graph: Graph) -> dict[str, dict[str, Any]]:
    """Entries by node: its class under "node", then every field; dots join nested names."""
    return {name: fields_of(node) for name, node in graph.nodes.items()}


def fields_of(node: Any) -> dict[str, Any]:
    """The entries of one node."""
    return {name: entry(value) for name, value in values_of(node).items()}


def values_of(node: Any, prefix: str = "") -> dict[str, Any]:
    """Every field of a node by its dotted name, arrays as they are."""
    values: dict[str, Any] = {prefix.removesuffix(".") or "node": type(node).__name__}
    for field in fields(node):
        value = getattr(node, field.name)
        if is_dataclass(value):
            values.update(values_of(value, f"{prefix}{field.name}."))
        else:
            values[prefix + field.name] = list(value) if isinstance(value, tuple) else value
    return values


def entry(value: Any) -> Any:
    """A field as JSON: a plain value, or the description of an array."""
    if not isinstance(value, np.ndarray):
        return value
    array = normal(value)
    if array.shape == ():
        return array.item()
    described: dict[str, Any] = {"shape": list(array.shape)}
    if array.size <= WHOLE:
        return {**described, "values": array.ravel().tolist()}
    described |= {"sha256": digest(array), "range": [array.min().item(), array.max().item()]}
    if array.dtype.kind == "i":
        described["sums"] = list(sums(array))
    return {**described, "slices": [checksums(array, axis) for axis in range(min(2, array.ndim))]}


def normal(array: Array) -> Array:
    """Integers as little-endian int64, other numbers as float64."""
    return np.array(array, "<i8" if array.dtype.kind in "biu" else "<f8", order="C")


def digest(array: Array) -> str:
    """SHA-256 of the shape and values of a `normal` array."""
    return hashlib.sha256(str(array.shape).encode() + array.tobytes()).hexdigest()


def sums(array: Array) -> tuple[int, int]:
    """Sum of the values, and sum of value x index, in int64 that wraps.

    If one value changed by d at index j, the sums change by d and by j d.
    """
    flat = array.ravel()
    return int(flat.sum()), int((flat * np.arange(flat.size)).sum())


def checksums(array: Array, axis: int) -> str:
    """The checksums of all slices along an axis, joined; "" if there are too many."""
    if array.shape[axis] > SLICES:
        return ""
    slices = np.ascontiguousarray(np.moveaxis(array, axis, 0))
    return "".join(f"{zlib.crc32(one.tobytes()) & 0xFFFF:0{CHECKSUM}x}" for one in slices)


class RunDigests:
    """SHA-256 of a network's input and of every layer's spikes, over all batches."""

    def __init__(self, graph: Graph, read: str) -> None:
        self._graph, self._read = graph, read
        self._input: dict[str, Any] = {}
        self._spikes: dict[str, Any] = {}
        self._result = hashlib.sha256()

    def add(self, encoded: Encoded, recording: Recording) -> None:
        """Add a batch, sample by sample, so that the size of batches does not matter."""
        for name, values in encoded.values.items():
            hasher = self._input.setdefault(name, hashlib.sha256())
            number = "<i4" if graded(self._graph.nodes[name]) else "<i2"
            hasher.update(np.ascontiguousarray(values, number).tobytes())
        for name, spikes in recording.spikes.items():
            hasher = self._spikes.setdefault(name, hashlib.sha256())
            flat = np.asarray(spikes).reshape(len(spikes), -1)
            bits = not graded(self._graph.nodes[name])
            sent = np.packbits(flat.astype(np.uint8), axis=1) if bits else flat.astype("<i4")
            hasher.update(sent.tobytes())
        self._result.update(np.ascontiguousarray(recording.membrane[self._read], "<i4").tobytes())

    def to_dict(self) -> dict[str, Any]:
        """Hex by name; layers in the order of the graph."""
        order = list(self._graph.nodes)
        return {
            "input": _hex(self._input),
            "spikes": _hex({n: self._spikes[n] for n in sorted(self._spikes, key=order.index)}),
            "result": self._result.hexdigest(),
        }


def _hex(hashers: Mapping[str, Any]) -> dict[str, str]:
    return {name: one.hexdigest() for name, one in hashers.items()}
