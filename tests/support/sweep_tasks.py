"""What the workers of a test do: say in a file that they begin, wait, return a number."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

from neurocompile.errors import BadInput


def note(log, number):
    """A line in a file: a number, and the process that wrote it."""
    with Path(log).open("a") as lines:
        lines.write(f"{number} {os.getpid()}\n")


def slow(log, number, seconds=0.0):
    """Twice a number, after a while; a line in a file says who began it."""
    note(log, number)
    time.sleep(seconds)
    return 2 * number


def deadly(log, number, seconds=0.0):
    """As `slow`, but the worker that takes number 3 dies."""
    doubled = slow(log, number, seconds)
    if number == 3:
        os.kill(os.getpid(), 9)
    return doubled


def unlucky(log, number, seconds=0.0):
    """As `slow`, but the first four workers that take number 3 die."""
    doubled = slow(log, number, seconds)
    begun = [line.split()[0] for line in Path(log).read_text().splitlines()]
    if number == 3 and begun.count("3") <= 4:
        os.kill(os.getpid(), 9)
    return doubled


def faulty(log, number):
    """As `slow`, but number 3 is a fault of ours, 5 one of the user's, 7 one of the worker's."""
    slow(log, number)
    if number == 3:
        raise ZeroDivisionError("no such number")
    if number == 5:
        raise BadInput("5 is not allowed")
    if number == 7:
        raise ImportError("no module 7")
    return 2 * number


@dataclass
class Heavy:
    """A factor; a line in a file says who received it."""

    log: Path
    factor: int

    def __setstate__(self, state):
        self.__dict__.update(state)
        note(self.log, self.factor)


def named(heavy, log, number, seconds):
    """A number times the factor that all have."""
    slow(log, number, seconds)
    return heavy.factor * number
