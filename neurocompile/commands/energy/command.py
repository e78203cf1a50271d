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
    help="A price of your own, such as davies2018.synaptic_operation=20pJ. May be given again.",
)  # fmt: skip
@click.option("--cores-per-chip", type=click.IntRange(1), metavar="N", help="Place it anew.")
@place_option("the export's own")
@data_options(
    what="Count anew:", data="the counts of the export", samples="as many as the export ran"
)
@click.option("--cores", is_flag=True, help="Show what each core does and costs, too.")
@json_option
@user_errors
def energy(
    directory: Path,
    model: str | None,
    assignments: tuple[str, ...],
    cores_per_chip: int | None,
    fewest_of: Any,
    sampling: Sampling,
    cores: bool,
    as_json: bool,
) -> None:
    """Show every count, price and product of an exported network's energy, and what if.

    Example: neurocompile energy build/mnist --set davies2018.synaptic_operation=20pJ
    """
    from neurocompile.commands.energy.cores import print_cores
    from neurocompile.commands.energy.reprice import WhatIf, reprice
    from neurocompile.commands.energy.tables import print_energy
    from neurocompile.terminal.screen import Screen

    what_if = WhatIf(assignments, cores_per_chip, fewest_of)
    with Screen(quiet=as_json) as screen:
        found = reprice(directory, sampling, what_if, model=model, teller=screen)

    def print_it() -> None:
        print_energy(found)
        if cores:
            print_cores(found)

    show(found, as_json, print_it)
