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
BLOCK = 50  # samples that are digested together where parts of a run are merged

RunHashes = dict[tuple[str, str], dict[int, str]]  # by what and name, by block


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
    """SHA-256 of a network's input, of every layer's spikes and of its result, over all batches.

    Args:
        graph: FIXED graph.
        read: Name of the layer whose potentials are the result.
        block: None digests all samples as one sequence, in their order. A number digests blocks of
            so many samples, then the digests of all blocks: parts of a run can be merged.
    """

    def __init__(self, graph: Graph, read: str, block: int | None = None) -> None:
        self._graph, self._read, self._block = graph, read, block
        self._hashers: dict[tuple[str, str], dict[int, Any]] = {}
        self._merged: RunHashes = {}

    def add(self, encoded: Encoded, recording: Recording, first: int = 0) -> None:
        """Add a batch, sample by sample, so that the size of batches does not matter.

        Args:
            encoded, recording: What entered, and what the network did.
            first: Number of its first sample in the data.
        """
        for name, values in encoded.values.items():
            number = "<i4" if graded(self._graph.nodes[name]) else "<i2"
            self._hash(("input", name), np.ascontiguousarray(values, number), first)
        for name, spikes in recording.spikes.items():
            flat = np.asarray(spikes).reshape(len(spikes), -1)
            bits = not graded(self._graph.nodes[name])
            sent = np.packbits(flat.astype(np.uint8), axis=1) if bits else flat.astype("<i4")
            self._hash(("spikes", name), sent, first)
        potentials = np.ascontiguousarray(recording.membrane[self._read], "<i4")
        self._hash(("result", ""), potentials, first)

    def merge(self, other: RunHashes) -> None:
        """Add the hashes of other samples."""
        for key, hashes in other.items():
            own = self._merged.setdefault(key, {})
            if own.keys() & hashes.keys():
                raise ValueError("samples were counted twice")
            own.update(hashes)

    def hashes(self) -> RunHashes:
        """What was added so far, by block."""
        done = {
            key: {at: hasher.hexdigest() for at, hasher in blocks.items()}
            for key, blocks in self._hashers.items()
        }
        return {key: {**self._merged.get(key, {}), **done.get(key, {})}
                for key in {**self._merged, **done}}  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """Hex by name; layers in the order of the graph."""
        order = list(self._graph.nodes)
        found = {key: self._one(blocks) for key, blocks in self.hashes().items()}
        spikes = {name: one for (what, name), one in found.items() if what == "spikes"}
        shown: dict[str, Any] = {
            "input": {name: one for (what, name), one in found.items() if what == "input"},
            "spikes": {n: spikes[n] for n in sorted(spikes, key=order.index)},
            "result": found["result", ""],
        }
        return shown if self._block is None else {**shown, "block": self._block}

    def _hash(self, key: tuple[str, str], rows: Array, first: int) -> None:
        """Add rows to the hashers of the blocks that they are in."""
        blocks = self._hashers.setdefault(key, {})
        done = 0
        while done < len(rows):
            at, room = 0, len(rows)
            if self._block is not None:
                at = (first + done) // self._block
                room = (at + 1) * self._block - first - done
            hasher = blocks.setdefault(at, hashlib.sha256())
            hasher.update(np.ascontiguousarray(rows[done : done + room]).tobytes())
            done += room

    def _one(self, blocks: Mapping[int, str]) -> str:
        """The digest of all samples."""
        if self._block is None:
            return blocks[0]
        joined = "".join(blocks[at] for at in sorted(blocks))
        return hashlib.sha256(bytes.fromhex(joined)).hexdigest()
