"""The command `neurocompile compare`.

In:  arguments.
Out: tables, or one JSON document and nothing else, on stdout; pictures where asked for.
"""

from __future__ import annotations

from pathlib import Path

import click

from neurocompile.commands.options import (
    PATH,
    Output,
    data_options,
    output_options,
    say,
)
from neurocompile.data.sampling import Sampling


@click.command()
@click.argument("directory", metavar="DIR", type=PATH)
@data_options(
    data="what export ran",
    samples="what export ran; with --data: all",
    steps="what export ran",
    seed="what export used",
)
@click.option("--out", type=PATH, metavar="DIR", help="Directory for pictures (.svg).")
@click.option("--html", type=PATH, metavar="FILE", help="Also write it as a page, with charts.")
@click.option("--force", is_flag=True, help="Replace existing pictures, and the page.")
@output_options
def compare(
    directory: Path,
    sampling: Sampling,
    out: Path | None,
    html: Path | None,
    force: bool,
    output: Output,
) -> None:
    """Show where an exported network differs from the float network, and why.

    Example: neurocompile compare build/mnist --samples 100 --out build/pictures
    """
    from neurocompile.commands.compare.compare import compare_artifact
    from neurocompile.commands.compare.pictures import check_pictures, write_pictures
    from neurocompile.commands.compare.tables import print_comparison
    from neurocompile.commands.report import check_page, write_page
    from neurocompile.formats.artifact import read_artifact

    if out is not None:
        check_pictures(out, force)
    if html is not None:
        check_page(html, "--html", force)
    read_artifact(directory)  # nothing is said to run that is not there
    with output.screen() as screen:
        screen.tell(f"comparing {directory} with its float network")
        comparison = compare_artifact(directory, sampling, progress=screen.progress)
    drawn = [] if out is None else write_pictures(comparison, out, force)

    if html is not None:
        from neurocompile.report.page.departures import departures_page

        write_page(departures_page(comparison), html, force)

    def print_it() -> None:
        print_comparison(comparison)
        if html is not None:
            say(f"page: {html}")
        if drawn:
            say(f"pictures: {', '.join(map(str, drawn))}")

    output.show(comparison, print_it)
