"""`neurocompile simulate`: run an exported directory on data and compare engines.

In:  a directory that `export` wrote, engines, data.
Out: spikes and rates by layer, the reconstruction error of the integers, the number of values
     compared, samples per second; a recording on request.
With only the onnx engine this needs numpy, onnx and onnxruntime, but neither torch nor lava.
"""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neurocompile import installed
from neurocompile.commands.exported import declared
from neurocompile.data.sampling import DEFAULT_SAMPLES, Sampling
from neurocompile.data.stimulus import Stimulus, load_stimulus
from neurocompile.engines.agree import Engine, Exactness, compare_engines
from neurocompile.engines.batches import batches
from neurocompile.engines.decode import last_layer
from neurocompile.engines.progress import Progress, silent
from neurocompile.engines.recording import Recording
from neurocompile.engines.recording_file import (
    RECORDED,
    KeepBatch,
    no_recording,
    recording_file,
)
from neurocompile.engines.score import Score, Tally, wanted
from neurocompile.errors import BadInput
from neurocompile.formats.artifact import check_file, read_artifact
from neurocompile.formats.load_onnx import load_onnx
from neurocompile.ir.fixed import ChipNeuron, SpikeInput
from neurocompile.ir.graph import Graph
from neurocompile.ir.nodes import size
from neurocompile.ir.payloads import messages
from neurocompile.report.notes import notes, notes_on_run
from neurocompile.spread import HERE, Spread, parts_of


@dataclass(frozen=True)
class Keep:
    """What to write down of a run; by default nothing.

    Attributes:
        record: "spikes", "membrane" or both with a comma, or None.
        to: HDF5 file to write, or None.
        force: Whether to replace an existing file.
    """

    record: str | None = None
    to: Path | None = None
    force: bool = False

    @property
    def what(self) -> tuple[str, ...]:
        """The kinds of values to keep."""
        return tuple(self.record.split(",")) if self.record else ()

    def check(self) -> None:
        """Refuse before the run what cannot be written.

        Raises:
            BadInput: If only one of --record and --to is given, or as in `check_file`.
        """
        if (self.record is None) != (self.to is None):
            raise BadInput(
                "--record and --to belong together: --record spikes,membrane --to FILE.h5."
            )
        if self.to is None:
            return
        if not set(self.what) <= set(RECORDED) or not self.what:
            raise BadInput(f"--record {self.record}: choose spikes, membrane or spikes,membrane.")
        check_file(self.to, "--to", self.force)
        installed.require("recordings .h5")

    def opened(self, graph: Graph, stimulus: Stimulus) -> AbstractContextManager[KeepBatch]:
        """The open recording, which takes one batch after another."""
        if self.to is None:
            return no_recording()
        return recording_file(
            self.to, self.what, graph, len(stimulus), stimulus.steps, replace=self.force
        )


def simulate_artifact(
    directory: Path,
    sampling: Sampling,
    *,
    engines: tuple[str, ...],
    keep: Keep = Keep(),
    progress: Progress = silent,
    spread: Spread = HERE,
) -> dict[str, Any]:
    """Run an exported network; JSON-ready figures.

    Args:
        directory: What `export` wrote.
        sampling: What to run; by default what the export ran.
        engines: Engines to run: the first makes the figures, the others must agree with it.
        keep: What to write down of the first engine's run.
        progress: Called as each engine proceeds.
        spread: Who runs the samples; workers write nothing down.

    Raises:
        CheckFailed: If two engines differ.
        BadInput: If the directory, the data or the recording cannot be used.
    """
    for engine in engines:
        installed.require(f"engine {engine}")
    keep.check()
    if keep.to is not None and not spread.here:
        raise BadInput(
            "a recording is written by one process. Leave out --workers and --scheduler, or "
            "--record and --to."
        )
    artifact = read_artifact(directory)
    graph = artifact.read("fixed.onnx", load_onnx)
    usual = DEFAULT_SAMPLES if "lava" in engines else None
    stimulus = load_stimulus(sampling, declared(artifact), usual)
    spread.check(stimulus.data)
    begun = time.perf_counter()
    with keep.opened(graph, stimulus) as write:
        job = _Job(graph, engines, keep.what, None if keep.to is None else write)
        parts = parts_of(_simulated, job, stimulus, spread, progress)
        all_of_it = next(parts)
        for part in parts:
            all_of_it.merge(part)
        all_of_it.exactness.require()
    seconds = all_of_it.seconds if spread.here else time.perf_counter() - begun
    score, exactness, totals = all_of_it.tally, all_of_it.exactness, all_of_it.totals
    return {
        "engines": list(engines),
        "data": stimulus.data.name,
        "samples": len(stimulus),
        "steps": stimulus.steps,
        "seed": stimulus.seed,
        "mse_fixed": score.mse,
        "accuracy_fixed": score.accuracy,
        "layers": totals.rows(len(stimulus) * stimulus.steps),
        "spikes_compared": exactness.spikes_compared,
        "membrane_values_compared": exactness.membrane_values_compared,
        "mismatches": exactness.mismatches,
        "notes": notes(graph)
        + notes_on_run(graph, stimulus.data, stimulus.steps, totals.spikes, {}),
        "samples_per_second": len(stimulus) / seconds,
        "recording": None if keep.to is None else str(keep.to),
    }


@dataclass(frozen=True, eq=False)
class _Job:
    """What every part of a run needs.

    Attributes:
        graph: FIXED graph.
        engines: Names of the engines.
        kept: Kinds of values that `write` writes down.
        write: Takes each batch of a recording, or None.
    """

    graph: Graph
    engines: tuple[str, ...]
    kept: tuple[str, ...]
    write: KeepBatch | None


@dataclass
class _Part:
    """What a run over some samples came to.

    Attributes:
        tally: Errors and right classes.
        totals: Spikes by layer.
        exactness: Comparison of the engines.
        seconds: Time that the first engine took.
    """

    tally: Tally
    totals: Totals
    exactness: Exactness
    seconds: float

    def merge(self, other: _Part) -> None:
        """Add a run over other samples."""
        self.tally.merge(other.tally)
        self.totals.merge(other.totals)
        self.exactness.merge(other.exactness)
        self.seconds += other.seconds


def _simulated(job: _Job, stimulus: Stimulus, progress: Progress) -> _Part:
    """Run some samples."""
    graph, (first, *others) = job.graph, job.engines
    goal = wanted(graph, stimulus.data, stimulus.first, stimulus.end)
    score, totals, exactness = Score(graph, goal), Totals(graph), Exactness(job.engines)
    spikes, membrane = _needed(graph, job.kept, compared=bool(others))
    ours = Engine(first, graph, len(stimulus), progress, spikes=spikes, membrane=membrane)
    theirs = [Engine(name, graph, len(stimulus), progress) for name in others]
    seconds = 0.0
    for batch in batches(graph, stimulus, ours):
        seconds += batch.seconds
        if job.write is not None:
            job.write(batch.first, batch.did)
        totals.add(batch.did)
        score.add(batch.first, batch.did)
        compare_engines(first, theirs, batch, exactness)
    return _Part(score.tally(), totals, exactness, seconds)


class Totals:
    """Spikes, saturations and wraps of every layer, over all samples."""

    def __init__(self, graph: Graph) -> None:
        self.neurons = {n: size(node.shape) for n, node in graph.of(SpikeInput, ChipNeuron)}
        self.spikes = dict.fromkeys(self.neurons, 0)
        self.saturations: dict[str, int] = {}
        self.wraps: dict[str, int] = {}

    def add(self, recording: Recording) -> None:
        """Count a batch; only the fixed engine counts saturations and wraps."""
        for name in self.neurons:
            if recording.activity is None:
                self.spikes[name] += int(messages(recording.spikes[name]))
                continue
            counted = recording.activity[name]
            self.spikes[name] += int(counted.spikes.sum())
            self.saturations[name] = self.saturations.get(name, 0) + counted.saturations
            self.wraps[name] = self.wraps.get(name, 0) + counted.wraps

    def merge(self, other: Totals) -> None:
        """Add the totals of other samples."""
        for ours, theirs in (
            (self.spikes, other.spikes),
            (self.saturations, other.saturations),
            (self.wraps, other.wraps),
        ):
            for name, number in theirs.items():
                ours[name] = ours.get(name, 0) + number

    def rows(self, steps: int) -> list[dict[str, Any]]:
        """JSON-ready values, a row per layer; `steps` is the number of steps of all samples."""
        return [
            {
                "name": name,
                "neurons": self.neurons[name],
                "spikes": spikes,
                "rate": spikes / (self.neurons[name] * steps),
                "saturations": self.saturations.get(name),
                "wraps": self.wraps.get(name),
            }
            for name, spikes in self.spikes.items()
        ]


def _needed(
    graph: Graph, kept: tuple[str, ...], *, compared: bool
) -> tuple[tuple[str, ...] | None, tuple[str, ...] | None]:
    """Layers whose spikes and potentials the engine records; None, all of them, only if needed."""
    read = (last_layer(graph),)
    spikes, membrane = (None if compared or kind in kept else read for kind in RECORDED)
    return spikes, membrane
