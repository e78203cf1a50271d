"""Share out the samples of one run among processes, and take each part back once.

In:  a function of a range of samples that changes nothing, what it needs, who shall run it.
Out: its results, in any order; each range of samples in exactly one of them.
Samples stay where they are: a worker is sent the paths of shards and a range, and reads for itself.
A part whose worker is lost runs again on another one; nothing of the lost one was counted.
"""

from __future__ import annotations

import copyreg
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType
from typing import Any, TypeVar

from neurocompile import __version__
from neurocompile.cluster import workers
from neurocompile.data.samples import Data
from neurocompile.data.shards.rows import Rows
from neurocompile.data.stimulus import Stimulus
from neurocompile.engines.batches import BATCH
from neurocompile.engines.progress import Progress, silent
from neurocompile.errors import BadInput, first_line
from neurocompile.installed import require

PARTS_PER_WORKER = 8  # so that none waits long for the last one
MOST_SAMPLES = 10_000  # of a part: what is lost with a worker
TOLD_S = 0.2  # until a client knows of all that failed at once
WARN_BYTES = "1 GiB"  # of what all parts need; Dask warns at 10 MB, which a network may have

Job = TypeVar("Job")
Part = TypeVar("Part")
Run = Callable[[Job, Stimulus, Progress], Part]


@dataclass(frozen=True)
class Spread:
    """Who runs the samples; by default this process.

        if __name__ == "__main__":  # workers import the script that starts them
            compiled.run("shards:digits", spread=nc.Spread(workers=2))

    Attributes:
        workers: Number of processes to start on this machine; None starts none.
        scheduler: Address or file of a running scheduler of Dask; None uses none.
    """

    workers: int | None = None
    scheduler: str | None = None

    @property
    def here(self) -> bool:
        """Whether this process runs all samples."""
        return self.workers is None and self.scheduler is None

    def check(self, data: Data | None) -> None:
        """Refuse to share out what is not in shards.

        Raises:
            BadInput: Names the data.
        """
        if not self.here and (data is None or not data.in_shards):
            found = "there are no data" if data is None else f"the data are {data.name}"
            raise BadInput(
                f"workers share out the samples of shards:DIR only, but {found}. Save them as "
                "shards, or leave out the workers (--workers, --scheduler)."
            )


HERE = Spread()


def parts_of(
    run: Run[Job, Part], job: Job, stimulus: Stimulus, spread: Spread, progress: Progress = silent
) -> Iterator[Part]:
    """Run all samples, and yield the results of all parts.

    Args:
        run: Function of `job`, some of the samples and a progress; it has no effect but its result.
        job: What every part needs.
        stimulus: All samples.
        spread: Who runs them.
        progress: Called as the run proceeds.

    Raises:
        BadInput: If no workers can be had, or they were lost.
        NotInstalled: If Dask is missing.
    """
    if spread.here:
        yield run(job, stimulus, progress)
        return
    spread.check(stimulus.data)
    require("workers of Dask")
    import dask.config
    import distributed  # noqa: F401  it brings settings, which must be there before one is set

    settings = {"distributed.admin.large-graph-warning-threshold": WARN_BYTES}
    copyreg.pickle(MappingProxyType, _mapping)  # type: ignore[arg-type]
    with (
        dask.config.set(settings),
        workers(spread.scheduler, spread.workers) as client,
        _losses_in_words(),
    ):
        yield from _on(client, run, job, stimulus, progress)


def cut(stimulus: Stimulus, workers: int) -> list[tuple[int, int]]:
    """Ranges of samples of about equal size, of whole batches.

    A file that can only be read whole is not cut in two, except where a batch reaches into the
    next one: a batch holds the same samples however they are stored.

    Args:
        stimulus: Samples of shards.
        workers: Number of workers.
    """
    rows: Any = stimulus.data.values
    assert isinstance(rows, Rows)
    share = -(-len(stimulus) // (workers * PARTS_PER_WORKER * BATCH)) * BATCH
    most = min(max(share, BATCH), MOST_SAMPLES)
    cuts = [stimulus.first]
    for at, shard in enumerate(rows.shards):
        first, last = rows.starts[at : at + 2]
        inside = (
            [] if shard.values.chunk is None else range(max(cuts[-1], first) + most, last, most)
        )
        for end in (*inside, last):
            end = min(-(-end // BATCH) * BATCH, stimulus.end)
            if end - cuts[-1] >= most:
                cuts.append(end)
    if cuts[-1] < stimulus.end:
        cuts.append(stimulus.end)
    return list(pairwise(cuts))


def _on(
    client: Any, run: Run[Job, Part], job: Job, stimulus: Stimulus, progress: Progress
) -> Iterator[Part]:
    """Keep every worker of a cluster busy with one part, and with one that waits."""
    from distributed import as_completed

    workers_there = len(client.nthreads())
    if not workers_there:
        raise BadInput(
            "the scheduler of Dask has no workers. Start some with `dask worker ADDRESS`, and run "
            "the command again."
        )
    held = client.submit(_held, __version__, (job, stimulus), pure=False)
    waiting = iter(cut(stimulus, workers_there))
    running: dict[Any, tuple[int, int]] = {}
    done, total = 0, len(stimulus)
    ready = as_completed(loop=client.loop)

    def send() -> None:
        while len(running) < 2 * max(1, len(client.nthreads())):
            span = next(waiting, None)
            if span is None:
                return
            future = client.submit(_run, run, held, *span, pure=False)
            running[future] = span
            ready.add(future)

    progress("workers", 0, total)
    send()
    while running:
        future = next(ready)
        found = _result(future, running, stimulus.data.name)
        first, last = running.pop(future)
        future.release()  # or it would be done again if the worker that has it dies
        yield found
        done += last - first
        progress("workers", done, total)
        send()
    if done != total:
        raise RuntimeError(f"{done} of {total} samples were counted")


def _result(future: Any, running: Mapping[Any, tuple[int, int]], name: str) -> Any:
    """The result of a part, or the samples under which workers died."""
    from distributed import KilledWorker

    try:
        return future.result()
    except KilledWorker:
        time.sleep(TOLD_S)  # what waited on the same workers fails as well
        lost = sorted(span for each, span in running.items() if each.status == "error")
        spans = ", or ".join(f"{first} to {last - 1}" for first, last in lost)
        raise BadInput(
            f"samples {spans} of {name} ended one worker after another: it was killed, ran out of "
            "memory or crashed at a damaged file. Nothing was written. Look at the shards of these "
            "samples, or start fewer workers."
        ) from None


@contextmanager
def _losses_in_words() -> Iterator[None]:
    """A sentence where the scheduler is lost, or workers lack what they need."""
    from distributed import CancelledError
    from distributed.comm import CommClosedError

    try:
        yield
    except (CancelledError, CommClosedError, TimeoutError) as error:
        raise BadInput(
            f"the scheduler of Dask was lost ({first_line(error)}). Nothing was written. Run the "
            "command again."
        ) from None
    except ImportError as error:
        raise BadInput(
            f"a worker cannot import what it needs ({first_line(error)}). Install neurocompile "
            f"{__version__} where the workers run."
        ) from None


def _held(version: str, given: Any) -> Any:
    """What all parts need, kept by the workers; if all that have it are lost, it is sent again."""
    if version != __version__:
        raise BadInput(
            f"a worker has neurocompile {__version__}, but this is {version}. Install the same "
            "version where the workers run."
        )
    return given


def _run(run: Run[Job, Part], held: tuple[Job, Stimulus], first: int, last: int) -> Part:
    """Run a part, in a worker."""
    job, stimulus = held
    return run(job, stimulus.part(first, last), silent)


def _mapping(proxy: MappingProxyType[Any, Any]) -> tuple[Any, tuple[dict[Any, Any]]]:
    """How a mapping that cannot be changed is sent."""
    return _unchanging, (dict(proxy),)


def _unchanging(content: dict[Any, Any]) -> MappingProxyType[Any, Any]:
    return MappingProxyType(content)
