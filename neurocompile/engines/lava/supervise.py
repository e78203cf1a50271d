"""Run the child process, and leave nothing of it behind.

In:  a filled workspace.
Out: the recordings that the child has written, or an error that says what happened.
The child leads its own process group; the group is killed whatever happens. It can be started
before there is anything to run: it imports Lava and waits.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

from neurocompile.engines.lava.guard import FAILURE, GO, PARENT
from neurocompile.engines.lava.plan import RESET_FRESH, LavaPlan
from neurocompile.errors import NeurocompileError
from neurocompile.formats.scratch import scratch
from neurocompile.formats.whole import cannot_keep
from neurocompile.installed import child_environment

TICK_S = 0.1
GONE_S = 5.0  # longest time that a killed group may take to vanish
LOG = "stderr.txt"


class EngineFailed(NeurocompileError):
    """Lava itself failed, or did not end in time."""

    exit_code = 1


def default_timeout(plan: LavaPlan, connections: int) -> float:
    """Seconds that no healthy run needs: about 20 times the time measured on two cores.

    Args:
        plan: Plan of the run.
        connections: Number of entries of all matrices together.
    """
    builds = plan.samples if plan.reset == RESET_FRESH else 1
    chip_steps = plan.samples * plan.steps + builds * plan.last_depth
    delayed = 1 + max((s.longest for s in plan.synapses), default=0)
    step = 0.02 * plan.processes + 1e-7 * connections * delayed
    return 120.0 + builds * (10.0 + plan.processes) + chip_steps * step


class LavaChild:
    """A child process with its folder: it imports Lava, and waits until it is told to run.

    Used as a context, whose end ends the child's group and removes the folder.

    Attributes:
        root: Folder of the workspace, empty at first.
    """

    def __init__(self) -> None:
        self._folder = ExitStack()
        try:
            self.root = self._folder.enter_context(scratch(Path(tempfile.gettempdir())))
        except OSError as error:
            raise cannot_keep("what Lava reads", error) from None
        self._process: subprocess.Popen[bytes] | None = None
        try:
            with (self.root / LOG).open("wb") as log:
                self._process = subprocess.Popen(
                    [sys.executable, "-P", "-m", "neurocompile.engines.lava.child", str(self.root)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    # Lava warns; if warnings were errors, they would end it
                    env=child_environment(PYTHONWARNINGS="", **{PARENT: str(os.getpid())}),
                    start_new_session=True,
                )
        except BaseException:
            self.end()
            raise

    def __enter__(self) -> LavaChild:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def run(
        self,
        plan: LavaPlan,
        timeout_s: float,
        progress: Callable[[int, int], None] | None,
    ) -> None:
        """Run what the folder describes, and follow it to its end.

        Args:
            plan: Plan of the run.
            timeout_s: Seconds that it may take.
            progress: Called with the samples done and all samples.

        Raises:
            EngineFailed: If the child fails or takes longer.
        """
        assert self._process is not None
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # it has ended already, and what follows says why
            self._process.stdin.write(GO)
            self._process.stdin.flush()
        _follow(self._process, self.root, plan, timeout_s, progress)

    def end(self) -> None:
        """Kill the child's group, wait until it is gone, and remove its folder."""
        if self._process is not None:
            _end(self._process)
            self._process = None  # its number may soon be another's
        self._folder.close()


def _follow(
    child: subprocess.Popen[bytes],
    root: Path,
    plan: LavaPlan,
    timeout_s: float,
    progress: Callable[[int, int], None] | None,
) -> None:
    """Read the child's standard output until it has ended."""
    assert child.stdout is not None
    deadline = time.monotonic() + timeout_s
    done, text, open_ = 0, b"", True
    while not _has_ended(child):
        if time.monotonic() > deadline:
            raise EngineFailed(_too_slow(plan, timeout_s, done))
        if not open_:
            time.sleep(TICK_S / 10)
        elif select.select([child.stdout], [], [], TICK_S)[0]:
            chunk = os.read(child.stdout.fileno(), 1 << 16)
            open_ = bool(chunk)
            *lines, text = (text + chunk).split(b"\n")
            for line in lines:
                done = int(line)
                if progress is not None:
                    progress(done, plan.samples)
    if _status(child) != 0:
        raise EngineFailed(_what_failed(root, child, done, plan))


def _has_ended(child: subprocess.Popen[bytes]) -> bool:
    """Whether the child has ended. It is not reaped, so that its number stays its group's."""
    ended = os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    return ended is not None


def _status(child: subprocess.Popen[bytes]) -> int:
    ended = os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    return ended.si_status if ended is not None else -1


def _end(child: subprocess.Popen[bytes]) -> None:
    """Kill the child's group, and wait until it is gone."""
    _kill_group(child.pid)
    child.wait()
    for pipe in (child.stdin, child.stdout):
        if pipe is not None:
            pipe.close()
    deadline = time.monotonic() + GONE_S
    while _kill_group(child.pid) and time.monotonic() < deadline:
        time.sleep(TICK_S / 10)


def _kill_group(group: int) -> bool:
    """Kill what is left of a process group; returns whether there was anything."""
    try:
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _too_slow(plan: LavaPlan, timeout_s: float, done: int) -> str:
    return (
        f"Lava did not end within {timeout_s:g} s: {done} of {plan.samples} samples of "
        f"{plan.steps} steps were done, in {plan.processes} processes. Everything that it started "
        "was ended. Use fewer samples or steps, or allow more time (timeout_s)."
    )


def _what_failed(root: Path, child: subprocess.Popen[bytes], done: int, plan: LavaPlan) -> str:
    """The reason that the child or a worker wrote, or the last line of its log."""
    try:
        reason = (root / FAILURE).read_text()
    except OSError:
        lines = (root / LOG).read_text(errors="replace").split("\n")
        last = next((line.strip() for line in reversed(lines) if line.strip()), "its log is empty")
        reason = f"the Lava process ended with status {_status(child)}; {last}"
    return (
        f"the Lava run failed after {done} of {plan.samples} samples. {reason}. "
        "Run it again. If it fails again, use the engine 'fixed' and report this."
    )
