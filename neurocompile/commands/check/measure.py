"""Run an exported network on the data it declares and measure it, as a baseline needs.

In:  the directory, an engine, the source of the samples.
Out: digests and metrics.
The onnx engine needs only what `pip install .` brings, even for joules.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neurocompile import installed
from neurocompile.commands.check.digests import RunDigests, RunHashes
from neurocompile.commands.exported import Exported, read_exported
from neurocompile.data.samples import load_data
from neurocompile.data.stimulus import Stimulus
from neurocompile.energy.counts import count
from neurocompile.energy.estimate import MODEL_VERSION, estimate
from neurocompile.engines.activity import counted
from neurocompile.engines.agree import Engine
from neurocompile.engines.batches import batches
from neurocompile.engines.decode import last_layer
from neurocompile.engines.progress import Progress, silent
from neurocompile.engines.recording import Activity, add_up
from neurocompile.engines.score import Score, Tally, require_labels, wanted
from neurocompile.errors import BadInput, NotInstalled
from neurocompile.ir.fixed import ChipNeuron, SpikeInput
from neurocompile.ir.graph import Graph
from neurocompile.place.placement import place
from neurocompile.spread import HERE, Spread, parts_of

DEFAULT_ENGINE = "onnx"


@dataclass(frozen=True)
class Runner:
    """Who runs the samples.

    Attributes:
        engine: Name of the engine.
        spread: This process, or workers of Dask.
        progress: Called as the run proceeds.
    """

    engine: str = DEFAULT_ENGINE
    spread: Spread = HERE
    progress: Progress = silent


IN_THIS_PROCESS = Runner()


@dataclass(frozen=True, eq=False)
class Measured:
    """The measurements of a run.

    Attributes:
        digests: Digests of the encoded input, of the spikes by layer, and of the result.
        spikes: Number of spikes by layer.
        metrics: Value of each metric of baseline.TOLERANCES; None if the network has none.
    """

    digests: dict[str, Any]
    spikes: dict[str, int]
    metrics: dict[str, float | int | None]


def read_subject(directory: Path) -> Exported:
    """Read an exported directory that declares the data to check it on.

    Raises:
        BadInput: If it is not an export, was changed, or declares no data.
    """
    subject = read_exported(directory)
    if not subject.declared.source or subject.declared.samples < 1:
        raise BadInput(
            f"{directory} declares no data to check it on. Export the model with data: "
            "neurocompile export MODEL --target NAME --data SOURCE."
        )
    return subject


def load_declared(subject: Exported, source: str, keep: str) -> Stimulus:
    """The stimulus that an export declares, with its samples from a source.

    Args:
        subject: The exported directory.
        source: Source of the samples, as for `simulate --data`.
        keep: Command that writes the samples to a file, for a machine without the source.

    Raises:
        BadInput: If the source has too few samples, or no labels for a network that classifies.
    """
    own = subject.declared
    try:
        data = load_data(source)
    except NotInstalled as error:
        raise NotInstalled(
            f"{error} Or keep the samples in a file, on a machine that has them: {keep}"
        ) from None
    if len(data) < own.samples:
        raise BadInput(
            f"{subject.artifact.path} was exported with {own.samples} samples, but data source "
            f"{source!r} has {len(data)}. Give the data that it was exported with: --data SOURCE."
        )
    require_labels(subject.graph, data)
    return Stimulus(data.first(own.samples), own.steps, own.seed)


def measure(
    subject: Exported,
    stimulus: Stimulus,
    runner: Runner,
    energy_model: str,
    block: int | None,
) -> Measured:
    """Run all samples and measure.

    Args:
        subject: The exported directory.
        stimulus: What to run.
        runner: Who runs it.
        energy_model: Energy model of the joules.
        block: As for `RunDigests`.

    Raises:
        NeurocompileError: If the engine, the placement or the input refuses the network.
    """
    installed.require(f"engine {runner.engine}")
    graph, samples = subject.graph, len(stimulus)
    parts = parts_of(
        _measured, _Job(graph, runner.engine, block), stimulus, runner.spread, runner.progress
    )
    score, seen = Tally(), RunDigests(graph, last_layer(graph), block)
    activity: dict[str, Activity] = {}
    for tally, hashes, counts_of_part in parts:
        score.merge(tally)
        seen.merge(hashes)
        add_up(activity, counts_of_part)
    placed = place(graph, subject.chip, subject.target.fewest_of)
    counts = count(placed, activity, samples, stimulus.steps)
    models = {m.name: m.total_j for m in estimate(counts, placed, subject.chip).models}
    spikes = {n: int(activity[n].spikes.sum()) for n, _ in graph.of(SpikeInput, ChipNeuron)}
    metrics: dict[str, float | int | None] = {
        "reconstruction_error": score.mse,
        "accuracy": score.accuracy,
        "spikes": sum(spikes.values()),
        "synops": sum(synapse.synops for synapse in counts.synapses.values()),
        "joules": models.get(energy_model),
    }
    return Measured(seen.to_dict(), spikes, metrics)


@dataclass(frozen=True, eq=False)
class _Job:
    """What every part of a run needs.

    Attributes:
        graph: FIXED graph.
        engine: Name of the engine.
        block: As for `RunDigests`.
    """

    graph: Graph
    engine: str
    block: int | None


def _measured(
    job: _Job, stimulus: Stimulus, progress: Progress
) -> tuple[Tally, RunHashes, dict[str, Activity]]:
    """Run some samples."""
    graph = job.graph
    score = Score(graph, wanted(graph, stimulus.data, stimulus.first, stimulus.end))
    seen = RunDigests(graph, last_layer(graph), job.block)
    activity: dict[str, Activity] = {}
    for batch in batches(graph, stimulus, Engine(job.engine, graph, len(stimulus), progress)):
        seen.add(batch.entered, batch.did, batch.first)
        score.add(batch.first, batch.did)
        add_up(activity, counted(batch, graph))
    return score.tally(), seen.hashes(), activity


def error_of(graph: Graph, stimulus: Stimulus, engine: str) -> float | None:
    """Reconstruction error of a graph, else its accuracy; None if it decodes nothing."""
    score = Score(graph, wanted(graph, stimulus.data))
    for batch in batches(graph, stimulus, Engine(engine, graph, len(stimulus))):
        score.add(batch.first, batch.did)
    return score.accuracy if score.mse is None else score.mse


def energy_model(subject: Exported, recorded: dict[str, Any] | None) -> dict[str, str]:
    """The energy model of the joules: the baseline's, or the chip's nominal one.

    Raises:
        BadInput: If a baseline names a model or a version that does not exist.
    """
    now = {"model": subject.chip.nominal, "version": MODEL_VERSION}
    if recorded is None or recorded["model"] == now["model"] == "":
        return now
    there = recorded["model"] in subject.chip.energy
    if there and recorded["version"] == MODEL_VERSION:
        return {"model": recorded["model"], "version": MODEL_VERSION}
    raise BadInput(
        f"the baseline's joules are from the energy model '{recorded['model']}' "
        f"{recorded['version']}; {subject.chip.name} has "
        f"{', '.join(subject.chip.energy) or 'none'} in version {MODEL_VERSION}. "
        "Joules of two versions cannot be compared"
    )
