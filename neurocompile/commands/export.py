"""The command `neurocompile export`.

In:  arguments.
Out: a directory; tables, or one JSON document and nothing else, on stdout; progress on stderr.
What can be refused is refused before the first long step.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from neurocompile.commands.options import (
    COUNT,
    PATH,
    Output,
    Percent,
    TargetName,
    data_options,
    engine_option,
    model_options,
    output_options,
    place_option,
)
from neurocompile.data.sampling import Sampling
from neurocompile.ir.settings import Encoder


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
@data_options(samples="20; all with --engine fixed only", steps="the model's own", seed="0")
@click.option(
    "--bits", type=click.IntRange(2, 8), default=8, show_default=True,
    help="Width of the weights in bits.",
)  # fmt: skip
@click.option(
    "--max-error-increase", type=Percent(), metavar="P",
    help="Choose the narrowest weights by layer for which the error exceeds the float network's by "
    "at most P, such as 2%.",
)  # fmt: skip
@place_option("both")
@click.option(
    "--chips", type=COUNT, metavar="N",
    help="Largest number of chips, for a network that is too large for one. [the target's, else 1]",
)  # fmt: skip
@engine_option
@click.option("--force", is_flag=True, help="Replace an earlier export.")
@click.option("--allow-pickle", is_flag=True, help="Read pickled models, which may run code.")
@click.option("--no-html", is_flag=True, help="Write no report.html, the report as a page.")
@click.option("--netx", is_flag=True, help="Choose scales that lava-dl's network.net can hold.")
@model_options
@output_options
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
    no_html: bool,
    netx: bool,
    load_options: dict[str, Any],
    encoder: Encoder | None,
    output: Output,
) -> None:
    """Compile MODEL for a target, run it, estimate energy, write a directory.

    Example: neurocompile export examples/models/mnist_autoencoder.pt --target loihi-sim
    """
    from neurocompile import frontend
    from neurocompile.data.stimulus import load_samples, usual_samples
    from neurocompile.formats.artifact import check_target, digest
    from neurocompile.installed import require_engines
    from neurocompile.place.target import Target

    out = out or Path("build") / model.stem
    engines = engines or ("lava", "fixed")
    check_target(out, force)
    require_engines(("fixed", *engines))
    target = Target(target_name, chips, fewest_of or "both", netx)
    target.load()

    from neurocompile.compiler import compile_graph, scale_samples
    from neurocompile.quantize.narrow import Narrowest

    with output.screen() as screen:
        screen.tell(f"reading {model}")
        graph = frontend.load(
            model, allow_pickle=allow_pickle, steps=sampling.steps, **load_options
        )
        if encoder is not None:
            graph = frontend.with_encoder(graph, encoder, model)
        for assumption in graph.settings.assumed:
            screen.tell(assumption.line())
        samples = load_samples(sampling, graph.settings.data, usual_samples(engines))
        compiled = compile_graph(
            graph,
            target,
            sampling=sampling if samples is None else replace(sampling, source=samples),
            calibration=scale_samples(graph, sampling),
            bits=bits if max_error_increase is None else Narrowest(max_error_increase),
            model_digest=digest(model.read_bytes()),
            teller=screen,
        )
        if samples is not None:
            screen.tell(f"running {len(samples)} samples on {', '.join(engines)}")
            compiled = compiled.run(engines=engines, progress=screen.progress)
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
