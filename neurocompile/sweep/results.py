"""The table of a sweep: a row per point, in grid order.

In:  a sweep that is complete.
Out: results.parquet; the same rows as JSON-ready values.
The same sweep gives the same bytes, however many workers computed it and in whatever order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from neurocompile.formats.columns import Column, write_columns
from neurocompile.sweep.metrics import METRICS, Metric, front
from neurocompile.sweep.points import Axis
from neurocompile.sweep.run import Sweep


def rows(sweep: Sweep, axes: Sequence[Axis], by: Sequence[Metric]) -> list[dict[str, Any]]:
    """A row per point: where it is in the grid, what came out, whether it is on the front."""
    best = set(front_of(sweep, by))
    found = []
    for at, (point, known, outcome) in enumerate(
        zip(sweep.points, sweep.known, sweep.outcomes, strict=True)
    ):
        assert outcome is not None, "a point is missing"
        metrics = outcome["metrics"] or {}
        found.append(
            {
                "model": point.model,
                "target": point.target,
                **{axis.name: plain(v) for axis, v in zip(axes, point.values, strict=True)},
                **{metric.column: metrics.get(metric.column) for metric in METRICS.values()},
                "pareto": at in best,
                "exit_code": outcome["exit_code"],
                "reason": outcome["reason"],
                "key": "" if known is None else known.key,
            }
        )
    return found


def front_of(sweep: Sweep, by: Sequence[Metric]) -> list[int]:
    """The points that no other one beats, of those that have an outcome."""
    return front([None if o is None else o["metrics"] for o in sweep.outcomes], by)


def write_results(path: Path, found: Sequence[Mapping[str, Any]]) -> None:
    """Write the rows as a Parquet file.

    Raises:
        BadInput: If the file cannot be written.
        NotInstalled: If pyarrow is missing.
    """
    whole = {metric.column for metric in METRICS.values() if metric.name == "cores"}
    columns: dict[str, Column] = {}
    for name in found[0]:
        column = [row[name] for row in found]
        number = name in {metric.column for metric in METRICS.values()} - whole
        columns[name] = _floats(column) if number else column
    write_columns(path, columns)


def _floats(column: Sequence[float | None]) -> Column:
    """Numbers that are floats even where all of them are whole; None if none is known."""
    return [None if value is None else float(np.float64(value)) for value in column]


def plain(value: Any) -> Any:
    """A value of an axis as a column holds it: a number, a truth value or a text."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return ",".join(map(str, value)) if isinstance(value, tuple | list) else str(value)
