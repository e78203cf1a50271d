"""The notebooks run, and what they show is what they print."""

import json
import re
from importlib import import_module
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "docs/notebooks").glob("*.ipynb"))


@pytest.fixture
def make_notebooks(monkeypatch):
    """The program that runs the notebooks."""
    monkeypatch.syspath_prepend(ROOT / "docs")
    return import_module("make_notebooks")


@pytest.mark.pages
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_notebook_runs_and_prints_what_is_kept_in_it(path, make_notebooks):
    kept = make_notebooks.outputs(nbformat.read(path, as_version=4))
    assert len(kept) >= 6
    assert make_notebooks.outputs(make_notebooks.executed(path)) == kept, "Run: make docs"


def test_there_are_notebooks_for_three_questions_and_each_begins_with_a_title():
    assert len(FILES) == 3
    for path in FILES:
        first, *_ = json.loads(path.read_text())["cells"]
        assert first["cell_type"] == "markdown"
        assert first["source"][0].startswith("# ")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_pages_and_notebooks_that_a_notebook_names_exist(path):
    text = path.read_text()
    assert all((ROOT / name).is_file() for name in re.findall(r"\bdocs/[\w-]+\.md\b", text))
    assert all((path.parent / name).is_file() for name in re.findall(r"\]\(([^)]+)\)", text))
