"""Make the paper of docs/results.md, its tables and its figures from recorded answers.

In:  paper/results; missing answers are computed first, and an interrupted run continues.
Out: docs/results.md, docs/results-tables.md, docs/results/*.svg and docs/results/answers.csv.
Each job writes its own answer, here or on a worker of Dask, so that a worker that is lost takes
nothing along that is finished. Answers that are computed anew go to a folder of their own
(`anew`): nothing that is kept is deleted.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

sys.path.insert(0, str(Path(__file__).parent.parent))

from neurocompile.cluster.tasks import Failed, each
from neurocompile.cluster.workers import workers
from neurocompile.errors import NeurocompileError
from neurocompile.formats.whole import write_file
from paper import (
    affinity,
    anew,
    article,
    codes,
    draws,
    frontier,
    hardware,
    latent,
    pareto,
    replication,
    robustness,
    search,
    series,
    series_search,
    skab,
    skab_search,
    sparsity,
    spoken,
    sweeps,
    table,
    tidy,
    transmission,
    twin,
)
from paper.study import ROOT, Job, answered, open_jobs

STUDIES: tuple[ModuleType, ...] = (
    table,
    twin,
    sparsity,
    search,
    replication,
    sweeps,
    latent,
    codes,
    hardware,
    affinity,
    robustness,
    draws,
    pareto,
    frontier,
    series_search,
    series,
    skab_search,
    skab,
    spoken,
    transmission,
)
PAGE = ROOT / "docs" / "results.md"
TABLES = ROOT / "docs" / "results-tables.md"
PICTURES = ROOT / "docs" / "results"
FRESH = ROOT / "build" / "fresh"


@click.command()
@click.option(
    "--fresh",
    is_flag=True,
    help="Train and measure anew in build/fresh, say how far that is from what is kept, and write "
    "no page",
)
@click.option("--only", multiple=True, help="Answer only the jobs of this study, and write no page")
@click.option(
    "--named", help="Answer only the jobs of such a name, as 'chip * 0', and write no page"
)
@click.option("--kept", is_flag=True, help="Answer nothing: write the page of what is answered")
@click.option("--figure", help="Draw this picture of docs/results from its answers, nothing else")
@click.option("--threads", default=1, show_default=True, help="Processor threads of torch")
@click.option("--workers", "count", type=click.IntRange(1), help="Processes that answer [this one]")
@click.option("--scheduler", help="A running Dask scheduler, or its file, whose workers answer")
def main(
    fresh: bool,
    only: tuple[str, ...],
    named: str | None,
    kept: bool,
    figure: str | None,
    threads: int,
    count: int | None,
    scheduler: str | None,
) -> None:
    """Answer what has no answer yet, then write the page and its pictures."""
    import torch

    for name in only:
        if name not in map(_name, STUDIES):
            names = ", ".join(map(_name, STUDIES))
            raise click.UsageError(f"there is no study {name!r}. Use one of: {names}.")
    if figure:
        return _drawn(figure)
    if kept and (fresh or only or named):
        raise click.UsageError("--kept writes the page of all answers: leave out the others.")
    torch.set_num_threads(threads)
    asked = [
        job
        for study in STUDIES
        if not only or _name(study) in only
        for job in study.jobs()
        if not named or fnmatchcase(job.name, named)
    ]
    if not asked:
        raise click.UsageError(
            f"no question has a name like {named!r}. Use one such as 'chip * 0'."
        )
    if fresh:
        asked = anew.begun(asked, FRESH)
    opened = None if count is scheduler is None else partial(workers, scheduler, count)
    try:
        if kept:
            for job in open_jobs([job for study in STUDIES for job in study.jobs()]):
                click.echo(f"{_words(job)}: no answer of today's code", err=True)
        else:
            answer(asked, opened, threads)
    except NeurocompileError as error:
        raise click.ClickException(f"{error}\nWhat is answered is kept.") from None
    if fresh:
        click.echo(anew.compared(asked))
    if fresh or only or named:
        return
    write_file(PAGE, page().encode())
    write_file(TABLES, tables().encode())
    write_file(PICTURES / "answers.csv", tidy.text(STUDIES).encode())
    for study in STUDIES:
        study.draw(PICTURES)


def answer(jobs: Sequence[Job], opened: Callable[..., Any] | None = None, threads: int = 1) -> None:
    """Answer those jobs that are open.

    Args:
        jobs: The questions.
        opened: Opens workers, as `cluster.each` takes it; None answers here, one by one.
        threads: Processor threads of torch on a worker.
    """
    still = open_jobs(jobs)
    for job in still:
        if job.outlived:
            click.echo(f"{_words(job)}: {' and '.join(job.outlived)} changed since", err=True)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=len(jobs), completed=len(jobs) - len(still))

        def tell(what: str) -> None:
            progress.update(task, description=what)

        for _ in _here(still, tell) if opened is None else _there(still, tell, opened, threads):
            progress.advance(task)


def _here(jobs: Sequence[Job], tell: Callable[[str], None]) -> Iterator[None]:
    """Answer jobs in this process."""
    for job in jobs:
        tell(_words(job))
        job.answer()
        yield


def _there(
    jobs: Sequence[Job], tell: Callable[[str], None], opened: Callable[..., Any], threads: int
) -> Iterator[None]:
    """Answer jobs on workers, which see this folder and have it in their PYTHONPATH.

    Raises:
        click.ClickException: If some have no answer in the end; names them.
    """
    failed = []
    tasks = ((_words(job), (job, threads)) for job in jobs)
    for name, found in each(opened, answered, tasks, tell):
        if isinstance(found, Failed):
            failed.append(f"{name}: {found.reason}")
        tell(name)
        yield
    if failed:
        raise click.ClickException("\n".join(["these have no answer:", *failed]))


def _words(job: Job) -> str:
    return f"{job.study}: {job.name}"


def _drawn(figure: str) -> None:
    """Draw the pictures of a study, by the name of one, which begins with that of the study.

    Raises:
        click.UsageError: If there is no such picture.
    """
    of = [study for study in STUDIES if re.fullmatch(rf"{_name(study)}(-.*)?", figure)]
    for study in of:
        study.draw(PICTURES)
    if not of or not (path := PICTURES / f"{figure}.svg").exists():
        names = ", ".join(sorted(path.stem for path in PICTURES.glob("*.svg")))
        raise click.UsageError(f"there is no picture {figure!r}. Use one of: {names}.")
    click.echo(path)


def page() -> str:
    """docs/results.md, out of the answers."""
    return article.text()


def tables() -> str:
    """docs/results-tables.md, out of the answers: every study with all of its tables."""
    head = (Path(__file__).parent / "head.md").read_text()
    return "\n".join([head, *map(_section, STUDIES)])


def _section(study: ModuleType) -> str:
    """A study's text, with its command and the place of its answers under the heading."""
    heading, rest = study.text().split("\n", 1)
    name = _name(study)
    return f"{heading}\n\n`make paper ONLY={name}`, answers in `paper/results/{name}`.\n{rest}"


def _name(study: ModuleType) -> str:
    return study.__name__.rpartition(".")[2]


if __name__ == "__main__":
    main()
