"""`neurocompile compare`: the float network against the chip's integers, and why they part.

In:  a directory that `export` wrote, data.
Out: JSON-ready figures: by layer, by class of rounding, and of the first spike that differs.
The float network is run as trained, the integers by the fixed engine; between the two, the
network is run again in exact arithmetic with one class of parameters rounded at a time.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from neurocompile import installed
from neurocompile.commands.compare.departures import Departures
from neurocompile.commands.compare.document import document
from neurocompile.commands.exported import declared
from neurocompile.data.inputs import encode, float_input
from neurocompile.data.sampling import Sampling
from neurocompile.data.stimulus import Stimulus, load_stimulus
from neurocompile.engines import fixed as engine
from neurocompile.engines.batches import batches
from neurocompile.engines.decode import last_layer
from neurocompile.engines.floating import float_beside, run_float
from neurocompile.engines.progress import Progress, silent
from neurocompile.engines.score import Score, require_labels, wanted
from neurocompile.engines.torch_ops import one_thread
from neurocompile.errors import BadInput
from neurocompile.formats.artifact import read_artifact
from neurocompile.formats.load_onnx import load_onnx
from neurocompile.ir.graph import Graph
from neurocompile.quantize.incoming import Incoming
from neurocompile.report.parting.first import Parted, examine
from neurocompile.report.parting.rerun import alone, given, rerun
from neurocompile.report.parting.rounding import incomings, rounded, runs_of
from neurocompile.simplify import simplify

CONTROL = "none"  # nothing rounded: the float network again, in the chip's order of operations


class Pair(NamedTuple):
    """A float network and its integers.

    Attributes:
        simple: The simplified float network.
        incoming: By population, what arrives at it in the float network.
        runs: By run, the populations with some of their numbers rounded.
    """

    simple: Graph
    incoming: Mapping[str, Incoming]
    runs: Mapping[str, Any]


def compare_artifact(
    directory: Path, sampling: Sampling, *, progress: Progress = silent
) -> dict[str, Any]:
    """Compare an exported network with the float network it was made from; JSON-ready figures.

    Args:
        directory: What `export` wrote.
        sampling: What to run; by default what the export ran.
        progress: Called as the run proceeds.

    Raises:
        BadInput: If there is no float network, or the data do not fit the directory.
    """
    installed.require("engine fixed")
    artifact = read_artifact(directory)
    if "float.onnx" not in artifact.manifest["files"]:
        raise BadInput(
            f"{directory} holds no float.onnx: its model was fixed already, so there is no float "
            f"network to compare with. To compare engines: neurocompile simulate {directory} "
            "--engine fixed --engine onnx."
        )
    trained = artifact.read("float.onnx", load_onnx)
    fixed = artifact.read("fixed.onnx", load_onnx)
    own = declared(artifact)
    usual = None if sampling.source else own.samples or None
    stimulus = load_stimulus(sampling, own, usual)
    try:
        pair = paired(trained, fixed)
    except BadInput as error:
        raise error.within(directory) from None
    comparison = _compared(pair, fixed, stimulus, progress)
    about = {"target": artifact.manifest.get("target"), "bits": artifact.manifest.get("bits")}
    return {**about, **comparison}


def compare(
    trained: Graph, fixed: Graph, stimulus: Stimulus, *, progress: Progress = silent
) -> dict[str, Any]:
    """Compare a FIXED graph with the FLOAT graph it was made from; JSON-ready figures.

    Args:
        trained: FLOAT graph, simplified or not.
        fixed: FIXED graph.
        stimulus: Samples, steps per sample and seed.
        progress: Called as the run proceeds.

    Raises:
        BadInput: If the graphs do not belong together, or the data do not fit them.
    """
    return _compared(paired(trained, fixed), fixed, stimulus, progress)


def paired(trained: Graph, fixed: Graph) -> Pair:
    """The float network beside its integers.

    Raises:
        BadInput: If a layer of one is none of the other's.
    """
    simple = simplify(trained)
    incoming = incomings(fixed, simple)
    asked = {CONTROL: (), **runs_of(fixed)}
    return Pair(simple, incoming, {run: rounded(fixed, incoming, c) for run, c in asked.items()})


def _compared(pair: Pair, fixed: Graph, stimulus: Stimulus, progress: Progress) -> dict[str, Any]:
    data = stimulus.data
    require_labels(fixed, data)
    goal = wanted(fixed, data)
    simple, incoming, runs = pair
    departures = Departures(
        fixed, incoming, stimulus.steps, tuple(run for run in runs if run != CONTROL)
    )
    scores = {run: Score(simple, goal) for run in ("float", *departures.runs)}
    scores["fixed"] = Score(fixed, goal)
    read = () if fixed.settings.decoder.kind == "none" else (last_layer(fixed),)
    with one_thread(), ThreadPoolExecutor(2) as two:  # one run on each of two cores
        ideals = float_beside(two, simple, stimulus, tuple(incoming))
        chips = batches(fixed, stimulus, partial(engine.run, fixed))
        for floating, batch in zip(ideals, chips, strict=True):
            count = batch.last - batch.first
            enters = given(fixed, data.values[batch.first : batch.last], batch.entered)
            chip, ideal = batch.did, floating.result()
            by_itself = two.submit(alone, fixed, runs["all"], enters, ideal.spikes)
            again = two.map(lambda layers, e=enters: rerun(fixed, layers, e, read), runs.values())
            departures.add_input(enters)
            departures.add_chip(ideal, chip, count)
            result = scores["float"].add(batch.first, ideal)
            scores["fixed"].add(batch.first, chip.recording, result)
            departures.alone.add_spikes(ideal.spikes, by_itself.result(), count)
            for run, recording in zip(runs, again, strict=True):
                if run == CONTROL:
                    control = {name: recording.spikes[name] for name in ideal.spikes}
                    departures.control.add_spikes(ideal.spikes, control, count)
                else:
                    departures.runs[run].add_spikes(control, recording.spikes, count)
                    scores[run].add(batch.first, recording, result)
            progress("compare", batch.last, len(data))
        parted = _first(fixed, simple, incoming, stimulus, departures)
    kinds = {name: type(simple.nodes[name]).__name__ for name in incoming}
    comparison = document(fixed, kinds, runs[CONTROL], runs["all"], departures, scores, parted)
    return {"data": data.name, "seed": stimulus.seed, **comparison}


def _first(
    fixed: Graph,
    simple: Graph,
    incoming: Mapping[str, Incoming],
    stimulus: Stimulus,
    departures: Departures,
) -> Parted | None:
    """Run again the sample in which the first spike differs, and examine that neuron."""
    place = departures.chip.first
    if place is None:
        return None
    name = list(departures.chip.layers)[place.layer]
    data, steps = stimulus.data, stimulus.steps
    span = (place.sample, place.sample + 1, steps, stimulus.seed)
    enters = given(fixed, data.values[slice(*span[:2])], encode(fixed, data, *span))
    spikes = run_float(simple, float_input(simple, data, *span), steps).spikes
    chip = engine.run(fixed, enters.encoded, spikes=(name,), membrane=()).recording.spikes[name]
    return examine(fixed, incoming, name, place, enters, spikes, chip)
