"""What a user sees while a sweep runs: progress, and the front so far.

In:  the outcomes as they come.
Out: on a terminal, a bar with the time left above a table that changes; in a log, a line per point.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from neurocompile.sweep.metrics import METRICS, Metric
from neurocompile.sweep.points import Axis
from neurocompile.sweep.results import front_of, plain
from neurocompile.sweep.run import Sweep
from neurocompile.terminal.screen import TimeLeft
from neurocompile.terminal.tables import Table
from neurocompile.terminal.words import number_of, prefixed

ROWS = 12  # of the table while it changes


class Screen:
    """A `Watch` on stderr; silent if quiet."""

    def __init__(self, axes: Sequence[Axis], by: Sequence[Metric], quiet: bool) -> None:
        self.axes, self.by = axes, by
        self._console = Console(stderr=True, quiet=quiet, highlight=False, markup=False)
        self._live = self._console.is_terminal and not quiet
        self._bar = Progress(
            BarColumn(), MofNCompleteColumn(), TextColumn("points"), TimeLeft(),
            console=self._console,
        )  # fmt: skip
        self._task = self._bar.add_task("")
        self._shown: Live | None = None
        self._over = False

    def __enter__(self) -> Screen:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Leave the bar only, as the front is printed next; both where the sweep ended early."""
        if self._shown is not None:
            self._over = kind is None
            self._shown.stop()

    def tell(self, what: str) -> None:
        """Print the name of a new stage, or what holds the work up."""
        self._console.print(what)

    def begin(self, sweep: Sweep) -> None:
        """Say what is there already; show the table on a terminal."""
        known = len(sweep.points) - sweep.missing
        self.tell(f"{number_of(len(sweep.points), 'point')}, {known:,} of them known already")
        if self._live and sweep.missing:
            self._bar.update(self._task, total=sweep.missing)
            self._shown = Live(
                get_renderable=lambda: self._view(sweep), console=self._console,
                refresh_per_second=2,
            )  # fmt: skip
            self._shown.start()

    def finished(self, sweep: Sweep, at: int) -> None:
        """Show a point that has come."""
        if self._shown is not None:
            done = self._bar.tasks[0].total or 0
            self._bar.update(self._task, completed=done - sweep.missing)
        else:
            done = len(sweep.points) - sweep.missing
            self.tell(
                f"{done:,} of {len(sweep.points):,}: {line(sweep, at, self.axes, self._by(sweep))}"
            )

    def _by(self, sweep: Sweep) -> Sequence[Metric]:
        """The metrics: those that were named, or the usual ones of the first points that came."""
        found = self.by or usual(sweep)
        if any(outcome is not None and outcome["metrics"] for outcome in sweep.outcomes):
            self.by = found
        return found

    def _view(self, sweep: Sweep) -> Group:
        if self._over:
            return Group(self._bar)
        by = self._by(sweep)
        best = front_of(sweep, by)
        table = front_table(sweep, best[:ROWS], self.axes, by)
        if len(best) > ROWS:
            table.caption = f"and {len(best) - ROWS} more"
        return Group(self._bar, "", table)


def usual(sweep: Sweep) -> list[Metric]:
    """The metrics of a front if none are named: the error, or the accuracy, and the joules."""
    found = [o["metrics"] for o in sweep.outcomes if o is not None and o["metrics"] is not None]
    error = next(
        (name for name in ("mse", "accuracy", "agreement")
         if any(metrics[METRICS[name].column] is not None for metrics in found)),
        "mse",
    )  # fmt: skip
    return [METRICS[error], METRICS["energy"]]


def line(sweep: Sweep, at: int, axes: Sequence[Axis], by: Sequence[Metric]) -> str:
    """A point and what came out of it, of a refusal the first sentence."""
    outcome = sweep.outcomes[at]
    assert outcome is not None
    if outcome["exit_code"]:
        reason = outcome["reason"].split(". ")[0].splitlines()[0]
        return f"{place(sweep, at, axes)}: exit code {outcome['exit_code']}: {reason}"
    metrics = outcome["metrics"]
    words = [f"{m.name} {value(m, metrics[m.column])}" for m in by]
    return f"{place(sweep, at, axes)}: {', '.join(words)}"


def refusals(sweep: Sweep, axes: Sequence[Axis]) -> dict[str, list[str]]:
    """The points without a result, by exit code and reason."""
    found: dict[str, list[str]] = {}
    for at, outcome in enumerate(sweep.outcomes):
        if outcome is not None and outcome["exit_code"]:
            words = f"exit code {outcome['exit_code']}: {outcome['reason']}"
            found.setdefault(words, []).append(place(sweep, at, axes))
    return found


def place(sweep: Sweep, at: int, axes: Sequence[Axis]) -> str:
    """Where a point is: model and target where there are several, then the axes."""
    point = sweep.points[at]
    words = [name for name, several in zip((point.model, point.target), sweep.several, strict=True)
             if several]  # fmt: skip
    words += [f"{a.name}={plain(v)}" for a, v in zip(axes, point.values, strict=True)]
    return " ".join(words) or point.model


def value(metric: Metric, number: Any) -> str:
    """A number of a metric for people."""
    if number is None:
        return "-"
    return prefixed(number, metric.unit) if metric.unit else f"{number:.6g}"


def front_table(
    sweep: Sweep, best: Sequence[int], axes: Sequence[Axis], by: Sequence[Metric]
) -> Table:
    """The points of the front, and their metrics."""
    table = Table(
        ("point", *(metric.name for metric in by)), title="points that no other one beats"
    )
    for at in best:
        outcome = sweep.outcomes[at]
        assert outcome is not None
        found = outcome["metrics"]
        table.add(place(sweep, at, axes), *(value(m, found[m.column]) for m in by))
    return table
