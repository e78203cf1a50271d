"""Progress on stderr: stages as lines, runs as bars.

In:  messages from a long piece of work.
Out: lines and bars for people; nothing if JSON is asked for.
"""

from __future__ import annotations

from typing import Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn


class Teller(Protocol):
    """An observer of the work: its methods are a `Tell` and a `Progress`.

    The stages take these methods as functions (`engines.progress`), so they know of no screen.
    """

    def tell(self, what: str) -> None:
        """Announce a new stage."""

    def progress(self, what: str, done: int, total: int) -> None:
        """Report how many samples of a run are done."""


class Screen:
    """Shows stages as lines and runs as bars, on stderr; silent if JSON is asked for."""

    def __init__(self, quiet: bool = False) -> None:
        self._console = Console(stderr=True, quiet=quiet, highlight=False, markup=False)
        self._progress = Progress(
            TextColumn("  {task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("samples"),
            TimeElapsedColumn(),
            console=self._console,
        )
        self._tasks: dict[str, Any] = {}

    def __enter__(self) -> Screen:
        return self

    def __exit__(self, *_: object) -> None:
        if self._tasks:
            self._progress.stop()

    def tell(self, what: str) -> None:
        """Print the name of a new stage."""
        self._console.print(what)

    def progress(self, what: str, done: int, total: int) -> None:
        """Move the bar of a run."""
        if not self._tasks:
            self._progress.start()
        if what not in self._tasks:
            self._tasks[what] = self._progress.add_task(what, total=total)
        self._progress.update(self._tasks[what], completed=done)
