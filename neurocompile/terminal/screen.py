"""Progress on stderr: stages as lines, runs as bars with the time that is left.

In:  messages from a long piece of work.
Out: lines and bars for people; nothing if they ask for quiet or for JSON.
On a terminal, a clock turns below the stage that is at work, for most stages do not know how long
they take. In a log there is a line per stage, and a line per run when it has ended.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from neurocompile.errors import printable
from neurocompile.terminal.tables import LEAST_WIDTH, columns

YEAR = 365 * 24 * 3600  # seconds; Python counts no more than some 10**9 days


class Screen:
    """A `Teller` that shows stages as lines and runs as bars, on stderr; silent if quiet."""

    def __init__(self, quiet: bool = False) -> None:
        self._console = Console(stderr=True, quiet=quiet, highlight=False, markup=False)
        if self._console.width < LEAST_WIDTH:  # COLUMNS=0 says that nobody knows
            self._console.width = columns()
        self._turns = self._console.is_terminal and not quiet
        self._moving: Progress | None = None  # the clock of a stage, or the bars of its runs
        self._bars: dict[str, Any] = {}

    def __enter__(self) -> Screen:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def tell(self, what: str) -> None:
        """Print the name of a new stage."""
        self._stop()
        self._console.print(printable(what))
        if self._turns:
            columns = TextColumn(" "), SpinnerColumn(), TimeElapsedColumn()
            self._moving = Progress(*columns, console=self._console, transient=True)
            self._moving.add_task("")
            self._moving.start()

    def progress(self, what: str, done: int, total: int) -> None:
        """Move the bar of a run."""
        if not self._bars:
            self._stop()
            self._moving = Progress(
                TextColumn("  {task.description}", markup=False),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("samples"),
                TimeLeft(),
                console=self._console,
            )
            self._moving.start()
        assert self._moving is not None
        if what not in self._bars:
            self._bars[what] = self._moving.add_task(printable(what), total=total)
        self._moving.update(self._bars[what], completed=done)

    def _stop(self) -> None:
        """Take the clock away; leave the bars as they are."""
        if self._moving is not None:
            self._moving.stop()
        self._moving, self._bars = None, {}


class TimeLeft(ProgressColumn):
    """The time that a run has left, as far as its speed until now tells; then what it took."""

    max_refresh = 0.5  # seconds; a number that jumps cannot be read

    def render(self, task: Task) -> Text:
        """Hours, minutes and seconds, in words of a log."""
        if task.finished:
            return Text(f"in {_clock(task.finished_time or 0)}")
        left = task.time_remaining
        return Text("" if left is None else f"{_clock(left)} left")


def _clock(seconds: float) -> str:
    return str(timedelta(seconds=int(seconds))) if seconds < YEAR else "over a year"
