"""What a page is made of: sections of texts, facts, tables, pictures and charts.

In:  values that a section's module has formatted for people.
Out: records that the template and page.js show.
A chart has a label and a table with its numbers, for people who cannot see it. Texts come from
users' files: they are never markup, here or in the page.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from neurocompile.terminal.words import joules, prefixed

MOST_ROWS = 400  # of a table; what is left out is said below it


@dataclass(frozen=True)
class Text:
    """A paragraph, or several."""

    paragraphs: Sequence[str]
    is_a: str = "text"


@dataclass(frozen=True)
class Facts:
    """Names with a sentence each."""

    rows: Sequence[tuple[str, str]]
    is_a: str = "facts"


@dataclass(frozen=True)
class Table:
    """Rows of cells.

    Attributes:
        titles: Of the columns.
        rows: Cells of each row, as many as there are titles.
        caption: What the table shows.
        texts: Numbers of the columns that hold words; the first one does in any case.
        links: By text of a cell, the address that it leads to.
    """

    titles: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str
    texts: Sequence[int] = ()
    links: dict[str, str] = field(default_factory=dict)
    is_a: str = "table"

    @property
    def shown(self) -> Sequence[Sequence[str]]:
        """The rows that are shown."""
        return self.rows[:MOST_ROWS]

    @property
    def left_out(self) -> str:
        """What is not shown, in words, or ""."""
        more = len(self.rows) - MOST_ROWS
        return f"{more:,} more rows are left out; report.json has them." if more > 0 else ""


@dataclass(frozen=True)
class Chart:
    """A chart that page.js draws.

    Attributes:
        kind: Name of its function in page.js.
        label: What it shows, in words, for a screen reader.
        data: JSON-ready values.
        caption: What is seen below it.
        table: Its numbers.
        height: Of the drawing, pixels.
        controls: Whether it has a slider or a choice; then it is not one picture to a reader.
    """

    kind: str
    label: str
    data: Any
    caption: str
    table: Table | None = None
    height: int = 320
    controls: bool = False
    is_a: str = "chart"


Block = Text | Facts | Table | Chart


@dataclass(frozen=True)
class Section:
    """A part of the page under a heading of its own."""

    key: str
    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Card:
    """One thing to know first: a name, a large text, a sentence.

    Attributes:
        tone: "good", "bad" or "plain"; said by the text as well, never by colour only.
    """

    name: str
    large: str
    small: str
    tone: str = "plain"


def energy(value: float | None) -> str:
    """Joules with a prefix."""
    return _micro(joules(value))


def seconds(value: float | None) -> str:
    """Seconds with a prefix."""
    return "not known" if value is None else _micro(prefixed(value, "s"))


def percent(part: float | None) -> str:
    """A part of 1 in percent, with at most two decimals; never 100 or 0 if it is not."""
    if part is None:
        return "-"
    text = f"{100 * part:.2f}".rstrip("0").rstrip(".")
    if text in ("100", "-0", "0") and part not in (0, 1):
        return "over 99.99 %" if part > 0.5 else "under 0.01 %"
    return f"{text} %"


def shape(sizes: Sequence[int]) -> str:
    """A shape such as 16 x 14 x 14."""
    return " x ".join(map(str, sizes))


def _micro(text: str) -> str:
    return text.replace(" uJ", " µJ").replace(" us", " µs").replace(" uW", " µW")
