"""The command `neurocompile energy`.

In:  arguments.
Out: tables, or one JSON document and nothing else, on stdout.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from neurocompile.commands.options import (
    COUNT,
    PATH,
    Choice,
    Output,
    Rate,
    data_options,
    output_options,
    place_option,
    say,
)
from neurocompile.data.sampling import Sampling


@click.command()
@click.argument("directory", metavar="DIR", type=PATH)
@click.argument("other", metavar="[DIR2]", type=PATH, required=False)
@click.option("--model", metavar="NAME", help="Energy model to show in full. [the nominal one]")
@click.option(
    "--set", "assignments", metavar="KEY=VALUE", multiple=True,
    help="Your own price, such as davies2018.synaptic_operation=20pJ, or a multiple of the sourced "
    "one, such as boyle2025.spike_out=x2. May be given more than once.",
)  # fmt: skip
@click.option(
    "--cores-per-chip",
    type=COUNT,
    metavar="N",
    help="Place it again on chips of N cores.",
)
@click.option(
    "--charge-reset",
    is_flag=True,
    help="Charge every model for resetting the chip after each sample, at the target's price.",
)
@click.option(
    "--passes",
    type=Choice(["sample", "step"]),
    default="sample",
    help="How often the network without spikes runs: once per sample, or once per step. [sample]",
)
@place_option("the export's own")
@data_options(
    what="Run again and count:",
    data="the counts of the export",
    samples="as many as the export ran",
)
@click.option("--cores", is_flag=True, help="Also show what each core does and costs.")
@click.option(
    "--rate",
    type=Rate(),
    metavar="N/s",
    help="Also show the power at so many samples per second, such as 100/s or 100 Hz.",
)
@click.option(
    "--by-step",
    type=PATH,
    metavar="FILE",
    help="Run again, and write events, joules and time of every sample and step: .csv or .parquet.",
)
@click.option(
    "--map",
    "map_to",
    type=PATH,
    metavar="FILE",
    help="Write which core holds which neuron, as JSON.",
)
@click.option("--html", type=PATH, metavar="FILE", help="Also write it as a page, with charts.")
@click.option(
    "--force", is_flag=True, help="Replace existing files of --by-step, --map and --html."
)
@output_options
def energy(
    directory: Path,
    other: Path | None,
    model: str | None,
    assignments: tuple[str, ...],
    cores_per_chip: int | None,
    charge_reset: bool,
    passes: Any,
    fewest_of: Any,
    sampling: Sampling,
    cores: bool,
    rate: float | None,
    by_step: Path | None,
    map_to: Path | None,
    html: Path | None,
    force: bool,
    output: Output,
) -> None:
    """Show an exported network's energy: every count, price and product.

    Prices, cores and data may differ from those of the export. With a second export, show both
    side by side.

    Example: neurocompile energy build/mnist --set davies2018.synaptic_operation=20pJ
    """
    from neurocompile.commands.energy.asks import Asks
    from neurocompile.commands.energy.cores import print_cores
    from neurocompile.commands.energy.designs import compare_designs
    from neurocompile.commands.energy.designs_tables import print_designs
    from neurocompile.commands.energy.reprice import WhatIf, reprice
    from neurocompile.commands.energy.tables import print_energy
    from neurocompile.commands.report import check_page, write_page
    from neurocompile.report.page_input import Reported, consistent, read_reported

    what_if = WhatIf(assignments, cores_per_chip, fewest_of, charge_reset, passes)
    asks = Asks(rate, by_step, map_to, force)
    reported: Reported | None = None
    if html is not None:
        check_page(html, "--html", force)
        if other is None:
            # a broken one ends the command before it works
            reported = read_reported(directory, with_samples=False)
    with output.screen() as screen:
        screen.tell(f"pricing {directory}")
        if other is not None:
            if cores or by_step or map_to or html:
                raise click.UsageError(
                    "--cores, --by-step, --map and --html are of one DIR. Give only one; "
                    "`neurocompile report DIR DIR2` makes a page of two."
                )
            both = compare_designs(
                (directory, other),
                model,
                lambda one, by: reprice(
                    one, sampling, what_if, Asks(rate, refuse=False), model=by, teller=screen
                ),
            )
            output.show(both, lambda: print_designs(both))
            return
        pricing = reprice(directory, sampling, what_if, asks, model=model, teller=screen)
    if html is not None and reported is not None:
        from neurocompile.report.page.pricing import pricing_page

        with consistent(reported):
            write_page(pricing_page(pricing, reported.report), html, force)

    def print_it() -> None:
        print_energy(pricing)
        if cores:
            print_cores(pricing)
        if html is not None:
            say(f"page: {html}")

    output.show(pricing, print_it)
