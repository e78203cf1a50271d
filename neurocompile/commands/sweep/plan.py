"""`sweep --plan`: what the sweep would cost, without running it.

In:  a sweep.
Out: measured costs of a few points, the price on 1, 16 and 256 workers, and what was assumed.
"""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from neurocompile.commands.options import Output

if TYPE_CHECKING:
    from neurocompile.commands.sweep.asked import Wanted

UNITS = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


def show_plan(found: Wanted, output: Output) -> None:
    """Measure and print."""
    from neurocompile.cluster.workers import workers
    from neurocompile.sweep.price import document, measure, measure_scheduler, samples_of

    points = found.points()
    with output.screen() as screen:
        costs = measure(points, screen.tell)
        screen.tell("measuring the scheduler with two workers")
        scheduler = measure_scheduler(partial(workers, None, 2))
    planned = document(costs, scheduler, len(points), samples_of(points[0]))
    output.show(planned, lambda: _print(planned, found))


def _print(plan: dict[str, Any], found: Wanted) -> None:
    from neurocompile.terminal.tables import Facts, Page, Table
    from neurocompile.terminal.words import prefixed

    page = Page()
    names = [axis.name for axis in found.axes]
    for cost in plan["measured"]:
        values = " ".join(f"{n}={v}" for n, v in zip(names, cost["values"], strict=True))
        facts = [
            ("per point", f"{prefixed(cost['compile_s'], 's')} to compile, a file of "
             f"{size(cost['point_bytes'])}, {size(cost['memory_bytes'])} of memory"),
            *(("", f"{stage}: {prefixed(s, 's')}") for stage, s in cost["stages_s"].items()),
            ("per sample", f"{prefixed(cost['sample_s'], 's')}, {size(cost['sample_bytes'])}"),
        ]  # fmt: skip
        page.show(Facts(facts, f"{cost['model']} on {cost['target']} {values}".strip()))
        table = Table(("layer", "time per sample", "spikes per sample"))
        for layer in cost["layers"]:
            table.add(layer["name"], prefixed(layer["seconds"], "s"), size(layer["bytes"]))
        table.add("float network, counts", prefixed(cost["rest_s"], "s"), "-")
        page.show(table)
    task, start = plan["scheduler"]["task_s"], plan["scheduler"]["start_s"]
    page.show(Facts([("the scheduler", f"{prefixed(task, 's')} per task"),
                     ("the first worker", f"ready after {prefixed(start, 's')}")]))  # fmt: skip
    prices = Table(
        ("samples", "points", "workers", "time", "core hours", "memory", "files"),
        title="what a sweep costs", labels=3, texts=("time",),
        caption="memory: of each worker. files: of all points.",
    )  # fmt: skip
    for at, row in enumerate(plan["prices"]):
        if at and row["samples"] != plan["prices"][at - 1]["samples"]:
            prices.section()
        prices.add(
            f"{row['samples']:,}", f"{row['points']:,}", f"{row['workers']:,}",
            length(row["wall_s"]), f"{row['core_s'] / 3600:,.4g}", size(row["worker_bytes"]),
            size(row["results_bytes"]),
        )  # fmt: skip
    page.show(prices)
    page.show(Facts([("" if at else "assumed", words) for at, words in enumerate(plan["assumed"])]))


def size(count: float) -> str:
    """Bytes with a prefix."""
    for factor, unit in UNITS:
        if count >= factor:
            return f"{count / factor:.3g} {unit}"
    return f"{count:.0f} B"


def length(seconds: float) -> str:
    """Seconds as days, hours, minutes and seconds."""
    return str(timedelta(seconds=round(seconds)))
