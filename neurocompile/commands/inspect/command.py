"""The command `neurocompile inspect`.

In:  arguments.
Out: tables, or one JSON document and nothing else, on stdout; progress on stderr.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from neurocompile.commands.options import PATH, json_option, model_options, show, user_errors


@click.command()
@click.argument("path", metavar="MODEL|DIR", type=PATH)
@click.option("--allow-pickle", is_flag=True, help="Read pickled models, which may run code.")
@model_options
@json_option
@user_errors
def inspect(path: Path, allow_pickle: bool, load_options: dict[str, Any], as_json: bool) -> None:
    """Show the layers of a model or of an exported directory."""
    from neurocompile.commands.inspect.describe import inspect_path
    from neurocompile.commands.inspect.tables import print_inspection

    description = inspect_path(path, allow_pickle=allow_pickle, load_options=load_options)
    show(description, as_json, lambda: print_inspection(description))
