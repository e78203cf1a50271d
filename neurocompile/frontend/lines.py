"""Lines of a user's program, so that a refusal says where in the forward it is.

In:  the running program, or an error that it raised.
Out: file and number of the innermost line that is the user's; its text for a message.
"""

from __future__ import annotations

import linecache
import sys
import traceback
from pathlib import Path

Line = tuple[str, int]  # file and number; ("", 0) where there is none

OURS = ("torch.", "norse.torch.", "neurocompile.")  # modules whose lines are not the user's


def users_line() -> Line:
    """The line of the user's that runs now."""
    frame = sys._getframe(1)
    while frame is not None:
        if not f"{frame.f_globals.get('__name__', '')}.".startswith(OURS):
            return frame.f_code.co_filename, frame.f_lineno
        frame = frame.f_back  # type: ignore[assignment]
    return "", 0


def users_line_of(error: BaseException) -> Line | None:
    """The line of the user's that an error came from; None where it came from none."""
    line = None
    for frame, number in traceback.walk_tb(error.__traceback__):
        if not f"{frame.f_globals.get('__name__', '')}.".startswith(OURS):
            line = frame.f_code.co_filename, number
    return line


def line_text(line: Line) -> str:
    """A line for a message: its number, its file, its text."""
    file, number = line
    if not file:
        return "the forward"
    text = linecache.getline(file, number).strip()
    return f"line {number} of {Path(file).name}" + (f" (`{text}`)" if text else "")
