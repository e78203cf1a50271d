"""All commands as one: whatever goes wrong in any of them ends in one message and an exit code.

In:  arguments.
Out: the command; for an error that a user can act on, a sentence on stderr, with --json or --format
     also one document of that format on stdout.
Streams that cannot write a character write its code instead.
"""

from __future__ import annotations

import codecs
import errno
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from itertools import pairwise
from typing import Any, NoReturn

import click

from neurocompile.commands.options import (
    FORM,
    drop_unwritten,
    has_answered,
    say,
    show_document,
    show_text,
)
from neurocompile.commands.stopping import end_quietly, exit_code, forget, stoppable, told
from neurocompile.errors import BadInput, Doubtful, NeurocompileError

PLAIN = {"\N{BOX DRAWINGS LIGHT HORIZONTAL}": "-", "\N{NO-BREAK SPACE}": " "}
NO_MEMORY = (
    "this machine has not enough memory for it. Use fewer samples or steps (--samples, --steps), "
    "or a machine with more."
)
NO_FOLDER = "the folder in which this command runs was deleted. Go to another one (cd)."
# What a user's machine refuses: neither files nor options are at fault.
MACHINE = {
    getattr(errno, name)
    for name in ("EACCES", "EPERM", "EROFS", "ENOSPC", "EDQUOT", "EIO",
                 "EMFILE", "ENFILE", "EAGAIN", "ENOMEM")
    if hasattr(errno, name)
}  # fmt: skip
# numpy's and scipy's products run on one thread, unless a user says otherwise: ours are small, and
# threads that wait for each other took 20 times as long on two shared cores. What is worth several
# threads is shared out by batches.
BLAS_THREADS = ("OPENBLAS_NUM_THREADS", "1")
LEGIBLE = "neurocompile.legible"  # name of our way to encode what an encoding lacks


class Commands(click.Group):
    """A group whose commands end with a sentence, never with a traceback that a user caused."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click does; remembers the format that the answer is to have."""
        given = args[: args.index("--")] if "--" in args else args
        ctx.meta[FORM] = _form(given)
        try:
            return super().parse_args(ctx, args)
        except BrokenPipeError:
            raise  # whoever reads has had enough
        except OSError as error:  # --help and --version write here
            _refuse(ctx, BadInput(f"standard output cannot be written: {error.strerror}."))

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; turn an error into a message and an exit code."""
        from neurocompile.formats.whole import WRITTEN

        WRITTEN.clear()
        os.environ.setdefault(*BLAS_THREADS)
        try:
            with legible(), stoppable(), warnings.catch_warnings():
                warnings.simplefilter("default", Doubtful)
                warnings.showwarning = _show_warning
                try:
                    _check_folder()
                    return super().invoke(ctx)
                except NeurocompileError as error:
                    _refuse(ctx, error)
                except MemoryError:
                    _refuse(ctx, BadInput(NO_MEMORY))
                except (OSError, ImportError) as error:
                    if refused := _of_machine(error):
                        _refuse(ctx, refused)
                    raise
                except click.UsageError as error:
                    _answer(ctx, "UsageError", error.exit_code, error.format_message())
                    raise
        except KeyboardInterrupt as interrupt:
            forget(interrupt)
            with suppress(OSError):  # a terminal that was closed hears nothing
                say(told(interrupt), err=True)
                _answer(ctx, "Interrupted", exit_code(interrupt), told(interrupt))
            ctx.exit(exit_code(interrupt))
        finally:
            end_quietly()


def _check_folder() -> None:
    """Refuse a current folder that is gone: no relative path means anything in it.

    Raises:
        BadInput: If it is.
    """
    try:
        os.getcwd()
    except OSError:
        raise BadInput(NO_FOLDER) from None


def _of_machine(error: OSError | ImportError) -> BadInput | None:
    """The sentence about what the user's machine refuses; None for any other error."""
    if isinstance(error, ImportError):  # of a library that finds no room in memory
        return BadInput(NO_MEMORY) if "map segment" in str(error) else None
    if error.errno not in MACHINE:
        return None
    where = f"{error.filename}: " if error.filename else ""
    return BadInput(f"{where}{error.strerror}. Change that, or the limits of this shell (ulimit).")


def _refuse(ctx: click.Context, error: NeurocompileError) -> NoReturn:
    """Say what is wrong, and end with its exit code."""
    with suppress(OSError):  # where stderr is full, the exit code still says it
        say(f"{type(error).__name__}: {error}", err=True)
    _answer(ctx, type(error).__name__, error.exit_code, str(error))
    for stream in (sys.stdout, sys.stderr):
        if stream is None:  # closed by whoever called
            continue
        try:
            stream.flush()
        except (OSError, ValueError):  # full, or closed since
            drop_unwritten(stream)
    ctx.exit(error.exit_code)


def _answer(ctx: click.Context, kind: str, code: int, message: str) -> None:
    """Where a format was asked for and nothing printed yet: what went wrong, in that format."""
    form = ctx.meta[FORM]
    if not form or has_answered(ctx):
        return
    with suppress(NeurocompileError):  # stdout is what failed
        if form == "json":
            show_document({"error": {"kind": kind, "code": code, "message": message}})
            return
        from neurocompile.commands.check.render import refused

        show_text(refused(form, kind, message))


def _form(words: list[str]) -> str:
    """The format of --json, or of `check --format`, that other programs read; "" for none.

    It is known before the words are parsed: they may be what is wrong.
    """
    if "--json" in words:
        return "json"
    if words[:1] != ["check"]:
        return ""
    form = ""
    for word, after in pairwise([*words, ""]):
        name, _, value = word.partition("=")
        if name == "--format":
            form = value or after
    return form if form in ("json", "junit", "github") else ""


@contextmanager
def legible() -> Iterator[None]:
    """A block in which the streams write what their encoding lacks in ASCII."""
    streams = [s for s in (sys.stdout, sys.stderr) if isinstance(s, TextIOWrapper)]
    before = [(stream, stream.errors) for stream in streams]
    for stream in streams:
        stream.reconfigure(errors=LEGIBLE)
    try:
        yield
    finally:
        for stream, errors in before:
            with suppress(OSError, ValueError):  # closed, or full
                stream.reconfigure(errors=errors)


def _in_ascii(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(PLAIN.get(c, ascii(c)[1:-1]) for c in lacking), error.end


codecs.register_error(LEGIBLE, _in_ascii)


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: object = None,
    line: str | None = None,
) -> None:
    """Print a warning on stderr: ours as one sentence, others as Python does."""
    if issubclass(category, Doubtful):
        say(f"Warning: {message}", err=True)
    else:
        say(warnings.formatwarning(message, category, filename, lineno, line), err=True)
