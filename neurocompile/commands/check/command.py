"""The command `neurocompile check`.

In:  arguments.
Out: the result on stdout in the format asked for, and nothing else there; exit code 0, 1 or 2.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import click

from neurocompile.commands.options import (
    ENGINE,
    PATH,
    Choice,
    Output,
    data_options,
    output_options,
    spread_options,
)
from neurocompile.data.sampling import Sampling
from neurocompile.errors import BadInput, CheckFailed


@click.command()
@click.argument("directory", metavar="DIR", type=PATH)
@click.option(
    "--baseline",
    "file",
    metavar="FILE",
    type=PATH,
    required=True,
    help="File of the baseline (JSON).",
)
@click.option("--update", is_flag=True, help="Write the baseline; its tolerances are kept.")
@click.option(
    "--engine", type=ENGINE, default="onnx", show_default=True, help="Engine that runs it."
)
@click.option(
    "--mode",
    type=Choice(["exact", "tolerance"]),
    help="Fail on any difference, or only on metrics beyond their tolerances. "
    "[the baseline's mode; exact in a new baseline]",
)
@data_options(what="Source of the samples:", data="what the baseline names, else what export ran")
@click.option(
    "--keep-data",
    metavar="FILE.npz",
    type=PATH,
    help="With --update: also write the samples to this file, a new one or the baseline's own.",
)
@click.option(
    "--keep-network",
    metavar="FILE.onnx",
    type=PATH,
    help="With --update: also write the network to this file, a new one or the baseline's own, "
    "so that a later check can say what each changed layer does by itself.",
)
@click.option(
    "--format", "form", type=Choice(["table", "json", "junit", "github"]), default="table",
    show_default=True, help="Format of the result; github prints annotations.",
)  # fmt: skip
@spread_options
@output_options
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
    spread: Any,
    output: Output,
) -> None:
    """Compare an exported directory with a baseline: the gate of a CI service.

    Exit code 0: they agree; 1: they differ; 2: other data, or a broken or missing baseline.

    Example: neurocompile check build/mnist --baseline mnist.json --update
    """
    from neurocompile.commands.check.gate import check_artifact, update_baseline
    from neurocompile.commands.check.kept import Keep
    from neurocompile.commands.check.measure import Runner
    from neurocompile.commands.check.render import render, sentence

    if output.as_json and form not in ("table", "json"):
        raise BadInput(f"--json and --format {form} cannot be combined. Give only one of them.")
    form = "json" if output.as_json else form
    keep = Keep(keep_data, keep_network)
    if keep != Keep() and not update:
        option = "--keep-data" if keep_data is not None else "--keep-network"
        raise BadInput(f"{option} writes a file beside a new baseline. Add --update.")
    output = Output(form == "json", output.quiet or form != "table")
    with output.screen() as screen:
        screen.tell(f"checking {directory} against {file}")
        run: Any = partial(update_baseline, keep=keep) if update else check_artifact
        result = run(
            directory,
            file,
            source=sampling.source,
            mode=mode,
            runner=Runner(engine, spread, screen.progress),
        )
    output.show(result, lambda: click.echo(render(result, form), nl=False))
    if not result["passed"]:
        raise CheckFailed(sentence(result))
