"""What the documents say is what the program does."""

import contextlib
import importlib
import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import numpy as np
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
TRAINED = "docs/from-norse-to-joules.md"  # whose commands need what its Python has written
MODEL = "examples/models/mnist_autoencoder_4bit.pt"  # of integers, so that nothing is searched for
# The other pages whose commands run, with what the words of a page stand for. All of them work in
# one folder after those of the quick start.
ALSO_RUN = {
    "docs/ci.md": {},
    "docs/compare.md": {},
    "docs/faults.md": {},
    "docs/placement.md": {"MODEL": MODEL, "NAME": "loihi-sim", "DIR": "build/mnist"},
    "docs/take-away.md": {},
    "docs/targets.md": {"MODEL": MODEL, "DIR": "chip", "OUT": "build/own"},
    "docs/training.md": {},
    "docs/netx.md": {},
    "docs/nir.md": {},
    "docs/report.md": {},
    "docs/shards.md": {"MODEL": MODEL, "NAME": "loihi-sim", "DIR": "build/mnist"},
    "docs/streaming.md": {"DIR": "build/mnist"},
}
# Pages whose commands another test runs, with their figures.
ELSEWHERE = {
    "docs/energy.md": "tests/commands/test_energy.py",
    "docs/sweeps.md": "tests/commands/test_sweep.py",
}
# What is only held against the options that the program has, and why.
ONLY_PARSED = {
    "doctor": "it looks at this machine, or installs packages; tests/commands runs it",
    "export network.net --target loihi2-sim": "the file is lava-dl's, which is not shipped",
    "simulate pilotnet": "of the same file",
    "simulate DIR --data shards:digits --scheduler": "tests/test_spread.py has a scheduler",
    "export MODEL --target loihi-sim --max-error-increase 2%": "minutes; tests/quantize does it",
}
FEW = 5  # samples where a page shows more than its first export has


def commands(page):
    """Every command line of ours on a page, in order: in blocks, in workflows, in sentences."""
    found = re.findall(
        r"^(?:    |      - run: )neurocompile (.*)$|`neurocompile ([^`]+)`",
        PAGES[page],
        flags=re.MULTILINE,
    )
    lines = [re.split(r" > |  +#", block or " ".join(inline.split()))[0] for block, inline in found]
    return [shlex.split(line) for line in lines]


def shown(page):
    """The command lines in the blocks of a page, which a reader copies."""
    lines = re.findall(r"^(?:    |      - run: )neurocompile (.*)$", PAGES[page], re.MULTILINE)
    return [re.split(r" > |  +#", line)[0].strip() for line in lines]


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


def run(arguments):
    """What a command prints, which has to end well; standard input holds rows, for `--data -`."""
    rows = Path("rows.npy")
    piped = rows.read_bytes() if "-" in arguments and rows.is_file() else None
    done = CliRunner().invoke(main, [word for word in arguments if word != "--open"], input=piped)
    assert done.exit_code == 0, f"{shlex.join(arguments)}: {done.output}"
    return done.stdout


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder to work in, which holds nothing but the examples."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    return tmp_path


def test_every_command_of_the_readme_runs_and_it_shows_what_its_first_one_prints(folder, made):
    first, *others = commands("README.md")
    assert len(others) >= 3
    assert made("make_demo").filled(README, run(first)) == README, "Run: make docs"
    for arguments in others:
        run(arguments)
    assert (folder / "build/mnist/report.json").is_file()


@pytest.mark.pages
def test_every_command_of_the_quick_start_runs_and_then_those_of_the_other_pages(folder):
    exported = {}
    for arguments in commands("docs/quick-start.md"):
        run(arguments)
        if arguments[0] == "export" and "--out" in arguments:
            exported[shlex.join(without_out(arguments))] = arguments
    files_that_pages_name(folder)
    for page, words in ALSO_RUN.items():
        for line in shown(page):
            if line.startswith(tuple(ONLY_PARSED)):
                continue
            arguments = few([words.get(word, word) for word in shlex.split(line)])
            same = exported.get(shlex.join(without_out(arguments)))
            if same is None:
                run(arguments)
            elif out_of(same) != out_of(arguments):  # one export is enough for all pages
                shutil.copytree(out_of(same), out_of(arguments))


def without_out(arguments):
    """The words of an export without its directory."""
    at = arguments.index("--out") if "--out" in arguments else len(arguments)
    return [*arguments[:at], *arguments[at + 2 :]]


def out_of(arguments):
    """The directory of an export."""
    return arguments[arguments.index("--out") + 1]


def few(arguments):
    """The words of a command, with few samples where it asks for 100."""
    return [str(FEW) if arguments[i - 1] == "--samples" and word == "100" else word
            for i, word in enumerate(arguments)]  # fmt: skip


def files_that_pages_name(folder):
    """Write what a page takes for granted: files of a reader, a target, a second design."""
    (folder / "baselines").mkdir()
    shutil.copytree(ROOT / "targets/loihi-sim", folder / "chip")
    shutil.copytree("build/mnist", "build/mnist-messages")
    shutil.copytree("build/mnist", "build/narrow", dirs_exist_ok=True)
    np.save("rows.npy", np.random.default_rng(0).random((3, 1, 28, 28), np.float32))
    program = f"""
import norse.torch as norse, numpy as np, pathlib, torch
import neurocompile as nc
torch.manual_seed(0)
model = norse.SequentialState(torch.nn.Linear(8, 4, bias=False), norse.LIFBoxCell())
settings = nc.Settings(dt=1e-3, steps=10, encoder=nc.Encoder("bernoulli"), data="x.npz")
graph = nc.save(model, "model.pt", torch.zeros(1, 8), settings=settings)
nc.write_nir(graph, "net.nir")
np.savez("x.npz", x=np.random.default_rng(0).random(({FEW}, 8), np.float32))
digits = nc.load_data("mnist5k", samples=2 * {FEW})
pathlib.Path("digits").mkdir()
for first in (0, {FEW}):
    part = slice(first, first + {FEW})
    np.savez(f"digits/{{first}}.npz", x=digits.values[part], labels=digits.labels[part])
np.savez("spikes.npz", spikes=np.random.default_rng(0).integers(0, 2, ({FEW}, 10, 8)))
"""
    subprocess.run([sys.executable, "-c", program], cwd=folder, check=True)


def test_every_command_of_the_page_that_trains_runs_after_its_python(folder):
    (folder / "page.py").write_text("\n".join(blocks(TRAINED)))
    subprocess.run([sys.executable, "page.py"], cwd=folder, check=True, capture_output=True)
    for line in shown(TRAINED):
        run(shlex.split(line))
    report = json.loads((folder / "build/digits/report.json").read_text())
    assert report["exactness"]["mismatches"] == 0
    assert report["classification"]["accuracy_fixed"] > 0.85
    # What the page says of its joules holds for what was trained here.
    (model,) = (m for m in report["energy"]["models"] if m["name"] == "boyle2025")
    first = sum(t["energy_j"] for t in model["terms"] if t["layer"] == "1")
    assert first / model["total_j"] == pytest.approx(5 / 6, abs=0.05)


def test_every_command_in_a_block_runs_or_is_named_with_the_reason_why_it_does_not():
    runs = {*WORKED, TRAINED, *ALSO_RUN, *ELSEWHERE}
    for page, file in ELSEWHERE.items():
        assert page.removeprefix("docs/") in (ROOT / file).read_text()
    others = [line for page in PAGES if page not in runs for line in shown(page)]
    others += [line for page in ALSO_RUN for line in shown(page)
               if line.startswith(tuple(ONLY_PARSED))]  # fmt: skip
    for line in others:
        assert line.startswith(tuple(ONLY_PARSED)), f"no test runs: neurocompile {line}"
    assert all(any(line.startswith(start) for line in others) for start in ONLY_PARSED)


@pytest.mark.parametrize("page", [page for page in PAGES if commands(page)])
def test_every_command_of_the_page_names_options_that_the_program_has(page):
    above = click.Context(main, **main.context_settings)
    for name, *arguments in commands(page):
        assert name in main.commands, name
        # A sentence may name a command without all that it needs.
        with contextlib.suppress(click.MissingParameter):
            main.commands[name].make_context(name, arguments, parent=above)


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page) and page != TRAINED])
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
        ("floors", "floors"),
        ("graded", "graded"),
        ("bundle", "bundle"),
        ("training", "training"),
        ("recipe", "recipe"),
        ("sweep", "sweep"),
        ("shards", "shards"),
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


def test_every_goal_of_make_runs_also_where_a_file_has_its_name():
    text = (ROOT / "Makefile").read_text().replace("\\\n", " ")
    goals = re.findall(r"^([\w-]+):", text, flags=re.MULTILINE)
    (phony,) = re.findall(r"^\.PHONY:(.*)", text, flags=re.MULTILINE)
    assert sorted(phony.split()) == sorted(goals)


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
