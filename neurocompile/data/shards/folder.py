"""Open a folder of shards: every header is checked before the first number is read.

In:  a folder, or a single file.
Out: the kind of the samples, and rows of values and labels in the order of the files' names.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from neurocompile.data.kinds import KEYS, Kind
from neurocompile.data.shards.formats import format_of, is_labels
from neurocompile.data.shards.idx import labels_of
from neurocompile.data.shards.rows import Rows
from neurocompile.data.shards.shard import Field, Shard
from neurocompile.errors import BadInput, check_path

ROW_BYTES = 1 << 28  # of one sample


class Opened(NamedTuple):
    """A data set whose rows are in its files.

    Attributes:
        kind: As for `Data`.
        values, labels: Its rows; labels are None if the files have none.
    """

    kind: Kind
    values: Rows
    labels: Rows | None


def open_shards(folder: str) -> Opened:
    """Open the shards of a folder, in the order of their names.

    Raises:
        BadInput: If there are none, or one of them cannot be used with the others; names it.
        NotInstalled: If the package that reads them is missing.
    """
    paths = _paths(Path(folder))
    found = [_shard(path) for path in paths]
    (kind, first), others = found[0], found[1:]
    for other_kind, shard in others:
        _check_equal(first, shard, kind, other_kind)
    shards = tuple(shard for _, shard in found)
    labels = None if first.labels is None else Rows(shards, "labels", "labels")
    return Opened(kind, Rows(shards, kind, "values"), labels)


def _paths(folder: Path) -> list[Path]:
    """The files of a folder that are no labels of others; hidden ones are not seen."""
    check_path(folder)
    if folder.is_file() or folder.suffix == ".zarr":
        return [folder]
    try:
        inside = sorted(folder.iterdir(), key=lambda path: path.name)
    except OSError as error:
        raise BadInput(
            f"{folder}: cannot be read ({error.strerror}). Give the path of a folder "
            "of shards behind 'shards:'."
        ) from None
    paths = [path for path in inside if not path.name.startswith(".")]
    for path in paths:
        format_of(path)
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise BadInput(f"{path}: is a pipe, a socket or a device. Keep only files there.")
    images = [path for path in paths if not is_labels(path)]
    used = {labels_of(path) for path in images}
    alone = [path for path in paths if is_labels(path) and path not in used]
    if alone:
        raise BadInput(f"{alone[0]}: has labels without images. Add the file of images.")
    if not images:
        raise BadInput(f"{folder}: holds no shards. Give a folder of .npz, HDF5, zarr or IDX.")
    return images


def _shard(path: Path) -> tuple[Kind, Shard]:
    """What a file declares, checked by itself."""
    fields = format_of(path).fields(path)
    keys = [key for key in KEYS if key in fields]
    if len(keys) != 1:
        raise BadInput(
            f"{path}: has the keys {sorted(fields)}, but needs one of x (samples to be encoded), "
            "spikes and payloads, both (n, steps, ...). Save it with numpy.savez(path, x=samples)."
        )
    (kind,) = keys
    values, labels = fields[kind], fields.get("labels")
    if len(values.shape) < 2 or not values.shape[0]:
        raise BadInput(
            f"{path}: {kind} has shape {list(values.shape)}, but must be (n, ...) with at least "
            "one sample. Put the samples along the first axis."
        )
    _check_type(path, kind, values, "buif", "real numbers")
    if values.row_bytes > ROW_BYTES:
        raise BadInput(
            f"{path}: a sample has {values.row_bytes} bytes, but at most {ROW_BYTES} are read."
        )
    values.check(str(path), kind)
    if labels is not None:
        _check_type(path, "labels", labels, "ui", "whole numbers")
        if labels.shape != values.shape[:1]:
            raise BadInput(
                f"{path}: labels has shape {list(labels.shape)}, but must be "
                f"({values.shape[0]},), one per sample."
            )
        labels.check(str(path), "labels")
    return kind, Shard(str(path), values, labels)


def _check_type(path: Path, key: str, field: Field, kinds: str, words: str) -> None:
    if np.dtype(field.dtype).kind not in kinds:
        raise BadInput(f"{path}: {key} has type {field.dtype}. Use {words}.")


def _check_equal(first: Shard, shard: Shard, kind: Kind, other_kind: Kind) -> None:
    """Refuse a shard that is not as the first one."""
    for what, own, other in (
        ("the key", kind, other_kind),
        ("samples of the shape", list(first.values.shape[1:]), list(shard.values.shape[1:])),
        ("numbers of the type", first.values.dtype, shard.values.dtype),
        ("", *("labels" if one.labels is not None else "no labels" for one in (first, shard))),
    ):
        if own != other:
            raise BadInput(
                f"{shard.path}: has {what} {other}, but {first.path} has {own}. All shards of a "
                "folder must be alike.".replace("has  ", "has ")
            )
