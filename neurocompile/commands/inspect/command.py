"""The command `neurocompile inspect`.

In:  arguments.
Out: tables, or one JSON document and nothing else, on stdout; progress on stderr.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from neurocompile.commands.options import (
    PATH,
    Output,
    TargetName,
    model_options,
    output_options,
)
from neurocompile.ir.settings import Encoder


@click.command()
@click.argument("path", metavar="MODEL|DIR", type=PATH)
@click.option(
    "--target", "target_name", type=TargetName(), metavar="NAME|DIR",
    help="Say whether it would compile for this chip, without data; if not, why not.",
)  # fmt: skip
@click.option("--allow-pickle", is_flag=True, help="Read pickled models, which may run code.")
@model_options
@output_options
def inspect(
    path: Path,
    target_name: str | None,
    allow_pickle: bool,
    load_options: dict[str, Any],
    encoder: Encoder | None,
    output: Output,
) -> None:
    """Show the layers of a model or of an exported directory.

    With --target, the exit code is 0 if it would compile, and else that of `export`.
    """
    from neurocompile.chip.read import load_chip
    from neurocompile.commands.inspect.describe import inspect_path
    from neurocompile.commands.inspect.tables import print_inspection

    chip = None if target_name is None else load_chip(target_name)
    with output.screen() as screen:
        screen.tell(f"reading {path}")
        description, refusal = inspect_path(
            path, chip, allow_pickle=allow_pickle, load_options=load_options, encoder=encoder
        )
    output.show(description, lambda: print_inspection(description))
    if refusal is not None:
        sys.exit(refusal.exit_code)
