"""Errors that a user can act on: one class per kind of trouble, each with its exit code.

A message names the layer or file, what was found, what is allowed and what to do.
Any other exception is a bug of ours and keeps its traceback.
"""

from os import PathLike
from pathlib import Path


class NeurocompileError(Exception):
    """Base of all errors that a user can act on."""

    exit_code = 1

    def __init__(self, message: object = "") -> None:
        # A message may quote an untrusted file: no terminal shall obey control characters in it.
        super().__init__(_printable(str(message)))


class CheckFailed(NeurocompileError):
    """A check ran and found a difference: engines disagree, or a gate fails."""

    exit_code = 1


class BadInput(NeurocompileError):
    """A file, an argument or data that cannot be used as given."""

    exit_code = 2


class Unsupported(BadInput):
    """A module, operation or parameter that no rule covers.

    Attributes:
        reasons: One sentence per thing, if several were refused at once; else empty.
    """

    def __init__(self, message: object = "", reasons: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.reasons = tuple(map(_printable, reasons))


class DoesNotFit(NeurocompileError):
    """A valid network that the target cannot hold."""

    exit_code = 3


class NotInstalled(NeurocompileError):
    """An optional package is needed and missing."""

    exit_code = 4


def path_of(given: object, what: str) -> Path:
    """A path that a user gave.

    Args:
        given: What was given.
        what: What it is a path of, for the error message: "the file to write".

    Raises:
        BadInput: If it is no text and no path.
    """
    if not isinstance(given, str | PathLike):
        raise BadInput(
            f"{what} is of the type {type(given).__name__}. Give its path, as a text or a "
            "pathlib.Path."
        )
    return Path(given)


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)


def first_line(error: BaseException) -> str:
    """The message of another library's error, without the lines that only its authors read."""
    return (str(error).splitlines() or ["no reason given"])[0]
