"""How long-running work reports what it does and how far it is.

In:  nothing.
Out: the types of the two callbacks that stages take, an observer with both, and those that do
     nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

Tell = Callable[[str], None]  # a sentence about the stage that begins
Progress = Callable[[str, int, int], None]  # what runs, samples done, all samples


def silent(*_: object) -> None:
    """Ignore what is reported."""


class Teller(Protocol):
    """An observer of the work, whose methods are a `Tell` and a `Progress`."""

    def tell(self, what: str) -> None:
        """Announce a new stage."""

    def progress(self, what: str, done: int, total: int) -> None:
        """Report how many samples of a run are done."""


class Silent:
    """An observer that ignores what is reported."""

    tell = staticmethod(silent)
    progress = staticmethod(silent)


SILENT = Silent()
