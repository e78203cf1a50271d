"""Questions that are answered once: a question is plain JSON, and so is its answer.

In:  jobs, each a question and the function that answers it.
Out: paper/results/STUDY/SLUG.json with question, answer and versions, written whole or not at all.
An answer is valid only for exactly its question: a changed question is computed again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from neurocompile.formats.whole import write_file

ROOT = Path(__file__).parent.parent
RESULTS = Path(__file__).parent / "results"
CHECKPOINTS = Path(__file__).parent / "checkpoints"  # the best of them, which git keeps
WEIGHTS = ROOT / "build" / "paper"  # trained networks: made again where they are missing

Json = dict[str, Any]

PACKAGES = ("neurocompile", "torch", "norse", "numpy", "scikit-learn")


@dataclass(frozen=True)
class Job:
    """One question.

    Attributes:
        study: Folder in `RESULTS`.
        name: What is asked, in words; its slug is the name of the file.
        question: Everything that decides the answer, in JSON.
        compute: Gives the answer, in JSON.
    """

    study: str
    name: str
    question: Json
    compute: Callable[[Json], Json]

    @property
    def path(self) -> Path:
        """Where the answer is kept."""
        return RESULTS / self.study / f"{slug(self.name)}.json"

    @property
    def done(self) -> bool:
        """Whether this very question has an answer."""
        return self.path.exists() and _read(self.path)["question"] == _plain(self.question)

    def answer(self) -> Json:
        """The answer that is kept, else a new one, which is kept then."""
        if not self.done:
            answer = self.compute(self.question)
            versions = {name: version(name) for name in PACKAGES}
            _write(self.path, {"question": self.question, "answer": answer, "versions": versions})
        found: Json = _read(self.path)["answer"]
        return found


def slug(name: str) -> str:
    """A name as a file: lower case, and a hyphen for each run of blanks, commas and other signs."""
    return re.sub(r"[^a-z0-9._]+", "-", name.lower()).strip("-")


def open_jobs(jobs: Sequence[Job]) -> list[Job]:
    """Those without an answer, in their order."""
    return [job for job in jobs if not job.done]


def answered(job: Job, threads: int) -> None:
    """Answer a job, on a worker."""
    import torch

    torch.set_num_threads(threads)
    job.answer()


def _plain(value: Json) -> Json:
    """What reading the JSON back gives: tuples are lists there."""
    plain: Json = json.loads(json.dumps(value))
    return plain


def _read(path: Path) -> Json:
    found: Json = json.loads(path.read_text())
    return found


def _write(path: Path, document: Json) -> None:
    write_file(path, (json.dumps(document, indent=1, allow_nan=False) + "\n").encode())
