"""pareto.html: the points of a sweep as a page in the style of the report.

In:  the rows of results.parquet, the axes, the metrics of the front.
Out: a page that opens from disk; the same rows give the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from neurocompile.report.page.blocks import Block, Card, Chart, Facts, Section, Table, Text
from neurocompile.report.page.page import Page, page_html
from neurocompile.sweep.metrics import METRICS, Metric
from neurocompile.sweep.points import Axis
from neurocompile.terminal.words import number_of, prefixed

Row = Mapping[str, Any]
MOST_DRAWN, MOST_NAMED = 5000, 10  # points of a chart, and of a reason


def pareto_page(
    rows: Sequence[Row],
    axes: Sequence[Axis],
    by: Sequence[Metric],
    said: Sequence[str],
    options: Sequence[tuple[str, str]] = (),
) -> str:
    """The page as HTML.

    Args:
        rows: As `results.rows` returns them.
        axes: Axes of the grid.
        by: Metrics of the front; the first two are drawn.
        said: What was assumed, one sentence each.
        options: Name and value of what was given for all points.
    """
    best = sorted((r for r in rows if r["pareto"]), key=lambda r: _order(r, by))
    names = " and ".join(metric.name for metric in by)
    models, targets = (list(dict.fromkeys(row[k] for row in rows)) for k in ("model", "target"))
    sections = [
        Section("front", "The front", [*_chart(rows, axes, by), _table(best, axes, by)]),
        _by_axis(rows, axes, by),
        _refused(rows, axes),
        _all(rows, axes, by),
        _about(models, targets, axes, by, said, options),
    ]
    return page_html(
        Page(
            "A sweep",
            f"{number_of(len(rows), 'point')} of {', '.join(models)} on {', '.join(targets)}, "
            f"compared by {names}.",
            _cards(rows, best, axes, by),
            [section for section in sections if section is not None],
        )
    )


def shown(metric: Metric, number: Any) -> str:
    """A number of a metric for people."""
    if number is None:
        return "-"
    text = prefixed(number, metric.unit) if metric.unit else f"{number:.6g}"
    return text.replace(" u", " µ")


def _order(row: Row, by: Sequence[Metric]) -> tuple[float, ...]:
    return tuple(-row[m.column] if m.more else row[m.column] for m in by)


def _name(row: Row, axes: Sequence[Axis]) -> str:
    words = [f"{axis.name} {_text(row[axis.name])}" for axis in axes]
    return ", ".join(words) or row["model"]


def _text(value: Any) -> str:
    return "-" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _known(rows: Sequence[Row], by: Sequence[Metric]) -> list[Row]:
    return [row for row in rows if all(row[metric.column] is not None for metric in by)]


def _cards(
    rows: Sequence[Row], best: Sequence[Row], axes: Sequence[Axis], by: Sequence[Metric]
) -> list[Card]:
    cards = []
    several = _several(rows)
    for metric in by:
        found = _known(rows, [metric])
        if found:
            row = min(found, key=lambda r: _order(r, [metric]))
            word = "Most" if metric.more else "Least"
            name = f"{word} {metric.name}"
            cards.append(Card(name, shown(metric, row[metric.column]), _where(row, several, axes)))
    text = "No other point is as good in every metric and better in one."
    cards.append(Card("On the front", f"{len(best):,}", text))
    refused = sum(row["exit_code"] != 0 for row in rows)
    words = "Each is below, with its reason." if refused else "Every point has one."
    tone = "bad" if any(row["exit_code"] in (1, 4) for row in rows) else "plain"
    cards.append(Card("Without a result", f"{refused:,}", words, tone if refused else "good"))
    return cards


def _chart(rows: Sequence[Row], axes: Sequence[Axis], by: Sequence[Metric]) -> list[Block]:
    found = _known(rows, by)
    if len(by) < 2 or not found:
        return [Text(["There is nothing to draw: a chart needs points with two metrics."])]
    drawn = found
    if len(found) > MOST_DRAWN:  # the front is drawn in any case
        drawn = [row for row in found if row["pareto"]][:MOST_DRAWN]
        drawn += [row for row in found if not row["pareto"]][: MOST_DRAWN - len(drawn)]
    left = "" if len(drawn) == len(found) else f" {len(found) - len(drawn):,} points are left out."
    y, x = by[:2]
    several = _several(rows)
    data = {
        "x": {"name": x.name, "unit": x.unit},
        "y": {"name": y.name, "unit": y.unit},
        "groups": [
            {
                "name": name,
                "front": front,
                "points": [
                    {"x": r[x.column], "y": r[y.column], "name": _where(r, several, axes)}
                    for r in sorted(drawn, key=lambda r: _order(r, [x, y]))
                    if r["pareto"] == front
                ],
            }
            for name, front in (("other points", False), ("the front", True))
        ],
    }
    label = f"Every point by {x.name} and {y.name}; the front is joined by a line."
    return [Chart("points", label, data, f"{label}{left}", height=420)]


def _where(row: Row, several: Sequence[str], axes: Sequence[Axis]) -> str:
    """The words at a point: model and target only where there are several."""
    words = [row[key] for key in several]
    return ", ".join([*words, _name(row, axes)]) if axes or not words else ", ".join(words)


def _table(rows: Sequence[Row], axes: Sequence[Axis], by: Sequence[Metric]) -> Table:
    caption = "Points that no other one beats, best in the first metric first."
    return _rows(rows, axes, by, caption)


def _rows(rows: Sequence[Row], axes: Sequence[Axis], by: Sequence[Metric], caption: str) -> Table:
    titles = ("model", "target", *(a.name for a in axes), *(m.name for m in by))
    cells = [
        (row["model"], row["target"], *(_text(row[a.name]) for a in axes),
         *(shown(m, row[m.column]) for m in by))
        for row in rows
    ]  # fmt: skip
    words = [a.name for a in axes if any(isinstance(row[a.name], str) for row in rows)]
    texts = [1, *(2 + at for at, axis in enumerate(axes) if axis.name in words)]
    return Table(titles, cells, caption, texts=texts)


def _by_axis(rows: Sequence[Row], axes: Sequence[Axis], by: Sequence[Metric]) -> Section | None:
    """For each value of each axis, the best that any point with it has."""
    cells = []
    for axis in axes:
        for value in dict.fromkeys(row[axis.name] for row in rows):
            here = [row for row in rows if row[axis.name] == value]
            best = []
            for metric in by:
                found = [row[metric.column] for row in _known(here, [metric])]
                best.append((max if metric.more else min)(found) if found else None)
            words = [shown(m, number) for m, number in zip(by, best, strict=True)]
            refused = sum(row["exit_code"] != 0 for row in here)
            cells.append((f"{axis.name} {_text(value)}", *words, f"{len(here):,}", f"{refused:,}"))
    if not cells:
        return None
    titles = ("axis", *(f"best {metric.name}" for metric in by), "points", "without a result")
    caption = "The best of all points with a value of an axis, each metric by itself."
    return Section("axes", "Axis by axis", [Table(titles, cells, caption)])


def _refused(rows: Sequence[Row], axes: Sequence[Axis]) -> Section | None:
    """The points without a result, those of one reason together."""
    reasons: dict[tuple[int, str], list[str]] = {}
    several = _several(rows)
    for row in rows:
        if row["exit_code"]:
            name = _where(row, several, axes)
            reasons.setdefault((row["exit_code"], row["reason"]), []).append(name)
    if not reasons:
        return None
    cells = [
        (reason, str(code), f"{len(names):,}", "; ".join(names[:MOST_NAMED]))
        for (code, reason), names in reasons.items()
    ]
    titles = ("reason", "exit code", "points", "which")
    caption = (
        "Points without a result: 2 is bad input, 3 does not fit the target, 4 not installed, "
    )
    caption += "1 any other failure, which another run tries again. At most "
    caption += f"{MOST_NAMED} of one reason are named."
    return Section("refused", "Without a result", [Table(titles, cells, caption, texts=(3,))])


def _several(rows: Sequence[Row]) -> list[str]:
    """Which of model and target there are several of."""
    return [key for key in ("model", "target") if len({row[key] for row in rows}) > 1]


def _all(rows: Sequence[Row], axes: Sequence[Axis], by: Sequence[Metric]) -> Section:
    more = [metric for metric in METRICS.values() if metric not in by]
    known = [m for m in more if any(row[m.column] is not None for row in rows)]
    table = _rows(rows, axes, [*by, *known], "Every point, in grid order.")
    return Section("points", "All points", [table])


def _about(
    models: Sequence[str],
    targets: Sequence[str],
    axes: Sequence[Axis],
    by: Sequence[Metric],
    said: Sequence[str],
    options: Sequence[tuple[str, str]],
) -> Section:
    facts = [("models", ", ".join(models)), ("targets", ", ".join(targets))]
    facts += [(axis.name, ", ".join(_text(v) for v in axis.values)) for axis in axes]
    facts += [(f"{name}, for all points", value) for name, value in options]
    facts += [(metric.name, f"{metric.words}; {'more' if metric.more else 'less'} is better")
              for metric in by]  # fmt: skip
    facts += [("note", sentence) for sentence in said]
    return Section("provenance", "Where this comes from", [Facts(facts)])
