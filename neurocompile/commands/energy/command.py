"""The command `neurocompile energy`.

In:  arguments.
Out: tables, or one JSON document and nothing else, on stdout.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from neurocompile.commands.options import (
    PATH,
    data_options,
    json_option,
    place_option,
    show,
    user_errors,
)
from neurocompile.data.sampling import Sampling


@click.command()
@click.argument("directory", metavar="DIR", type=PATH)
@click.option("--model", metavar="NAME", help="Energy model to show in full. [the nominal one]")
@click.option(
    "--set", "assignments", metavar="KEY=VALUE", multiple=True,
    help="Your own price, such as davies2018.synaptic_operation=20pJ. May be given more than once.",
)  # fmt: skip
@click.option(
    "--cores-per-chip",
    type=click.IntRange(1),
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
    type=click.Choice(["sample", "step"]),
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
@json_option
@user_errors
def energy(
    directory: Path,
    model: str | None,
    assignments: tuple[str, ...],
    cores_per_chip: int | None,
    charge_reset: bool,
    passes: Any,
    fewest_of: Any,
    sampling: Sampling,
    cores: bool,
    as_json: bool,
) -> None:
    """Show an exported network's energy: every count, price and product.

    Prices, cores and data may differ from those of the export.

    Example: neurocompile energy build/mnist --set davies2018.synaptic_operation=20pJ
    """
    from neurocompile.commands.energy.cores import print_cores
    from neurocompile.commands.energy.reprice import WhatIf, reprice
    from neurocompile.commands.energy.tables import print_energy
    from neurocompile.terminal.screen import Screen

    what_if = WhatIf(assignments, cores_per_chip, fewest_of, charge_reset, passes)
    with Screen(quiet=as_json) as screen:
        pricing = reprice(directory, sampling, what_if, model=model, teller=screen)

    def print_it() -> None:
        print_energy(pricing)
        if cores:
            print_cores(pricing)

    show(pricing, as_json, print_it)
