"""Write tables of figures into a page of docs/ between two marks, with the machine they are from.

In:  rows of text, names of packages.
Out: Markdown, a page that contains it, one line about the machine.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

BENCHMARKS = Path(__file__).parent.parent / "docs" / "benchmarks.md"


def put(text: str, mark: str, page: Path = BENCHMARKS) -> None:
    """Write text into a page, between two marks.

    Raises:
        SystemExit: If the page does not hold both marks, in order.
    """
    before, opened, rest = page.read_text().partition(f"<!-- {mark} -->\n")
    _, closed, after = rest.partition(f"<!-- /{mark} -->")
    if not opened or not closed:
        raise SystemExit(f"{page}: no <!-- {mark} --> and <!-- /{mark} --> to write between.")
    page.write_text(f"{before}{opened}{text}\n{closed}{after}")


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table."""
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    return lines + [f"| {' | '.join(row)} |" for row in rows]


def number(value: float) -> str:
    """Three significant digits, without an exponent."""
    return f"{float(f'{value:.3g}'):,g}"


def machine() -> str:
    """Cores and kind of this machine."""
    return f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}"


def versions(*names: str) -> dict[str, str]:
    """Version by package of this environment."""
    return {name: version(name) for name in names}


def listed(packages: Mapping[str, str]) -> str:
    """Packages and versions in one line."""
    return ", ".join(f"{name} {number}" for name, number in packages.items())
