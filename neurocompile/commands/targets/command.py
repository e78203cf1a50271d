"""The command `neurocompile targets`.

In:  arguments.
Out: tables, or one JSON document and nothing else, on stdout; progress on stderr.
"""

from __future__ import annotations

import click

from neurocompile.commands.options import (
    Output,
    TargetName,
    output_options,
)


@click.command()
@click.argument("name", type=TargetName(), required=False)
@output_options
def targets(name: str | None, output: Output) -> None:
    """List the targets, or every number of one target with its source."""
    from neurocompile.commands.targets.describe import describe_target, list_targets
    from neurocompile.commands.targets.tables import print_target, print_targets

    if name is None:
        every = list_targets()
        output.show({"targets": every}, lambda: print_targets(every))
    else:
        one = describe_target(name)
        output.show(one, lambda: print_target(one))
