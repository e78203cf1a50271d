"""Ensure in our child process that nothing that Lava starts outlives it or is left behind.

In:  the workspace folder and the id of the process that asked for the run.
Out: Lava with nameless shared memory, workers that die with the child, a failure file.
A worker that fails writes the reason and ends at once: Lava's own shutdown would hang.
"""

from __future__ import annotations

import ctypes
import importlib
import mmap
import os
import signal
import sys
import threading
import time
import traceback
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from neurocompile.formats.scratch import give_up

WORKER_FAILED = 70  # exit status of a worker after an exception
CHILD_FAILED = 71  # exit status of the child after a worker's death
WATCH_S = 0.2
PR_SET_PDEATHSIG = 1  # linux/prctl.h
FAILURE = "failure.txt"
PARENT = "NEUROCOMPILE_LAVA_PARENT"  # environment: id of the process that asked for the run
GO = b"run\n"  # on the child's standard input: the folder is filled
LAYER = "neurocompile_layer"  # key in a Lava process's parameters
_ending = threading.Lock()


class NamelessMemory:
    """Shared memory without a name, inherited by fork.

    Lava's own segments have names in /dev/shm and stay there when a process is killed. But all
    its channels are made before the workers fork, so they need no names and no process that
    manages them.
    """

    def __init__(self, size: int) -> None:
        self.buf = memoryview(mmap.mmap(-1, max(size, 1)))


class NamelessMemoryManager:
    """The methods of a SharedMemoryManager that Lava calls."""

    def start(self) -> None:
        """Do nothing."""

    def shutdown(self) -> None:
        """Do nothing: the memory is freed with the last process that maps it."""

    def create_shared_memory(self, size: int) -> NamelessMemory:
        """Memory for one channel."""
        return NamelessMemory(size)


def install(workspace: Path, watch: ParentWatch) -> None:
    """Install the guards in an imported Lava."""
    infrastructure: Any = importlib.import_module(
        "lava.magma.runtime.message_infrastructure.multiprocessing"
    )
    runtime: Any = importlib.import_module("lava.magma.runtime.runtime")
    child = os.getpid()

    class WatchedProcess(infrastructure.SystemProcess):  # type: ignore[name-defined]
        def start(self) -> None:
            super().start()
            watch.add(self)

    def run_worker(*, builder: Any, exception_q: Any) -> None:
        _die_with(child)
        actor: Any = None
        try:
            actor = builder.build()
            exception_q.put(None)
            actor.start()
        except BaseException as error:
            traceback.print_exc()
            tell_failure(workspace, f"{_where(builder, actor)}: {one_line(error)}")
            sys.stderr.flush()
            os._exit(WORKER_FAILED)

    infrastructure.SharedMemoryManager = NamelessMemoryManager
    infrastructure.SystemProcess = WatchedProcess
    runtime.target_fn = run_worker


class ParentWatch(threading.Thread):
    """Ends everything when the parent is gone or a worker ends too early.

    A worker's end is detected by its sentinel, a pipe that the kernel closes. Its status is not
    reliable: multiprocessing reaps dead workers whenever it starts another.

    Args:
        workspace: Folder to remove when the parent is gone.
        parent: Id of the process that asked for the run.
    """

    def __init__(self, workspace: Path, parent: int) -> None:
        super().__init__(daemon=True)
        self.workspace = workspace
        self.parent = parent
        self.workers: dict[int, int] = {}  # process id by sentinel

    def add(self, worker: Any) -> None:
        """Start watching a worker."""
        self.workers = {**self.workers, worker.sentinel: worker.pid}

    def release(self) -> None:
        """Stop watching: the run was successful, and all workers may end."""
        self.workers = {}

    def run(self) -> None:
        """Watch until there is a reason to end."""
        while True:
            if os.getppid() != self.parent:
                end_everything(self.workspace)
            if not self.workers:
                time.sleep(WATCH_S)
            ended: list[Any] = wait(list(self.workers), timeout=WATCH_S)
            for sentinel in ended:
                pid = self.workers.get(sentinel)  # None if it was released in the meantime
                if pid is not None:
                    tell_failure(
                        self.workspace, f"a Lava worker (process {pid}){_how_it_ended(pid)}"
                    )
                    os._exit(CHILD_FAILED)


def _how_it_ended(pid: int) -> str:
    """The status of a dead worker, if nobody has reaped it; it stays available for Lava."""
    try:
        ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    except ChildProcessError:
        ended = None
    if ended is None:
        return " ended"
    if ended.si_code == os.CLD_EXITED:
        return f" ended with status {ended.si_status}"
    return f" was ended by {signal.Signals(ended.si_status).name}"


def end_everything(workspace: Path) -> None:
    """Remove the workspace and kill the whole group, including this process."""
    _ending.acquire()  # never released: the first thread that comes here does everything
    give_up(workspace)
    os.killpg(0, signal.SIGKILL)


def _die_with(child: int) -> None:
    """Make the kernel kill this worker when the child is killed, if it can (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != child:  # it was killed before the kernel knew
        os._exit(WORKER_FAILED)


def tell_failure(workspace: Path, line: str) -> None:
    """Write the reason for the parent; only the first one counts, others follow from it."""
    try:
        with (workspace / FAILURE).open("x") as file:
            file.write(line)
    except OSError:  # a reason exists already, or the workspace is gone
        pass


def _where(builder: Any, actor: Any) -> str:
    parameters = getattr(builder, "proc_params", None)
    layer = parameters.get(LAYER) if parameters is not None else None
    step = getattr(actor, "time_step", None)
    return (layer or "Lava's runtime service") + (f", chip step {step}" if step else "")


def one_line(error: BaseException) -> str:
    """An error as one line of at most 500 characters."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:500]
