"""`make paper`: what is missing is computed, what is there is kept, `--fresh` compares with it."""

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from click.testing import CliRunner

from neurocompile.cluster.tasks import Failed
from paper import make, study, weights
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

for job in open_jobs([Job("sums", str(n), {"number": n}, compute, code=()) for n in range(3)]):
    job.answer()
"""

# Six questions for two workers, each of which says who computed it; the second kills its worker
# the first time, the fourth is a fault.
SHARED = """
import os, signal, sys
from functools import partial
from pathlib import Path
from paper import study
from paper.study import Job

FOLDER = study.RESULTS = Path(sys.argv[1])  # on the workers too, for they import this file

def compute(asked):
    with (FOLDER / "asked").open("a") as lines:
        lines.write(f"{asked['number']} {os.getpid()}\\n")
    if asked["number"] == 1 and not (FOLDER / "killed").exists():
        (FOLDER / "killed").write_text("")
        os.kill(os.getpid(), signal.SIGKILL)
    return {"share": 1 / (3 - asked["number"])}

if __name__ == "__main__":
    from neurocompile.cluster.workers import workers
    from paper import make

    jobs = [Job("sums", str(n), {"number": n}, compute, code=()) for n in range(6)]
    make.answer(jobs, partial(workers, None, 2))
"""


@pytest.fixture(autouse=True)
def _one_thread():
    """torch is left as it was."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def sums(tmp_path, monkeypatch):
    """A study of three questions in folders of its own; it keeps what was asked."""
    asked = []

    def compute(question):
        asked.append(question["number"])
        if question["number"] in fails:
            raise KeyboardInterrupt
        return {"twice": 2 * question["number"] + shift["by"]}

    def jobs():
        return [Job("sums", str(n), {"number": n}, compute, code=()) for n in range(3)]

    fails, shift = set(), {"by": 0}
    fake = SimpleNamespace(
        __name__="paper.sums",
        jobs=jobs,
        text=lambda: "## Sums\n\n" + " ".join(str(job.answer()["twice"]) for job in jobs()),
        draw=lambda folder: (folder / "sums.svg").write_text("drawn"),
    )
    (tmp_path / "pictures").mkdir()
    monkeypatch.setattr(study, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(make, "FRESH", tmp_path / "fresh")
    monkeypatch.setattr(make, "PAGE", tmp_path / "page.md")
    monkeypatch.setattr(make, "TABLES", tmp_path / "tables.md")
    monkeypatch.setattr(make.article, "text", lambda: "# Paper")
    monkeypatch.setattr(make, "PICTURES", tmp_path / "pictures")
    monkeypatch.setattr(make, "STUDIES", (fake,))
    return SimpleNamespace(asked=asked, fails=fails, shift=shift, folder=tmp_path)


def run(*arguments):
    return CliRunner().invoke(make.main, arguments)


def test_the_page_and_its_pictures_are_written_from_the_answers(sums):
    assert run().exit_code == 0
    assert sums.asked == [0, 1, 2]
    said = "## Sums\n\n`make paper ONLY=sums`, answers in `paper/results/sums`.\n\n0 2 4"
    assert (sums.folder / "page.md").read_text() == "# Paper"
    assert (sums.folder / "tables.md").read_text().endswith(said)
    assert (sums.folder / "pictures" / "answers.csv").read_text().endswith(",twice,4\n")
    assert (sums.folder / "pictures" / "sums.svg").read_text() == "drawn"


def test_the_page_of_what_is_answered_asks_nothing(sums):
    assert run("--only", "sums").exit_code == 0
    del sums.asked[:]
    assert run("--kept").exit_code == 0
    assert sums.asked == []
    assert (sums.folder / "tables.md").read_text().endswith("0 2 4")
    assert "leave out the others" in run("--kept", "--fresh").output


def test_one_picture_is_drawn_by_its_name_and_nothing_else_is_done(sums):
    done = run("--figure", "sums")
    assert done.exit_code == 0, done.output
    assert (sums.folder / "pictures" / "sums.svg").read_text() == "drawn"
    assert sums.asked == []
    assert not (sums.folder / "page.md").exists()
    assert "there is no picture 'sum'. Use one of: sums." in run("--figure", "sum").output


def test_an_answer_of_code_that_changed_is_named_and_asked_anew(sums, monkeypatch):
    run()
    sums.asked.clear()
    monkeypatch.setattr(Job, "outlived", property(lambda job: ("engine",) * (job.name == "1")))
    assert "sums: 1: engine changed since" in run("--only", "sums").output
    assert sums.asked == [1]
    assert "sums: 1: no answer of today's code" in run("--kept").output


def test_a_run_that_was_interrupted_goes_on_where_it_was(sums):
    sums.fails.add(1)
    assert run().exit_code != 0
    assert not (sums.folder / "page.md").exists()
    sums.fails.clear()
    sums.asked.clear()
    assert run().exit_code == 0
    assert sums.asked == [1, 2]


def answers(folder):
    return {path.name: path.read_bytes() for path in (folder / "results" / "sums").iterdir()}


def test_fresh_asks_all_anew_and_says_that_nothing_differs(sums):
    run()
    before = answers(sums.folder)
    sums.asked.clear()
    done = run("--fresh")
    assert done.exit_code == 0, done.output
    assert sums.asked == [0, 1, 2]
    assert "sums: 1: the very same numbers" in done.output
    assert "3 of 3 answers have the very same numbers as the kept ones." in done.output
    assert answers(sums.folder) == before


def test_fresh_names_the_largest_difference_and_changes_no_kept_answer_and_no_page(sums):
    run()
    before, page = answers(sums.folder), (sums.folder / "tables.md").read_bytes()
    sums.shift["by"] = 1  # 0, 2, 4 were kept, and 1, 3, 5 are found
    said = run("--fresh", "--only", "sums").output
    assert "sums: 2: 1 of 1 differ, most of all twice: 4 kept, 5 anew (20.00%)" in said
    assert "0 of 3 answers" in said
    assert answers(sums.folder) == before
    assert (sums.folder / "tables.md").read_bytes() == page


def test_fresh_loses_nothing_when_a_question_fails_and_goes_on_from_there(sums):
    run()
    before = answers(sums.folder)
    sums.asked.clear()
    sums.fails.add(1)
    assert run("--fresh").exit_code != 0
    assert answers(sums.folder) == before
    sums.fails.clear()
    assert run("--fresh").exit_code == 0
    assert sums.asked == [0, 1, 1, 2]
    sums.asked.clear()
    assert run("--fresh").exit_code == 0  # the last one was done: this is a new run
    assert sums.asked == [0, 1, 2]


def test_fresh_says_where_there_is_nothing_to_compare_with(sums):
    said = run("--fresh").output
    assert "sums: 0: there is no kept answer to compare with" in said
    assert "0 of 0 answers" in said


def test_a_network_of_a_fresh_answer_is_trained_and_kept_elsewhere(tmp_path, monkeypatch):
    monkeypatch.setattr(study, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(weights, "WEIGHTS", tmp_path / "weights")
    monkeypatch.setattr(weights, "CHECKPOINTS", tmp_path / "checkpoints")
    trained = []

    def compute(asked):
        module = torch.nn.Linear(1, 1)
        weights.fitted("net-", asked, module, lambda state: trained.append(state.parent.name))
        return {}

    kept = Job("nets", "one", {"seed": 1}, compute, code=())
    kept.answer()
    (best,) = (tmp_path / "weights").glob("net-*.pt")
    (tmp_path / "checkpoints").mkdir()
    best.rename(tmp_path / "checkpoints" / best.name)
    fresh = replace(kept, anew=tmp_path / "fresh")
    fresh.answer()
    assert trained == ["weights", "networks"]
    assert (tmp_path / "fresh" / "networks" / best.name).exists()
    assert study.networks_anew() is None


def test_only_the_questions_of_a_name_are_asked_and_no_page_is_written(sums):
    assert run("--named", "[12]").exit_code == 0
    assert sums.asked == [1, 2]
    assert not (sums.folder / "page.md").exists()
    assert "no question has a name like 'chip *'" in run("--named", "chip *").output


def test_one_study_alone_writes_no_page(sums):
    assert run("--only", "sums").exit_code == 0
    assert sums.asked == [0, 1, 2]
    assert not (sums.folder / "page.md").exists()


def test_a_study_that_there_is_not_is_refused(sums):
    run()
    refused = run("--fresh", "--only", "sum")
    assert refused.exit_code == 2
    assert "there is no study 'sum'. Use one of: sums." in refused.output
    assert sums.asked == [0, 1, 2]


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


def test_a_job_without_an_answer_is_named_in_the_end_and_no_page_is_written(sums, monkeypatch):
    def each(opened, function, tasks, tell):
        for name, (job, threads) in tasks:
            assert (opened.args, threads) == ((None, 2), 3)
            failed = Failed("4 workers died", RuntimeError())
            yield name, failed if job.name == "1" else function(job, threads)

    monkeypatch.setattr(make, "each", each)
    done = run("--workers", "2", "--threads", "3")
    assert done.exit_code == 1
    assert "these have no answer:\nsums: 1: 4 workers died" in done.output
    assert sums.asked == [0, 2]
    assert not (sums.folder / "page.md").exists()


@pytest.mark.slow
def test_workers_answer_in_its_place_and_what_has_no_answer_is_named(tmp_path):
    (tmp_path / "shared.py").write_text(SHARED)
    root = Path(make.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, tmp_path / "shared.py", tmp_path], capture_output=True, text=True,
        timeout=300, env={**os.environ, "PYTHONPATH": str(root)}, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "these have no answer:\nsums: 3: a fault of neurocompile or of its pack" in done.stderr
    answers = {p.name: json.loads(p.read_text()) for p in (tmp_path / "sums").iterdir()}
    assert sorted(answers) == [f"{number}.json" for number in (0, 1, 2, 4, 5)]
    assert all(
        found["answer"] == {"share": 1 / (3 - found["question"]["number"])}
        for found in answers.values()
    )
    lines = (tmp_path / "asked").read_text().splitlines()
    asked = [tuple(map(int, line.split())) for line in lines]
    assert sorted(number for number, _ in asked) == [0, 1, 1, 2, 3, 4, 5]
    assert len({pid for _, pid in asked}) >= 2


def test_two_processes_that_need_one_network_train_it_once(tmp_path, monkeypatch):
    monkeypatch.setattr(weights, "WEIGHTS", tmp_path)
    trained = []

    def train():
        def fit(state):
            state.write_text("")
            trained.append(state.name)
            time.sleep(0.2)
            module.weight.data.fill_(3.0)

        module = torch.nn.Linear(1, 1, bias=False)
        return weights.fitted("net-", {"seed": 1}, module, fit).weight.item()

    with ThreadPoolExecutor(2) as both:
        found = list(both.map(lambda _: train(), range(2)))
    assert found == [3.0, 3.0]
    assert len(trained) == 1
    assert not list(tmp_path.glob("*.state"))
