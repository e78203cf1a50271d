"""Answer questions anew beside the answers that are kept, and say how far apart they are.

In:  questions that have answers; a folder of its own.
Out: new answers and newly trained networks in that folder; a line of differences per question.
Nothing that is kept is read on the way, and nothing of it is changed or deleted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from shutil import rmtree

from paper import tidy
from paper.study import NETWORKS, Job, Json, open_jobs


def begun(jobs: Sequence[Job], folder: Path) -> list[Job]:
    """The same questions, to be answered in a folder.

    A run that was interrupted goes on where it was. One that is done has left no question open:
    then its answers and all networks of the folder are forgotten, and this is a new run.
    """
    found = [replace(job, anew=folder) for job in jobs]
    if not open_jobs(found):
        rmtree(folder / NETWORKS, ignore_errors=True)
        for job in found:
            job.path.unlink()
    return found


def compared(jobs: Sequence[Job]) -> str:
    """How far each new answer is from the one that is kept, and how many are the very same."""
    lines, same, known = [], 0, 0
    for job in jobs:
        kept = replace(job, anew=None)
        name = f"{job.study}: {job.name}"
        if not kept.done:
            lines.append(f"{name}: there is no kept answer to compare with")
            continue
        differences = apart(kept.answer(), job.answer())
        known += 1
        same += not differences
        lines.append(f"{name}: {_words(differences, len(list(tidy.numbers(job.answer()))))}")
    said = f"{same} of {known} answers have the very same numbers as the kept ones."
    return "\n".join([*lines, said])


Difference = tuple[
    float | None, float | None
]  # kept, anew; None where an answer has no such number


def apart(kept: Json, new: Json) -> dict[str, Difference]:
    """The numbers in which two answers differ, by their place."""
    before, after = dict(tidy.numbers(kept)), dict(tidy.numbers(new))
    return {
        "/".join(place): (before.get(place), after.get(place))
        for place in {**before, **after}
        if before.get(place) != after.get(place)
    }


def _words(differences: dict[str, Difference], numbers: int) -> str:
    """How many of an answer's numbers differ, and the one that does most, for its size."""
    if not differences:
        return "the very same numbers"
    place = max(differences, key=lambda each: _relative(*differences[each]))
    before, after = differences[place]
    return (
        f"{len(differences)} of {numbers} differ, most of all {place}: {_shown(before)} kept, "
        f"{_shown(after)} anew ({_relative(before, after):.2%})"
    )


def _shown(number: float | None) -> str:
    return "none" if number is None else f"{number:.6g}"


def _relative(before: float | None, after: float | None) -> float:
    """A difference as a part of the larger number; infinite where one is missing."""
    if before is None or after is None:
        return float("inf")
    return abs(before - after) / max(abs(before), abs(after))
