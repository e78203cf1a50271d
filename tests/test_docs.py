"""What the documents say is what the program does."""

import importlib.util
import json
import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from neurocompile.cli import main

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def commands():
    """Every command line of ours in the README, in order."""
    return re.findall(r"^    (neurocompile .*)$", README, flags=re.MULTILINE)


def test_every_command_of_the_readme_runs(tmp_path, monkeypatch):
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    assert len(commands()) >= 4
    for command in commands():
        done = CliRunner().invoke(main, shlex.split(command)[1:])
        assert done.exit_code == 0, f"{command}: {done.output}"
    assert (tmp_path / "build/mnist/report.json").is_file()
    assert (tmp_path / "build/run.h5").is_file()


def test_the_readme_shows_what_make_bench_measured(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "bench")
    spec = importlib.util.spec_from_file_location("bench_run", ROOT / "bench" / "run.py")
    assert spec is not None
    bench = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bench)
    results = json.loads((ROOT / "bench" / "results.json").read_text())
    assert bench.markdown(results) in README
    assert bench.demo(results) in README
    assert all(figure["met"] or "(missed)" in README for figure in results["figures"])


def test_the_makefile_has_the_targets_that_the_documents_name():
    makefile = (ROOT / "Makefile").read_text()
    for target in ("setup", "demo", "train", "test", "test-full", "lint", "docs", "bench", "clean"):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target


PAGES = (
    "architecture", "ci", "compare", "crosschecks", "energy", "install", "licences", "netx", "nir",
    "onnx", "placement", "quantization", "support", "targets",
)  # fmt: skip


@pytest.mark.parametrize("page", [f"docs/{name}.md" for name in PAGES])
def test_every_page_that_the_readme_names_exists_and_names_files_that_exist(page):
    assert page in README
    text = (ROOT / page).read_text()
    for name in re.findall(
        r"`((?:neurocompile|targets|examples|engines|ir|quantize)/[\w/.-]+\.\w+)`", text
    ):
        found = [ROOT / name, ROOT / "neurocompile" / name]
        assert any(path.exists() for path in found), name
