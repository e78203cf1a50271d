"""A command at work, in a fork of this process or in one of its own, and all that it starts.

In:  a command of `commands.py`, its arguments, the folder it works in.
Out: its exit code, what it has written on stderr, the processes that outlive it.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
import time
from pathlib import Path

from fuzz.campaigns.commands import Case, cli

GONE_S = 15  # for what a killed command has started to end
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


class Running:
    """A command at work, in a fork or in a process of its own."""

    def __init__(
        self, case: Case, words: list[str], place: Path, fresh: bool, parent: bool,
        log: str = "stderr",
    ):  # fmt: skip
        self.log = place.parent / log
        self.begun = time.monotonic()
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS[1:])
        self.pid = os.fork()
        if self.pid == 0:
            code = 1
            try:
                code = self._child(case, words, place, fresh, parent)
            except BaseException:
                sys.excepthook(*sys.exc_info())
            finally:
                os._exit(code)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS[1:])

    def _child(self, case: Case, words: list[str], place: Path, fresh: bool, parent: bool) -> int:
        """The exit code of the command; signals are heard once it may be ended by them."""
        os.setsid()
        if parent and os.fork():
            os.wait()
            return 0
        os.chdir(place)
        for number, name in ((0, os.devnull), (1, os.devnull), (2, str(self.log))):
            file = os.open(name, os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT, 0o644)
            os.dup2(file, number)
        os.ftruncate(2, 0)
        for number in SIGNALS[1:]:
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        code = 0
        try:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS[1:])
            if fresh:
                os.execvp(case.program[0], [*case.program, *words])
            (case.inside or cli)(words)
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        (place.parent / "modules").write_text("\n".join(sys.modules))
        threading._shutdown()
        atexit._run_exitfuncs()
        sys.stderr.flush()
        return code

    def said(self) -> str:
        """What it has written on stderr."""
        return self.log.read_text(errors="replace")

    def wait(self, seconds: float) -> int | None:
        """Its exit code, negative after a signal; None if it runs on."""
        end = time.monotonic() + seconds
        while (found := os.waitpid(self.pid, os.WNOHANG))[0] == 0:
            if time.monotonic() > end:
                return None
            time.sleep(0.002)
        return os.waitstatus_to_exitcode(found[1])


def descendants(pid: int) -> list[int]:
    """A process and all that it has started."""
    found = [pid]
    for one in found:
        for task in Path(f"/proc/{one}/task").glob("*/children"):
            try:
                found += map(int, task.read_text().split())
            except OSError:
                continue
    return found


def orphans() -> list[str]:
    """Wait until no process is left that a command has started; those that stay are ended."""
    end = time.monotonic() + GONE_S
    while time.monotonic() < end:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(0.01)
        except ChildProcessError:
            return []
    stay = descendants(os.getpid())[1:]
    names = [command_of(pid) for pid in stay]
    for pid in stay:
        os.kill(pid, signal.SIGKILL)
    while stay:
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            break
    return names


def command_of(pid: int) -> str:
    """The command line of a process, as far as it can be read."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return "?"
