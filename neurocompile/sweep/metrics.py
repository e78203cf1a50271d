"""What is compared in a sweep: one number each, out of report.json.

In:  report.json.
Out: the metrics by name; the points that no other point beats in all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from neurocompile.errors import BadInput, did_you_mean

Report = Mapping[str, Any]


@dataclass(frozen=True)
class Metric:
    """One number of a report.

    Attributes:
        name: Its name on the command line.
        column: Its name in results.parquet, with the unit.
        unit: Its unit, "" for none.
        words: What it is.
        read: Reads it out of a report; None where the report has none.
        more: Whether more of it is better.
    """

    name: str
    column: str
    unit: str
    words: str
    read: Callable[[Report], float | int | None]
    more: bool = False


def _in(section: str, field: str) -> Callable[[Report], float | None]:
    """A field of a section that a report may not have."""
    return lambda report: None if report[section] is None else report[section][field]


def _joules(field: str) -> Callable[[Report], float | None]:
    return lambda report: (
        None if report["energy"] is None else report["energy"]["per_sample_j"][field]
    )


def _per_sample(field: str) -> Callable[[Report], float | None]:
    """A count of all layers, per sample."""

    def read(report: Report) -> float | None:
        if report["energy"] is None:
            return None
        return sum(layer[field] or 0 for layer in report["layers"]) / report["energy"]["samples"]

    return read


def _seconds(report: Report) -> float | None:
    """Modelled time of a sample as fast as possible, by the chip's first model of time."""
    rows = [] if report["latency"] is None else report["latency"]["per_sample"]
    times: list[float] = [row["time_s"] for row in rows if row["time_s"] is not None]
    return times[0] if times else None


METRICS = {
    metric.name: metric
    for metric in (
        Metric("mse", "mse", "", "mean squared error of the reconstruction by the integers",
               _in("reconstruction", "mse_fixed")),
        Metric("ratio", "mse_ratio", "", "that error by the float network's",
               _in("reconstruction", "ratio")),
        Metric("accuracy", "accuracy", "", "part of the samples that the integers classify rightly",
               _in("classification", "accuracy_fixed"), more=True),
        Metric("agreement", "output_difference", "",
               "mean squared difference of the decoded output from the float network's",
               _in("agreement", "output_mean_squared_difference")),
        Metric("energy", "energy_j", "J", "joules per sample by the chip's nominal model",
               _joules("nominal_j")),
        Metric("energy-low", "energy_low_j", "J", "the least of them, with the stated error",
               _joules("low_j")),
        Metric("energy-high", "energy_high_j", "J", "the most of them, with the stated error",
               _joules("high_j")),
        Metric("latency", "latency_s", "s", "modelled seconds per sample, as fast as possible",
               _seconds),
        Metric("cores", "cores", "", "cores that are used",
               lambda report: report["fit"]["cores_used"]),
        Metric("spikes", "spikes", "", "spikes of all layers per sample", _per_sample("spikes")),
        Metric("synops", "synops", "", "synaptic operations per sample", _per_sample("synops")),
    )
}  # fmt: skip


def metrics(names: Sequence[str]) -> list[Metric]:
    """Metrics by name, each once.

    Raises:
        BadInput: If there is no such metric.
    """
    for name in names:
        if name not in METRICS:
            raise BadInput(
                f"there is no metric {name!r}.{did_you_mean(name, METRICS)} Use "
                f"{', '.join(METRICS)}."
            )
    return [METRICS[name] for name in dict.fromkeys(names)]


def measured(report: Report) -> dict[str, float | int | None]:
    """Every metric of a report, by column."""
    return {metric.column: metric.read(report) for metric in METRICS.values()}


def front(rows: Sequence[Mapping[str, Any] | None], by: Sequence[Metric]) -> list[int]:
    """The rows that no other row beats: none is as good in every metric and better in one.

    Args:
        rows: By row its metrics by column; None for a row that has none.
        by: The metrics that count. A row without one of them is not on the front.

    Returns:
        Numbers of rows, best in the first metric first; of equal rows, all.
    """
    known = {}
    for at, row in enumerate(rows):
        found = [] if row is None else [row[metric.column] for metric in by]
        if found and all(value is not None for value in found):
            known[at] = tuple(-v if m.more else v for v, m in zip(found, by, strict=True))
    best: list[int] = []
    for at in sorted(known, key=lambda at: (known[at], at)):  # whatever beats it comes before it
        if not any(
            known[other] != known[at]
            and all(a <= b for a, b in zip(known[other], known[at], strict=True))
            for other in best
        ):
            best.append(at)
    return best
