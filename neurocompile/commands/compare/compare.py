"""`neurocompile compare`: the float network against the chip's integers, and why they part.

In:  a directory that `export` wrote, data.
Out: JSON-ready figures: by layer, by class of rounding, and of the first spike that differs.
The float network is run as trained, the integers by the fixed engine; between the two, the
network is run again in exact arithmetic with one class of parameters rounded at a time.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from neurocompile import installed
from neurocompile.commands.compare.causes import reached
from neurocompile.commands.compare.document import Parted, document
from neurocompile.commands.compare.rerun import alone, given, rerun
from neurocompile.commands.compare.rounding import CLASSES, incomings, rounded
from neurocompile.commands.compare.sums import Results, Sums
from neurocompile.commands.export.run import Teller
from neurocompile.data.inputs import float_input
from neurocompile.data.samples import Data, load_data
from neurocompile.engines import fixed as engine
from neurocompile.engines.agree import spans
from neurocompile.engines.decode import potentials
from neurocompile.engines.evaluate import check_task
from neurocompile.engines.floating import run_float
from neurocompile.engines.recording import Recording
from neurocompile.engines.torch_ops import one_thread
from neurocompile.errors import BadInput
from neurocompile.formats.artifact import read_artifact
from neurocompile.formats.load_onnx import load_onnx
from neurocompile.ir.arrays import Array
from neurocompile.ir.graph import Graph
from neurocompile.quantize.incoming import Incoming
from neurocompile.simplify import simplify

CONTROL = "none"  # nothing rounded: the float network again, by the chip's step
RUNS: Mapping[str, tuple[str, ...]] = {
    CONTROL: (),
    **{name: (name,) for name in CLASSES},
    "all": CLASSES,
}


def compare_artifact(
    directory: Path,
    *,
    source: str | None = None,
    samples: int | None = None,
    steps: int | None = None,
    seed: int | None = None,
    screen: Teller,
) -> dict[str, Any]:
    """Compare an exported network with the float network it was made from; JSON-ready figures.

    Args:
        directory: What `export` wrote.
        source, samples, steps, seed: What to run; what `export` ran where None.
        screen: Told how far the run is.

    Raises:
        BadInput: If there is no float network, or directory and data do not belong together.
    """
    installed.require("engine fixed")
    artifact = read_artifact(directory)
    if "float.onnx" not in artifact.manifest["files"]:
        raise BadInput(
            f"{directory} holds no float.onnx: its model was fixed already, so there is no float "
            f"network to compare with. To compare engines: neurocompile simulate {directory} "
            "--engine fixed --engine onnx."
        )
    trained = load_onnx(artifact.file("float.onnx"))
    fixed = load_onnx(artifact.file("fixed.onnx"))
    own = artifact.manifest["data"]
    data = _data(own, source, samples)
    found = compare(
        trained,
        fixed,
        data,
        steps=steps or int(own["steps"]),
        seed=int(own["seed"]) if seed is None else seed,
        screen=screen,
    )
    about = {"target": artifact.manifest.get("target"), "bits": artifact.manifest.get("bits")}
    return {**about, **found}


def compare(
    trained: Graph, fixed: Graph, data: Data, *, steps: int, seed: int = 0, screen: Teller
) -> dict[str, Any]:
    """Compare a FIXED graph with the FLOAT graph it was made from; JSON-ready figures.

    Args:
        trained: FLOAT graph, simplified or not.
        fixed: FIXED graph.
        data, steps, seed: What to run.
        screen: Told how far the run is.

    Raises:
        BadInput: If the graphs do not belong together, or the data not to them.
    """
    check_task(fixed, data)
    simple = simplify(trained)
    incoming = incomings(fixed, simple)
    runs = {run: rounded(fixed, incoming, which) for run, which in RUNS.items()}
    sums = Sums(fixed, incoming, steps, tuple(run for run in RUNS if run != CONTROL))
    results = Results(fixed, data)
    with one_thread(), ThreadPoolExecutor(2) as two:  # a run on each of two cores
        for first, last in spans(len(data)):
            count = last - first
            enters = given(fixed, data, first, last, steps, seed)
            values = float_input(simple, data, first, last, steps, seed)
            floating = two.submit(run_float, simple, values, steps, membranes=tuple(incoming))
            chip = engine.run(fixed, enters.encoded)
            ideal = floating.result()
            by_itself = two.submit(alone, fixed, runs["all"], enters, ideal.spikes)
            again = two.map(
                lambda layers, e=enters: rerun(fixed, layers, e, (results.read,)), runs.values()
            )
            sums.add_input(enters)
            sums.add_chip(ideal, chip, count)
            results.add("float", first, ideal.spikes, ideal.membrane)
            results.add("fixed", first, *_float_units(fixed, chip.recording))
            sums.alone.add_spikes(ideal.spikes, by_itself.result(), count)
            for run, done in zip(runs, again, strict=True):
                if run == CONTROL:
                    control = {name: done.spikes[name] for name in ideal.spikes}
                    sums.control.add_spikes(ideal.spikes, control, count)
                else:
                    sums.runs[run].add_spikes(control, done.spikes, count)
                    results.add(run, first, done.spikes, done.membrane)
            screen.progress("compare", last, len(data))
        parted = _first(fixed, simple, incoming, data, steps, seed, sums)
    kinds = {name: type(simple.nodes[name]).__name__ for name in incoming}
    found = document(fixed, kinds, runs[CONTROL], runs["all"], sums, results, parted)
    return {"data": data.name, "seed": seed, **found}


def _first(
    fixed: Graph,
    simple: Graph,
    incoming: Mapping[str, Incoming],
    data: Data,
    steps: int,
    seed: int,
    sums: Sums,
) -> Parted | None:
    """Run the one sample again in which the first spike differs, and look into its neuron."""
    place = sums.chip.first
    if place is None:
        return None
    name = list(sums.chip.layers)[place.layer]
    span = (place.sample, place.sample + 1, steps, seed)
    enters = given(fixed, data, *span)
    spikes = run_float(simple, float_input(simple, data, *span), steps).spikes
    chip = engine.run(fixed, enters.encoded, spikes=(name,), membrane=()).recording.spikes[name]
    there = spikes[name][0, place.step]
    neurons = np.argwhere(there != chip[0, place.step])  # in order: the first is the place's
    runs = reached(fixed, incoming, (name, place.step), neurons, enters, spikes)
    return Parted(place, [bool(there[tuple(n)]) for n in neurons], runs)


def _float_units(graph: Graph, found: Recording) -> tuple[dict[str, Array], dict[str, Array]]:
    """Spikes of the spiking layers, and potentials in float membrane units."""
    spikes = {n: s for n, s in found.spikes.items() if not getattr(graph.nodes[n], "readout", 0)}
    return spikes, {n: potentials(graph, n, v) for n, v in found.membrane.items()}


def _data(own: Mapping[str, Any], source: str | None, samples: int | None) -> Data:
    """The samples asked for; those that `export` ran where none are."""
    if not source and not own["source"]:
        raise BadInput(
            "this model names no data. Say what to run: --data mnist5k, digits, idx:DIR or a file."
        )
    own_samples = None if source else own["samples"] or None
    return load_data(source or own["source"], samples=samples or own_samples)
