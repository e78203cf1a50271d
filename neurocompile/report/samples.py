"""Record the first samples of a run completely: what entered, every spike, potentials, results.

In:  the integers on their cores, the float network, what was run and what it counted.
Out: `Samples`: arrays by key, and what they are; `samples_file` writes and reads them.
The figures of report.json are over all samples; these few are for pictures and golden vectors.
Their number and size are bounded, and what is left out is said.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from neurocompile.data.inputs import Encoded, encode, float_input
from neurocompile.data.stimulus import Stimulus
from neurocompile.energy.by_step import ByStep
from neurocompile.energy.counts import Counts
from neurocompile.energy.steps import StepWork
from neurocompile.engines import fixed as engine
from neurocompile.engines.decode import last_layer, result_of
from neurocompile.engines.fixed import FixedRun
from neurocompile.engines.floating import FloatRecording, run_float
from neurocompile.errors import BadInput
from neurocompile.ir.arrays import Array
from neurocompile.ir.digest import graph_digest
from neurocompile.ir.fixed import BiasInput, ChipNeuron, SpikeInput
from neurocompile.ir.graph import Graph
from neurocompile.ir.nodes import size
from neurocompile.ir.payloads import graded
from neurocompile.place.placed import Placed
from neurocompile.report.parting.apart import Apart, fired
from neurocompile.report.parting.first import examine, first_document
from neurocompile.report.parting.rerun import given
from neurocompile.report.parting.rounding import incomings
from neurocompile.report.samples_file import Samples, sample_digest
from neurocompile.terminal.words import number_of

SAMPLES = 20  # the first 20 test digits hold every class twice
NEURON_STEPS = 1 << 22  # of all samples together: 1 MB of spikes, float and fixed
MOST_NEURON_STEPS = 1 << 26  # of one sample; above, nothing is recorded
POTENTIALS = 1 << 18  # 1 MB: of the first samples
VALUES = 1 << 21  # numbers of the samples themselves: 8 MB


def record_samples(
    placed: Placed, simple: Graph | None, stimulus: Stimulus, counts: Counts
) -> Samples:
    """Run the first samples of a stimulus again, and keep all of it.

    Args:
        placed: The network on its cores.
        simple: The simplified FLOAT graph that it was made from; None if it was fixed already.
        stimulus: What was run.
        counts: Counts of the whole run, for the time of a barrier.
    """
    graph, steps = placed.graph, stimulus.steps
    neurons = sum(size(node.shape) for _, node in graph.of(SpikeInput, ChipNeuron))
    each = max(1, neurons * steps)
    kept = min(len(stimulus), SAMPLES, max(1, NEURON_STEPS // each))
    about: dict[str, Any] = {
        "fixed_graph": graph_digest(graph),
        "data": stimulus.data.digest,
        "source": stimulus.data.name,
        "kind": stimulus.data.kind,
        "seed": stimulus.seed,
        "steps": steps,
        "of": len(stimulus),
    }
    if each > MOST_NEURON_STEPS:
        left = f"all spikes: one sample has {each:,} neuron steps, and {MOST_NEURON_STEPS:,} are"
        none = {"samples": 0, "inputs": [], "layers": [], "parting": None}
        return Samples({**about, **none, "left_out": [f"{left} recorded at most"]}, {})
    left_out = [] if kept == len(stimulus) else [f"all samples but the first {kept}"]
    entered = encode(graph, stimulus.data, 0, kept, steps, stimulus.seed)
    chip = engine.run(graph, entered)
    ideal = None if simple is None else _float_run(simple, stimulus, kept)
    arrays, inputs = _inputs(graph, entered)
    potentials = min(kept, POTENTIALS // each)
    if potentials < kept:
        which = "potentials"
        if potentials:
            which += f" but those of {number_of(potentials, 'sample')}"
        left_out.append(f"all {which}")
    layers = _layers(graph, chip, ideal, potentials, arrays)
    left_out += _values(stimulus, kept, arrays)
    for name, result in _results(graph, simple, chip, ideal):
        arrays[name] = result
    arrays.update(_seconds(placed, chip, entered, counts))
    parting = None
    if simple is not None and ideal is not None:
        parting, unknown = _parting(graph, simple, stimulus, entered, ideal, chip)
        left_out += unknown
    return Samples(
        {
            **about,
            **{"samples": kept, "inputs": inputs, "layers": layers, "parting": parting},
            "left_out": left_out,
        },
        arrays,
    )


def _float_run(simple: Graph, stimulus: Stimulus, kept: int) -> FloatRecording:
    values = float_input(simple, stimulus.data, 0, kept, stimulus.steps, stimulus.seed)
    read = () if simple.settings.decoder.kind == "none" else (last_layer(simple),)
    return run_float(simple, values, stimulus.steps, membranes=read)


def _inputs(graph: Graph, entered: Encoded) -> tuple[dict[str, Array], list[dict[str, Any]]]:
    """The integers that enter, and a row about each."""
    arrays, rows = {}, []
    for at, (name, node) in enumerate(graph.of(SpikeInput, BiasInput)):
        arrays[f"entered.{at}"] = np.asarray(entered.values[name])
        each_step = isinstance(node, SpikeInput)
        row = {"name": name, "shape": list(node.shape), "each_step": each_step}
        rows.append({**row, "key": f"entered.{at}"})
    return arrays, rows


def _layers(
    graph: Graph,
    chip: FixedRun,
    ideal: FloatRecording | None,
    potentials: int,
    arrays: dict[str, Array],
) -> list[dict[str, Any]]:
    """A row for each population, and its arrays."""
    rows = []
    for at, (name, node) in enumerate(graph.of(SpikeInput, ChipNeuron)):
        sent = np.asarray(chip.recording.spikes[name])
        row: dict[str, Any] = {
            "name": name,
            "kind": type(node).__name__,
            "shape": list(node.shape),
            "graded": graded(node),
            "silent": bool(getattr(node, "readout", False)),
            "fixed": f"fixed.{at}",
            "float": None,
            "membrane": None,
            "spike_digests": [sample_digest(sample) for sample in sent],
            "membrane_digests": None,
        }
        arrays[f"fixed.{at}"] = sent
        if ideal is not None and name in ideal.spikes:
            row["float"] = f"float.{at}"
            # A payload of the float network is real; whether it was sent is what is compared.
            arrays[f"float.{at}"] = fired(ideal.spikes[name])
        if isinstance(node, ChipNeuron):
            membrane = np.asarray(chip.recording.membrane[name])
            row["membrane_digests"] = [sample_digest(sample) for sample in membrane]
            if potentials:
                row["membrane"] = f"membrane.{at}"
                arrays[f"membrane.{at}"] = membrane[:potentials].astype(np.int32)
        rows.append(row)
    return rows


def _values(stimulus: Stimulus, kept: int, arrays: dict[str, Array]) -> list[str]:
    """The samples themselves with their labels; what is left out."""
    data = stimulus.data
    if data.labels is not None:
        arrays["labels"] = np.asarray(data.labels[:kept], dtype=np.int64)
    if data.has_steps:
        return []  # they are what enters
    values = data.values[:kept]
    if values.size > VALUES:
        return [f"the samples before they were encoded: {values.size:,} numbers"]
    arrays["values"] = np.asarray(values, dtype=np.float32)
    return []


def _results(
    graph: Graph, simple: Graph | None, chip: FixedRun, ideal: FloatRecording | None
) -> list[tuple[str, Array]]:
    """What the decoder reads of both networks."""
    found = [("fixed_result", result_of(graph, chip.recording))]
    if simple is not None and ideal is not None:
        found.append(("float_result", result_of(simple, ideal)))
    return [(name, result) for name, result in found if result is not None]


def _seconds(placed: Placed, chip: FixedRun, entered: Encoded, counts: Counts) -> dict[str, Array]:
    """By latency model, seconds of each chip step; the state is reset between samples."""
    by_step = ByStep(placed, entered.steps)
    work = StepWork(placed, entered.steps, watch=by_step.watch)
    spikes = {**entered.values, **chip.recording.spikes}
    work.add(spikes, {name: done.updated for name, done in chip.activity.items()})
    times = {model: by_step.seconds(model, counts) for model in placed.chip.latency}
    return {f"time_s.{model}": rows for model, rows in times.items() if rows is not None}


def _parting(
    graph: Graph,
    simple: Graph,
    stimulus: Stimulus,
    entered: Encoded,
    ideal: FloatRecording,
    chip: FixedRun,
) -> tuple[dict[str, Any] | None, list[str]]:
    """The first spike that differs in these samples with its cause, and what is not known."""
    shapes = {name: node.shape for name, node in graph.of(ChipNeuron)}
    apart = Apart(shapes, entered.steps)
    apart.add_spikes(ideal.spikes, chip.recording.spikes, entered.samples)
    place = apart.first
    if place is None:
        return None, []
    names, sample = list(shapes), slice(place.sample, place.sample + 1)
    layer = names[place.layer]
    try:
        values = stimulus.data.values[sample]
        alone = Encoded({n: v[sample] for n, v in entered.values.items()}, entered.steps)
        one = {name: sent[sample] for name, sent in ideal.spikes.items()}
        sent = chip.recording.spikes[layer][sample]
        of = incomings(graph, simple)
        parted = examine(graph, of, layer, place, given(graph, values, alone), one, sent)
    except BadInput as error:  # graphs that `compare` refuses as well
        return None, [f"the cause of the first spike that differs: {error}"]
    return first_document(graph, names, parted), []
