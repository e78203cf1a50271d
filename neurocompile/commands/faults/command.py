"""The command `neurocompile faults`.

In:  arguments.
Out: tables, or one JSON document and nothing else, on stdout; the document as a file where asked
     for; progress on stderr.
"""

from __future__ import annotations

from pathlib import Path

import click

from neurocompile.commands.options import (
    PATH,
    Choice,
    Output,
    data_options,
    output_options,
    say,
)
from neurocompile.data.sampling import Sampling
from neurocompile.faults import DRAWS, DRIFTS, FACTOR, KINDS, SHARE


@click.command()
@click.argument("directory", metavar="DIR", type=PATH)
@click.option(
    "--kind", "kinds", type=Choice(tuple(KINDS)), multiple=True, required=True,
    metavar="KIND", help="Kind of fault, see above. May be given more than once.",
)  # fmt: skip
@click.option(
    "--share", "shares", type=click.FloatRange(0, 1), multiple=True, metavar="S",
    help="Part of the words, neurons or cores that is hit, 0..1. May be given more than once. "
    f"[{SHARE}]",
)  # fmt: skip
@click.option(
    "--draws", type=click.IntRange(1, 10_000), metavar="N", default=DRAWS, show_default=True,
    help="Draws of each kind and share.",
)  # fmt: skip
@click.option(
    "--fault-seed", type=click.IntRange(0, 2**63 - 1), metavar="S", default=0, show_default=True,
    help="Seed of the draws.",
)  # fmt: skip
@click.option(
    "--factor", type=click.FloatRange(0, min_open=True), metavar="F",
    help=f"Factor of {DRIFTS}. [{FACTOR}]",
)  # fmt: skip
@data_options(
    data="what export ran",
    samples="what export ran; with --data: all",
    steps="what export ran",
    seed="what export used",
)
@click.option("--out", type=PATH, metavar="FILE.json", help="Also write every draw, as JSON.")
@click.option("--force", is_flag=True, help="Replace an existing file of --out.")
@output_options
def faults(
    directory: Path,
    kinds: tuple[str, ...],
    shares: tuple[float, ...],
    draws: int,
    fault_seed: int,
    factor: float | None,
    sampling: Sampling,
    out: Path | None,
    force: bool,
    output: Output,
) -> None:
    """Show what an exported network does on a chip with faults, over many draws.

    Kinds: weight-flips, stuck-weights, dead-neurons, silent-cores, membrane-flips,
    threshold-flips, threshold-drift (docs/faults.md).

    Example: neurocompile faults build/mnist --kind weight-flips --share 0.001 --share 0.01
    """
    if factor is not None and DRIFTS not in kinds:
        raise click.UsageError(f"--factor is of {DRIFTS} only. Add --kind {DRIFTS}.")
    from neurocompile.commands.faults.run import faults_of
    from neurocompile.commands.faults.tables import print_faults
    from neurocompile.faults.study import Asked
    from neurocompile.formats.artifact import check_file, read_artifact
    from neurocompile.formats.json_files import json_bytes
    from neurocompile.formats.whole import write_file

    if out is not None:
        check_file(out, "--out", force)
    asked = Asked(
        kinds, shares or (SHARE,), draws, fault_seed, FACTOR if factor is None else factor
    )
    read_artifact(directory)  # nothing is said to run that is not there
    with output.screen() as screen:
        screen.tell(f"running {directory} with faults")
        found = faults_of(directory, sampling, asked, progress=screen.progress)
    if out is not None:
        write_file(out, json_bytes(found), replace=force)

    def print_it() -> None:
        print_faults(found)
        if out is not None:
            say(f"every draw: {out}")

    output.show(found, print_it)
