"""What a sweep costs: measured on a few of its points, then scaled by assumptions that are said.

In:  points of a sweep.
Out: seconds and bytes per sample, per layer and per point, measured here; the time of a sweep of
     any size on any number of workers.
Seconds are those of a processor, all threads together: what a worker with one core needs, however
busy this machine is. Only the measurements are facts. `ASSUMED` is printed with every price.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from neurocompile import compiler
from neurocompile.compiled import Compiled
from neurocompile.engines.fixed.block import CLOCK
from neurocompile.engines.torch_ops import one_thread
from neurocompile.errors import BadInput, NeurocompileError
from neurocompile.formats.json_files import json_bytes
from neurocompile.ir.fixed import ChipNeuron, SpikeInput
from neurocompile.sweep.compute import small
from neurocompile.sweep.points import Point

FEW, LONG_S = 10, 2.0  # samples of a short run; seconds of a long one: their difference counts
MOST = 3  # points that are measured
TASKS = 200  # tasks without work, for the overhead of the scheduler
WORKERS = (1, 16, 256)
LARGE = (1_000_000, 1_000)  # samples per point, points
ASSUMED = (
    "the time of a point is its compilation plus its samples times the time per sample",
    "the points that were not measured cost the mean of those that were",
    "no point takes over a calibration or a network from another; where points share them, it is "
    "less",
    "every worker is as fast as this core, and has one to itself",
    "workers do not slow each other down, and reading files costs nothing: the time is linear in "
    "the number of workers until the points, or the tasks that the scheduler handles, run out",
    "the scheduler takes the same time per task with any number of workers",
    "no worker is lost, and all of them start at once",
    "a worker holds all samples of its point in memory",
)


@dataclass(frozen=True)
class Layer:
    """Cost of one population.

    Attributes:
        name: Its name.
        seconds: Seconds per sample.
        bytes: Bytes per sample of its spikes while a batch is compared.
    """

    name: str
    seconds: float
    bytes: int


@dataclass(frozen=True)
class Cost:
    """What one point costs on one core.

    Attributes:
        point: The point.
        stages: Seconds of each stage of its compilation, by name.
        sample_s: Seconds per sample, all layers, the float network and the scores.
        sample_bytes: Bytes per sample as it is held in memory.
        point_bytes: Bytes of the point's file.
        memory: Bytes of this process when the point was done.
        layers: Cost of each population on the fixed engine.
    """

    point: Point
    stages: dict[str, float]
    sample_s: float
    sample_bytes: float
    point_bytes: int
    memory: int
    layers: Sequence[Layer]

    @property
    def rest_s(self) -> float:
        """Seconds per sample outside of the fixed engine: float network, counts, comparisons."""
        return max(0.0, self.sample_s - sum(layer.seconds for layer in self.layers))

    @property
    def compile_s(self) -> float:
        """Seconds of a point without its samples."""
        return sum(self.stages.values())

    def seconds(self, samples: int) -> float:
        """Seconds of a point with so many samples."""
        return self.compile_s + samples * self.sample_s


@dataclass
class StageClock:
    """A `Teller` that notes when each stage begins; `layers` are those of the last stage."""

    begun: list[tuple[str, float]] = field(default_factory=list)
    layers: dict[str, float] = field(default_factory=dict)

    def tell(self, what: str) -> None:
        """Note a stage by its first word: reading, composing, choosing, placing, running."""
        self.layers.clear()
        self.begun.append((what.split()[0], time.process_time()))

    def progress(self, what: str, done: int, total: int) -> None:
        """Nothing: only stages are timed."""

    def stages(self) -> tuple[dict[str, float], float]:
        """Seconds of each stage before the run, and the time at which the run began."""
        found: dict[str, float] = {}
        for (name, began), (_, ended) in zip(self.begun, self.begun[1:], strict=False):
            found[name] = found.get(name, 0.0) + ended - began
        return found, self.begun[-1][1]


@dataclass(frozen=True)
class Scheduler:
    """What the scheduler costs.

    Attributes:
        start_s: Seconds until the first worker has computed something.
        task_s: Seconds of a processor per task, of this process and of the scheduler in it.
    """

    start_s: float
    task_s: float


def measure(points: Sequence[Point], tell: Callable[[str], None]) -> list[Cost]:
    """Measure a few points: the first, the last and the middle one that can be computed.

    Raises:
        BadInput: If none of them can, with the reason of the first.
    """
    chosen = sorted({0, len(points) // 2, len(points) - 1})[:MOST]
    found: list[Cost] = []
    refused: NeurocompileError | None = None
    for at in chosen:
        tell(f"measuring point {at + 1:,} of {len(points):,}")
        try:
            found.append(_cost(points[at]))
        except NeurocompileError as error:
            refused = refused or error
            tell(f"it cannot be computed: {str(error).splitlines()[0]}")
    if not found:
        raise BadInput(f"no point could be measured: {refused}")
    return found


def measure_scheduler(opened: Callable[[], Any]) -> Scheduler:
    """Start workers, and give them tasks without work."""
    began = time.perf_counter()
    with opened() as client:
        client.submit(_imported, pure=False).result()
        start = time.perf_counter() - began
        client.gather([client.submit(os.getpid, pure=False) for _ in range(8)])
        began = time.process_time()  # the scheduler is a thread of this process
        client.gather([client.submit(os.getpid, pure=False) for _ in range(TASKS)])
        return Scheduler(start, (time.process_time() - began) / TASKS)


def wall_s(cost_s: float, points: int, workers: int, scheduler: Scheduler) -> float:
    """Seconds of a sweep: whole points on each worker, and the scheduler's tasks one by one.

    Args:
        cost_s: Seconds of one point on one core.
        points: Number of points.
        workers: Number of workers.
        scheduler: Its cost.
    """
    rounds = math.ceil(points / workers)
    return scheduler.start_s + max(rounds * (cost_s + scheduler.task_s), points * scheduler.task_s)


def mean(numbers: Sequence[float]) -> float:
    """The mean."""
    return sum(numbers) / len(numbers)


def document(
    costs: Sequence[Cost], scheduler: Scheduler, points: int, samples: int
) -> dict[str, Any]:
    """The plan as JSON-ready values.

    Args:
        costs: Measured points.
        scheduler: Its measured cost.
        points: Number of points of this sweep.
        samples: Samples of each of its points.
    """
    sample_bytes = mean([cost.sample_bytes for cost in costs])
    sizes = [(samples, points), LARGE]
    return {
        "measured": [
            {
                "model": c.point.model, "target": c.point.target,
                "values": [str(value) for value in c.point.values],
                "compile_s": c.compile_s, "stages_s": c.stages, "sample_s": c.sample_s,
                "rest_s": c.rest_s,
                "sample_bytes": c.sample_bytes, "point_bytes": c.point_bytes,
                "memory_bytes": c.memory, "layers": [vars(layer) for layer in c.layers],
            }
            for c in costs
        ],
        "scheduler": vars(scheduler),
        "prices": [
            {
                "samples": each, "points": count, "workers": workers,
                "core_s": count * cost, "wall_s": wall_s(cost, count, workers, scheduler),
                "worker_bytes": int(max(c.memory for c in costs) + each * sample_bytes),
                "results_bytes": int(count * mean([c.point_bytes for c in costs])),
            }
            for each, count in sizes
            for cost in [mean([c.seconds(each) for c in costs])]
            for workers in WORKERS
        ],
        "assumed": list(ASSUMED),
    }  # fmt: skip


def samples_of(point: Point) -> int:
    """How many samples a point runs; 0 if it has no data."""
    data = compiler.samples_asked(compiler.read_asked(Path(point.model), point.asked), point.asked)
    return 0 if data is None else len(data)


def _cost(point: Point) -> Cost:
    """Run a point with few samples and with more; a first run, for caches, does not count."""
    most = samples_of(point)
    few = FEW
    if most <= few:
        raise BadInput(
            f"{most} samples are too few to measure the time per sample. Give at least {few + 1}."
        )
    _timed(point, few)
    _, clock, few_s, _ = _timed(point, few)
    stages, _ = clock.stages()
    more = min(most, max(2 * few, round(few * LONG_S / few_s)))
    compiled, clock, more_s, memory = _timed(point, more)
    result = compiled.result
    assert result is not None
    data = result.stimulus.data
    steps = result.stimulus.steps
    return Cost(
        point,
        stages,
        max(0.0, more_s - few_s) / (more - few),
        data.values.nbytes / len(data),
        len(json_bytes(small(compiled.report))),
        memory,
        [
            Layer(name, clock.layers.get(name, 0.0) / more, math.prod(node.shape) * steps)
            for name, node in compiled.fixed_graph.of(SpikeInput, ChipNeuron)
        ],
    )


def _timed(point: Point, samples: int) -> tuple[Compiled, StageClock, float, int]:
    """A point with so many samples: its stages and layers, seconds of its run, memory after it."""
    from psutil import Process

    sampling = replace(point.asked.sampling, samples=samples)
    clock = StageClock()
    token = CLOCK.set(clock.layers)
    try:
        with one_thread():
            compiled = compiler.compile_asked(
                Path(point.model), point.target, replace(point.asked, sampling=sampling), clock
            )
    finally:
        CLOCK.reset(token)
    ended = time.process_time()
    _, began = clock.stages()
    return compiled, clock, ended - began, Process().memory_info().rss


def _imported() -> None:
    """What a worker imports for its first point."""
    from neurocompile.sweep import compute  # noqa: F401
