"""The command line: options in, a table or one JSON document out.

In:  arguments.
Out: what a user reads, on stdout; progress on stderr; an exit code that scripts rely on:
     0 good, 1 a check failed, 2 bad input, 3 does not fit the target, 4 not installed.
Commands only parse, call and print; the work is elsewhere.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from neurocompile import __version__
from neurocompile.check.command import check
from neurocompile.compare.command import compare
from neurocompile.errors import BadInput
from neurocompile.options import (
    Percent,
    data_options,
    engine_option,
    json_option,
    nir_options,
    place_option,
    user_errors,
)
from neurocompile.reprice.command import energy


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__)
def main() -> None:
    """Compile trained spiking networks to Loihi's integers, run them on Lava, count joules.

    MODEL is a .pt, .onnx, .nir or .net file. NAME is a target; see `neurocompile targets`.
    """


@main.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--target", "target_name", metavar="NAME|DIR", required=True, help="The chip.")
@click.option("--out", type=click.Path(path_type=Path), help="Directory to write. [build/<model>]")
@data_options
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
    data: str | None,
    samples: int | None,
    steps: int | None,
    seed: int | None,
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
    from neurocompile.export import Request, export_model
    from neurocompile.place.chosen import Chosen
    from neurocompile.report.terminal import Screen, print_report

    request = Request(
        model=model,
        target=target_name,
        out=out or Path("build") / model.stem,
        data=data,
        samples=samples,
        steps=steps,
        seed=seed or 0,
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
    _show(report, as_json, lambda: print_report(report, request.out))


@main.command()
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@engine_option
@data_options
@click.option("--record", metavar="spikes,membrane", help="What to keep of every layer and step.")
@click.option("--to", "to", type=click.Path(path_type=Path), help="HDF5 file for --record.")
@click.option("--force", is_flag=True, help="Replace an existing recording.")
@json_option
@user_errors
def simulate(
    directory: Path,
    engines: tuple[str, ...],
    data: str | None,
    samples: int | None,
    steps: int | None,
    seed: int | None,
    record: str | None,
    to: Path | None,
    force: bool,
    as_json: bool,
) -> None:
    """Run an exported directory on data with one engine or more, which must agree."""
    from neurocompile.report.terminal import Screen, print_simulation
    from neurocompile.simulate import simulate_artifact

    with Screen(quiet=as_json) as screen:
        found = simulate_artifact(
            directory,
            engines=engines or ("fixed",),
            source=data,
            samples=samples,
            steps=steps,
            seed=seed,
            record=record,
            to=to,
            force=force,
            screen=screen,
        )
    _show(found, as_json, lambda: print_simulation(found))


@main.command()
@click.argument("path", metavar="MODEL|DIR", type=click.Path(path_type=Path))
@click.option("--allow-pickle", is_flag=True, help="Read pickled models, which may run code.")
@nir_options
@json_option
@user_errors
def inspect(path: Path, allow_pickle: bool, dt: float | None, reset: Any, as_json: bool) -> None:
    """Show the layers of a model or of an exported directory."""
    from neurocompile.report.inspect import inspect_path
    from neurocompile.report.terminal import print_inspection

    found = inspect_path(path, allow_pickle=allow_pickle, dt=dt, reset=reset)
    _show(found, as_json, lambda: print_inspection(found))


@main.command()
@click.argument("name", required=False)
@json_option
@user_errors
def targets(name: str | None, as_json: bool) -> None:
    """List the targets, or every number of one with its source."""
    from neurocompile.report.targets import describe_target, list_targets
    from neurocompile.report.terminal import print_target, print_targets

    if name is None:
        every = list_targets()
        _show({"targets": every}, as_json, lambda: print_targets(every))
    else:
        one = describe_target(name)
        _show(one, as_json, lambda: print_target(one))


@main.command()
@click.option(
    "--install",
    "group",
    type=click.Choice(["lava", "train", "neighbours", "paper"]),
    help="Bring a group.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@user_errors
def doctor(group: str | None, yes: bool, as_json: bool) -> None:
    """Say what is installed and what therefore works; install the rest."""
    from neurocompile import doctor as checks
    from neurocompile.report.terminal import print_doctor

    if group is None:
        found = checks.examine()
        _show(found, as_json, lambda: print_doctor(found))
        return
    for command in checks.commands(group):
        click.echo("pip " + " ".join(command[3:]), err=True)
    if yes or click.confirm("Run these, at the versions in pins.txt?"):
        checks.install(group)


main.add_command(check)
main.add_command(compare)
main.add_command(energy)


def _later(name: str, arguments: str, help_text: str) -> None:
    """Register a command of the contract that a later version brings."""

    @main.command(
        name,
        help=f"Not in this version: {help_text}",
        context_settings={"ignore_unknown_options": True},
    )
    @click.argument("arguments", nargs=-1, metavar=arguments, type=click.UNPROCESSED)
    @user_errors
    def command(arguments: tuple[str, ...]) -> None:
        _not_yet(name)


_later("report", "DIR [DIR2] [--open]", "show the HTML report.")
_later("sweep", "MODEL ...", "try many settings.")


def _not_yet(what: str) -> None:
    raise BadInput(
        f"{what} is not in this version ({__version__}). In this version: export, simulate, "
        "check, compare, energy, inspect, targets, doctor."
    )


def _show(found: dict[str, Any], as_json: bool, print_it: Callable[[], None]) -> None:
    """One JSON document on stdout, or a table for people."""
    if as_json:
        from neurocompile.exchange.artifact import json_bytes

        sys.stdout.buffer.write(json_bytes(found))
        sys.stdout.flush()
    else:
        print_it()


if __name__ == "__main__":
    main()
