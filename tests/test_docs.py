"""What the documents say is what the program does."""

import contextlib
import importlib
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from neurocompile.cli import main

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
PAGES = {
    str(path.relative_to(ROOT)): path.read_text()
    for path in [*ROOT.glob("*.md"), *sorted((ROOT / "docs").glob("*.md"))]
}
WORKED = ("README.md", "docs/quick-start.md")  # whose commands run one after another as they stand


def commands(page):
    """Every command line of ours on a page, in order: in blocks, in workflows, in sentences."""
    found = re.findall(
        r"^(?:    |      - run: )neurocompile (.*)$|`neurocompile ([^`]+)`",
        PAGES[page],
        flags=re.MULTILINE,
    )
    lines = [re.split(r" > |  +#", block or " ".join(inline.split()))[0] for block, inline in found]
    return [shlex.split(line) for line in lines]


def blocks(page):
    """Every block of Python on a page."""
    return re.findall(r"^```python\n(.*?)^```", PAGES[page], flags=re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def bench():
    """The modules of bench/, by name."""
    with pytest.MonkeyPatch.context() as path:
        path.syspath_prepend(ROOT / "bench")
        yield importlib.import_module


@pytest.fixture
def made(monkeypatch):
    """The programs of docs/ that write pages, by name."""
    monkeypatch.syspath_prepend(ROOT / "docs")
    return importlib.import_module


@pytest.mark.parametrize("page", WORKED)
def test_every_command_of_the_page_runs_and_the_readme_shows_what_its_first_one_prints(
    page, tmp_path, monkeypatch, made
):
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    assert len(commands(page)) >= 4
    for number, arguments in enumerate(commands(page)):
        done = CliRunner().invoke(main, arguments)
        assert done.exit_code == 0, f"{shlex.join(arguments)}: {done.output}"
        if page == "README.md" and number == 0:
            assert made("make_demo").filled(README, done.stdout) == README, "Run: make docs"
    assert (tmp_path / "build/mnist/report.json").is_file()


@pytest.mark.parametrize("page", [page for page in PAGES if commands(page)])
def test_every_command_of_the_page_names_options_that_the_program_has(page):
    above = click.Context(main, **main.context_settings)
    for name, *arguments in commands(page):
        assert name in main.commands, name
        # A sentence may name a command without all that it needs.
        with contextlib.suppress(click.MissingParameter):
            main.commands[name].make_context(name, arguments, parent=above)


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)])
def test_the_python_of_the_page_runs_as_it_stands_in_a_fresh_process(page, tmp_path):
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    (tmp_path / "page.py").write_text("\n".join(blocks(page)))
    done = subprocess.run(
        [sys.executable, "page.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_readme_needs_at_most_twelve_lines_from_a_network_to_joules():
    (block,) = blocks("README.md")
    assert len([line for line in block.splitlines() if line]) <= 12


def test_the_page_of_commands_is_what_help_prints(made):
    assert made("make_cli").page() == PAGES["docs/cli.md"], "docs/cli.md is stale. Run: make docs"


def test_the_page_of_targets_has_a_row_for_every_target_that_ships(made):
    page = PAGES["docs/targets.md"]
    assert made("make_targets").filled(page) == page, "docs/targets.md is stale. Run: make docs"


@pytest.mark.parametrize(
    ("module", "kept"),
    [
        ("run", "results"),
        ("quantization", "quantization"),
        ("speed", "speed"),
        ("graded", "graded"),
        ("training", "training"),
    ],
)
def test_the_page_of_benchmarks_shows_what_was_measured(module, kept, bench):
    results = json.loads((ROOT / "bench" / f"{kept}.json").read_text())
    assert bench(module).markdown(results) in PAGES["docs/benchmarks.md"]


def test_the_numbers_of_the_readme_are_those_that_were_measured():
    kept = {
        name: json.loads((ROOT / "bench" / f"{name}.json").read_text())
        for name in ("results", "speed", "quantization")
    }
    figures = {
        figure["name"]: figure["value"]
        for name in ("results", "speed")
        for figure in kept[name]["figures"]
    }
    (eight,) = (row for row in kept["quantization"]["rows"] if row["bits"] == 8)
    section = README.split("## Four numbers")[1].split("##")[0]
    shown = re.findall(r"^\| .* \| (.*) \| `make .*` \|$", section, flags=re.MULTILINE)
    compared = re.search(r"lava = fixed: ([\d,]+) spikes and potentials", README)[1]
    assert shown == [
        f"{figures['values that differ, Lava against fixed, 20 digits']} of {compared}",
        f"{figures['Lava, end to end / ours']:.0f}",
        f"{eight['ratio']:.3f}",
        f"{figures['export, 1,000 samples on the fixed engine']:.0f} s",
    ]


def test_every_page_is_in_the_index_and_the_readme_names_it_too():
    for page in PAGES:
        if page.startswith("docs/"):
            name = page.removeprefix("docs/")
            assert f"({name})" in PAGES["docs/index.md"] or name == "index.md"
            assert f"({page})" in README or page in README


@pytest.mark.parametrize("page", PAGES)
def test_files_that_a_page_names_exist(page):
    text, here = PAGES[page], (ROOT / page).parent
    linked = [here / name for name in re.findall(r"\]\(([^):#]+?)(?:#[^)]*)?\)", text)]
    pages = [ROOT / name for name in re.findall(r"\bdocs/[\w/-]+\.(?:md|svg)\b", text)]
    assert [path for path in linked + pages if not path.exists()] == []
    rooms = "|".join(path.name for path in [*ROOT.iterdir(), *(ROOT / "neurocompile").iterdir()])
    files = re.findall(rf"`((?:{rooms})/[\w/.-]+\.(?:py|toml|json|md|svg|txt|pt|nir))`", text)
    named = [name for name in files if not name.startswith("build/")]
    roots = (ROOT, ROOT / "neurocompile")
    assert [name for name in named if not any((root / name).exists() for root in roots)] == []


def test_every_goal_of_make_that_a_page_names_is_in_the_makefile():
    goals = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    for page, text in PAGES.items():
        lines = re.findall(r"(?:^    |`)make ([^`\n#]+)", text, flags=re.MULTILINE)
        words = {word for line in lines for word in line.split() if "=" not in word}
        assert words <= goals, page


@pytest.mark.parametrize("file", [".ci/run", ".github/workflows/ci.yml"])
def test_a_service_that_tests_this_project_runs_lint_check_and_test(file):
    text = (ROOT / file).read_text()
    runs = re.findall(r"\bmake (?:--keep-going )?([a-z ]+)$", text, flags=re.MULTILINE)
    assert {"lint", "check", "test"} <= {goal for run in runs for goal in run.split()}


def test_the_hooks_call_the_tools_that_are_pinned():
    hooks = (ROOT / ".pre-commit-config.yaml").read_text()
    tools = re.findall(r"entry: \.venv/bin/(\w+)", hooks)
    pins = (ROOT / "neurocompile" / "pins.txt").read_text()
    assert set(tools) == {"ruff", "mypy"}
    assert all(re.search(rf"^{tool}==", pins, flags=re.MULTILINE) for tool in tools)
