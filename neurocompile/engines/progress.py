"""How long work says what it does and how far it is.

In:  nothing.
Out: the two callbacks that every stage takes, and one that listens to nothing.
"""

from __future__ import annotations

from collections.abc import Callable

Tell = Callable[[str], None]  # a sentence on the stage that begins
Progress = Callable[[str, int, int], None]  # what runs, samples done, samples in all


def silent(*_: object) -> None:
    """Nobody wants to know."""
