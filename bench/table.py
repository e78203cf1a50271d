"""Write tables of figures into a page of docs/ between two marks, with the machine they are from.

In:  rows of text, names of packages.
Out: Markdown, a page that contains it, one line about the machine.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

BENCHMARKS = Path(__file__).parent.parent / "docs" / "benchmarks.md"


@dataclass(frozen=True)
class Figure:
    """One figure with its goal; the value is None if it could not be measured."""

    name: str
    value: float | None
    goal: float
    at_least: bool
    unit: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the goal is reached."""
        if self.value is None:
            return None
        return self.value >= self.goal if self.at_least else self.value <= self.goal

    def texts(self) -> tuple[str, str, str]:
        """Name, value and goal for a table."""
        sign = "at least" if self.at_least else "at most"
        goal = f"{sign} {self.goal:g} {self.unit}".strip()
        if self.value is None:
            return self.name, "not measured", goal
        missed = "" if self.met else " (missed)"
        return self.name, f"{number(self.value)} {self.unit}".strip() + missed, goal

    def as_json(self) -> dict[str, Any]:
        """The figure as JSON."""
        return {**vars(self), "met": self.met, "texts": self.texts()}


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
