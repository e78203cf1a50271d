"""Inside our child process: nothing that Lava starts may outlive it or be left behind.

In:  the workspace folder and the process that asked for the run.
Out: Lava with nameless shared memory, workers that die with the child, a failure file.
A worker that fails ends at once and says so: Lava's own shutdown would hang.
"""

from __future__ import annotations

import ctypes
import importlib
import mmap
import os
import shutil
import signal
import sys
import threading
import time
import traceback
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

WORKER_FAILED = 70  # exit status of a worker after an exception
CHILD_FAILED = 71  # exit status of the child after a worker's death
WATCH_S = 0.2
PR_SET_PDEATHSIG = 1  # linux/prctl.h
FAILURE = "failure.txt"
PARENT = "NEUROCOMPILE_LAVA_PARENT"  # environment: process id of who asked for the run
LAYER = "neurocompile_layer"  # key in a Lava process's parameters
_ending = threading.Lock()


class NamelessMemory:
    """Shared memory without a name, inherited by fork.

    Lava's own segments have names in /dev/shm and stay there when a process is killed; its
    channels are all made before the workers fork, so they need no names, and no process that
    looks after them.
    """

    def __init__(self, size: int) -> None:
        self.buf = memoryview(mmap.mmap(-1, max(size, 1)))


class NamelessMemoryManager:
    """What Lava calls of its SharedMemoryManager."""

    def start(self) -> None:
        """Nothing to start."""

    def shutdown(self) -> None:
        """Nothing to end: the memory goes with the last process that maps it."""

    def create_shared_memory(self, size: int) -> NamelessMemory:
        """Memory for one channel."""
        return NamelessMemory(size)


def install(workspace: Path, watch: ParentWatch) -> None:
    """Put the guards into an imported Lava."""
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
    """Ends everything when the parent is gone or a worker ends before it should.

    A worker's end is seen by its sentinel, a pipe that the kernel closes: its status may be
    taken by multiprocessing, which reaps dead workers whenever it starts another.

    Args:
        workspace: Folder to remove when the parent is gone.
        parent: Process id of who asked for the run.
    """

    def __init__(self, workspace: Path, parent: int) -> None:
        super().__init__(daemon=True)
        self.workspace = workspace
        self.parent = parent
        self.workers: dict[int, int] = {}  # process id by sentinel

    def add(self, worker: Any) -> None:
        """Watch a worker from now on."""
        self.workers = {**self.workers, worker.sentinel: worker.pid}

    def release(self) -> None:
        """Let all workers end: the run went well."""
        self.workers = {}

    def run(self) -> None:
        """Look until there is a reason to end."""
        while True:
            if os.getppid() != self.parent:
                end_everything(self.workspace)
            if not self.workers:
                time.sleep(WATCH_S)
            ended: list[Any] = wait(list(self.workers), timeout=WATCH_S)
            for sentinel in ended:
                pid = self.workers.get(sentinel)  # None where it was released meanwhile
                if pid is not None:
                    tell_failure(
                        self.workspace, f"a Lava worker (process {pid}){_how_it_ended(pid)}"
                    )
                    os._exit(CHILD_FAILED)


def _how_it_ended(pid: int) -> str:
    """The status of a dead worker, where nobody has taken it; it stays there for Lava."""
    try:
        found = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    except ChildProcessError:
        found = None
    if found is None:
        return " ended"
    if found.si_code == os.CLD_EXITED:
        return f" ended with status {found.si_status}"
    return f" was ended by {signal.Signals(found.si_status).name}"


def end_everything(workspace: Path) -> None:
    """Remove the workspace and kill the whole group, this process too."""
    _ending.acquire()  # never released: the first thread that comes here does all of it
    shutil.rmtree(workspace, ignore_errors=True)
    os.killpg(0, signal.SIGKILL)


def _die_with(child: int) -> None:
    """Have the kernel kill this worker when the child is killed, where it can (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != child:  # it was killed before the kernel knew
        os._exit(WORKER_FAILED)


def tell_failure(workspace: Path, line: str) -> None:
    """Leave the reason for the parent; the first one counts, the rest follow from it."""
    try:
        with (workspace / FAILURE).open("x") as file:
            file.write(line)
    except OSError:  # there already, or the workspace is gone
        pass


def _where(builder: Any, actor: Any) -> str:
    parameters = getattr(builder, "proc_params", None)
    layer = parameters.get(LAYER) if parameters is not None else None
    step = getattr(actor, "time_step", None)
    return (layer or "Lava's runtime service") + (f", chip step {step}" if step else "")


def one_line(error: BaseException) -> str:
    """An error as one line of at most 500 characters."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:500]
