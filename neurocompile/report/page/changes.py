"""The page of two exports side by side: what changed, the most important first.

In:  the document of `report.changes`, and both reports.
Out: a page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from neurocompile.report.page import costs
from neurocompile.report.page.blocks import (
    Block,
    Card,
    Chart,
    Facts,
    Section,
    Table,
    Text,
    energy,
    percent,
)
from neurocompile.report.page.page import Page, page_html
from neurocompile.report.page_input import Reported
from neurocompile.terminal.words import joules, number_of


def changes_page(document: Mapping[str, Any], a: Reported, b: Reported) -> str:
    """The page as HTML."""
    names = document["a"]["artifact"], document["b"]["artifact"]
    sections = [_joules(document, a, b), _results(document), _spikes(document)]
    sections += [_integers(document), _placement(document), _about(document)]
    return page_html(
        Page(
            "What changed",
            f"A is {names[0]}, B is {names[1]}. Counts and joules are per sample.",
            _cards(document),
            [section for section in sections if section is not None],
        )
    )


def lines(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What changed in a few lines, by name."""
    rows = [("integers", _same(document["integers"]))]
    rows += [
        (row["what"], f"{_number(row['a'])} to {_number(row['b'])}{_change(row)}")
        for row in document["results"]
    ]
    spikes = [row for row in document["spikes"] if row["a"] is not None and row["b"] is not None]
    if spikes:
        both = {"a": sum(r["a"] for r in spikes), "b": sum(r["b"] for r in spikes)}
        text = f"{both['a']:,.0f} to {both['b']:,.0f} per sample{_change(both)}"
        differ = [r for r in spikes if r["differ"] is not None]
        if differ:
            worst = max(differ, key=lambda r: r["differ"])
            text += f"; most differ in {worst['layer']}, {percent(worst['differ'])}"
        rows.append(("spikes", text))
    rows += [
        (f"joules, {row['what']}", f"{joules(row['a'])} to {joules(row['b'])}{_change(row)}")
        for row in document["joules"]
        if row["what"] not in ("low", "high")
    ]
    rows += [
        (row["what"], f"{_number(row['a'])} to {_number(row['b'])}{_change(row)}")
        for row in document["placement"]
        if row["a"] != row["b"] and "fullest" not in row["what"]
    ]
    return rows


def _sentence(words: str, end: str = ".") -> str:
    """Words with a capital letter first; those inside stay as they are."""
    return words[:1].upper() + words[1:] + end


def _same(integers: Mapping[str, Any]) -> str:
    if integers["same"]:
        return "the same, bit for bit"
    if not integers["described"]:
        return "other ones; a report before 1.6 does not tell in what"
    text = f"{number_of(len(integers['differ']), 'node')} changed"
    for key, letter in (("only_a", "A"), ("only_b", "B")):
        if integers[key]:
            text += f", {number_of(len(integers[key]), 'node')} only in {letter}"
    return text if integers["differ"] or "only" in text else "other ones, in single values only"


def _change(row: Mapping[str, Any]) -> str:
    """The change in percent, where both are numbers and the first is not 0."""
    one, other = row["a"], row["b"]
    numbers = isinstance(one, int | float) and isinstance(other, int | float)
    return f" ({100 * (other / one - 1):+.2f} %)" if numbers and one and one != other else ""


def _number(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.6g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _cards(document: Mapping[str, Any]) -> list[Card]:
    cards = [Card("Integers", "the same" if document["integers"]["same"] else "changed",
                  _sentence(_same(document["integers"])))]  # fmt: skip
    nominal = next((row for row in document["joules"] if row["what"] == "nominal"), None)
    if nominal is not None:
        cards.append(_card("Energy per sample", nominal, energy))
    for row in document["results"]:
        if "fixed" in row["what"]:
            cards.append(_card(_sentence(row["what"], ""), row, _number))
    spikes = [row for row in document["spikes"] if row["a"] is not None and row["b"] is not None]
    if spikes:
        both = {"a": sum(r["a"] for r in spikes), "b": sum(r["b"] for r in spikes)}
        cards.append(_card("Spikes per sample", both, _number))
    cores = document["placement"][0]
    cards.append(_card("Cores", cores, _number))
    return cards


def _card(name: str, row: Mapping[str, Any], words: Any) -> Card:
    change = _change(row).strip(" ()")
    same = "the same" if row["a"] == row["b"] else "other"
    return Card(name, change or same, f"A {words(row['a'])}, B {words(row['b'])}.")


def _table(rows: Sequence[Mapping[str, Any]], caption: str, words: Any = _number) -> Table:
    cells = [
        (row["what"], words(row["a"]), words(row["b"]), _change(row).strip(" ()") or "-")
        for row in rows
    ]
    return Table(("", "A", "B", "change"), cells, caption)


def _joules(document: Mapping[str, Any], a: Reported, b: Reported) -> Section | None:
    if not document["joules"]:
        return None
    blocks: list[Block] = [_table(document["joules"], "Joules per sample.", energy)]
    for letter, one in (("A", a), ("B", b)):
        if one.report["energy"] is not None and one.report["energy"]["models"]:
            blocks += [Text([f"{letter}, by layer and term:"]), costs.stacked(one.report)]
    return Section("energy", "Joules", blocks)


def _results(document: Mapping[str, Any]) -> Section | None:
    if not document["results"]:
        return None
    table = _table(document["results"], "Of all samples that each ran.")
    return Section("results", "Results", [table])


def _spikes(document: Mapping[str, Any]) -> Section | None:
    if not document["spikes"]:
        return None
    rows = [
        (row["layer"], *(_number(row[k]) for k in ("a", "b")), _change(row).strip(" ()") or "-",
         percent(row["differ"]), *(_number(row[k]) for k in ("synops_a", "synops_b")))
        for row in document["spikes"]
    ]  # fmt: skip
    titles = ("layer", "spikes A", "spikes B", "change", "differ", "operations A", "operations B")
    caption = "Per sample. Differ: part of the recorded neurons and steps that differ; '-' where "
    caption += "other samples were recorded, or none."
    table = Table(titles, rows, caption)
    known = [row for row in document["spikes"] if row["a"] is not None or row["b"] is not None]
    if not known:
        return Section("spikes", "Spikes", [table])
    chart = Chart(
        "pairs",
        "Spikes per sample of each layer, A and B.",
        {
            "rows": [row["layer"] for row in known[:40]],
            "pairs": [
                {"name": letter.upper(), "values": [row[letter] for row in known[:40]]}
                for letter in ("a", "b")
            ],
            "unit": "spikes",
        },
        "Spikes per sample.",
        table,
        height=80 + 44 * min(40, len(known)),
    )
    return Section("spikes", "Spikes", [chart])


def _integers(document: Mapping[str, Any]) -> Section:
    integers = document["integers"]
    blocks: list[Block] = [Text([f"The integers: {_same(integers)}."])]
    rows = [
        (row["node"], what, _number(_plain(one)), _number(_plain(other)))
        for row in integers["differ"]
        for what, one, other in zip(row["what"], row["a"], row["b"], strict=True)
    ]
    rows += [(name, "only in A", "", "") for name in integers["only_a"]]
    rows += [(name, "only in B", "", "") for name in integers["only_b"]]
    if rows:
        caption = "Nodes that differ; arrays by their shape and range."
        blocks.append(Table(("node", "what", "A", "B"), rows, caption, texts=(1, 2, 3)))
    return Section("integers", "Integers", blocks)


def _plain(value: Any) -> Any:
    return " x ".join(map(str, value)) if isinstance(value, list) else value


def _placement(document: Mapping[str, Any]) -> Section:
    table = _table(document["placement"], "Where both lie on the chip.")
    return Section("cores", "Placement", [table])


def _about(document: Mapping[str, Any]) -> Section:
    rows = []
    for letter in ("a", "b"):
        about = document[letter]
        ran = "nothing was run"
        if about["samples"] is not None:
            ran = f"{number_of(about['samples'], 'sample')} on {', '.join(about['engines'])}"
        text = f"{about['artifact']}, for {about['target']}; {ran}; by {about['neurocompile']}"
        rows.append((letter.upper(), text))
    return Section("provenance", "Where this comes from", [Facts(rows)])
