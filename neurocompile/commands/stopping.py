"""Signals that end a command: each is an interrupt, so that what is half done is removed.

In:  SIGINT, SIGTERM or SIGHUP, from a keyboard, a scheduler or a terminal that is closed.
Out: an exception that unwinds the command; the exit code that a shell expects; what was written.
"""

from __future__ import annotations

import atexit
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

OTHERS = ("SIGTERM", "SIGHUP")  # Python turns SIGINT into an interrupt itself
BASE = 128  # a shell reports this and the number of the signal


class Stopped(KeyboardInterrupt):
    """A signal other than SIGINT.

    Attributes:
        number: Its number.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@contextmanager
def stoppable() -> Iterator[None]:
    """A block that the signals interrupt; one that the caller has them ignore stays ignored."""
    numbers = [getattr(signal, name) for name in OTHERS if hasattr(signal, name)]
    ours = [number for number in numbers if signal.getsignal(number) is signal.SIG_DFL]
    if threading.current_thread() is not threading.main_thread():
        ours = []  # only the main thread may say what a signal does
    try:
        for number in ours:
            signal.signal(number, _stop)
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


def forget(interrupt: KeyboardInterrupt) -> None:
    """Let go of what was interrupted, in silence: things that are half made complain as they go."""
    before, sys.unraisablehook = sys.unraisablehook, lambda _: None
    try:
        interrupt.__traceback__ = interrupt.__context__ = None
    finally:
        sys.unraisablehook = before


def end_quietly() -> None:
    """Let a signal that comes while Python ends end it at once, with no traceback of its packages.

    The command is done by then, and has said so.
    """
    atexit.unregister(_by_default)
    atexit.register(_by_default)  # before what was registered earlier, such as torch's own end


def exit_code(interrupt: KeyboardInterrupt) -> int:
    """What a shell reports of a process that the signal ended."""
    return BASE + (interrupt.number if isinstance(interrupt, Stopped) else signal.SIGINT)


def told(interrupt: KeyboardInterrupt) -> str:
    """What happened, what was in its place before, and the notes of whoever was interrupted."""
    from neurocompile.formats.whole import WRITTEN

    how = "Interrupted" if exit_code(interrupt) == BASE + signal.SIGINT else "Terminated"
    if not WRITTEN:
        return f"{how}; nothing was written."
    written = f"{how} after this was written: {', '.join(map(str, WRITTEN))}."
    return " ".join([written, *getattr(interrupt, "__notes__", [])])


def _by_default() -> None:
    for name in ("SIGINT", *OTHERS):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)


def _stop(number: int, frame: FrameType | None) -> None:
    raise Stopped(number)
