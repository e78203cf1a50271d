"""Run an exported network on the data it declares, and count: what a baseline is made of.

In:  the directory, an engine, where the samples are.
Out: digests and metrics.
With the onnx engine what `pip install .` brings is enough, the joules included.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neurocompile import installed
from neurocompile.chip.change import with_chips
from neurocompile.chip.read import load_chip
from neurocompile.chip.record import Chip
from neurocompile.commands.check.digests import RunDigests
from neurocompile.commands.export.run import Teller
from neurocompile.commands.simulate.run import Sums
from neurocompile.data.inputs import encode
from neurocompile.data.samples import Data, load_data
from neurocompile.energy.counts import count
from neurocompile.energy.estimate import MODEL_VERSION, estimate
from neurocompile.engines.activity import activity_of
from neurocompile.engines.agree import run_engine, spans
from neurocompile.engines.decode import last_layer
from neurocompile.engines.recording import Activity, add_up
from neurocompile.errors import BadInput, NotInstalled
from neurocompile.formats.artifact import Artifact, read_artifact
from neurocompile.formats.load_onnx import load_onnx
from neurocompile.ir.graph import Graph
from neurocompile.place.chosen import DEFAULT, Chosen, chosen
from neurocompile.place.placement import place

DECLARED = ("source", "samples", "steps", "seed")


@dataclass(frozen=True, eq=False)
class Subject:
    """What is to be checked.

    Attributes:
        artifact: The directory.
        graph: Its FIXED graph.
        chip: Its target.
        placing: How it was placed.
        declared: Source, samples, steps and seed as its manifest has them.
    """

    artifact: Artifact
    graph: Graph
    chip: Chip
    declared: dict[str, Any]
    placing: Chosen = DEFAULT


@dataclass(frozen=True, eq=False)
class Measured:
    """What a run showed.

    Attributes:
        digests: Of the encoded input, the spikes by layer, and the result.
        spikes: Of each layer, how many.
        metrics: By name as in baseline.TOLERANCES; None where there is none.
    """

    digests: dict[str, Any]
    spikes: dict[str, int]
    metrics: dict[str, float | int | None]


def read_subject(directory: Path) -> Subject:
    """An exported directory whose files are as they were written.

    Raises:
        BadInput: If it is none, was changed, or declares no data.
    """
    artifact = read_artifact(directory)
    declared = artifact.manifest["data"]
    if not declared["source"] or declared["samples"] < 1:
        raise BadInput(
            f"{directory} declares no data to check it on. Export the model with data: "
            "neurocompile export MODEL --target NAME --data SOURCE."
        )
    graph = load_onnx(artifact.file("fixed.onnx"))
    placing = chosen(artifact.manifest)
    chip = with_chips(load_chip(artifact.manifest["target"]), placing.chips)
    return Subject(artifact, graph, chip, {key: declared[key] for key in DECLARED}, placing)


def load_samples(subject: Subject, source: str, engine_free: str) -> Data:
    """The declared number of samples from a source.

    Args:
        subject: What is checked.
        source: As for `simulate --data`.
        engine_free: The command that keeps samples in a file, for a machine without the source.
    """
    try:
        return load_data(source, samples=subject.declared["samples"])
    except NotInstalled as error:
        raise NotInstalled(
            f"{error} Or keep the samples in a file, on a machine that has them: {engine_free}"
        ) from None


def measure(subject: Subject, data: Data, engine: str, energy_model: str, tell: Teller) -> Measured:
    """Run all samples.

    Raises:
        NeurocompileError: As the engine, the placement and the input do.
    """
    installed.require(f"engine {engine}")
    graph, steps = subject.graph, subject.declared["steps"]
    sums = Sums(graph, data)
    seen = RunDigests(graph, last_layer(graph))
    activity: dict[str, Activity] = {}
    for first, last in spans(len(data)):
        encoded = encode(graph, data, first, last, steps, subject.declared["seed"])
        found = run_engine(engine, graph, encoded)
        seen.add(encoded, found)
        sums.add(found, first, last)
        add_up(activity, found.activity or activity_of(graph, encoded, found))
        tell.progress(engine, last, len(data))
    placed = place(graph, subject.chip, subject.placing.fewest_of)
    counts = count(placed, activity, len(data), steps)
    models = {m.name: m.total_j for m in estimate(counts, placed, subject.chip).models}
    figures = sums.figures(steps)
    metrics: dict[str, float | int | None] = {
        "reconstruction_error": figures["mse_fixed"],
        "accuracy": figures["accuracy_fixed"],
        "spikes": sum(sums.spikes.values()),
        "synops": sum(synapse.synops for synapse in counts.synapses.values()),
        "joules": models.get(energy_model),
    }
    return Measured(seen.to_dict(), dict(sums.spikes), metrics)


def error_of(subject: Subject, data: Data, engine: str) -> float | None:
    """Reconstruction error of a graph, else its accuracy; None where it decodes nothing."""
    sums = Sums(subject.graph, data)
    steps, seed = subject.declared["steps"], subject.declared["seed"]
    for first, last in spans(len(data)):
        encoded = encode(subject.graph, data, first, last, steps, seed)
        sums.add(run_engine(engine, subject.graph, encoded), first, last)
    figures = sums.figures(steps)
    return figures["mse_fixed"] if figures["mse_fixed"] is not None else figures["accuracy_fixed"]


def energy_model(subject: Subject, known: dict[str, Any] | None) -> dict[str, str]:
    """Which model gives the joules: the one of a baseline, or the chip's nominal one.

    Raises:
        BadInput: If a baseline names a model or a version that is not there.
    """
    now = {"model": subject.chip.nominal, "version": MODEL_VERSION}
    if known is None or known["model"] == now["model"] == "":
        return now
    there = known["model"] in subject.chip.energy
    if there and known["version"] == MODEL_VERSION:
        return {"model": known["model"], "version": MODEL_VERSION}
    raise BadInput(
        f"the baseline's joules are of the energy model '{known['model']}' {known['version']}; "
        f"{subject.chip.name} has {', '.join(subject.chip.energy) or 'none'} in version "
        f"{MODEL_VERSION}. Joules of two versions cannot be compared"
    )
