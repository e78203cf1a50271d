"""The command `neurocompile sweep`.

In:  models, targets, a grid of the options of `export`; a folder.
Out: DIR/results.parquet and DIR/pareto.html; the front, or one JSON document, on stdout; progress
     and the front so far on stderr.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from neurocompile.asked import Asked
from neurocompile.commands.options import (
    PATH,
    Output,
    TargetName,
    compile_options,
    output_options,
    say,
)
from neurocompile.commands.stopping import exit_code
from neurocompile.errors import BadInput

if TYPE_CHECKING:
    from neurocompile.commands.sweep.asked import Wanted
    from neurocompile.sweep.metrics import Metric
    from neurocompile.sweep.run import Sweep

FAILED = 1  # exit code if a point has no result that another run might find
SHOWN, FEW = 100, 3  # refused points in the JSON document; those with one reason on the screen


@click.command(short_help="Compile and run a grid of options on several processes or machines.")
@click.argument("models", type=PATH, metavar="MODEL...", nargs=-1)
@click.option(
    "--target",
    "targets",
    type=TargetName(),
    metavar="NAME|DIR",
    multiple=True,
    help="Name or folder of a chip. May be given more than once.",
)
@click.option(
    "--grid",
    multiple=True,
    metavar="OPTION=VALUES",
    help="An axis: any option below that decides the result, with its values, such as bits=2..8 or "
    "steps=8,16,32. May be given more than once; every combination is a point.",
)
@click.option(
    "--metric",
    multiple=True,
    metavar="NAME,...",
    help="What is compared: mse, ratio, accuracy, agreement, energy, energy-low, energy-high, "
    "latency, cores, spikes, synops. [mse or accuracy, and energy]",
)
@click.option(
    "--file",
    type=PATH,
    metavar="FILE.toml",
    help="Read models, targets, metrics, [options] and [grid] from a file.",
)
@click.option(
    "--out",
    type=PATH,
    default=Path("build/sweep"),
    show_default=True,
    help="Folder of the sweep. Points that it has already are not computed again.",
)
@click.option(
    "--workers",
    type=click.IntRange(1),
    metavar="N",
    help="Processes on this machine. [one per core]",
)
@click.option(
    "--scheduler",
    metavar="ADDRESS|FILE",
    help="A running Dask scheduler, or the file that it wrote, in place of processes here.",
)
@click.option(
    "--plan", is_flag=True, help="Measure a few points and print what the sweep would cost."
)
@compile_options
@output_options
def sweep(
    models: tuple[Path, ...],
    targets: tuple[str, ...],
    grid: tuple[str, ...],
    metric: tuple[str, ...],
    file: Path | None,
    out: Path,
    workers: int | None,
    scheduler: str | None,
    plan: bool,
    asked: Asked,
    output: Output,
) -> None:
    """Compile and run MODELs for targets, once per point of a grid of options.

    The same options as of export are the same for all points, or an axis. DIR/results.parquet has
    a row per point, DIR/pareto.html shows those that no other one beats. See docs/sweeps.md.

    Example: neurocompile sweep model.pt --target loihi-sim --grid bits=2..8 --samples 100
    """
    from neurocompile.commands.sweep.asked import wanted
    from neurocompile.installed import require, require_engines

    require("workers of Dask")
    require("tables .parquet")
    require_engines(["fixed"])
    found = wanted(models, targets, grid, metric, file, click.get_current_context())
    if plan:
        from neurocompile.commands.sweep.plan import show_plan

        show_plan(found, output)
        return
    _run(found, out, workers, scheduler, output)


def _run(
    found: Wanted, out: Path, count: int | None, scheduler: str | None, output: Output
) -> None:
    """Run a sweep, write its files, show its front; exit with 1 if a point failed."""
    from neurocompile.cluster.workers import workers
    from neurocompile.commands.sweep.axes import shared
    from neurocompile.commands.sweep.live import Screen, usual
    from neurocompile.formats.whole import encoded, write_file
    from neurocompile.sweep.page import pareto_page
    from neurocompile.sweep.results import rows, write_results
    from neurocompile.sweep.run import Sweep, run
    from neurocompile.sweep.store import PAGE, RESULTS, store

    points = found.points()
    if scheduler is not None and count is not None:
        raise BadInput("--workers starts processes here, and --scheduler has its own. Give one.")
    opened = partial(workers, scheduler, None if scheduler else count)
    state = Sweep(points)
    quiet = output.quiet or output.as_json
    with store(out) as kept, Screen(found.axes, found.metrics, quiet) as screen:
        try:
            run(state, kept, opened, screen)
        except KeyboardInterrupt as interrupt:
            say(f"Interrupted: {state.where(kept)}", err=True)
            sys.exit(exit_code(interrupt))
        by = found.metrics or usual(state)
        table = rows(state, found.axes, by)
        write_results(kept.folder / RESULTS, table)
        page = pareto_page(table, found.axes, by, _notes(state), shared(found.options))
        write_file(kept.folder / PAGE, encoded(page))
    document = _document(state, table, by, out)
    output.show(document, lambda: _print(found, state, by, out))
    if state.without_result:
        sys.exit(FAILED)


def _notes(state: Sweep) -> list[str]:
    """What the outcomes say beside their numbers, each once."""
    said: dict[str, None] = {}
    for outcome in state.outcomes:
        assert outcome is not None
        report = outcome["report"] or {}
        assumed = report.get("provenance", {}).get("assumed", [])
        said.update(dict.fromkeys([*outcome["warnings"], *assumed, *report.get("notes", [])]))
    return list(said)


def _document(
    state: Sweep, table: Sequence[dict[str, Any]], by: Sequence[Metric], out: Path
) -> dict[str, Any]:
    """The JSON document."""
    from neurocompile.sweep.results import front_of
    from neurocompile.sweep.store import PAGE, RESULTS

    refused = [row for row in table if row["exit_code"]]
    return {
        "points": len(table),
        "known_before": state.reused,
        "metrics": [metric.name for metric in by],
        "front": [table[at] for at in front_of(state, by)],
        "refused": refused[:SHOWN],
        "refused_in_all": len(refused),
        "failed": len(state.without_result),
        "results": str(out / RESULTS),
        "page": str(out / PAGE),
    }


def _print(found: Wanted, state: Sweep, by: Sequence[Metric], out: Path) -> None:
    """What a user sees at the end."""
    from neurocompile.commands.sweep.live import front_table, refusals
    from neurocompile.sweep.results import front_of
    from neurocompile.sweep.store import PAGE, RESULTS
    from neurocompile.terminal.tables import Page
    from neurocompile.terminal.words import number_of

    page = Page()
    page.show(front_table(state, front_of(state, by), found.axes, by))
    for reason, places in refusals(state, found.axes).items():
        more = f" and {len(places) - FEW} more" if len(places) > FEW else ""
        page.say(f"{'; '.join(places[:FEW])}{more}: {reason}")
    if state.without_result:
        again = len(state.without_result)
        page.say(f"{number_of(again, 'point')} failed; the same command tries again.")
    page.say(f"{number_of(len(state.points), 'point')}, in grid order: {out / RESULTS}")
    page.say(f"the same as a page: {out / PAGE}")
