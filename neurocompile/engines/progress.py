"""How long-running work reports what it does and how far it is.

In:  nothing.
Out: the types of the two callbacks that every stage takes, and a callback that does nothing.
"""

from __future__ import annotations

from collections.abc import Callable

Tell = Callable[[str], None]  # a sentence about the stage that begins
Progress = Callable[[str, int, int], None]  # what runs, samples done, all samples


def silent(*_: object) -> None:
    """Ignore what is reported."""
