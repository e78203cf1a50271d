"""The command `neurocompile energy`.

In:  arguments.
Out: tables, or one JSON document and nothing else, on stdout.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from neurocompile.commands.options import PATH, SOURCES, json_option, place_option, user_errors


@click.command()
@click.argument("directory", metavar="DIR", type=PATH)
@click.option("--model", metavar="NAME", help="Energy model to show in full. [the nominal one]")
@click.option(
    "--set", "assignments", metavar="KEY=VALUE", multiple=True,
    help="A price of your own, such as davies2018.synaptic_operation=20pJ. May be given again.",
)  # fmt: skip
@click.option("--cores-per-chip", type=click.IntRange(1), metavar="N", help="Place it anew.")
@place_option("the export's own")
@click.option("--data", metavar="SOURCE", help=f"Count anew: {SOURCES} [the counts of the export]")
@click.option("--samples", type=click.IntRange(1), help="Count anew: the first N.")
@click.option("--cores", is_flag=True, help="Show what each core does and costs, too.")
@json_option
@user_errors
def energy(
    directory: Path,
    model: str | None,
    assignments: tuple[str, ...],
    cores_per_chip: int | None,
    fewest_of: Any,
    data: str | None,
    samples: int | None,
    cores: bool,
    as_json: bool,
) -> None:
    """Show every count, price and product of an exported network's energy, and what if.

    Example: neurocompile energy build/mnist --set davies2018.synaptic_operation=20pJ
    """
    from neurocompile.commands.energy.cores import print_cores
    from neurocompile.commands.energy.reprice import reprice
    from neurocompile.commands.energy.tables import print_energy
    from neurocompile.formats.artifact import json_bytes
    from neurocompile.terminal.screen import Screen

    with Screen(quiet=as_json) as screen:
        found = reprice(
            directory,
            model=model,
            assignments=assignments,
            cores=cores_per_chip,
            fewest_of=fewest_of,
            source=data,
            samples=samples,
            screen=screen,
        )
    if as_json:
        click.echo(json_bytes(found), nl=False)
    else:
        print_energy(found)
        if cores:
            print_cores(found)
