"""The command `neurocompile check`.

In:  arguments.
Out: the result on stdout in the format asked for, and nothing else there; exit code 0, 1 or 2.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import click

from neurocompile.commands.options import ENGINE, PATH, data_options, json_option, user_errors
from neurocompile.data.sampling import Sampling
from neurocompile.errors import BadInput, CheckFailed


@click.command()
@click.argument("directory", metavar="DIR", type=PATH)
@click.option("--baseline", "file", metavar="FILE", type=PATH, required=True, help="JSON file.")
@click.option("--update", is_flag=True, help="Write the baseline, keeping its tolerances.")
@click.option("--engine", type=ENGINE, default="onnx", show_default=True, help="What runs it.")
@click.option("--mode", type=click.Choice(["exact", "tolerance"]), help="[the baseline's: exact]")
@data_options(what="Where the samples are:", data="the baseline's file, else what export ran")
@click.option(
    "--keep-data", metavar="FILE.npz", type=PATH, help="With --update: keep samples here."
)
@click.option(
    "--keep-network",
    metavar="FILE.onnx",
    type=PATH,
    help="With --update: keep the network here, to tell what each changed layer does alone.",
)
@click.option(
    "--format", "form", type=click.Choice(["table", "json", "junit", "github"]), default="table",
    show_default=True, help="github: annotations.",
)  # fmt: skip
@json_option
@user_errors
def check(
    directory: Path,
    file: Path,
    update: bool,
    engine: str,
    mode: str | None,
    sampling: Sampling,
    keep_data: Path | None,
    keep_network: Path | None,
    form: str,
    as_json: bool,
) -> None:
    """Hold an exported directory against a baseline: the gate of a CI service.

    Exit code 0: it agrees; 1: it does not; 2: other data, or a broken or missing baseline.

    Example: neurocompile check build/mnist --baseline mnist.json --update
    """
    from neurocompile.commands.check.formats import render, sentence
    from neurocompile.commands.check.gate import Keep, check_artifact, update_baseline
    from neurocompile.terminal.screen import Screen

    if as_json and form not in ("table", "json"):
        raise BadInput(f"--json and --format {form} exclude each other.")
    form = "json" if as_json else form
    keep = Keep(keep_data, keep_network)
    if keep != Keep() and not update:
        option = "--keep-data" if keep_data is not None else "--keep-network"
        raise BadInput(f"{option} writes a file beside a new baseline: add --update.")
    with Screen(quiet=form != "table") as screen:
        run: Any = partial(update_baseline, keep=keep) if update else check_artifact
        found = run(
            directory,
            file,
            engine=engine,
            source=sampling.source,
            mode=mode,
            progress=screen.progress,
        )
    click.echo(render(found, form), nl=False)
    if not found["passed"]:
        raise CheckFailed(sentence(found))
