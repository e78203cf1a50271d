"""The command `neurocompile simulate`.

In:  arguments.
Out: tables, or one JSON document and nothing else, on stdout; progress on stderr.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from neurocompile.commands.options import (
    PATH,
    Output,
    data_options,
    engine_option,
    output_options,
    spread_options,
)
from neurocompile.commands.simulate.asked import STDIN, Asked, stream_options
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
@click.option("--force", is_flag=True, help="Replace an existing file of --to or --results.")
@click.option(
    "--verify", is_flag=True,
    help="Run the samples that export recorded again, and compare every value with samples.npz.",
)  # fmt: skip
@spread_options
@stream_options
@output_options
def simulate(
    directory: Path,
    engines: tuple[str, ...],
    sampling: Sampling,
    record: str | None,
    to: Path | None,
    force: bool,
    verify: bool,
    stream: Asked | None,
    spread: Any,
    output: Output,
) -> None:
    """Run an exported directory on data; several engines must agree.

    With --stream, --state or --data - it runs as one stream: samples follow one another, and
    nothing is reset between them.
    """
    if verify:
        asked = (sampling.source, sampling.steps, sampling.seed, record, to, stream)
        if force or not spread.here or any(each is not None for each in asked):
            raise click.UsageError(
                "--verify runs what export recorded and nothing else: leave out every option but "
                "--engine and --samples."
            )
        _verify(directory, engines or ("fixed",), sampling.samples, output)
        return
    if stream is None and sampling.source == STDIN:
        stream = Asked()
    if stream is not None:
        if record or to or not spread.here or set(engines) - {"fixed"}:
            raise click.UsageError(
                "a stream runs on the engine fixed only, in this process, and is not recorded: "
                "leave out --record, --to, workers and other engines. --results FILE.npy keeps "
                "what it says."
            )
        _stream(directory, sampling, replace(stream, force=force), output)
        return
    from neurocompile.commands.simulate.run import Keep, simulate_artifact
    from neurocompile.commands.simulate.tables import print_simulation
    from neurocompile.formats.artifact import read_artifact

    chosen = engines or ("fixed",)
    read_artifact(directory)  # nothing is said to run that is not there
    with output.screen() as screen:
        screen.tell(f"running {directory} on {', '.join(chosen)}")
        simulation = simulate_artifact(
            directory,
            sampling,
            engines=chosen,
            keep=Keep(record, to, force),
            progress=screen.progress,
            spread=spread,
        )
    output.show(simulation, lambda: print_simulation(simulation))


def _stream(directory: Path, sampling: Sampling, asked: Asked, output: Output) -> None:
    """Run as one stream."""
    from neurocompile.commands.simulate.stream import run_stream
    from neurocompile.commands.simulate.tables import print_stream
    from neurocompile.formats.artifact import read_artifact

    read_artifact(directory)
    with output.screen() as screen:
        screen.tell(f"streaming through {directory}")
        done = run_stream(directory, sampling, asked, progress=screen.progress)
    output.show(done, lambda: print_stream(done))


def _verify(directory: Path, engines: tuple[str, ...], samples: int | None, output: Output) -> None:
    """Compare with what export recorded."""
    from neurocompile.commands.simulate.tables import print_verified
    from neurocompile.commands.simulate.verify import verify_artifact
    from neurocompile.formats.artifact import read_artifact

    read_artifact(directory)
    with output.screen() as screen:
        screen.tell(f"running the recorded samples of {directory} on {', '.join(engines)}")
        done = verify_artifact(
            directory, engines=engines, samples=samples, progress=screen.progress
        )
    output.show(done, lambda: print_verified(done))
