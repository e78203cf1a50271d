"""Tables and facts that fit a terminal of any width: what does not fit in a line goes below it.

In:  cells as text; the number of columns of the terminal.
Out: lines, none longer than the terminal, with every name and number complete.
What a terminal would obey in a text is shown as its code.
A row of a table is one line if the terminal is wide enough. Otherwise its labels have their own
line, or its values continue in lines below, and so do the titles: whichever takes fewer lines.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from textwrap import TextWrapper

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions
from rich.text import Text

from neurocompile.errors import printable

GAP = "  "
TIE = "\N{NO-BREAK SPACE}"  # within a text: a space at which no line ends
HEAD = "bold"  # style of titles
USUAL_WIDTH, LEAST_WIDTH = 80, 20  # columns
MORE = 2  # additional indentation of a sentence's further lines, columns


@dataclass(frozen=True)
class Row:
    """One row of a table.

    Attributes:
        cells: One text per column; none for an empty line.
        note: Text below them, or "".
    """

    cells: Sequence[str]
    note: str = ""


class Part:
    """What is laid out in as many columns as there are; rich prints it."""

    def lines(self, width: int) -> Iterator[Text]:
        """The lines in so many columns."""
        raise NotImplementedError

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        yield from self.lines(options.max_width)


@dataclass
class Table(Part):
    """Rows of labels and values under titles.

    Attributes:
        titles: One title per column.
        labels: Number of first columns that are labels, which name a row.
        texts: Titles of value columns with text, aligned left; the others hold numbers.
        title: Line above the table, or "".
        caption: Sentences below the table, or "".
        rows: Rows added by `add` and `section`.
    """

    titles: Sequence[str]
    labels: int = 1
    texts: Collection[str] = ()
    title: str = ""
    caption: str = ""
    rows: list[Row] = field(default_factory=list)

    def add(self, *cells: str, note: str = "") -> None:
        """Add a row; a note is put below it, wrapped and indented."""
        self.rows.append(Row(tuple(map(printable, cells)), note))

    def section(self) -> None:
        """Add an empty line before the next row."""
        self.rows.append(Row(()))

    def lines(self, width: int) -> Iterator[Text]:
        """The lines of the table in a terminal of this width."""
        form = _Form(self, width)
        head = list(form.lines(self.titles))
        body = [list(form.lines(row.cells)) if row.cells else [""] for row in self.rows]
        if self.title:
            yield from (Text(line, HEAD) for line in _folded(self.title, width))
        yield from (Text(line, HEAD) for line in head)
        yield Text("─" * max(cell_len(line) for lines in (head, *body) for line in lines))
        for row, lines in zip(self.rows, body, strict=True):
            yield from map(Text, lines)
            yield from map(Text, _folded(row.note, width, indent=4))
        if self.caption:
            yield Text()
            yield from map(Text, _folded(self.caption, width))


class _Form:
    """Layout of a table's cells in a terminal of a given width."""

    def __init__(self, table: Table, width: int) -> None:
        rows = [table.titles, *(row.cells for row in table.rows if row.cells)]
        columns = range(len(table.titles))
        self.width, self.labels = width, table.labels
        self.widths = [max(cell_len(row[i]) for row in rows) for i in columns]
        self.left = [i < table.labels or table.titles[i] in table.texts for i in columns]
        label = sum(len(GAP) + w for w in self.widths[: table.labels])
        values = columns[table.labels :]
        beside, below = self._groups(values, label), self._groups(values, len(GAP))
        fits = label + max((self.widths[i] for i in values), default=0) <= width
        # A label that is not in the line of its values takes one more line.
        self.beside = fits and len(beside) <= len(below)
        self.groups, self.indent = (beside, label) if self.beside else (below, len(GAP))

    def _groups(self, columns: range, indent: int) -> list[list[int]]:
        """Columns of values, grouped by the line they are in."""
        groups: list[list[int]] = []
        used = self.width
        for i in columns:
            if used + len(GAP) + self.widths[i] > self.width:
                groups.append([])
                used = indent - len(GAP)
            groups[-1].append(i)
            used += len(GAP) + self.widths[i]
        return groups

    def lines(self, cells: Sequence[str]) -> Iterator[str]:
        """The lines of one row."""
        label = GAP.join(self._cell(cells, i) for i in range(self.labels))
        if not self.beside:
            yield from _folded(label, self.width)
        for number, group in enumerate(self.groups):
            begin = label + GAP if self.beside and number == 0 else " " * self.indent
            line = (begin + GAP.join(self._cell(cells, i) for i in group)).rstrip()
            if cell_len(line) > self.width:  # one cell that is longer than a line
                yield from _folded(line.strip(), self.width, self.indent)
            elif line:
                yield line

    def _cell(self, cells: Sequence[str], i: int) -> str:
        rest = " " * (self.widths[i] - cell_len(cells[i]))
        return cells[i] + rest if self.left[i] else rest + cells[i]


@dataclass(frozen=True)
class Facts(Part):
    """Names, and beside each what there is to say, wrapped in its own column.

    Attributes:
        rows: Names and values; a row without a name goes on with the value above.
        title: A line above, or "".
    """

    rows: Sequence[tuple[str, str]]
    title: str = ""

    def lines(self, width: int) -> Iterator[Text]:
        """The rows in so many columns."""
        if self.title:
            yield from (Text(line, HEAD) for line in _folded(self.title, width))
        begin = max((cell_len(printable(name)) for name, _ in self.rows), default=0) + len(GAP)
        if begin > width // 2:
            begin = 2 * len(GAP)
        for name, value in ((printable(name), printable(value)) for name, value in self.rows):
            longest = max(map(cell_len, value.split()), default=0)
            cut = begin + longest > width >= 2 * len(GAP) + longest  # whole in a line of its own
            beside = cell_len(name) + len(GAP) <= begin and not cut
            if not beside:
                yield from map(Text, _folded(name, width))
            lines = _folded(value, width, 2 * len(GAP) if cut else begin) or [""]
            if beside and name:
                lines[0] = name + " " * (begin - cell_len(name)) + lines[0].strip()
            yield from map(Text, lines)


def paragraph(text: str, width: int, indent: int = 0) -> Iterator[Text]:
    """Text in lines, indented after the first."""
    yield from map(Text, _folded(text, width, indent, more=MORE) or [""])


def columns() -> int:
    """How many columns stdout has; a terminal that does not know says 0."""
    return max(Console().width or USUAL_WIDTH, LEAST_WIDTH)


class Page:
    """Prints tables on stdout, in as many columns as it has, without colours.

    Tables and lists of facts are separated by an empty line; sentences are not.
    """

    def __init__(self) -> None:
        self._console = Console(highlight=False, width=columns())
        self._before = ""

    def show(self, *parts: Part) -> None:
        """Print tables and facts."""
        for part in parts:
            self._print("part", part.lines(self._console.width))

    def sources(self, rows: Mapping[str, Mapping[str, str]]) -> None:
        """Print the title of each source after its key; a link is never broken, to be clickable."""
        lines = [Text("sources", HEAD)]
        for key, source in rows.items():
            lines += paragraph(f"{key}: {source['title']}", self._console.width)
            if "link" in source:
                lines.append(Text(" " * MORE + printable(source["link"])))
        self._print("sources", lines)

    def say(self, text: str) -> None:
        """Print a sentence."""
        self._print("sentence", paragraph(text, self._console.width))

    def _print(self, kind: str, lines: Iterable[Text]) -> None:
        if self._before and (kind, self._before) != ("sentence", "sentence"):
            self._console.print()
        self._before = kind
        for line in lines:
            self._console.print(line, soft_wrap=True)


def _folded(text: str, width: int, indent: int = 0, more: int = 0) -> list[str]:
    """Text wrapped into indented lines; a word that is longer than a line is broken.

    Args:
        text: Text to wrap.
        width: Columns of a line.
        indent: Indentation of each line, columns.
        more: Additional indentation of each line except the first, columns.
    """
    first, others = " " * indent, " " * (indent + more)
    form = TextWrapper(
        width, initial_indent=first, subsequent_indent=others, break_on_hyphens=False
    )
    lines = form.wrap(printable(text))
    return [line.replace(TIE, " ") for line in lines]
