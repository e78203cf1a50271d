"""Make every table and figure of docs/results.md from recorded answers.

In:  paper/results; missing answers are computed first, and an interrupted run continues.
Out: docs/results.md and docs/results/*.svg.
"""

from __future__ import annotations

import sys
from pathlib import Path
from shutil import rmtree
from types import ModuleType

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

sys.path.insert(0, str(Path(__file__).parent.parent))

from paper import (
    affinity,
    hardware,
    latent,
    pareto,
    robustness,
    search,
    series,
    series_search,
    sweeps,
    table,
    transmission,
    twin,
)
from paper.study import RESULTS, ROOT, WEIGHTS, open_jobs

STUDIES: tuple[ModuleType, ...] = (
    table,
    twin,
    search,
    sweeps,
    latent,
    hardware,
    affinity,
    robustness,
    pareto,
    series_search,
    series,
    transmission,
)
PAGE = ROOT / "docs" / "results.md"
PICTURES = ROOT / "docs" / "results"


@click.command()
@click.option("--fresh", is_flag=True, help="Delete all answers and trained networks first")
@click.option("--only", multiple=True, help="Answer only the jobs of this study, and write no page")
@click.option("--threads", default=1, show_default=True, help="Processor threads of torch")
def main(fresh: bool, only: tuple[str, ...], threads: int) -> None:
    """Answer what has no answer yet, then write the page and its pictures."""
    import torch

    for name in only:
        if name not in map(_name, STUDIES):
            names = ", ".join(map(_name, STUDIES))
            raise click.UsageError(f"there is no study {name!r}. Use one of: {names}.")
    torch.set_num_threads(threads)
    if fresh:
        rmtree(RESULTS, ignore_errors=True)
        rmtree(WEIGHTS, ignore_errors=True)
    answer([study for study in STUDIES if not only or _name(study) in only])
    if only:
        return
    PAGE.write_text(page())
    for study in STUDIES:
        study.draw(PICTURES)


def answer(studies: list[ModuleType]) -> None:
    """Answer the open jobs of the studies, one by one."""
    jobs = [job for study in studies for job in study.jobs()]
    still = open_jobs(jobs)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=len(jobs), completed=len(jobs) - len(still))
        for job in still:
            progress.update(task, description=f"{job.study}: {job.name}")
            job.answer()
            progress.advance(task)


def page() -> str:
    """docs/results.md, out of the answers."""
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
