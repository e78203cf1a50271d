"""`make paper`: what is missing is computed, what is there is kept, `--fresh` begins at nothing."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from paper import make, study
from paper.study import Job

# Three questions, of which the second kills the process the first time it is asked.
KILLED = """
import os, signal, sys
from pathlib import Path
from paper import study
from paper.study import Job, open_jobs

study.RESULTS, mark = Path(sys.argv[1]), Path(sys.argv[1]) / "killed"

def compute(asked):
    if asked["number"] == 1 and not mark.exists():
        mark.write_text("")
        os.kill(os.getpid(), signal.SIGKILL)
    print(asked["number"], flush=True)
    return {"twice": 2 * asked["number"]}

for job in open_jobs([Job("sums", str(n), {"number": n}, compute) for n in range(3)]):
    job.answer()
"""


@pytest.fixture
def sums(tmp_path, monkeypatch):
    """A study of three questions in folders of its own; it keeps what was asked."""
    asked = []

    def compute(question):
        asked.append(question["number"])
        if question["number"] in fails:
            raise KeyboardInterrupt
        return {"twice": 2 * question["number"]}

    def jobs():
        return [Job("sums", str(n), {"number": n}, compute) for n in range(3)]

    fails = set()
    fake = SimpleNamespace(
        __name__="paper.sums",
        jobs=jobs,
        text=lambda: "## Sums\n\n" + " ".join(str(job.answer()["twice"]) for job in jobs()),
        draw=lambda folder: (folder / "sums.svg").write_text("drawn"),
    )
    (tmp_path / "pictures").mkdir()
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "old.pt").write_text("")
    monkeypatch.setattr(study, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(make, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(make, "WEIGHTS", tmp_path / "weights")
    monkeypatch.setattr(make, "PAGE", tmp_path / "page.md")
    monkeypatch.setattr(make, "PICTURES", tmp_path / "pictures")
    monkeypatch.setattr(make, "STUDIES", (fake,))
    return SimpleNamespace(asked=asked, fails=fails, folder=tmp_path)


def run(*arguments):
    return CliRunner().invoke(make.main, arguments)


def test_the_page_and_its_pictures_are_written_from_the_answers(sums):
    assert run().exit_code == 0
    assert sums.asked == [0, 1, 2]
    said = "## Sums\n\n`make paper ONLY=sums`, answers in `paper/results/sums`.\n\n0 2 4"
    assert (sums.folder / "page.md").read_text().endswith(said)
    assert (sums.folder / "pictures" / "sums.svg").read_text() == "drawn"


def test_a_run_that_was_interrupted_goes_on_where_it_was(sums):
    sums.fails.add(1)
    assert run().exit_code != 0
    assert not (sums.folder / "page.md").exists()
    sums.fails.clear()
    sums.asked.clear()
    assert run().exit_code == 0
    assert sums.asked == [1, 2]


def test_fresh_forgets_answers_and_trained_networks_and_asks_all_anew(sums):
    run()
    sums.asked.clear()
    assert run().exit_code == 0
    assert sums.asked == []
    assert run("--fresh").exit_code == 0
    assert sums.asked == [0, 1, 2]
    assert not (sums.folder / "weights" / "old.pt").exists()


def test_one_study_alone_writes_no_page(sums):
    assert run("--only", "sums").exit_code == 0
    assert sums.asked == [0, 1, 2]
    assert not (sums.folder / "page.md").exists()


def test_a_study_that_there_is_not_is_refused_before_anything_is_forgotten(sums):
    run()
    refused = run("--fresh", "--only", "sum")
    assert refused.exit_code == 2
    assert "there is no study 'sum'. Use one of: sums." in refused.output
    assert (sums.folder / "results" / "sums" / "0.json").exists()


def test_a_killed_process_keeps_its_answers_and_leaves_no_half_of_one(tmp_path):
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    root = Path(make.__file__).parents[1]
    started = {"env": {**os.environ, "PYTHONPATH": str(root)}, "text": True, "timeout": 60}
    first = subprocess.run(command, capture_output=True, **started)
    assert (first.returncode, first.stdout.split()) == (-signal.SIGKILL, ["0"])
    assert [path.name for path in (tmp_path / "sums").iterdir()] == ["0.json"]
    second = subprocess.run(command, capture_output=True, **started)
    assert (second.returncode, second.stdout.split()) == (0, ["1", "2"])
    assert sorted(path.name for path in (tmp_path / "sums").iterdir()) == [
        f"{number}.json" for number in range(3)
    ]
