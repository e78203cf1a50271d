"""The command `neurocompile export`.

In:  arguments.
Out: tables, or one JSON document and nothing else, on stdout; progress on stderr.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from neurocompile.commands.options import (
    PATH,
    Percent,
    data_options,
    engine_option,
    json_option,
    nir_options,
    place_option,
    show,
    user_errors,
)
from neurocompile.data.sampling import Sampling


@click.command()
@click.argument("model", type=PATH)
@click.option("--target", "target_name", metavar="NAME|DIR", required=True, help="The chip.")
@click.option("--out", type=PATH, help="Directory to write. [build/<model>]")
@data_options(samples="20; all with --engine fixed alone", steps="the model's own", seed="0")
@click.option(
    "--bits", type=click.IntRange(2, 8), default=8, show_default=True, help="Of a weight."
)
@click.option(
    "--max-error-increase", type=Percent(), metavar="P",
    help="Narrowest weights by layer within this much more error than float, such as 2%.",
)  # fmt: skip
@place_option("both")
@click.option(
    "--chips", type=click.IntRange(1), metavar="N",
    help="Chips at most, for a network too large for one. [what the target says, else 1]",
)  # fmt: skip
@engine_option
@click.option("--force", is_flag=True, help="Replace an earlier export.")
@click.option("--allow-pickle", is_flag=True, help="Read pickled models, which may run code.")
@click.option("--netx", is_flag=True, help="Choose scales that lava-dl's network.net can hold.")
@nir_options
@json_option
@user_errors
def export(
    model: Path,
    target_name: str,
    out: Path | None,
    sampling: Sampling,
    bits: int,
    max_error_increase: float | None,
    fewest_of: Any,
    chips: int | None,
    engines: tuple[str, ...],
    force: bool,
    allow_pickle: bool,
    netx: bool,
    dt: float | None,
    reset: Any,
    as_json: bool,
) -> None:
    """Compile MODEL for a target, run it, price it, write a directory.

    Example: neurocompile export examples/models/mnist_autoencoder.pt --target loihi-sim
    """
    from neurocompile.commands.export.run import Request, export_model
    from neurocompile.commands.export.tables import print_report
    from neurocompile.place.chosen import Chosen
    from neurocompile.terminal.screen import Screen

    request = Request(
        model=model,
        target=target_name,
        out=out or Path("build") / model.stem,
        data=sampling.source,
        samples=sampling.samples,
        steps=sampling.steps,
        seed=sampling.seed or 0,
        bits=bits,
        max_error_increase=max_error_increase,
        placing=Chosen(fewest_of or "both", chips),
        engines=engines or ("lava", "fixed"),
        force=force,
        allow_pickle=allow_pickle,
        netx=netx,
        dt=dt,
        reset=reset,
    )
    with Screen(quiet=as_json) as screen:
        report = export_model(request, screen)
    show(report, as_json, lambda: print_report(report, request.out))
