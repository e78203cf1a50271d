"""Errors that a user can act on: one class per kind of trouble, each with its exit code.

A message names the layer or file, what was found, what is allowed and what to do.
Any other exception is a bug of ours and keeps its traceback.
What refuses a network in several places is gathered, so that one answer lists all of it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from os import PathLike
from pathlib import Path
from typing import Self

KEPT = "\n\N{NO-BREAK SPACE}"  # not printable by Python, but harmless
# Lines that GitHub's log obeys begin with ::word:: or ##[word].
COMMAND = re.compile(r"^(\s*)(:|#)(?=:|#\[)", re.MULTILINE)
MOST_LINES, MOST_IN_LINE = 200, 900  # of a message; how a line ends is what to do
NAME = 200  # characters of a path that a message shows
MOST_SHOWN = 100  # things in a message; a file may hold a hundred thousand


class NeurocompileError(Exception):
    """Base of all errors that a user can act on.

    Attributes:
        reasons: One sentence per thing, if several were refused at once; else empty.
    """

    exit_code = 1

    def __init__(self, message: object = "", reasons: Iterable[str] = ()) -> None:
        # A message may quote an untrusted file: no terminal shall obey control characters in it.
        super().__init__(_message(str(message)))
        self.reasons = tuple(map(_message, reasons))

    @property
    def each(self) -> tuple[str, ...]:
        """One sentence per thing that was refused."""
        return self.reasons or (str(self),)

    def within(self, place: object) -> Self:
        """The same error with a layer or file before its message."""
        return type(self)(f"{place}: {self}", self.reasons)


class CheckFailed(NeurocompileError):
    """A check ran and found a difference: engines disagree, or a gate fails."""

    exit_code = 1


class BadInput(NeurocompileError):
    """A file, an argument or data that cannot be used as given."""

    exit_code = 2
    of_several = "are wrong"


class Unsupported(BadInput):
    """A module, operation or parameter that no rule covers."""

    of_several = "are not supported"


class DoesNotFit(NeurocompileError):
    """A valid network that the target cannot hold."""

    exit_code = 3
    of_several = "do not fit the target"


class NotInstalled(NeurocompileError):
    """An optional package is needed and missing."""

    exit_code = 4


def check_path(path: Path) -> None:
    """Refuse a path of which the operating system does not even say whether anything is there.

    Raises:
        BadInput: If a name in it is too long or holds a zero, its links lead in a circle, or a
            folder above it may not be looked into.
    """
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        pass
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise BadInput(f"{shortened(str(path), NAME)}: {reason}. Give another path.") from None


def refuse_pipe(path: Path) -> None:
    """Refuse what is read only as fast as somebody writes it, if at all.

    Raises:
        BadInput: If it is a pipe, a socket or a device.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        raise BadInput(f"{path} is a pipe, a socket or a device. Give a file.")


def path_of(given: object, what: str) -> Path:
    """A path that a user gave.

    Args:
        given: What was given.
        what: What it is a path of, for the error message: "the file to write".

    Raises:
        BadInput: If it is no text and no path, or as in `check_path`.
    """
    if not isinstance(given, str | PathLike):
        raise BadInput(
            f"{what} is of the type {type(given).__name__}. Give its path, as a text or a "
            "pathlib.Path."
        )
    check_path(Path(given))
    return Path(given)


class Refusals:
    """What refuses a network, gathered so that one answer lists all of it.

    refusals = Refusals()
    for layer in layers:
        with refusals.gather():
            check(layer)
    refusals.answer()
    """

    def __init__(self) -> None:
        self.errors: list[BadInput | DoesNotFit] = []

    def __bool__(self) -> bool:
        return bool(self.errors)

    @contextmanager
    def gather(self) -> Iterator[None]:
        """Keep an error that is raised inside, and go on after it."""
        try:
            yield
        except (BadInput, DoesNotFit) as error:
            self.errors.append(error)

    def answer(self) -> None:
        """Raise one error of all that was gathered, or return if nothing was."""
        if self.errors:
            raise self.error()

    def error(self) -> BadInput | DoesNotFit:
        """One error of all that was gathered, each thing once.

        Its kind, and so its exit code, is the first of Unsupported, BadInput and DoesNotFit that
        was gathered: no other target helps where anything but the target is in the way.
        """
        kinds = {type(error): error.of_several for error in self.errors}
        kind = next(kind for kind in (Unsupported, BadInput, DoesNotFit) if kind in kinds)
        reasons = list(dict.fromkeys(words for error in self.errors for words in error.each))
        if len(reasons) == 1:
            return kind(self.errors[0])
        shown = reasons[:MOST_SHOWN]
        if len(reasons) > MOST_SHOWN:
            shown.append(f"and {len(reasons) - MOST_SHOWN} more")
        lines = "\n".join(f"- {words}" for words in shown)
        are = " or ".join(dict.fromkeys(kinds.values()))
        return kind(f"{len(reasons)} things in this network {are}:\n{lines}", reasons)


class Doubtful(UserWarning):
    """A warning: something that is used as it is, but is probably a mistake."""


def printable(text: str) -> str:
    """A text in which no terminal obeys anything: what is not printable is shown as its code.

    Everything that is printed goes through here, for layers, settings and files are named by
    strangers. Lines may end, and a space may be one at which no line is broken; and no log of
    CI obeys one.
    """
    shown = "".join(c if c.isprintable() or c in KEPT else ascii(c)[1:-1] for c in text)
    return COMMAND.sub(r"\g<0> ", shown)


def shortened(text: str, most: int) -> str:
    """A text without its middle, if it is longer than so many characters."""
    if len(text) <= most:
        return text
    return f"{text[: most * 2 // 3]} ... {text[-most // 3 :]}"


def _message(text: str) -> str:
    """A message that a terminal can show: a stranger's name or value may be of any length."""
    lines = text.split("\n", MOST_LINES)
    lines[MOST_LINES:] = ["..."] * (len(lines) > MOST_LINES)
    return "\n".join(printable(shortened(line, MOST_IN_LINE)) for line in lines)


def a_or_an(name: str) -> str:
    """A name behind its article: "a Linear", "an IFNode"."""
    return f"{'an' if name[:1].upper() in tuple('AEIOU') else 'a'} {name}"


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """The nearest known name as a question with a space before it; "" if none is near."""
    near = get_close_matches(str(word), list(known), n=1)
    return f" Did you mean '{near[0]}'?" if near else ""


def first_line(error: BaseException) -> str:
    """The message of another library's error, without the lines that only its authors read."""
    return (str(error).splitlines() or ["no reason given"])[0]
