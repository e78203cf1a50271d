"""Sensor recordings as windows, with the labels and faults that a detector has to find.

In:  CSV files inside the package aeon, which are read without importing it.
Out: windows (n, channels, length) in [0, 1]: for training, clean or labelled for testing, faulty.
Range and spread of a channel come only from the training rows. Values outside the range are cut
off, as by a converter set to this range.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from neurocompile.errors import NotInstalled
from neurocompile.ir.arrays import Array

FOLDER = "aeon/datasets/data"
HALF_RANGE = 4.0  # the range of a channel: its mean and this many standard deviations each way
CENTRE = 0.5
SD = CENTRE / HALF_RANGE  # of every channel's training rows, in units of the range


@dataclass(frozen=True)
class Source:
    """Where a recording is, and how it is cut.

    Attributes:
        train, test: Files in aeon's data folder.
        channels: How many; they are the columns behind the time, the label is the last column.
        train_rows, test_rows: The rows taken, [first, last).
        length: Rows of a window.
        train_stride, test_stride: Rows from a window to the next.
    """

    train: str
    test: str
    channels: int
    train_rows: tuple[int, int]
    test_rows: tuple[int, int]
    length: int
    train_stride: int
    test_stride: int


DAPHNET = "Daphnet_S06R02E0/S06R02E0.csv"
BLEEDING = "KDD-TSAD_135/135_UCR_Anomaly_InternalBleeding16"
SOURCES = {
    # The subject walks in rows 1,500 to 6,800; a window is half a second.
    "gait": Source(DAPHNET, DAPHNET, 9, (1500, 5000), (5000, 6800), 32, 4, 8),
    # A beat takes 20 rows: a stride of 7 shows it in every phase.
    "ecg": Source(
        "UnitTest/ecg-diff-count-3_TRAIN_NA.csv", "UnitTest/ecg-diff-count-3_TEST.csv",
        1, (0, 10_000), (0, 10_000), 64, 7, 7,
    ),
    "pressure": Source(
        f"{BLEEDING}_TRAIN.csv", f"{BLEEDING}_TEST.csv", 1, (0, 1200), (1200, 7501), 64, 2, 8
    ),
}  # fmt: skip
FAULTS = ("stuck", "dropout", "spikes", "drift", "noise")


@dataclass(frozen=True, eq=False)
class Windows:
    """A recording, cut.

    Attributes:
        train: (n, channels, length) float32.
        test: (m, channels, length) float32.
        labels: (m,) whether a window of the test part holds a row labelled as an anomaly.
        zero: (channels,) where the sensor's own 0 lies in [0, 1].
    """

    train: Array
    test: Array
    labels: Array
    zero: Array


@cache
def load(name: str, test_stride: int | None = None) -> Windows:
    """The windows of a source.

    Args:
        name: Of `SOURCES`.
        test_stride: Rows from a test window to the next; the source's own where None.

    Raises:
        NotInstalled: If aeon is not there.
    """
    source = SOURCES[name]
    values, _ = _read(source.train, source.channels, source.train_rows)
    others, anomalous = _read(source.test, source.channels, source.test_rows)
    low = values.mean(0) - HALF_RANGE * values.std(0)
    width = 2 * HALF_RANGE * values.std(0)
    stride = test_stride or source.test_stride

    def in_range(rows: Array) -> Array:
        return np.clip((rows - low) / width, 0, 1).astype(np.float32)

    return Windows(
        windows(in_range(values), source.length, source.train_stride),
        windows(in_range(others), source.length, stride),
        np.asarray(windows(anomalous[:, None], source.length, stride).any(axis=(1, 2))),
        in_range(np.zeros(source.channels)),
    )


@cache
def held_out(name: str) -> Windows:
    """The training windows alone: the last fifth as the test, all normal, the rest to train on.

    No training window shares a row with the test.
    """
    source, found = SOURCES[name], load(name)
    first = len(found.train) * 4 // 5
    shared = -(-source.length // source.train_stride) - 1
    test = found.train[first:]
    return Windows(found.train[: first - shared], test, np.zeros(len(test), bool), found.zero)


def windows(rows: Array, length: int, stride: int) -> Array:
    """Rows (time, channels) as windows (n, channels, length), the last ones whole."""
    return np.ascontiguousarray(sliding_window_view(rows, length, axis=0)[::stride])


def faulty(clean: Array, fault: str, zero: Array, random: np.random.Generator) -> Array:
    """Windows (n, channels, length) of which each has the fault in one channel drawn at random.

    stuck    the channel keeps the value of the window's first row
    dropout  the channel reads the sensor's 0
    spikes   two rows are off by 6 standard deviations, up or down
    drift    the channel runs away, by 4 standard deviations at the window's end
    noise    white noise of 1 standard deviation is added

    Standard deviations are those of the channel's training rows.
    """
    found = clean.copy()
    length = clean.shape[2]
    for window in found:
        channel = int(random.integers(len(window)))
        row = window[channel]
        if fault == "stuck":
            row[:] = row[0]
        elif fault == "dropout":
            row[:] = zero[channel]
        elif fault == "spikes":
            row[random.choice(length, 2, replace=False)] += 6 * SD * random.choice((-1, 1), 2)
        elif fault == "drift":
            row += np.linspace(0, 4 * SD * random.choice((-1, 1)), length)
        elif fault == "noise":
            row += random.normal(0, SD, length)
        else:
            raise ValueError(f"fault '{fault}' is none of {FAULTS}")
    return np.clip(found, 0, 1)


def _read(file: str, channels: int, rows: tuple[int, int]) -> tuple[Array, Array]:
    """(time, channels) values and (time,) labels of the rows asked for."""
    table = np.loadtxt(
        _path(file), delimiter=",", skiprows=1, usecols=range(1, channels + 2), ndmin=2
    )[slice(*rows)]
    return table[:, :-1], table[:, -1] != 0


def _path(file: str) -> Path:
    try:
        return Path(str(distribution("aeon").locate_file(f"{FOLDER}/{file}")))
    except PackageNotFoundError:
        raise NotInstalled(
            "the recordings are inside the package aeon, which is not installed. "
            "Run: neurocompile doctor --install paper"
        ) from None
