"""The result of a check for a person, a script, a test report or GitHub.

In:  the result of gate.check_artifact.
Out: text.
Every format says the same: which layer and field changed, from what to what, and what that did
to the reconstruction error.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from xml.etree import ElementTree

from rich.text import Text

from neurocompile.errors import printable
from neurocompile.formats.json_files import json_bytes
from neurocompile.report.samples_file import NAME
from neurocompile.terminal.tables import Table, columns, paragraph
from neurocompile.terminal.words import golden

LISTED = 20  # largest number of differences in a table
COMMAND = re.compile(r"(:|#)(:|#\[)")  # an older form is obeyed anywhere in a line
ANNOTATIONS = 10  # largest number of annotations that GitHub shows of a step


def render(result: Mapping[str, Any], form: str) -> str:
    """The whole text, ending with a newline."""
    forms: dict[str, Callable[[Mapping[str, Any]], str]] = {
        "table": _table,
        "json": lambda result: json_bytes(result).decode(),
        "junit": _junit,
        "github": _github,
    }
    text = forms[form](result)
    return printable(text) if form in ("table", "junit") else text


def refused(form: str, kind: str, message: str) -> str:
    """The document of a check that compared nothing, ending with a newline.

    Args:
        form: "junit" or "github".
        kind: Class of the error.
        message: What was wrong, and what to do.
    """
    if form == "github":
        return f"::error title={_property(kind)}::{_data(message)}\n"
    suite = ElementTree.Element(
        "testsuite", name="neurocompile check", tests="1", failures="0", errors="1"
    )
    case = ElementTree.SubElement(
        suite, "testcase", classname="neurocompile.commands.check", name="check"
    )
    ElementTree.SubElement(case, "error", type=kind, message=message).text = message
    return printable(_xml(suite))


def sentence(result: Mapping[str, Any]) -> str:
    """The check in one sentence: the first difference and its effect."""
    problems = list(_problems(result))
    if not problems:
        return f"{result['artifact']} agrees with {result['baseline']}."
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return f"{problems[0][1]}{more}"


def _problems(result: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(where, what) of everything that fails the check; the cause comes before its effects."""
    one = "" if len(result["findings"]) == 1 else "together with the other differences: "
    effect = result["effect"] or _trouble(result)
    for row in result["alone"]:
        yield f"{row['layer']}.error", f"only {row['layer']} changed: {row['text']}"
    for row in result["findings"]:
        consequence = f"; {one}{effect}" if effect else ""
        yield row["where"], f"{row['where']} {row['change']}{consequence}"
    if result["trouble"] and not result["findings"]:
        yield "run", _trouble(result)
    if result["runs"]:
        first, *others = result["runs"]
        where = f"{first['layer']}.{first['what']}".replace(" ", "_")
        later = f"; {len(others)} more differ after it" if others else ""
        yield where, f"{first['layer']}: {first['what']} {first['change']}{later}"
    if result["golden"] and result["golden"]["first"]:
        yield "golden_vectors", f"golden vectors: {golden(result['golden'])}"
    for row in result["metrics"]:
        if not row["passed"]:
            yield row["name"], f"{row['text']}; allowed is {_allowed(row['bounds'])}"


def _trouble(result: Mapping[str, Any]) -> str:
    return f"the network no longer runs: {result['trouble']}" if result["trouble"] else ""


def _allowed(bounds: Mapping[str, float]) -> str:
    """A tolerance in words."""
    signs = {"below": "-", "above": "+"}
    limits = [f"{sign}{bounds[side]:.3g}" for side, sign in signs.items() if side in bounds]
    parts = [f"{limit[0]}{float(limit[1:]) * 100:g} %" for limit in limits]
    return " to ".join(parts) if len(parts) == 2 else (f"at most {parts[0]}" if parts else "any")


def _table(result: Mapping[str, Any]) -> str:
    """What a person reads; the command in the last line is not wrapped, to be copied whole."""
    width = columns()
    lines = [line.plain for line in _lines(result, width)]
    if not result["passed"]:
        lines += ["", "If this change is intended, renew the baseline:", f"  {result['renew']}"]
    return "\n".join(lines) + "\n"


def _lines(result: Mapping[str, Any], width: int) -> Iterator[Text]:
    verdict = "passed" if result["passed"] else "FAILED"
    if result["updated"]:
        verdict = "baseline written"
    yield from paragraph(f"{result['artifact']} against {result['baseline']}: {verdict}", width)
    run = f"mode {result['mode']}, engine {result['engine']}"
    yield from paragraph(f"{run}, {result['samples']} samples of {result['data']}", width)
    if result["golden"]:
        yield from paragraph(f"golden vectors: {golden(result['golden'])}", width)
    elif result["golden_missing"]:
        yield from paragraph(f"golden vectors: none compared, {NAME} is not there", width)
    for text in _said(result):
        yield from paragraph(text, width, indent=2) if text else [Text()]
    if result["metrics"]:
        table = Table(("metric", "baseline", "now", "change", "allowed", ""), texts=("allowed", ""))
        for row in result["metrics"]:
            table.add(*_metric(row, result))
        yield Text()
        yield from table.lines(width)


def _said(result: Mapping[str, Any]) -> Iterator[str]:
    """What differs, the effect, and what each changed layer does by itself."""
    differs = [f"{row['where']} {row['change']}" for row in result["findings"]]
    differs += [f"{row['layer']}: {row['what']} {row['change']}" for row in result["runs"]]
    effect = result["effect"] or _trouble(result)
    if differs:
        yield ""
        yield from differs[:LISTED]
        if len(differs) > LISTED:
            yield f"and {len(differs) - LISTED} more"
        if effect:
            yield f"=> {effect}"
        if result["alone"]:
            yield ""
            yield "each changed layer, with its synapses, by itself in the old network:"
            yield from (f"{row['layer']}: {row['text']}" for row in result["alone"])
    elif result["trouble"]:
        yield ""
        yield _trouble(result)


def _metric(row: Mapping[str, Any], result: Mapping[str, Any]) -> tuple[str, ...]:
    name = row["name"].replace("_", " ")
    if row["name"] == "joules":
        name += f" ({result['energy']['model']} {result['energy']['version']})"
    change = "-" if row["change"] is None else f"{row['change']:+.2%}"
    verdict = "" if row["passed"] or result["updated"] else "FAILED"
    numbers = (_plain(row["baseline"]), _plain(row["now"]))
    return (name, *numbers, change, _allowed(row["bounds"]), verdict)


def _plain(value: float | None) -> str:
    if value is None:
        return "none"
    return f"{value:,}" if isinstance(value, int) else f"{value:.6g}"


def _junit(result: Mapping[str, Any]) -> str:
    """A test case for the integers, one per layer for its spikes, and one per metric."""
    cases: list[tuple[str, list[str]]] = []
    if result["mode"] == "exact":
        effect = result["effect"] or _trouble(result)
        integers = [f"{row['where']} {row['change']}" for row in result["findings"]]
        alone = [f"only {row['layer']} changed: {row['text']}" for row in result["alone"]]
        cases.append(("integers", [*integers, effect, *alone] if integers else []))
        for layer in result["layers"]:
            rows = [row for row in result["runs"] if row["layer"] == layer["name"]]
            wrong = [f"{row['layer']}: {row['what']} {row['change']}" for row in rows]
            cases.append((f"layer {layer['name']}", wrong))
        named = {layer["name"] for layer in result["layers"]}
        for row in result["runs"]:
            if row["layer"] not in named:
                cases.append((f"input {row['layer']}", [f"{row['what']} {row['change']}"]))
    cases.append(("run", [_trouble(result)] if result["trouble"] else []))
    if result["golden"]:
        wrong = [golden(result["golden"])] if result["golden"]["first"] else []
        cases.append(("golden vectors", wrong))
    for row in result["metrics"]:
        text = f"{row['text']}; allowed is {_allowed(row['bounds'])}"
        cases.append((row["name"], [] if row["passed"] else [text]))
    failures = sum(bool(wrong) for _, wrong in cases)
    suite = ElementTree.Element(
        "testsuite", name="neurocompile check", tests=str(len(cases)), failures=str(failures)
    )
    for name, wrong in cases:
        case = ElementTree.SubElement(
            suite, "testcase", classname=f"neurocompile.commands.check.{result['mode']}", name=name
        )
        if wrong:
            failure = ElementTree.SubElement(case, "failure", message=wrong[0])
            failure.text = "\n".join(wrong)
    return _xml(suite)


def _xml(suite: ElementTree.Element) -> str:
    ElementTree.indent(suite)
    text = ElementTree.tostring(suite, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{text}\n'


def _github(result: Mapping[str, Any]) -> str:
    """Workflow commands: one annotation per problem, then the table for the log."""
    problems = list(_problems(result))
    lines = [f"::error title={_property(where)}::{_data(what)}" for where, what in problems]
    if len(lines) > ANNOTATIONS:
        more = f"::error title=more::{len(lines) - ANNOTATIONS + 1} more in the log"
        lines = [*lines[: ANNOTATIONS - 1], more]
    if result["passed"]:
        what = "baseline written" if result["updated"] else sentence(result)
        lines = [f"::notice title=neurocompile check::{_data(what)}"]
    return "\n".join(lines) + "\n" + COMMAND.sub(r"\1 \2", printable(_table(result)))


def _data(text: str) -> str:
    """Text escaped as in GitHub's actions/toolkit, command.ts."""
    return printable(text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A"))


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
