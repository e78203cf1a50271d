"""The command `neurocompile export`.

In:  arguments.
Out: a directory; tables, or one JSON document and nothing else, on stdout; progress on stderr.
What can be refused is refused before the first long step.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from neurocompile.asked import Asked
from neurocompile.commands.options import (
    PATH,
    Output,
    TargetName,
    compile_options,
    output_options,
    spread_options,
)

if TYPE_CHECKING:  # not at run time, so that `--help` need not import numpy
    from neurocompile.spread import Spread


@click.command()
@click.argument("model", type=PATH)
@click.option(
    "--target",
    "target_name",
    type=TargetName(),
    metavar="NAME|DIR",
    required=True,
    help="Name or folder of the chip.",
)
@click.option("--out", type=PATH, help="Directory to write. [build/<model>]")
@compile_options
@spread_options
@click.option("--force", is_flag=True, help="Replace an earlier export.")
@click.option("--no-html", is_flag=True, help="Write no report.html, the report as a page.")
@output_options
def export(
    model: Path,
    target_name: str,
    out: Path | None,
    asked: Asked,
    spread: Spread,
    force: bool,
    no_html: bool,
    output: Output,
) -> None:
    """Compile MODEL for a target, run it, estimate energy, write a directory.

    Example: neurocompile export examples/models/mnist_autoencoder.pt --target loihi-sim
    """
    from neurocompile.formats.artifact import check_target
    from neurocompile.installed import require_engines

    out = out or Path("build") / model.stem
    asked = replace(asked, engines=asked.engines or ("lava", "fixed"))
    check_target(out, force)
    require_engines(("fixed", *asked.engines))
    asked.target(target_name).load()

    from neurocompile.engines.agree import prepared

    with output.screen() as screen, prepared(asked.engines):
        from neurocompile.compiler import compile_asked

        compiled = compile_asked(model, target_name, asked, screen, spread=spread)
        screen.tell(f"writing {out}")
        report = compiled.export(out, force=force, html=not no_html)
    output.show(report, lambda: print_export(report, out))


def print_export(report: dict[str, Any], out: Path) -> None:
    """What a user sees at the end."""
    from neurocompile.report.show import parts
    from neurocompile.terminal.tables import Page

    page = Page()
    page.show(*parts(report))
    page.say(f"written to {out}; every count, price and source: {out / 'report.json'}")
    if (out / "report.html").is_file():
        page.say(f"the same as a page, with pictures: {out / 'report.html'}")
    if report["energy"] is None:
        page.say(
            "nothing was run, for there are no data: no spikes, no errors, no joules. Give some "
            "with --data SOURCE (digits, mnist5k, idx:DIR, a .npy or .npz file)."
        )
