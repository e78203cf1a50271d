"""Shards in zarr: folders NAME.zarr, each a group with x, spikes or payloads, and labels.

In:  the path of a folder, of format 2 or 3.
Out: what its metadata declare; rows of an array.
A chunk that is missing has the fill value of its array, as zarr defines. Only the process of
`child.py` runs this.
"""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurocompile.data.kinds import KEYS
from neurocompile.data.shards.numpy_files import damaged
from neurocompile.data.shards.shard import Field, in_chunks
from neurocompile.errors import BadInput

AGAIN = "Save it again with zarr"
METADATA = ("zarr.json", ".zgroup", ".zarray", ".zattrs", ".zmetadata")
METADATA_BYTES = 1 << 20
SHARDS = "sharding_indexed"  # the codec of chunks that hold others
# What may unpack numbers; pickle and json2 are codecs of zarr too, and run code or make objects.
CODECS = {
    "blosc", "bytes", "bz2", "crc32c", "gzip", "lz4", "lzma", SHARDS, "shuffle",
    "transpose", "zlib", "zstd",
}  # fmt: skip


def zarr_fields(path: Path) -> dict[str, Field]:
    """The arrays that samples can be read from."""
    for file in (path / name for key in ("", *KEYS, "labels") for name in _metadata(key)):
        if file.is_file() and file.stat().st_size > METADATA_BYTES:
            raise BadInput(f"{file}: is larger than {METADATA_BYTES} bytes. {AGAIN}.")
    try:
        group = _group(path)
        keys = [key for key in (*KEYS, "labels") if key in group]
        return {key: _field(group[key], key, path) for key in keys}
    except BadInput:
        raise
    except Exception as error:  # zarr reads JSON of a stranger into classes of its own
        raise damaged(path, error, AGAIN) from None


def zarr_rows(path: Path, key: str, first: int, last: int) -> NDArray:
    """The rows [first, last) of an array."""
    try:
        return np.asarray(_group(path)[key][first:last])
    except Exception as error:  # whatever its codecs raise at bytes that they did not write
        raise damaged(path, error, AGAIN) from None


def _metadata(key: str) -> list[str]:
    return [f"{key}/{name}" if key else name for name in METADATA]


def _group(path: Path) -> Any:
    import zarr
    from zarr.storage import LocalStore

    class OnlyFiles(LocalStore):
        """A folder in which nothing waits for somebody to write, as a pipe does."""

        async def get(self, key: str, *more: Any, **named: Any) -> Any:
            there = self.root / key
            if there.exists() and not there.is_file() and not there.is_dir():
                raise ValueError(f"{key} is a pipe, a socket or a device")
            return await super().get(key, *more, **named)

    return zarr.open_group(OnlyFiles(path, read_only=True), mode="r")


def _field(array: Any, key: str, path: Path) -> Field:
    if not hasattr(array, "chunks") or not array.shape:
        raise BadInput(f"{path}: {key} is no array of samples. {AGAIN}.")
    codecs = _codecs(array.metadata.to_dict())
    if codecs.count(SHARDS) > 1:
        raise BadInput(f"{path}: {key} has shards inside of shards. {AGAIN}, with one kind.")
    if unknown := sorted(set(codecs) - CODECS):
        raise BadInput(
            f"{path}: {key} is packed with {', '.join(unknown)}, which is not read here. Save it "
            f"with one of {', '.join(sorted(CODECS))}."
        )
    chunks = array.chunks
    stored = getattr(array, "shards", None) or chunks
    if min(*stored, *chunks) < 1:
        raise BadInput(f"{path}: a chunk of {key} has no rows or no values. {AGAIN}.")
    parts = prod(-(-size // part) for size, part in zip(stored, chunks, strict=True))
    return in_chunks(array.shape, array.dtype.str, stored, str(path), key, parts)


def _codecs(described: Any) -> list[str]:
    """Names of all codecs in the metadata of an array, also of those inside of others."""
    names: list[str] = []
    for key in ("codecs", "index_codecs", "filters", "compressor"):
        found = described.get(key) or ()
        for codec in found if isinstance(found, list | tuple) else (found,):
            codec = codec if isinstance(codec, dict) else _as_dict(codec)
            names.append(str(codec.get("name", codec.get("id"))).removeprefix("numcodecs."))
            names += _codecs(codec.get("configuration") or {})
    return names


def _as_dict(codec: Any) -> dict[str, Any]:
    return dict(codec.to_dict() if hasattr(codec, "to_dict") else codec.get_config())
