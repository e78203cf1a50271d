"""samples.npz: the first samples of a run as a file of numpy's, always the same bytes.

In:  what `record_samples` recorded; or the file.
Out: bytes; or the arrays, held against what the file says of them.
`about` is JSON in UTF-8, as samples.schema.json describes it. Bits are packed eight to a byte along
the neurons. Nothing is unpickled, and sizes are checked before anything is read.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from neurocompile.data.npz import DAMAGED, array_in, entries
from neurocompile.errors import BadInput
from neurocompile.formats.archives import archive_in
from neurocompile.formats.json_files import fault_in, open_to_more, parse_json, schema
from neurocompile.ir.arrays import Array

NAME = "samples.npz"
FORMAT = "neurocompile-samples"
VERSION = "1.0"  # MAJOR.MINOR; a minor step only adds fields
MAX_ARRAYS = 50_000  # of all layers
MAX_BYTES = 1 << 29  # of all arrays together, unpacked
AGAIN = "Export the model again, or move the file away: the report is then made without it."


@dataclass(frozen=True, eq=False)
class Samples:
    """The first samples of a run.

    Attributes:
        about: What the arrays are, as samples.schema.json describes it.
        arrays: By key. `entered.I` (n, *shape) or (n, steps, *shape) integers of input I;
            `fixed.I` and `float.I` (n, steps, *shape) what layer I sent; `membrane.I` (fewer,
            steps, *shape) int32 potentials after the reset; `values` (n, ...) the samples before
            they were encoded; `labels` (n,); `fixed_result` and `float_result` (n, ...);
            `time_s.MODEL` (n, chip steps) modelled seconds.
        name: The file, for messages.
    """

    about: Mapping[str, Any]
    arrays: Mapping[str, Array]
    name: str = NAME

    @property
    def potentials(self) -> int:
        """Number of samples, the first ones, whose potentials are recorded."""
        keys = [row["membrane"] for row in self.about["layers"] if row["membrane_digests"]]
        return min((len(self.arrays[key]) if key else 0 for key in keys), default=0)


def samples_bytes(samples: Samples) -> bytes:
    """The content of the file."""
    about = {"format": FORMAT, "version": VERSION, **samples.about}
    text = json.dumps(about, ensure_ascii=False, allow_nan=False).encode()
    held = {"about": np.frombuffer(text, np.uint8)}
    bits = {key for row in about["layers"] for key in _bits(row)}
    for key, array in samples.arrays.items():
        held[key] = np.packbits(_flat(array), axis=-1) if key in bits else array
    file = io.BytesIO()
    np.savez_compressed(file, allow_pickle=False, **held)  # type: ignore[arg-type]
    return file.getvalue()


def read_samples(path: Path) -> Samples:
    """Read the file.

    Raises:
        BadInput: If it is damaged, no such file, or of another major version.
    """
    try:
        held = _arrays(path)
    except DAMAGED as error:
        raise _broken(path, str(error)[:200] or type(error).__name__) from None
    try:
        about = parse_json(held.pop("about").astype(np.uint8).tobytes())
    except (KeyError, ValueError):
        raise _broken(path, "it does not say what it holds ('about')") from None
    version = about.get("version") if isinstance(about, dict) else None
    if isinstance(version, str) and version.split(".")[0] != VERSION.split(".")[0]:
        raise _broken(path, f"its version is {version}, and this reads {VERSION}")
    fault = fault_in(open_to_more(schema("neurocompile.report", "samples.schema.json")), about)
    if fault:
        raise _broken(path, fault)
    bits = {key: row["shape"] for row in about["layers"] for key in _bits(row)}
    total = about["samples"] * about["steps"] * sum(map(prod, bits.values()))
    if total > MAX_BYTES:
        raise _broken(path, f"its spikes unpack to {total:,} bytes, and {MAX_BYTES:,} are allowed")
    for key, shape in bits.items():
        held[key] = _unpacked(path, held, key, (about["samples"], about["steps"], *shape))
    _check(path, about, held)
    return Samples(about, held, str(path))


def sample_digest(numbers: Array) -> str:
    """SHA-256 of a sample's spikes or potentials as little-endian 32-bit integers, hex."""
    return hashlib.sha256(np.ascontiguousarray(numbers, dtype="<i4").tobytes()).hexdigest()


def _arrays(path: Path) -> dict[str, Array]:
    """All arrays of the file, none of them larger than allowed."""
    with archive_in(path) as packed:
        total = sum(entry.file_size for entry in packed.infolist())
        if total > MAX_BYTES:
            raise ValueError(f"it unpacks to {total:,} bytes, and {MAX_BYTES:,} are allowed")
        held = {}
        for entry in entries(packed, MAX_ARRAYS):
            with packed.open(entry) as file:
                key = entry.filename.removesuffix(".npy")
                held[key] = array_in(file, entry.file_size, key)
    return held


def _bits(row: Mapping[str, Any]) -> list[str]:
    """Keys of a layer's arrays that are bits: what was sent, unless it has a value."""
    keys = [row["float"]] if row["float"] is not None else []
    return keys if row["graded"] else [row["fixed"], *keys]


def _flat(array: Array) -> Array:
    """(n, steps, neurons) of (n, steps, *shape)."""
    return array.reshape(*array.shape[:2], -1)


def _unpacked(path: Path, held: Mapping[str, Array], key: str, shape: tuple[int, ...]) -> Array:
    """Bits as (n, steps, *shape) uint8."""
    neurons = prod(shape[2:])
    packed = (*shape[:2], -(-neurons // 8))
    found = held.get(key)
    if found is None or found.dtype != np.uint8 or found.shape != packed:
        what = "nothing" if found is None else f"{found.dtype} {found.shape}"
        raise _broken(path, f"'{key}' is {what}, expected uint8 {packed}")
    return np.unpackbits(found, axis=-1, count=neurons).reshape(shape)


def _check(path: Path, about: Mapping[str, Any], held: Mapping[str, Array]) -> None:
    """Refuse arrays that are not what the file says of them, or hold no numbers."""
    samples, steps = about["samples"], about["steps"]
    for row in about["layers"]:
        _expect(path, held, row["fixed"], (samples, steps, *row["shape"]))
        if row["membrane"] is not None:
            fewer = len(held.get(row["membrane"], ()))
            _expect(path, held, row["membrane"], (fewer, steps, *row["shape"]))
    for row in about["inputs"]:
        each = (steps,) if row["each_step"] else ()
        _expect(path, held, row["key"], (samples, *each, *row["shape"]))
    for key, array in held.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise _broken(path, f"'{key}' holds what is no number")
        single = key in ("values", "labels", "fixed_result", "float_result")
        if (single or key.startswith("time_s.")) and (not array.ndim or len(array) != samples):
            raise _broken(path, f"'{key}' is {array.shape}, expected {samples} samples")
        dimensions = {"time_s": 2, "labels": 1}.get(key.split(".")[0], array.ndim)
        if array.ndim != dimensions or (samples and not array.size):
            raise _broken(path, f"'{key}' is {array.shape}, expected {dimensions} dimensions, no 0")


def _expect(path: Path, held: Mapping[str, Array], key: str, shape: tuple[int, ...]) -> None:
    found = held.get(key)
    if found is None or found.shape != shape:
        what = "missing" if found is None else f"{found.shape}"
        raise _broken(path, f"'{key}' is {what}, expected {shape}")


def _broken(path: Path, why: str) -> BadInput:
    return BadInput(f"{path} is broken: {why}. {AGAIN}")
