"""Tasks for workers of Dask: each one's result once, whoever is lost meanwhile.

In:  what opens workers, a function, tasks.
Out: the result of each task once, whichever workers and schedulers are lost meanwhile.
"""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeVar

from neurocompile import __version__
from neurocompile.cluster.workers import PATIENCE_S
from neurocompile.errors import BadInput, NeurocompileError, first_line

if TYPE_CHECKING:
    from distributed import Client

Name = TypeVar("Name", bound=Hashable)
Task = tuple[Any, tuple[Any, ...]]  # its name and its arguments

RETURN_S = 60.0  # for a scheduler that was lost to be started again
LOSSES = 3  # schedulers that may be lost one after another without any result
PER_THREAD = 2  # tasks in flight: one at work, and one that is there when it ends
NEWCOMERS_S = 1.0  # until workers that came meanwhile get something to do


class SchedulerLost(BadInput):
    """The scheduler was lost in the middle, and none came back."""


@dataclass(frozen=True)
class Failed:
    """What stands in the place of a result that there is none of.

    Attributes:
        reason: What happened, in words.
        error: What the task raised; KilledWorker if workers died under it.
    """

    reason: str
    error: BaseException


def each(
    opened: Callable[..., AbstractContextManager[Client]],
    function: Callable[..., Any],
    tasks: Iterable[tuple[Name, tuple[Any, ...]]],
    tell: Callable[[str], None],
    held: tuple[Any, ...] = (),
) -> Iterator[tuple[Name, Any]]:
    """Results of a function, as they come, each once.

    What a worker had at work when it died is done again by another. A task under which several
    workers died waits until all others are done and is then tried alone, for another may have been
    at fault, or chance. If workers die again, or a task fails in a way that is not foreseen, it is
    `Failed`. After a scheduler that was lost, `opened` is called again, and what has no result by
    then is asked for anew.

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
        suspects: Those under which workers died, to be tried alone.
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
        self.suspects = deque[Task]()
        self.there = True
        self._shared: list[Any] | None = None
        self._sent = 0
        self._alone = False  # whether one suspect is tried at a time
        # No other client's task has this name.
        self._group = f"{function.__name__}-{secrets.token_hex(4)}"
        self._ready = as_completed(raise_errors=False, with_results=True, loop=client.loop)

    def rest(self) -> Iterator[Task]:
        """The tasks without a result, those that were sent first."""
        return chain(self.running.values(), self.left, self.suspects)

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
                task = self.running.pop(future.key)
                error = result[1] if future.status == "error" else None
                if isinstance(error, KilledWorker) and not self._alone:
                    self.suspects.append(task)
                else:
                    done.append((task[0], result, error))
                future.release()  # or it would be done again if the worker that has it dies
            self._send()
            done.sort(key=lambda found: found[2] is not None)  # an error may be the end of the work
            for name, result, error in done:
                yield name, result if error is None else _failed(error)

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
        while self.there and len(self.running) < (1 if self._alone else most):
            if (task := self._next()) is None:
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

    def _next(self) -> Task | None:
        """The next task to send, if there is one; the suspects come last, one by one."""
        if not self._alone:
            if (task := next(self.left, None)) is not None:
                return task
            self._alone = bool(self.suspects) and not self.running
        return self.suspects.popleft() if self._alone and self.suspects else None

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
        with self._ready.thread_condition:
            if not self._ready.has_ready():
                self._ready.thread_condition.wait(NEWCOMERS_S)
        came: list[tuple[Any, Any]] = self._ready.next_batch(block=False)
        return came


def _itself(held: Any) -> Any:
    """What all tasks have: it is kept as the result of a task, which is run again if it is lost."""
    return held


def _failed(error: BaseException) -> Failed:
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
        died = error.allowed_failures + 1
        return Failed(
            f"{died} workers died while it was one of their tasks, and {died} more while they had "
            "no other, for example for want of memory",
            error,
        )
    return Failed(
        f"a fault of neurocompile or of its packages: {type(error).__name__}: {first_line(error)}",
        error,
    )
