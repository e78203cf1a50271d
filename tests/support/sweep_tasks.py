"""What the workers of a test do: say in a file that they begin, wait, return a number."""

import os
import time
from pathlib import Path

from neurocompile.errors import BadInput


def slow(log, number, seconds=0.0):
    """Twice a number, after a while; a line in a file says who began it."""
    with Path(log).open("a") as lines:
        lines.write(f"{number} {os.getpid()}\n")
    time.sleep(seconds)
    return 2 * number


def deadly(log, number, seconds=0.0):
    """As `slow`, but the worker that takes number 3 dies."""
    doubled = slow(log, number, seconds)
    if number == 3:
        os.kill(os.getpid(), 9)
    return doubled


def faulty(log, number):
    """As `slow`, but number 3 is a fault of ours and number 5 one of the user's."""
    slow(log, number)
    if number == 3:
        raise ZeroDivisionError("no such number")
    if number == 5:
        raise BadInput("5 is not allowed")
    return 2 * number
