"""All kept answers as one table for other programs.

In:  studies and their kept answers.
Out: a CSV file with a line for each number: study, setting, row, seed, layer, measure, value.
Pictures, embeddings and sentences of answers are left out.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from types import ModuleType

from paper import series, twin
from paper.settings import SETTINGS
from paper.study import Job, Json

COLUMNS = ("study", "setting", "row", "seed", "layer", "measure", "value")
# What the name of a question may begin with: an architecture, a data set, a set of sensors.
PLACES = (*SETTINGS, "strided", *twin.FOLDERS, *series.CHOSEN, "six sensors", "eight sensors")
LEFT_OUT = {"embedding", "shown", "truth", "verdict"}


def text(studies: Sequence[ModuleType]) -> str:
    """The whole file."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for study in studies:
        for job in study.jobs():
            if job.done:
                writer.writerows(lines(job))
    return out.getvalue()


def lines(job: Job) -> Iterator[tuple[str, ...]]:
    """The numbers of one answer."""
    seed = _seed(job.question)
    name = job.name if seed is None else re.sub(rf" {seed}$", "", job.name)
    setting = next((p for p in PLACES if re.match(rf"{p}(?:,? |$)", name)), "")
    row = name.removeprefix(setting).lstrip(", ")
    for path, value in numbers(job.answer()):
        layer = ""
        if "layers" in path[:-1]:
            at = path.index("layers")
            layer, path = path[at + 1], (*path[:at], *path[at + 2 :])
        shown = "" if seed is None else str(seed)
        yield job.study, setting, row, shown, layer, "/".join(path), repr(value)


def _seed(question: Json) -> int | None:
    """The seed that is asked for, wherever in the question it stands."""
    if isinstance(seed := question.get("seed"), int):
        return seed
    inside = (_seed(part) for part in question.values() if isinstance(part, dict))
    return next((seed for seed in inside if seed is not None), None)


def numbers(
    value: object, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], int | float]]:
    """Every number of an answer with the way to it."""
    if isinstance(value, dict):
        for key, part in value.items():
            if key not in LEFT_OUT:
                yield from numbers(part, (*path, str(key)))
    elif isinstance(value, list):
        for number, part in enumerate(value):
            yield from numbers(part, (*path, str(number)))
    elif isinstance(value, int | float):
        yield path, value
