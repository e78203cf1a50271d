"""The command `neurocompile simulate`.

In:  arguments.
Out: tables, or one JSON document and nothing else, on stdout; progress on stderr.
"""

from __future__ import annotations

from pathlib import Path

import click

from neurocompile.commands.options import (
    PATH,
    Output,
    data_options,
    engine_option,
    output_options,
    user_errors,
)
from neurocompile.data.sampling import Sampling


@click.command()
@click.argument("directory", metavar="DIR", type=PATH)
@engine_option
@data_options(
    data="what export ran",
    samples="20 with --engine lava; else all",
    steps="what export ran",
    seed="what export used",
)
@click.option("--record", metavar="spikes,membrane", help="What to record of every layer and step.")
@click.option("--to", "to", type=PATH, help="HDF5 file of the recording.")
@click.option("--force", is_flag=True, help="Replace an existing recording.")
@output_options
@user_errors
def simulate(
    directory: Path,
    engines: tuple[str, ...],
    sampling: Sampling,
    record: str | None,
    to: Path | None,
    force: bool,
    output: Output,
) -> None:
    """Run an exported directory on data; several engines must agree."""
    from neurocompile.commands.simulate.run import Keep, simulate_artifact
    from neurocompile.commands.simulate.tables import print_simulation

    chosen = engines or ("fixed",)
    with output.screen() as screen:
        screen.tell(f"running {directory} on {', '.join(chosen)}")
        simulation = simulate_artifact(
            directory,
            sampling,
            engines=chosen,
            keep=Keep(record, to, force),
            progress=screen.progress,
        )
    output.show(simulation, lambda: print_simulation(simulation))
