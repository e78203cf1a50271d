"""The command line: every command, registered under its name.

In:  arguments.
Out: the result on stdout; progress on stderr; an exit code that scripts rely on:
     0 good, 1 a check failed, 2 bad input, 3 does not fit the target, 4 not installed.
"""

from __future__ import annotations

import click

from neurocompile import __version__
from neurocompile.commands.bundle import bundle
from neurocompile.commands.check.command import check
from neurocompile.commands.compare.command import compare
from neurocompile.commands.doctor import doctor
from neurocompile.commands.energy.command import energy
from neurocompile.commands.export import export
from neurocompile.commands.faults.command import faults
from neurocompile.commands.group import Commands
from neurocompile.commands.inspect.command import inspect
from neurocompile.commands.report import report
from neurocompile.commands.simulate.command import simulate
from neurocompile.commands.sweep.command import sweep
from neurocompile.commands.targets.command import targets


@click.group(
    cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__)
def main() -> None:
    """Compile trained spiking networks to Loihi's integers, run them on Lava, estimate joules.

    MODEL is a .pt, .onnx, .nir or .net file. NAME is a target; see `neurocompile targets`.
    """


for command in (
    export, simulate, inspect, targets, doctor, check, compare, energy, faults, bundle,
    report, sweep,
):  # fmt: skip
    main.add_command(command)


if __name__ == "__main__":
    main()
