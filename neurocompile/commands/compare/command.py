"""The command `neurocompile compare`.

In:  arguments.
Out: tables, or one JSON document and nothing else, on stdout; pictures where asked for.
"""

from __future__ import annotations

from pathlib import Path

import click

from neurocompile.commands.options import PATH, SOURCES, json_option, user_errors


@click.command()
@click.argument("directory", metavar="DIR", type=PATH)
@click.option("--data", metavar="SOURCE", help=f"{SOURCES} [what export ran]")
@click.option(
    "--samples", type=click.IntRange(1), help="The first N. [what export ran; with --data: all]"
)
@click.option("--steps", type=click.IntRange(1), help="Steps a sample. [what export ran]")
@click.option(
    "--seed", type=click.IntRange(0, 2**63 - 1), help="Of a random encoder. [what export ran]"
)
@click.option("--out", type=PATH, metavar="DIR", help="Where to draw pictures (.svg).")
@click.option("--force", is_flag=True, help="Replace earlier pictures.")
@json_option
@user_errors
def compare(
    directory: Path,
    data: str | None,
    samples: int | None,
    steps: int | None,
    seed: int | None,
    out: Path | None,
    force: bool,
    as_json: bool,
) -> None:
    """Show where an exported network departs from the float one, and what made it.

    Example: neurocompile compare build/mnist --samples 100 --out build/pictures
    """
    from neurocompile.commands.compare.compare import compare_artifact
    from neurocompile.commands.compare.pictures import check_pictures, write_pictures
    from neurocompile.commands.compare.tables import print_comparison
    from neurocompile.formats.artifact import json_bytes
    from neurocompile.terminal.screen import Screen

    if out is not None:
        check_pictures(out, force)
    with Screen(quiet=as_json) as screen:
        found = compare_artifact(
            directory, source=data, samples=samples, steps=steps, seed=seed, screen=screen
        )
    drawn = [] if out is None else write_pictures(found, out)
    if as_json:
        click.echo(json_bytes(found), nl=False)
        return
    print_comparison(found)
    if drawn:
        click.echo(f"pictures: {', '.join(map(str, drawn))}")
