"""What `make audit` makes of the answers of services, among them of those that do not answer."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PINS = {"one": "1.0", "two_b": "2.0"}


@pytest.fixture(scope="module")
def audit():
    spec = importlib.util.spec_from_file_location("audit", ROOT / ".ci/audit.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def answer(name, version, *vulns):
    return {"name": name, "version": version, "vulns": list(vulns)}


SKIPPED = {"name": "one", "skip_reason": "Dependency not found on PyPI and could not be audited"}


def test_what_is_known_is_named_with_the_version_that_mends_it(audit):
    bad = answer("two-b", "2.0", {"id": "PYSEC-1", "fix_versions": ["2.1"]})
    known, unknown = audit.judged(PINS, {"pypi": [answer("one", "1.0"), bad]})
    assert known == ["two-b 2.0: PYSEC-1 (pypi); 2.1 mends it"]
    assert unknown == []


@pytest.mark.parametrize("rows", [[], [SKIPPED]], ids=["no answer", "skipped"])
def test_a_package_about_which_nobody_answered_is_not_called_safe(rows, audit):
    assert audit.judged(PINS, {"pypi": rows}) == ([], ["one", "two_b"])


def test_a_second_service_answers_for_the_first(audit):
    found = audit.judged(PINS, {"pypi": [SKIPPED], "osv": [answer("One", "1.0")]})
    assert found == ([], ["two_b"])


def test_a_tool_that_is_not_there_or_prints_no_json_is_no_answer(audit):
    assert audit.asked("/nowhere/pip-audit", "pypi", PINS) == []
    assert audit.asked("echo", "pypi", PINS) == []


def test_the_pins_are_read_without_their_remarks(audit):
    assert audit.read("# a remark\none==1.0\n\ntwo==2.0  # why\n") == {"one": "1.0", "two": "2.0"}


@pytest.fixture
def silent(tmp_path):
    """A tool that is there, and answers nothing."""
    tool = tmp_path / "pip-audit"
    tool.write_text("#!/bin/sh\nexit 1\n")
    tool.chmod(0o755)
    return tool


def test_a_tool_that_is_missing_is_not_called_a_service_that_does_not_answer(audit, silent):
    absent = audit.not_asked(["one", "two"], "/nowhere/pip-audit")
    assert absent.startswith("NOT ASKED: there is no /nowhere/pip-audit, so no service was asked")
    said = audit.not_asked(["one", "two"], str(silent))
    assert said.startswith("NOT ASKED: no service answered about 2 of them (one, two). ")


@pytest.mark.parametrize(("strict", "code"), [(False, 0), (True, 1)])
def test_only_a_strict_audit_fails_where_nobody_answers(strict, code, audit, silent, capsys):
    for tool in (str(silent), "/nowhere/pip-audit"):
        with pytest.raises(SystemExit) as ended:
            audit.main(tool, strict)
        assert int(ended.value.code) == code
        assert "NOT ASKED" in capsys.readouterr().out


def test_make_passes_strict_on():
    recipe = (ROOT / "Makefile").read_text().split("\naudit:")[1].split("\n\n")[0]
    assert "$(if $(STRICT),--strict)" in recipe
