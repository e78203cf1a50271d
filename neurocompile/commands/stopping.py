"""Signals that end a command: each is an interrupt, so that what is half done is removed.

In:  SIGINT, SIGTERM or SIGHUP, from a keyboard, a scheduler or a terminal that is closed.
Out: an exception that unwinds the command; the exit code that a shell expects; what was written.
"""

from __future__ import annotations

import atexit
import logging
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")
BASE = 128  # a shell reports this and the number of the signal
IMPORT = "<frozen importlib."  # how the files of Python's import begin
LATER_S = 0.02
GROUP = f"{__package__}.group"  # the module that calls commands; below it are our callers
LOGS = ("asyncio", "distributed", "tornado")  # of packages that tell how they were interrupted


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
    """A block that the signals interrupt; one that the caller has them ignore stays ignored.

    A signal during an import interrupts after it: half imported, torch ends the process by SIGABRT,
    onnx by SIGSEGV, and other packages seem not to be installed.
    """
    usual = (signal.SIG_DFL, signal.default_int_handler)
    numbers = [getattr(signal, name) for name in SIGNALS if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in numbers}
    ours = [number for number in numbers if before[number] in usual]
    if threading.current_thread() is not threading.main_thread():
        ours = []  # only the main thread may say what a signal does
    try:
        for number in ours:
            signal.signal(number, _stop)
        yield
    finally:
        for timer in _TIMERS:
            timer.cancel()
        _TIMERS.clear()
        for number in ours:
            signal.signal(number, before[number])


def forget(interrupt: KeyboardInterrupt) -> None:
    """Let go of what was interrupted, in silence: things that are half made complain as they go."""
    before, sys.unraisablehook = sys.unraisablehook, lambda _: None
    for name in LOGS:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
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
    for name in SIGNALS:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)


_TIMERS: list[threading.Timer] = []  # signals that come again


def _stop(number: int, frame: FrameType | None) -> bool:
    """Interrupt the command; True if that has to wait for an import, after which it does."""
    if not _imports(frame):
        raise KeyboardInterrupt if number == signal.SIGINT else Stopped(number)
    timer = threading.Timer(LATER_S, _send, (number,))
    timer.daemon = True
    _TIMERS.append(timer)
    timer.start()
    return True


def _imports(frame: FrameType | None) -> bool:
    """Whether the command is importing something."""
    while frame is not None and frame.f_globals.get("__name__") != GROUP:
        if frame.f_code.co_filename.startswith(IMPORT):
            return True
        frame = frame.f_back
    return False


def _send(number: int) -> None:
    """Send a signal to the main thread, also where that waits for something."""
    main = threading.main_thread().ident
    if hasattr(signal, "pthread_kill") and main is not None:
        signal.pthread_kill(main, number)
    else:
        signal.raise_signal(number)
