"""Tables of figures: into the README between two marks, and what machine they are of.

In:  rows of text, names of packages.
Out: markdown, the README with it, one line on the machine.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

README = Path(__file__).parent.parent / "README.md"


def between(readme: str, mark: str, text: str) -> str:
    """The README with this text between two marks.

    Raises:
        SystemExit: If the README does not hold both marks, in order.
    """
    before, opened, rest = readme.partition(f"<!-- {mark} -->\n")
    _, closed, after = rest.partition(f"<!-- /{mark} -->")
    if not opened or not closed:
        raise SystemExit(f"README.md: no <!-- {mark} --> and <!-- /{mark} --> to write between.")
    return f"{before}{opened}{text}\n{closed}{after}"


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table."""
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    return lines + [f"| {' | '.join(row)} |" for row in rows]


def machine() -> str:
    """Cores and kind of this machine."""
    return f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}"


def versions(*names: str) -> dict[str, str]:
    """Version by package of this environment."""
    return {name: version(name) for name in names}


def listed(packages: Mapping[str, str]) -> str:
    """Packages and versions in one line."""
    return ", ".join(f"{name} {number}" for name, number in packages.items())
