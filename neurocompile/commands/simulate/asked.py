"""The options of `neurocompile simulate` that make it a stream.

In:  what a user typed.
Out: an Asked; None if none of the options was given.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import click

from neurocompile.commands.options import COUNT, PATH

STDIN = "-"  # as --data: rows in numpy's format from standard input


@dataclass(frozen=True)
class Asked:
    """What a stream keeps.

    Attributes:
        state: File of the state to go on from, and to write at the end; None for none.
        window: Steps over which rates are counted; None: the network's own steps.
        results: .npy file of what the last layer says; None for none.
        force: Whether to replace an existing file of results.
    """

    state: Path | None = None
    window: int | None = None
    results: Path | None = None
    force: bool = False


def stream_options(command: Callable[..., None]) -> Callable[..., None]:
    """--stream, --state, --window and --results, which reach the command as one `stream`."""

    @click.option(
        "--stream", "streamed", is_flag=True,
        help="Run all samples as one stream: nothing is reset between them. --data may be a .npy "
        "file of any size, or - for one on standard input.",
    )  # fmt: skip
    @click.option(
        "--state", type=PATH, metavar="FILE",
        help="Go on from the state in this file if it exists, and write the state at the end to "
        "it. Implies --stream.",
    )  # fmt: skip
    @click.option(
        "--window", type=COUNT, metavar="W",
        help="Steps over which a stream counts rates. [the steps of a sample]",
    )  # fmt: skip
    @click.option(
        "--results", type=PATH, metavar="FILE.npy",
        help="What a stream's last layer says: a result for each sample, or for each step where "
        "the input has a value for each.",
    )  # fmt: skip
    @wraps(command)
    def collect(
        *args: Any,
        streamed: bool,
        state: Path | None,
        window: int | None,
        results: Path | None,
        **kwargs: Any,
    ) -> None:
        given = streamed or any(x is not None for x in (state, window, results))
        command(*args, stream=Asked(state, window, results) if given else None, **kwargs)

    return collect
