"""Workers of Dask, started on this machine or found on a running scheduler.

In:  a number of local processes, or the address of a scheduler or its file.
Out: a client of Dask, whose workers take one task at a time, for as long as a block runs.
What is started here listens on the loopback only, under a certificate of its own that nobody else
has, shows no dashboard, and ends with the block, with this process, and after Ctrl-C or SIGTERM.
Of an address, no user and no password is ever printed.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neurocompile.errors import BadInput, first_line, shortened
from neurocompile.formats.scratch import scratch, uninterrupted
from neurocompile.formats.whole import cannot_keep
from neurocompile.installed import require

if TYPE_CHECKING:
    from distributed import Client, LocalCluster

PATIENCE_S = 10.0  # for a scheduler to answer
DEATHS = 3  # workers that a task may lose before it is taken for what kills them
REASON = 200  # characters of what Dask says
PER_CORE = 8  # local workers: more only wait for each other and take memory
WARN_BYTES = "1 GiB"  # of what all tasks have; Dask warns at 10 MB, which a network may take
USER = re.compile(r"^(?P<before>\w+://)?.*@", re.DOTALL)  # a password may hold any sign
LOGS = ("distributed", "distributed.client")  # Dask gives the second a level of its own
STOPPING = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)


@contextmanager
def workers(
    scheduler: str | None = None, count: int | None = None, patience_s: float = PATIENCE_S
) -> Iterator[Client]:
    """A client of Dask, with workers of one thread each.

    Args:
        scheduler: Address of a running scheduler, such as tcp://10.0.0.1:8786, or the file that
            `dask scheduler --scheduler-file` wrote. None starts processes on this machine.
        count: Number of processes to start; None is one per core that this process may use.
        patience_s: Time for a scheduler to answer, seconds.

    Raises:
        BadInput: If the address cannot be used, no scheduler answers there, or the processes are
            more than the cores can use.
        NotInstalled: If Dask is missing.
    """
    require("workers of Dask")
    try:
        import dask.config
        import distributed  # noqa: F401  it brings settings, which must be there before one is set
    except ValueError as error:
        raise _settings(error) from None
    settings = {"distributed.admin.large-graph-warning-threshold": WARN_BYTES}
    with ExitStack() as stack:
        stack.enter_context(dask.config.set(settings))
        if scheduler is None:
            _check_count(count)
            yield stack.enter_context(_local(count))
        else:
            if count is not None:
                raise BadInput(
                    "a running scheduler has workers of its own, so none are started here. Leave "
                    "out their number, or the scheduler."
                )
            yield stack.enter_context(_found(scheduler, patience_s))


def cores() -> int:
    """How many cores this process may use: the number of local workers unless one is given."""
    from dask.system import CPU_COUNT

    return int(CPU_COUNT)


def _check_count(count: int | None) -> None:
    """Refuse a number of local workers that is a typing error."""
    most = PER_CORE * cores()
    if count is not None and count > most:
        raise BadInput(
            f"{count:,} workers are more than {PER_CORE} per core of this machine. Start at most "
            f"{most:,}; one per core is usually fastest."
        )


def shown(address: str) -> str:
    """An address without the user and the password that may stand in it."""
    return USER.sub(r"\g<before>", address)


@contextmanager
def _local(count: int | None) -> Iterator[Client]:
    """Workers in processes of this machine, under a scheduler in a thread of this one."""
    import dask.config
    from distributed import Client

    settings = {
        "distributed.scheduler.worker-saturation": 1.0,  # nothing waits where it may be lost
        "distributed.scheduler.allowed-failures": DEATHS,
        "distributed.scheduler.http.routes": [],
        "distributed.worker.http.routes": [],
        # Set, it keeps memory from being used again: each large array would come fresh and cold.
        "distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": None,
        "distributed.worker.profile.enabled": False,  # it samples the stack 100 times a second
    }
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(scratch(Path(tempfile.gettempdir())))
        except OSError as error:
            raise cannot_keep("what the workers hold", error) from None
        stack.enter_context(dask.config.set({**settings, "temporary-directory": str(folder)}))
        stack.enter_context(_quiet())
        stack.enter_context(_stoppable())
        loop = stack.enter_context(_deaf_loop())
        with uninterrupted():  # or workers that are half made would tell so in tracebacks
            cluster = stack.enter_context(_started(count or cores(), str(folder), loop))
            client = stack.enter_context(Client(cluster, set_as_default=False))
        yield client


@contextmanager
def _deaf_loop() -> Iterator[Any]:
    """A loop of Dask in a thread that leaves Ctrl-C and SIGHUP to this one, as do its processes.

    A terminal sends them to every process, and each worker would tell of it in a traceback.
    """
    from multiprocessing import resource_tracker

    from distributed.utils import LoopRunner

    runner = LoopRunner()
    if hasattr(signal, "pthread_sigmask"):
        before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP])
        try:  # threads and processes begin with the signals blocked that are here
            resource_tracker.ensure_running()  # the thread that starts it takes Ctrl-C again
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
            runner.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
    else:
        runner.start()
    try:
        yield runner.loop
    finally:
        runner.stop()


def _started(count: int, folder: str, loop: Any) -> LocalCluster:
    """A cluster of processes of this machine, which keep what they hold in a folder."""
    from distributed import LocalCluster

    try:
        return LocalCluster(
            n_workers=count,
            threads_per_worker=1,
            host="127.0.0.1",
            protocol="tls",
            security=True,
            dashboard_address="127.0.0.1:0",  # without a port it would take one others may
            scheduler_kwargs={"dashboard": False},
            local_directory=folder,
            silence_logs=logging.CRITICAL,
            loop=loop,
        )
    except RuntimeError as error:
        raise BadInput(
            f"the workers could not be started ({first_line(error)}). A program that starts "
            'them is a file, and does so below `if __name__ == "__main__":`, for each worker '
            "imports it."
        ) from None
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise _settings(error) from None


def _settings(error: Exception) -> BadInput:
    """The error for settings of a user's own that Dask cannot use."""
    return BadInput(
        f"Dask does not start with its settings ({shortened(first_line(error), REASON)}). Look at "
        "the variables DASK_... and at the files in ~/.config/dask."
    )


@contextmanager
def _found(scheduler: str, patience_s: float) -> Iterator[Client]:
    """The workers of a running scheduler."""
    from distributed import Client

    with ExitStack() as stack:
        stack.enter_context(_quiet())
        stack.enter_context(_stoppable())
        yield stack.enter_context(_connected(Client, scheduler, patience_s))


def _connected(client: Any, scheduler: str, patience_s: float) -> Client:
    from distributed.utils import LoopRunner

    address = _address_in(scheduler) if os.path.isfile(scheduler) else scheduler
    name = shown(address)
    if name != address:
        raise BadInput(
            f"the address {name} of the scheduler has a user or a password before it, which Dask "
            "does not take. Leave it out; TLS keeps others away, see docs/sweeps.md."
        )
    if name.endswith((".json", ".JSON")):
        raise BadInput(
            f"the file {name} of a Dask scheduler is not there. Start one with `dask scheduler "
            "--scheduler-file FILE`, and give the path of that file."
        )
    try:  # a client that finds nobody would hold the end of the process up for 20 s
        LoopRunner().run_sync(_greet, address, patience_s)
        found: Client = client(address, timeout=patience_s, set_as_default=False)
    except Exception as error:  # whatever Dask makes of what a stranger's program answers
        reason = first_line(error)
        if isinstance(error, TimeoutError):
            reason = f"it did not answer in {patience_s:g} s"
        elif isinstance(error, MemoryError):  # as HTTP reads, if it is taken for sizes
            reason = "what answers there is something else"
        raise BadInput(
            f"there is no Dask scheduler at {name} ({reason}). Start one with "
            "`dask scheduler`, and give the address that it prints, such as tcp://10.0.0.1:8786, "
            "or the file of its --scheduler-file."
        ) from None
    return found


async def _greet(address: str, patience_s: float) -> None:
    """See whether a scheduler answers: Dask's client waits without end for its first words."""
    from distributed import Security
    from distributed.comm import connect

    secured = Security().get_connection_args("client")
    async with asyncio.timeout(patience_s):
        (await connect(address, timeout=patience_s, **secured)).abort()


def _address_in(file: str) -> str:
    """The address in a file that `dask scheduler --scheduler-file` wrote."""
    try:
        content = json.loads(Path(file).read_text(encoding="utf-8"))
        address = content["address"]
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        address = None
    if not isinstance(address, str):
        raise BadInput(
            f"{file} is not the file of a Dask scheduler: it names no address. Start one with "
            "`dask scheduler --scheduler-file FILE`."
        )
    return address


@contextmanager
def _quiet() -> Iterator[None]:
    """Dask's own log, which tells of each worker that is lost, kept off the screen."""
    before = {name: logging.getLogger(name).level for name in LOGS}
    for name in LOGS:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)


@contextmanager
def _stoppable() -> Iterator[None]:
    """SIGTERM and SIGHUP end the block as Ctrl-C does; while what was started ends, none does.

    What the caller has ignored, as a shell does for its background jobs, stays ignored.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    found = {number: signal.getsignal(number) for number in STOPPING}
    before = {number: handler for number, handler in found.items() if handler is not signal.SIG_IGN}

    def stop(number: int, frame: Any) -> None:
        for each in before:
            signal.signal(each, signal.SIG_IGN)
        handler = before[signal.Signals(number)]
        # Whoever started this says which exception a signal is, or that it comes again later
        if callable(handler) and handler(number, frame):
            for each in before:
                signal.signal(each, stop)
            return
        raise KeyboardInterrupt

    for number in before:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
