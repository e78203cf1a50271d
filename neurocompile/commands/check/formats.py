"""The result of a check as a person, a script, a test report or GitHub reads it.

In:  what gate.check_artifact found.
Out: text. Every format says the same: which layer and field, from what to what, and what that
     did to the reconstruction error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any
from xml.etree import ElementTree

from rich.console import Console
from rich.text import Text

from neurocompile.formats.json_files import json_bytes
from neurocompile.terminal.tables import Table, paragraph

LISTED = 20  # differences that a table names
ANNOTATIONS = 10  # what GitHub shows of a step


def render(found: Mapping[str, Any], form: str) -> str:
    """The whole text, a newline at its end."""
    forms: dict[str, Callable[[Mapping[str, Any]], str]] = {
        "table": _table,
        "json": lambda result: json_bytes(result).decode(),
        "junit": _junit,
        "github": _github,
    }
    return forms[form](found)


def sentence(found: Mapping[str, Any]) -> str:
    """The check in one sentence: the first difference, and what it did."""
    problems = list(_problems(found))
    if not problems:
        return f"{found['artifact']} agrees with {found['baseline']}."
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return f"{problems[0][1]}{more}"


def _problems(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(where, what) of everything that fails the check, the cause before its effects."""
    one = "" if len(found["findings"]) == 1 else "together with the other differences: "
    effect = found["effect"] or _trouble(found)
    for row in found["alone"]:
        yield f"{row['layer']}.error", f"{row['layer']} alone: {row['text']}"
    for row in found["findings"]:
        said = f"; {one}{effect}" if effect else ""
        yield row["where"], f"{row['where']} {row['change']}{said}"
    if found["trouble"] and not found["findings"]:
        yield "run", _trouble(found)
    if found["runs"]:
        first, *others = found["runs"]
        where = f"{first['layer']}.{first['what']}".replace(" ", "_")
        later = f"; {len(others)} more differ behind it" if others else ""
        yield where, f"{first['layer']}: {first['what']} {first['change']}{later}"
    for row in found["metrics"]:
        if not row["passed"]:
            yield row["name"], f"{row['text']}; allowed is {_allowed(row['bounds'])}"


def _trouble(found: Mapping[str, Any]) -> str:
    return f"the network does not run any more: {found['trouble']}" if found["trouble"] else ""


def _allowed(bounds: Mapping[str, float]) -> str:
    """A tolerance in words."""
    signs = {"below": "-", "above": "+"}
    said = [f"{sign}{bounds[side]:.3g}" for side, sign in signs.items() if side in bounds]
    parts = [f"{one[0]}{float(one[1:]) * 100:g} %" for one in said]
    return " to ".join(parts) if len(parts) == 2 else (f"at most {parts[0]}" if parts else "any")


def _table(found: Mapping[str, Any]) -> str:
    """What a person reads; the command in its last line is in one piece, to be copied."""
    width = Console().width
    lines = [line.plain for line in _lines(found, width)]
    if not found["passed"]:
        again = f"neurocompile check {found['artifact']} --baseline {found['baseline']} --update"
        lines += ["", "If this is meant, renew the baseline:", f"  {again}"]
    return "\n".join(lines) + "\n"


def _lines(found: Mapping[str, Any], width: int) -> Iterator[Text]:
    verdict = "passed" if found["passed"] else "FAILED"
    if found["updated"]:
        verdict = "baseline written"
    yield from paragraph(f"{found['artifact']} against {found['baseline']}: {verdict}", width)
    run = f"mode {found['mode']}, engine {found['engine']}"
    yield from paragraph(f"{run}, {found['samples']} samples of {found['data']}", width)
    for text in _said(found):
        yield from paragraph(text, width, indent=2) if text else [Text()]
    if found["metrics"]:
        table = Table(("metric", "baseline", "now", "change", "allowed", ""), texts=("allowed", ""))
        for row in found["metrics"]:
            table.add(*_metric(row, found))
        yield Text()
        yield from table.lines(width)


def _said(found: Mapping[str, Any]) -> Iterator[str]:
    """What differs, what it did, and what each changed layer does on its own."""
    differs = [f"{row['where']} {row['change']}" for row in found["findings"]]
    differs += [f"{row['layer']}: {row['what']} {row['change']}" for row in found["runs"]]
    effect = found["effect"] or _trouble(found)
    if differs:
        yield ""
        yield from differs[:LISTED]
        if len(differs) > LISTED:
            yield f"and {len(differs) - LISTED} more"
        if effect:
            yield f"=> {effect}"
        if found["alone"]:
            yield ""
            yield "each changed layer, with its synapses, alone in the old network:"
            yield from (f"{row['layer']}: {row['text']}" for row in found["alone"])
    elif found["trouble"]:
        yield ""
        yield _trouble(found)


def _metric(row: Mapping[str, Any], found: Mapping[str, Any]) -> tuple[str, ...]:
    name = row["name"].replace("_", " ")
    if row["name"] == "joules":
        name += f" ({found['energy']['model']} {found['energy']['version']})"
    change = "-" if row["change"] is None else f"{row['change']:+.2%}"
    verdict = "" if row["passed"] or found["updated"] else "FAILED"
    numbers = (_plain(row["baseline"]), _plain(row["now"]))
    return (name, *numbers, change, _allowed(row["bounds"]), verdict)


def _plain(value: float | None) -> str:
    if value is None:
        return "none"
    return f"{value:,}" if isinstance(value, int) else f"{value:.6g}"


def _junit(found: Mapping[str, Any]) -> str:
    """A test case for the integers, one for each layer's spikes and for each metric."""
    cases: list[tuple[str, list[str]]] = []
    if found["mode"] == "exact":
        said = found["effect"] or _trouble(found)
        integers = [f"{row['where']} {row['change']}" for row in found["findings"]]
        alone = [f"{row['layer']} alone: {row['text']}" for row in found["alone"]]
        cases.append(("integers", [*integers, said, *alone] if integers else []))
        for layer in found["layers"]:
            rows = [row for row in found["runs"] if row["layer"] == layer["name"]]
            wrong = [f"{row['layer']}: {row['what']} {row['change']}" for row in rows]
            cases.append((f"layer {layer['name']}", wrong))
        named = {layer["name"] for layer in found["layers"]}
        for row in found["runs"]:
            if row["layer"] not in named:
                cases.append((f"input {row['layer']}", [f"{row['what']} {row['change']}"]))
    cases.append(("run", [_trouble(found)] if found["trouble"] else []))
    for row in found["metrics"]:
        text = f"{row['text']}; allowed is {_allowed(row['bounds'])}"
        cases.append((row["name"], [] if row["passed"] else [text]))
    failures = sum(bool(wrong) for _, wrong in cases)
    suite = ElementTree.Element(
        "testsuite", name="neurocompile check", tests=str(len(cases)), failures=str(failures)
    )
    for name, wrong in cases:
        case = ElementTree.SubElement(
            suite, "testcase", classname=f"neurocompile.commands.check.{found['mode']}", name=name
        )
        if wrong:
            failure = ElementTree.SubElement(case, "failure", message=wrong[0])
            failure.text = "\n".join(wrong)
    ElementTree.indent(suite)
    text = ElementTree.tostring(suite, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{text}\n'


def _github(found: Mapping[str, Any]) -> str:
    """Workflow commands: an annotation for each problem, then the table for the log."""
    problems = list(_problems(found))
    lines = [f"::error title={_property(where)}::{_data(what)}" for where, what in problems]
    if len(lines) > ANNOTATIONS:
        more = f"::error title=more::{len(lines) - ANNOTATIONS + 1} more in the log"
        lines = [*lines[: ANNOTATIONS - 1], more]
    if found["passed"]:
        what = "baseline written" if found["updated"] else sentence(found)
        lines = [f"::notice title=neurocompile check::{_data(what)}"]
    return "\n".join(lines) + "\n" + _table(found)


def _data(text: str) -> str:
    """Escaped as GitHub's actions/toolkit, command.ts, does."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
