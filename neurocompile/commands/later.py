"""Commands that are promised for a later version.

In:  any arguments.
Out: a sentence that says so, and exit code 2.
"""

from __future__ import annotations

import click

from neurocompile import __version__
from neurocompile.errors import BadInput


def later(name: str, arguments: str, help_text: str) -> click.Command:
    """A command that only says that it is not in this version."""

    @click.command(
        name,
        help=f"Not in this version: {help_text}",
        context_settings={"ignore_unknown_options": True},
    )
    @click.argument("arguments", nargs=-1, metavar=arguments, type=click.UNPROCESSED)
    def command(arguments: tuple[str, ...]) -> None:
        raise BadInput(
            f"{name} is not in this version ({__version__}). In this version: export, simulate, "
            "check, compare, energy, report, inspect, targets, doctor."
        )

    return command


sweep = later("sweep", "MODEL ...", "try many settings.")
