"""Share out the samples of one run among processes, and take each part back once.

In:  a function of a range of samples that changes nothing, what it needs, who shall run it.
Out: its results, in any order; each range of samples in exactly one of them.
Samples stay where they are: a worker is sent the paths of shards and a range, and reads for itself.
A part whose worker is lost runs again on another one; nothing of the lost one was counted.
"""

from __future__ import annotations

import copyreg
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from neurocompile import __version__
from neurocompile.cluster.tasks import Failed, SchedulerLost, each
from neurocompile.cluster.workers import workers
from neurocompile.data.samples import Data
from neurocompile.data.shards.rows import Rows
from neurocompile.data.stimulus import Stimulus
from neurocompile.engines.batches import BATCH
from neurocompile.engines.progress import Progress, silent
from neurocompile.errors import BadInput

if TYPE_CHECKING:
    from distributed import Client

PARTS_PER_WORKER = 8  # so that none waits long for the last one
MOST_SAMPLES = 10_000  # of a part: what is lost with a worker

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

    def __post_init__(self) -> None:
        """Refuse a number of workers that is none."""
        given = self.workers
        if given is not None and (not isinstance(given, int) or isinstance(given, bool)):
            raise BadInput(f"workers={given!r} is no whole number. Give the number of processes.")
        if given is not None and given < 1:
            raise BadInput(f"workers={given} starts nobody. Give 1 or more, or leave it out.")

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
        BadInput: If no workers can be had, or samples ended several of them.
        SchedulerLost: If the scheduler was lost, and none came back.
        NotInstalled: If Dask is missing.
    """
    if spread.here:
        yield run(job, stimulus, progress)
        return
    spread.check(stimulus.data)
    copyreg.pickle(MappingProxyType, _mapping)  # type: ignore[arg-type]
    spans = cut(stimulus, _workers_of(spread))
    done, total = 0, len(stimulus)

    def tell(what: str) -> None:
        progress(what, done, total)

    def opened(patience_s: float) -> AbstractContextManager[Client]:
        return workers(spread.scheduler, spread.workers, patience_s)

    progress("workers", 0, total)
    shared = _Shared(__version__, run, job, stimulus)
    try:
        for (first, last), found in each(
            opened, _run, zip(spans, spans, strict=True), tell, (shared,)
        ):
            if isinstance(found, Failed):
                raise _lost(found, (first, last), stimulus.data.name)
            yield found
            done += last - first
            progress("workers", done, total)
    except SchedulerLost as error:
        raise SchedulerLost(f"{error} Nothing was written.") from None
    if done != total:
        raise RuntimeError(f"{done} of {total} samples were counted")


def _workers_of(spread: Spread) -> int:
    """How many workers there are to begin with."""
    if spread.workers is not None:
        return spread.workers
    with workers(spread.scheduler) as client:
        there = len(client.nthreads())
    if not there:
        raise BadInput(
            "the scheduler of Dask has no workers. Start some with `dask worker ADDRESS`, and run "
            "the command again."
        )
    return there


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


@dataclass(frozen=True)
class _Shared:
    """What all parts need, and the version that they must have."""

    version: str
    run: Callable[..., Any]
    job: Any
    stimulus: Stimulus


def _run(shared: _Shared, first: int, last: int) -> Any:
    """Run a part, in a worker."""
    if shared.version != __version__:
        raise BadInput(
            f"a worker has neurocompile {__version__}, but this is {shared.version}. Install the "
            "same version where the workers run."
        )
    return shared.run(shared.job, shared.stimulus.part(first, last), silent)


def _lost(found: Failed, span: tuple[int, int], name: str) -> BaseException:
    """What a part raised, or the samples under which workers died."""
    from distributed import KilledWorker

    if not isinstance(found.error, KilledWorker):
        return found.error
    return BadInput(
        f"samples {span[0]} to {span[1] - 1} of {name} ended one worker after another, also while "
        "no others ran: killed, out of memory or crashed at a damaged file. Nothing was written. "
        "Look at the shards of these samples, or start fewer workers."
    )


def _mapping(proxy: MappingProxyType[Any, Any]) -> tuple[Any, tuple[dict[Any, Any]]]:
    """How a mapping that cannot be changed is sent."""
    return _unchanging, (dict(proxy),)


def _unchanging(content: dict[Any, Any]) -> MappingProxyType[Any, Any]:
    return MappingProxyType(content)
