"""Write docs/cli.md: every command with its options, and the exit codes.

In:  what `--help` prints; the classes of neurocompile/errors.py.
Out: docs/cli.md.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from click.testing import CliRunner

from neurocompile import errors
from neurocompile.cli import main as cli
from neurocompile.commands.stopping import Stopped, exit_code

PAGE = Path(__file__).parent / "cli.md"
WIDTH = 90  # characters of a line of help


def page() -> str:
    """The whole page."""
    sections = "\n".join(f"## {name}\n\n{help_of(name)}" for name in cli.commands)
    return f"""# Commands

<!-- written by docs/make_cli.py; change that -->

Made by `make docs` from what `--help` prints. docs/quick-start.md shows the commands at work.

{help_of()}
## Exit codes

{exit_codes()}

A run of Lava that fails, or does not end in time, also ends with exit code 1.

`--json` prints one JSON document on standard output and nothing else there. Progress and errors
go to standard error. After an error that document is
`{{"error": {{"kind", "code", "message"}}}}`; a check that fails prints its result.

{sections}"""


def help_of(*words: str) -> str:
    """What `--help` prints, as a block."""
    arguments = [*words, "--help"]
    done = CliRunner().invoke(cli, arguments, prog_name="neurocompile", terminal_width=WIDTH)
    assert done.exit_code == 0, done.output
    return f"```\n{done.output.rstrip()}\n```\n"


def exit_codes() -> str:
    """Every exit code, with the errors that end with it."""
    every = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    kinds = [kind for kind in every if issubclass(kind, errors.NeurocompileError)]
    kinds.remove(errors.NeurocompileError)
    lines = ["| exit code | error | when |", "|--:|---|---|", "| 0 | | Everything is good. |"]
    lines += [
        f"| {kind.exit_code} | `{kind.__name__}` | {str(kind.__doc__).splitlines()[0]} |"
        for kind in sorted(kinds, key=lambda kind: kind.exit_code)
    ]
    stops = {
        "Interrupted from the keyboard (SIGINT)": exit_code(KeyboardInterrupt()),
        "Ended by SIGTERM, as by a scheduler": exit_code(Stopped(signal.SIGTERM)),
        "Ended by SIGHUP: its terminal was closed": exit_code(Stopped(signal.SIGHUP)),
    }
    return "\n".join([*lines, *(f"| {code} | | {how}. |" for how, code in stops.items())])


if __name__ == "__main__":
    PAGE.write_text(page())
    sys.stdout.write(f"written: {PAGE}\n")
