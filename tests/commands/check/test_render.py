"""The formats of `neurocompile check`, and the gate as a pytest fixture."""

import json
import subprocess
import sys
from xml.etree import ElementTree

import gate_networks as gate
import pytest


@pytest.fixture(scope="module")
def bad(small):
    """An export with one weight flipped, which moves the error by more than 2 %."""
    return gate.write(small / "flipped", gate.one_weight(gate.network()), small / "x.npz")


SAID = "conv2.weight [1, 2, 0, 1] 2 -> 100"


def test_github_gets_an_annotation_with_the_layer_and_what_it_did_to_the_error(small, bad, call):
    code, text, _ = call("check", bad, "--baseline", small / "base.json", "--format", "github")
    errors = [line for line in text.splitlines() if line.startswith("::error")]
    assert code == 1
    assert errors[0].startswith(f"::error title=conv2.weight::{SAID}; reconstruction error 0.")
    assert errors[0].endswith("%25)")  # a percent sign as GitHub wants it
    assert any(line.startswith("::error title=reconstruction_error::") for line in errors)
    good = call("check", small / "small", "--baseline", small / "base.json", "--format", "github")
    assert good[0] == 0
    assert good[1].startswith("::notice title=neurocompile check::")
    assert "::error" not in good[1]


def test_an_annotation_cannot_be_broken_by_what_a_layer_is_called():
    from neurocompile.commands.check.render import render

    finding = {"layer": "a", "field": "f", "where": "a:b,c\n::error::x", "change": "1 -> 2%"}
    found = {
        "passed": False, "updated": False, "mode": "exact", "engine": "onnx", "artifact": "d",
        "baseline": "b", "data": "x", "samples": 1, "findings": [finding], "runs": [],
        "effect": "", "trouble": "", "alone": [], "metrics": [], "layers": [], "energy": {},
        "golden": None, "golden_missing": False,
        "renew": "neurocompile check d --baseline b --update",
    }  # fmt: skip
    first = render(found, "github").splitlines()[0]
    assert first == "::error title=a%3Ab%2Cc%0A%3A%3Aerror%3A%3Ax::a:b,c%0A::error::x 1 -> 2%25"


@pytest.mark.parametrize(
    ("name", "more", "kind", "says"),
    [
        ("missing.json", (), "BadInput", "missing.json. Write it with: neurocompile check"),
        ("a<b>&\n::error::c.json", (), "BadInput", "a<b>&\n: :error::c.json. Write it"),
        ("base.json", ("--engine", "nonesuch"), "UsageError", "'nonesuch' is not one of"),
    ],
)
def test_a_check_that_compares_nothing_says_why_in_the_format_that_was_asked_for(
    name, more, kind, says, small, call
):
    words = ("check", small / "small", "--baseline", small / name, *more)
    code, text, _ = call(*words, "--format", "junit")
    (case,) = (suite := ElementTree.fromstring(text)).findall("testcase")
    counts = [suite.get(key) for key in ("tests", "failures", "errors")]
    assert (code, counts) == (2, ["1", "0", "1"])
    error = case.find("error")
    assert error.get("type") == kind
    assert says in error.text
    code, text, _ = call(*words, "--format=github")
    (line,) = text.splitlines()
    assert code == 2
    assert line.startswith(f"::error title={kind}::")
    code, text, _ = call(*words, "--format", "json")
    assert code == 2
    assert json.loads(text)["error"]["kind"] == kind


def test_a_check_without_a_package_says_so_in_the_format_that_was_asked_for(
    small, call, monkeypatch
):
    from neurocompile.commands.check import measure
    from neurocompile.errors import NotInstalled

    def absent(_):
        raise NotInstalled("the package onnxruntime is missing.")

    monkeypatch.setattr(measure.installed, "require", absent)
    words = ("check", small / "small", "--baseline", small / "base.json")
    code, text, _ = call(*words, "--format", "github")
    assert (code, text) == (4, "::error title=NotInstalled::the package onnxruntime is missing.\n")


def test_junit_has_a_case_for_the_integers_each_layer_and_each_metric(small, bad, call):
    code, text, _ = call("check", bad, "--baseline", small / "base.json", "--format", "junit")
    suite = ElementTree.fromstring(text)
    cases = {case.get("name"): case.find("failure") for case in suite}
    assert code == 1
    assert SAID in cases["integers"].get("message")
    assert cases["layer lif1"] is None
    assert "spikes 548 -> 576" in cases["layer lif2"].get("message")
    assert cases["reconstruction_error"] is not None
    assert cases["joules"] is None
    failed = [name for name, failure in cases.items() if failure is not None]
    assert suite.get("failures") == str(len(failed))
    assert suite.get("tests") == str(len(cases))
    text = call("check", small / "small", "--baseline", small / "base.json", "--format", "junit")[1]
    assert ElementTree.fromstring(text).get("failures") == "0"


def test_json_is_one_document_and_cannot_be_combined_with_other_formats(small, bad, call):
    arguments = ("check", bad, "--baseline", small / "base.json")
    by_flag, by_format = (call(*arguments, *f)[1] for f in (("--json",), ("--format", "json")))
    assert json.loads(by_flag) == json.loads(by_format)
    code, _, stderr = call(*arguments, "--json", "--format", "junit")
    assert (code, "cannot be combined" in stderr) == (2, True)


def test_a_table_ends_with_the_command_that_renews_the_baseline(small, bad, call):
    file = small / "base.json"
    text = call("check", bad, "--baseline", file)[1]
    assert text.rstrip().endswith(f"neurocompile check {bad} --baseline {file} --update")


def test_a_pytest_fixture_fails_with_the_same_table(small, bad, tmp_path):
    new = tmp_path / "new.json"
    (tmp_path / "test_network.py").write_text(f"""
def test_same(neurocompile_check):
    assert neurocompile_check({str(small / "small")!r}, {str(small / "base.json")!r})["passed"]

def test_other(neurocompile_check):
    neurocompile_check({str(bad)!r}, {str(small / "base.json")!r})

def test_new(neurocompile_check):
    neurocompile_check({str(bad)!r}, {str(new)!r})
""")
    plugin = "neurocompile.commands.check.pytest_plugin"
    command = [sys.executable, "-m", "pytest", "-q", "-p", plugin, "-p", "no:cacheprovider"]

    def run(*more):
        return subprocess.run(
            [*command, *more], cwd=tmp_path, capture_output=True, text=True, timeout=120
        )

    done = run()
    assert done.returncode == 1
    assert "1 passed" in done.stdout
    assert SAID in done.stdout
    assert f"there is no baseline {new}" in done.stdout
    assert run("-k", "new", "--neurocompile-update").returncode == 0
    assert run("-k", "new").returncode == 0


def test_pytest_finds_the_fixture_where_neurocompile_is_installed():
    import tomllib
    from pathlib import Path

    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
    plugin = "neurocompile.commands.check.pytest_plugin"
    assert project["entry-points"]["pytest11"] == {plugin: plugin}
