"""Texts of strangers, and odd surroundings: what a terminal obeys, streams closed or plain."""

import json
import os
import re
import shutil
import subprocess
import sys
from xml.etree import ElementTree

import numpy as np
import pytest

from neurocompile.commands.check.render import refused, render
from neurocompile.errors import MOST_IN_LINE, BadInput, printable
from neurocompile.formats.json_files import json_bytes
from neurocompile.terminal.screen import Screen
from neurocompile.terminal.tables import Facts, Page, Table

# ESC sequences, one in a single character, a bell, a text that turns round, half a character
OBEYED = "a\x1b[2Jb\x9b31mc\x07d\u202ee\udcfff"
SHOWN = r"a\x1b[2Jb\x9b31mc\x07d\u202ee\udcfff"
MARKUP = "[/b][v1][link=https://example.org]x"


def test_what_a_terminal_would_obey_is_shown_as_its_code():
    assert printable(OBEYED) == SHOWN
    assert printable(MARKUP + "\n") == MARKUP + "\n"


@pytest.mark.parametrize("text", [OBEYED, MARKUP])
def test_tables_facts_and_progress_show_a_text_and_obey_nothing_in_it(text, capsys):
    table = Table(("layer", "n"), title=text, caption=text)
    table.add(text, "1", note=text)
    page = Page()
    page.show(table, Facts([(text, text)]))
    page.say(text)
    page.sources({"key": {"title": text, "link": text}})
    with Screen() as screen:
        screen.tell(text)
        screen.progress(text, 1, 1)
    out, err = capsys.readouterr()
    shown = SHOWN if text == OBEYED else MARKUP
    assert (out.count(shown), err.count(shown)) == (9, 2)
    assert printable(out + err) == out + err


def test_json_holds_every_text_and_shows_a_terminal_nothing_to_obey():
    document = {OBEYED: [MARKUP, "ünïcödé 雪", "\U000e0001"]}
    text = json_bytes(document).decode()
    assert json.loads(text) == document
    assert printable(text) == text
    assert "ünïcödé 雪" in text


RESULT = {
    "artifact": f"build/{OBEYED}", "baseline": "b.json", "passed": False, "updated": False,
    "mode": "exact", "engine": "onnx", "samples": 2, "data": OBEYED, "golden": None,
    "golden_missing": True, "trouble": "",
    "effect": "", "alone": [], "runs": [], "metrics": [], "layers": [{"name": OBEYED}],
    "renew": OBEYED,
    "findings": [
        {"where": OBEYED, "change": "1 -> 2"},
        {"where": "::error title=x::y", "change": "1 -> 2 ##[error]z"},
    ],
}  # fmt: skip


@pytest.mark.parametrize("form", ["table", "junit", "github", "json"])
def test_no_form_of_a_check_has_anything_to_obey(form, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    text = render(RESULT, form)
    meant = re.sub("^::", "", text, flags=re.MULTILINE) if form == "github" else text
    assert printable(meant) == meant
    if form == "junit":
        failure = ElementTree.fromstring(text).find(".//failure")
        assert SHOWN in failure.text
    if form == "github":
        commands = [line for line in text.splitlines() if re.match(r"\s*::|.*##\[", line)]
        assert [line.split("::")[1].split(" ")[0] for line in commands[:2]] == ["error"] * 2
        table = text.split(" against ", 1)[1]
        assert "::" not in table
        assert "##[" not in table


@pytest.mark.parametrize("form", ["junit", "github"])
def test_no_form_of_a_check_that_compared_nothing_has_anything_to_obey(form):
    text = refused(form, "UsageError", OBEYED)  # as click says it, with what was typed
    meant = text.removeprefix("::") if form == "github" else text
    assert printable(meant) == meant
    assert len(re.findall(r"^\s*(?:::|##\[)", text, flags=re.MULTILINE)) == (form == "github")
    if form == "junit":
        assert ElementTree.fromstring(text).find(".//error").text == SHOWN


def test_a_message_of_any_length_is_cut_in_its_middle():
    message = str(BadInput(f"x.net: the layer {'y' * 10**8} is wrong. Rename it."))
    assert message.startswith("x.net: the layer yyy")
    assert len(message) < MOST_IN_LINE + 10


def test_the_end_of_a_long_line_says_what_to_do():
    assert str(BadInput(f"{'y' * 10_000}. Rename it.")).endswith(" Rename it.")


def test_a_file_whose_name_a_terminal_would_obey_is_named_by_codes(exported, tmp_path, call):
    path = tmp_path / "\x1b[31m[b]red.npz"
    np.savez(path, x=np.zeros((2, 1, 8, 8), np.float32))
    code, out, err = call("simulate", exported[0], "--engine", "onnx", "--data", path)
    assert code == 0, err
    assert "\x1b" not in out + err
    assert r"\x1b[31m[b]red.npz" in "".join(out.split())


LONG = "x" * 300


@pytest.mark.parametrize(
    "arguments",
    [
        ("simulate", LONG), ("energy", LONG), ("compare", LONG), ("report", LONG),
        ("bundle", LONG, "--to", "c", "--out", "x"), ("check", ".", "--baseline", LONG),
        ("inspect", f"{LONG}.pt"), ("inspect", f"{LONG}.onnx"), ("inspect", f"{LONG}.net"),
        ("export", "x.pt", "--target", LONG), ("targets", LONG),
        ("simulate", ".", "--data", f"idx:{LONG}"), ("simulate", ".", "--data", f"{LONG}.npz"),
        ("simulate", ".", "--state", LONG), ("compare", ".", "--out", LONG),
        ("faults", LONG, "--kind", "dead-neurons"),
    ],
)  # fmt: skip
def test_a_name_that_no_file_can_have_is_one_sentence(arguments, call):
    code, out, err = call(*arguments)
    assert (code, out) == (2, "")
    assert re.fullmatch(r"BadInput: (idx:)?x+ \.\.\. [x.a-z]+: File name too long\. .*\n", err), err


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        (("simulate", "nowhere", "--json"), "BadInput"),
        (("simulate", "nowhere", "--samples", "9" * 25, "--json"), "BadInput"),
        (("simulate", "nowhere", "--steps", "9" * 25, "--json"), "UsageError"),
        (("simulate", "--json"), "UsageError"),
        (("simulate", "nowhere", "--stepz", "1", "--json"), "UsageError"),
        (("nothing", "--json"), "UsageError"),
        (("check", "nowhere", "--baseline", "b", "--format", "junit", "--json"), "BadInput"),
        (("sweep", "--json"), "BadInput"),
    ],
)
def test_with_json_an_error_is_one_document_too(arguments, kind, call):
    code, out, err = call(*arguments)
    error = json.loads(out)["error"]
    assert (code, error["code"], error["kind"]) == (2, 2, kind)
    assert error["message"] in " ".join(err.split())


def test_without_json_stdout_stays_empty_after_an_error(call):
    assert call("simulate", "nowhere", "--quiet")[:2] == (2, "")


def test_a_check_that_fails_prints_one_document(exported, tmp_path, call):
    baseline = tmp_path / "b.json"
    assert call("check", exported[0], "--baseline", baseline, "--update")[0] == 0
    content = json.loads(baseline.read_text())
    content["metrics"]["spikes"] = 1
    baseline.write_text(json.dumps(content))
    code, out, _ = call("check", exported[0], "--baseline", baseline, "--json")
    assert (code, json.loads(out)["passed"]) == (1, False)


def run(arguments, redirected="", **variables):
    """A command in a process of its own: exit code, stdout, stderr."""
    command = f'exec "$0" -m neurocompile.cli "$@" {redirected}'
    done = subprocess.run(
        ["sh", "-c", command, sys.executable, *map(str, arguments)],
        capture_output=True, timeout=60, env={**os.environ, **variables},
    )  # fmt: skip
    return done.returncode, done.stdout.decode(), done.stderr.decode()


@pytest.mark.parametrize("how", [(), ("--json",)])
def test_a_closed_stdout_is_nobody_to_tell(how):
    assert run(["targets", *how], ">&-") == (0, "", "")
    assert run(["targets", "nothing", *how], ">&- 2>&-") == (2, "", "")


@pytest.mark.parametrize("how", [(), ("--json",)])
def test_a_full_stdout_is_one_sentence(how):
    code, _, err = run(["targets", *how], ">/dev/full")
    assert code == 2
    assert err.startswith("BadInput: the result cannot be printed: No space left on device.")


def test_streams_that_write_only_ascii_get_ascii():
    code, out, err = run(["targets"], PYTHONIOENCODING="ascii", COLUMNS="80")
    assert (code, err) == (0, "")
    assert out.isascii()
    assert out.splitlines()[1].strip("-") == ""


@pytest.mark.parametrize("columns", ["0", "1"])
def test_a_terminal_without_width_is_given_one(columns, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", columns)
    with Screen() as screen:
        screen.tell("running it")
    assert capsys.readouterr().err == "running it\n"


def test_an_export_whose_name_is_no_utf_8_has_pages_and_bundles(exported, tmp_path, call):
    there = tmp_path / os.fsdecode(b"E\xff")
    shutil.copytree(exported[0], there)
    for words in (
        ("energy", there, "--html", tmp_path / "e.html"),
        ("report", there, there, "--out", tmp_path / "r.html"),
        ("bundle", there, "--to", "c", "--out", tmp_path / "c"),
        ("compare", there, "--samples", 1, "--html", tmp_path / "c.html"),
    ):
        code, _, stderr = call(*words)
        assert code == 0, stderr
    for name in ("e.html", "r.html", "c.html"):
        assert (tmp_path / name).read_text(encoding="utf-8").rstrip().endswith("</html>")
