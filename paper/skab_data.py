"""The Skoltech Anomaly Benchmark: 34 runs of a water pump with labelled faults, as windows.

In:  the CSV files of waico/SKAB 0.9, in the folder that the variable SKAB names (GPL-3: they are
     no part of this project).
Out: runs: times, eight sensors, labels; their windows; sensor faults put into a stretch of rows.
The first 400 rows of a run train, the rest is its test, as on the benchmark's leaderboard. Range
and spread of a sensor come only from the training rows of its run.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np

from neurocompile.errors import BadInput
from neurocompile.ir.arrays import Array
from paper.series_data import HALF_RANGE, windows
from paper.study import ROOT

FOLDER = ROOT / "build" / "skab"  # where the variable SKAB names no other
TRAIN_ROWS = 400
SENSORS = (
    "Accelerometer1RMS", "Accelerometer2RMS", "Current", "Pressure", "Temperature",
    "Thermocouple", "Voltage", "Volume Flow RateRMS",
)  # fmt: skip
LABELS = ("anomaly", "changepoint")
# Runs by the part of the rig that was disturbed: "valve1" at the pump's inlet, "valve2" at its
# outlet, "other" rotor, leaks, water added or drained, cavitation, hot water.
PARTS = {"other": range(1, 15), "valve1": range(16), "valve2": range(4)}
RUNS = tuple(f"{part}/{number}" for part, numbers in PARTS.items() for number in numbers)
# Settings are chosen on every fourth run; this rule was set before any run was looked at.
DEVELOPMENT = RUNS[::4]
# In standard deviations of the sensor's training rows.
FAULTS = {"stuck": 0.0, "drift": 4.0, "noise": 2.0}


@dataclass(frozen=True, eq=False)
class Rig:
    """One run of the rig.

    Attributes:
        seconds: (n,) float, since its first row.
        values: (n, 8) float, the sensors in their own units.
        anomaly: (n,) bool, labelled as anomalous.
        changepoint: (n,) bool, labelled as the begin or the end of a transition.
    """

    seconds: Array
    values: Array
    anomaly: Array
    changepoint: Array


def load(run: str) -> Rig:
    """A run of `RUNS`.

    Raises:
        BadInput: If its file is missing, or is not one of the benchmark's.
    """
    path = folder() / f"{run}.csv"
    if not path.is_file():
        raise BadInput(
            f"{path}: the runs of the Skoltech Anomaly Benchmark are not there. They are not part "
            "of this project (GPL-3). Run: git clone https://github.com/waico/SKAB, and set the "
            "variable SKAB to its folder data."
        )
    with path.open(newline="") as file:
        lines = list(csv.DictReader(file, delimiter=";"))
    missing = [name for name in ("datetime", *SENSORS, *LABELS) if name not in (lines or [{}])[0]]
    if missing:
        raise BadInput(f"{path}: there is no column {', '.join(missing)}. Use waico/SKAB 0.9.")
    if len(lines) <= TRAIN_ROWS:
        raise BadInput(
            f"{path}: {len(lines)} rows, of which the first {TRAIN_ROWS} train and none is left "
            "to test. Use waico/SKAB 0.9."
        )
    numbers = np.array([_numbers(path, row, line) for row, line in enumerate(lines, 2)])
    return Rig(
        numbers[:, 0] - numbers[0, 0],
        numbers[:, 1 : 1 + len(SENSORS)],
        numbers[:, -2] == 1,
        numbers[:, -1] == 1,
    )


def windows_of(rig: Rig, sensors: Sequence[str], length: int) -> Array:
    """Windows of all rows, one for each row that has enough rows before it.

    Args:
        rig: A run.
        sensors: Names of `SENSORS`, in the order in which they enter.
        length: Rows of a window; the last one is the row that it judges.

    Returns:
        (n - length + 1, sensors, length) float32: 0 to 1 is a sensor's range, `HALF_RANGE` standard
        deviations of its training rows each way; what is outside is left there.
    """
    values = rig.values[:, [SENSORS.index(name) for name in sensors]]
    train = values[:TRAIN_ROWS]
    low = train.mean(0) - HALF_RANGE * train.std(0)
    in_range = (values - low) / (2 * HALF_RANGE * train.std(0))
    return windows(in_range.astype(np.float32), length, 1)


def faulty(
    rig: Rig, fault: str, sensor: str, rows: tuple[int, int], random: np.random.Generator
) -> Rig:
    """The run with one sensor at fault in the rows [first, last).

    stuck  the sensor keeps the value of the row before the first
    drift  the sensor runs away, up or down, by so much at the last row as `FAULTS` says
    noise  white noise is added

    Raises:
        ValueError: If the fault is none of `FAULTS`.
    """
    values, column = rig.values.copy(), SENSORS.index(sensor)
    part = values[slice(*rows), column]
    size = FAULTS.get(fault, 0.0) * values[:TRAIN_ROWS, column].std()
    if fault == "stuck":
        part[:] = values[rows[0] - 1, column]
    elif fault == "drift":
        part += np.linspace(0, size * random.choice((-1, 1)), len(part) + 1)[1:]
    elif fault == "noise":
        part += random.normal(0, size, len(part))
    else:
        raise ValueError(f"fault '{fault}' is none of {tuple(FAULTS)}")
    return replace(rig, values=values)


def before_the_fault(rig: Rig) -> tuple[int, int] | None:
    """The later half [first, last) of the test's rows before the first label; None where none is.

    A sensor fault is put there: the rows are normal, and so are as many before them.
    """
    last = int(rig.anomaly.argmax())
    first = (TRAIN_ROWS + last + 1) // 2
    return (first, last) if first < last else None


def folder() -> Path:
    """Where the runs lie."""
    return Path(os.environ.get("SKAB", FOLDER))


def _numbers(path: Path, row: int, line: dict[str, str]) -> list[float]:
    """A row's time in seconds, its sensors and its labels."""
    try:
        time = datetime.fromisoformat(line["datetime"]) - datetime(2020, 1, 1)
        return [time.total_seconds(), *(float(line[name]) for name in (*SENSORS, *LABELS))]
    except (TypeError, ValueError) as error:
        raise BadInput(f"{path}, line {row}: {error}. Use waico/SKAB 0.9.") from None
