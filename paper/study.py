"""Questions that are answered once: a question is plain JSON, and so is its answer.

In:  jobs, each a question and the function that answers it.
Out: paper/results/STUDY/SLUG.json with question, answer, versions and the digests of the code that
     answered, written whole or not at all.
An answer is valid only for exactly its question, and for code that does what it did: a changed
question is computed again, and so is one whose trainer, quantizer or engine does something else
now. Comments, names and speed may change. paper/behaviour.py says how that is told.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from paper import behaviour
from paper.files import write_json

ROOT = Path(__file__).parent.parent
RESULTS = Path(__file__).parent / "results"
CHECKPOINTS = Path(__file__).parent / "checkpoints"  # the best of them, which git keeps
WEIGHTS = ROOT / "build" / "paper"  # trained networks: made again where they are missing
NETWORKS = "networks"  # those of a folder of answers that are computed anew

Json = dict[str, Any]

KINDS = ("trainer", "quantizer", "engine", "currents")  # of code, as paper/behaviour.py probes it
ON_CHIP = KINDS[:3]  # of networks on the chip whose input neurons spike
TRAINER = KINDS[:1]  # of what is measured on a trained network and not on the chip
PACKAGES = ("neurocompile", "torch", "norse", "numpy", "scikit-learn")


@dataclass(frozen=True)
class Job:
    """One question.

    Attributes:
        study: Folder in `RESULTS`.
        name: What is asked, in words; its slug is the name of the file.
        question: Everything that decides the answer, in JSON.
        compute: Gives the answer, in JSON.
        code: Kinds of code that it rests on; all of them unless a study knows better.
        anew: A folder of its own for the answer and for networks that are trained for it, where
            nothing that is kept is to be used; None for the kept answer.
    """

    study: str
    name: str
    question: Json
    compute: Callable[[Json], Json]
    code: tuple[str, ...] = KINDS
    anew: Path | None = None

    @property
    def path(self) -> Path:
        """Where the answer is kept."""
        folder = RESULTS if self.anew is None else self.anew / "results"
        return folder / self.study / f"{slug(self.name)}.json"

    @property
    def done(self) -> bool:
        """Whether this very question has an answer of code like today's."""
        return self._asked and not self.outlived

    @property
    def outlived(self) -> tuple[str, ...]:
        """The kinds of code that do something else now than when this question was answered."""
        if not self._asked:
            return ()
        kept = _read(self.path).get("code", {})
        return tuple(kind for kind in self.code if kept.get(kind) != code_of(kind))

    @property
    def _asked(self) -> bool:
        """Whether the file is of this very question."""
        return self.path.exists() and _read(self.path)["question"] == _plain(self.question)

    def answer(self) -> Json:
        """The answer that is kept, else a new one, which is kept then."""
        if not self.done:
            with _networks_in(self.anew and self.anew / NETWORKS):
                answer = self.compute(self.question)
            versions = {name: version(name) for name in PACKAGES}
            kept = {"question": self.question, "answer": answer, "versions": versions}
            write_json(self.path, kept | {"code": stamp(self.code)})
        found: Json = _read(self.path)["answer"]
        return found


_NETWORKS: ContextVar[Path | None] = ContextVar("networks", default=None)


@contextmanager
def _networks_in(folder: Path | None) -> Iterator[None]:
    """Within, networks are trained anew and kept in a folder; None: in the usual ones."""
    before = _NETWORKS.set(folder)
    try:
        yield
    finally:
        _NETWORKS.reset(before)


def networks_anew() -> Path | None:
    """The folder of networks that are trained anew; None where those that are kept are used."""
    return _NETWORKS.get()


def code_of(kind: str) -> str:
    """The digest of what a kind of code does now."""
    return _named(kind, RESULTS / "code")


_named = cache(behaviour.digest)  # code does not change while it runs


def stamp(kinds: Sequence[str]) -> dict[str, str]:
    """Digests of today's code, by kind, whose numbers are kept beside the answers."""
    for kind in kinds:
        behaviour.record(kind, RESULTS / "code")
    return {kind: code_of(kind) for kind in kinds}


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
