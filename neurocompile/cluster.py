"""Processes that share work: Dask's, started on this machine or found on a running scheduler.

In:  a number of local processes, or the address of a scheduler or its file; tasks.
Out: a client of Dask, whose workers take one task at a time, for as long as a block runs; the
     result of each task once, whichever workers and schedulers are lost meanwhile.
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
import secrets
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from neurocompile import __version__
from neurocompile.errors import BadInput, NeurocompileError, first_line, shortened
from neurocompile.installed import require

if TYPE_CHECKING:
    from distributed import Client

Name = TypeVar("Name", bound=Hashable)
Task = tuple[Any, tuple[Any, ...]]  # its name and its arguments

PATIENCE_S = 10.0  # for a scheduler to answer
RETURN_S = 60.0  # for a scheduler that was lost to be started again
DEATHS = 3  # workers that a task may lose before it is taken for what kills them
LOSSES = 3  # schedulers that may be lost one after another without any result
PER_THREAD = 2  # tasks in flight: one at work, and one that is there when it ends
NEWCOMERS_S = 1.0  # until workers that came meanwhile get something to do
TOLD_S = 0.2  # until a client knows of all tasks that failed at once
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


class SchedulerLost(BadInput):
    """The scheduler was lost in the middle, and none came back."""


@dataclass(frozen=True)
class Failed:
    """What stands in the place of a result that there is none of.

    Attributes:
        reason: What happened, in words.
        error: What the task raised; KilledWorker if workers died under it.
        beside: Names of all tasks under which the same workers died, this one among them: each of
            them was at work or came next, so any of them may be what killed the workers.
    """

    reason: str
    error: BaseException
    beside: tuple[Any, ...] = ()


def each(
    opened: Callable[..., AbstractContextManager[Client]],
    function: Callable[..., Any],
    tasks: Iterable[tuple[Name, tuple[Any, ...]]],
    tell: Callable[[str], None],
    held: tuple[Any, ...] = (),
) -> Iterator[tuple[Name, Any]]:
    """Results of a function, as they come, each once.

    What a worker had at work when it died is done again by another; a task under which several
    workers died, or that fails in a way that is not foreseen, is `Failed`. After a scheduler that
    was lost, `opened` is called again, and what has no result by then is asked for anew.

    Args:
        opened: Opens `workers`, with the time for the scheduler to answer; called again if it is
            lost.
        function: A function of a module, which the workers can import.
        tasks: A name and arguments for each call, in the order in which to begin. They are taken
            as workers become free, so that not all need to be there at once.
        tell: Called with a sentence where the work is held up.
        held: Arguments of every call before its own. They are sent once, from one worker to the
            others, and again if all workers that had them are lost.

    Raises:
        NeurocompileError: If the function raises one.
        BadInput: As `opened`, and if a worker lacks a package.
        SchedulerLost: If no scheduler came back, or several were lost without any result.
    """
    left, losses = iter(tasks), 0
    while (task := next(left, None)) is not None:
        if losses:
            tell("the scheduler is lost; waiting for one at the same address")
        with _opened(opened, losses) as client:
            work = _Work(client, function, held, chain([task], left), tell)
            for found in work.results():
                losses = 0
                yield found
        left = work.rest()
        losses = 0 if work.there else losses + 1


@contextmanager
def _opened(opened: Callable[..., AbstractContextManager[Client]], losses: int) -> Iterator[Client]:
    """What `opened` opens, with more patience after a scheduler that was lost."""
    if losses > LOSSES:
        raise SchedulerLost(
            f"the scheduler of Dask was lost {losses} times without a result between. See whether "
            "it has memory enough, and what it says itself."
        )
    with ExitStack() as stack:
        try:
            client = stack.enter_context(opened(patience_s=RETURN_S if losses else PATIENCE_S))
        except BadInput as error:
            if not losses:
                raise
            raise SchedulerLost(
                f"the scheduler of Dask was lost, and none came back in {RETURN_S:g} s: {error}"
            ) from None
        yield client


class _Work:
    """Tasks under one scheduler, for as long as it is there.

    Attributes:
        running: The tasks that were sent and have no result yet, by key.
        there: Whether the scheduler is.
    """

    def __init__(
        self,
        client: Client,
        function: Callable[..., Any],
        held: tuple[Any, ...],
        left: Iterator[Task],
        tell: Callable[[str], None],
    ) -> None:
        from distributed import as_completed

        self.client, self.function, self.held, self.left = client, function, held, left
        self.tell = tell
        self.running = dict[str, Task]()
        self.there = True
        self._shared: list[Any] | None = None
        self._sent = 0
        # No other client's task has this name.
        self._group = f"{function.__name__}-{secrets.token_hex(4)}"
        self._ready = as_completed(raise_errors=False, with_results=True, loop=client.loop)

    def rest(self) -> Iterator[Task]:
        """The tasks without a result, those that were sent first."""
        return chain(self.running.values(), self.left)

    def results(self) -> Iterator[tuple[Any, Any]]:
        """Results until there are all of them, or the scheduler is lost."""
        from distributed import CancelledError, KilledWorker

        self._send()
        while self.there and self.running:
            done = []
            for future, result in self._came():
                if isinstance(result, CancelledError):
                    self.there = False
                    continue
                error = result[1] if future.status == "error" else None
                done.append((self.running.pop(future.key)[0], result, error))
                future.release()  # or it would be done again if the worker that has it dies
            self._send()
            killed = tuple(name for name, _, error in done if isinstance(error, KilledWorker))
            done.sort(key=lambda found: found[2] is not None)  # an error may be the end of the work
            for name, result, error in done:
                yield name, result if error is None else _failed(name, error, killed)

    def _send(self) -> None:
        """Keep every worker busy that is there now."""
        there = self._asked(self.client.nthreads) or {}
        self._replace(len(there))
        if self._shared is None:
            self._shared = [
                self._asked(self.client.submit, _itself, one, pure=False) for one in self.held
            ]
            if self.there and not there:
                self.tell("the scheduler has no workers yet; the work begins with the first")
        most = PER_THREAD * max(1, sum(there.values()))
        while self.there and len(self.running) < most:
            if (task := next(self.left, None)) is None:
                return
            number, arguments = self._sent, (*self._shared, *task[1])
            key = f"{self._group}-{number}"
            self.running[key] = task  # first, so that it is not lost with the scheduler
            self._sent += 1
            future = self._asked(
                self.client.submit, self.function, *arguments, key=key, pure=False, priority=-number
            )
            if future is not None:
                self._ready.add(future)

    def _replace(self, there: int) -> None:
        """Start workers of this machine again that Dask gave up.

        One that dies in its first moments is not started again by itself; asking for the number of
        workers does that, some time after it was lost.
        """
        started: Any = self.client.cluster
        if started is not None and there < (wanted := len(started.worker_spec)):
            self._asked(started.scale, wanted)

    def _asked(self, ask: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """What the scheduler is asked for; None if it is lost, which shows in several errors."""
        from distributed import CancelledError

        self.there = self.there and self.client.status == "running"
        if not self.there:
            return None
        try:
            return ask(*arguments, **options)
        except Exception as error:
            if self.client.status == "running" and not isinstance(error, OSError | CancelledError):
                raise
            self.there = False
            return None

    def _came(self) -> list[tuple[Any, Any]]:
        """Futures that are done, with their results; none if new workers may have come before."""
        from distributed import KilledWorker

        with self._ready.thread_condition:
            if not self._ready.has_ready():
                self._ready.thread_condition.wait(NEWCOMERS_S)
        came: list[tuple[Any, Any]] = self._ready.next_batch(block=False)
        if any(f.status == "error" and isinstance(found[1], KilledWorker) for f, found in came):
            time.sleep(TOLD_S)
            came += self._ready.next_batch(block=False)
        return came


def _itself(held: Any) -> Any:
    """What all tasks have: it is kept as the result of a task, which is run again if it is lost."""
    return held


def _failed(name: Any, error: BaseException, killed: tuple[Any, ...]) -> Failed:
    """What stands in the place of the result.

    Raises:
        NeurocompileError: If it was raised for a user, or a package is missing.
    """
    from distributed import KilledWorker

    if isinstance(error, NeurocompileError):
        raise error
    if isinstance(error, ImportError):
        raise BadInput(
            f"a worker cannot import what it needs ({first_line(error)}). Install neurocompile "
            f"{__version__} where the workers run."
        )
    if isinstance(error, KilledWorker):
        at_work = "worked on it" if len(killed) == 1 else "worked on it, or had it next"
        return Failed(
            f"{error.allowed_failures + 1} workers died while they {at_work}, for example for "
            "want of memory",
            error,
            killed,
        )
    return Failed(
        f"a fault of neurocompile or of its packages: {type(error).__name__}: {first_line(error)}",
        error,
    )


@contextmanager
def _local(count: int | None) -> Iterator[Client]:
    """Workers in processes of this machine, under a scheduler in a thread of this one."""
    import dask.config
    from distributed import Client, LocalCluster

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
        scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="neurocompile-"))
        stack.enter_context(dask.config.set(settings))
        stack.enter_context(_quiet())
        stack.enter_context(_stoppable())
        try:
            cluster = LocalCluster(
                n_workers=count or cores(),
                threads_per_worker=1,
                host="127.0.0.1",
                protocol="tls",
                security=True,
                dashboard_address="127.0.0.1:0",  # without a port it would take one others may
                scheduler_kwargs={"dashboard": False},
                local_directory=scratch,
                silence_logs=logging.CRITICAL,
            )
        except RuntimeError as error:
            raise BadInput(
                f"the workers could not be started ({first_line(error)}). A program that starts "
                'them is a file, and does so below `if __name__ == "__main__":`, for each worker '
                "imports it."
            ) from None
        except (ValueError, KeyError, TypeError, OSError) as error:
            raise _settings(error) from None
        stack.enter_context(cluster)
        yield stack.enter_context(Client(cluster, set_as_default=False))


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
        if callable(handler):  # whoever started this says which exception a signal is
            handler(number, frame)
        raise KeyboardInterrupt

    for number in before:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
