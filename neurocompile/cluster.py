"""Processes that share work: Dask's, started on this machine or found on a running scheduler.

In:  a number of local processes, or the address of a scheduler or its file.
Out: a client of Dask, whose workers take one task at a time, for as long as a block runs.
What is started here listens on the loopback only, under a certificate of its own that nobody else
has, shows no dashboard, and ends with the block, with this process, and after Ctrl-C or SIGTERM.
Of an address, no user and no password is ever printed.
"""

from __future__ import annotations

import json
import logging
import os
import re
import secrets
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neurocompile.errors import BadInput, NeurocompileError, first_line
from neurocompile.installed import require

if TYPE_CHECKING:
    from distributed import Client

PATIENCE_S = 10.0  # for a scheduler to answer
RETURN_S = 60.0  # for a scheduler that was lost to be started again
DEATHS = 3  # workers that a task may lose before it is taken for what kills them
USER = re.compile(r"(?P<before>^|://)\S*@")  # a password may hold any sign, an @ as well
LOGS = ("distributed", "distributed.client")  # Dask gives the second a level of its own
STOPPING = (signal.SIGINT, signal.SIGTERM)


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
        BadInput: If the address cannot be used, or no scheduler answers there.
        NotInstalled: If Dask is missing.
    """
    require("workers of Dask")
    with ExitStack() as stack:
        if scheduler is None:
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


def shown(address: str) -> str:
    """An address without the user and the password that may stand in it."""
    return USER.sub(r"\g<before>", address)


@dataclass(frozen=True)
class Failed:
    """What stands in the place of a result that there is none of.

    Attributes:
        reason: What happened, in words.
    """

    reason: str


def each(
    opened: Callable[..., AbstractContextManager[Client]],
    function: Callable[..., Any],
    tasks: Mapping[str, tuple[Any, ...]],
    tell: Callable[[str], None],
) -> Iterator[tuple[str, Any]]:
    """Results of a function, as they come, each once.

    What a worker had at work when it died is done again by another; a task under which several
    workers died, or that fails in a way that is not foreseen, is `Failed`. After a scheduler that
    was lost, `opened` is called again, and what has no result by then is asked for anew.

    Args:
        opened: Opens `workers`, with the time for the scheduler to answer; called again if it is
            lost.
        function: A function of a module, which the workers can import.
        tasks: Its arguments by name, in the order in which to begin.
        tell: Called with a sentence where the work is held up.

    Raises:
        NeurocompileError: If the function raises one.
        BadInput: As `opened`.
    """
    waiting, patience_s = dict(tasks), PATIENCE_S
    while waiting:
        with opened(patience_s=patience_s) as client:
            if not client.scheduler_info()["workers"]:
                tell("the scheduler has no workers yet; the work begins with the first")
            for name, result in _ready(client, function, waiting):
                del waiting[name]
                yield name, result
        if waiting:
            patience_s = RETURN_S
            tell(f"the scheduler is lost; {len(waiting)} tasks wait for one at the same address")


def _ready(
    client: Client, function: Callable[..., Any], tasks: Mapping[str, tuple[Any, ...]]
) -> Iterator[tuple[str, Any]]:
    """Results as long as the scheduler is there."""
    from distributed import as_completed

    group = f"{function.__name__}-{secrets.token_hex(4)}"  # no other client's task has this name
    names = {f"{group}-{at}": name for at, name in enumerate(tasks)}
    futures = as_completed(
        [
            client.submit(function, *tasks[name], key=key, pure=False, priority=-at)
            for at, (key, name) in enumerate(names.items())
        ],
        raise_errors=False,
        with_results=True,
        loop=client.loop,
    )
    for future, result in futures:
        name, status = names[future.key], future.status
        if status == "error":
            error = future.exception()
            if isinstance(error, NeurocompileError):
                raise error
            result = Failed(_reason(error))
        elif status != "finished":
            return
        future.release()  # or a worker that dies would have it done again, though it is here
        del future
        yield name, result


def _reason(error: BaseException) -> str:
    from distributed import KilledWorker

    if isinstance(error, KilledWorker):
        return (
            f"{error.allowed_failures + 1} workers died while they worked on it, for example for "
            "want of memory"
        )
    return (
        f"a fault of neurocompile or of its packages: {type(error).__name__}: {first_line(error)}"
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
        stack.enter_context(cluster)
        yield stack.enter_context(Client(cluster, set_as_default=False))


@contextmanager
def _found(scheduler: str, patience_s: float) -> Iterator[Client]:
    """The workers of a running scheduler."""
    from distributed import Client

    with ExitStack() as stack:
        stack.enter_context(_quiet())
        stack.enter_context(_stoppable())
        yield stack.enter_context(_connected(Client, scheduler, patience_s))


def _connected(client: Any, scheduler: str, patience_s: float) -> Client:
    address = _address_in(scheduler) if os.path.isfile(scheduler) else scheduler
    name = shown(address)
    if name != address:
        raise BadInput(
            f"the address {name} of the scheduler has a user or a password before it, which Dask "
            "does not take. Leave it out; TLS keeps others away, see docs/sweeps.md."
        )
    try:
        found: Client = client(address, timeout=patience_s, set_as_default=False)
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        raise BadInput(
            f"there is no Dask scheduler at {name} ({first_line(error)}). Start one with "
            "`dask scheduler`, and give the address that it prints, such as tcp://10.0.0.1:8786, "
            "or the file of its --scheduler-file."
        ) from None
    return found


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
    """SIGTERM ends the block as Ctrl-C does; while what was started ends, neither interrupts it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in STOPPING}

    def stop(number: int, frame: Any) -> None:
        for each in STOPPING:
            signal.signal(each, signal.SIG_IGN)
        found = before[signal.Signals(number)]
        if callable(found):  # whoever started this says which exception a signal is
            found(number, frame)
        raise KeyboardInterrupt

    for number in STOPPING:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number in STOPPING:
            signal.signal(number, before[number])
