"""Run a compiled network on data with every engine asked for, and compare.

In:  FIXED graph, the FLOAT graph that it was made from if there is one, data, engines.
Out: activity for the energy estimate, errors of float and fixed, and whether engines agree.
The float network and the fixed engine always run, the one as yardstick, the other for the
counts; lava and onnx run where asked for and must give the same bits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from neurocompile.data.inputs import Encoded, encode, float_input
from neurocompile.data.samples import Data
from neurocompile.engines.agree import (
    Exactness,
    compare_recordings,
    reset_word,
    run_engine,
    spans,
)
from neurocompile.engines.decode import decode, last_layer, potentials, squared_error
from neurocompile.engines.floating import FloatRecording, run_float
from neurocompile.engines.recording import Activity, Recording, add_up
from neurocompile.engines.torch_ops import one_thread
from neurocompile.errors import BadInput
from neurocompile.ir.arrays import Array
from neurocompile.ir.fixed import CubaLIF
from neurocompile.ir.graph import Graph

Progress = Callable[[str, int, int], None]  # what, done, total
Watch = Callable[[Mapping[str, Array], Mapping[str, Any]], None]  # spikes, updated neurons


@dataclass
class Errors:
    """Sums over samples of what float and fixed results miss.

    Attributes:
        float_sum, fixed_sum: Sums of squared errors against the target; the float one is
            0 where there is no float network.
        values: Result values compared.
        float_right, fixed_right: Samples classified right.
        difference: Sum of squared differences between the two results.
    """

    float_sum: float = 0.0
    fixed_sum: float = 0.0
    difference: float = 0.0
    values: int = 0
    float_right: int = 0
    fixed_right: int = 0


@dataclass
class LayerAgreement:
    """How the fixed spikes of one layer compare with the float ones.

    Attributes:
        compared: Neurons x steps x samples.
        equal: How many of these agree.
        float_spikes, fixed_spikes: Spikes of each.
    """

    compared: int = 0
    equal: int = 0
    float_spikes: int = 0
    fixed_spikes: int = 0


@dataclass
class Evaluation:
    """What a run over data showed.

    Attributes:
        samples, steps: How much was run.
        activity: By population, summed over all samples and steps.
        errors: Against the target of the decoder's task.
        agreement: By spiking layer.
        exactness: Of the engines.
        reset: How state was cleared between samples, by engine.
    """

    samples: int
    steps: int
    activity: dict[str, Activity] = field(default_factory=dict)
    errors: Errors = field(default_factory=Errors)
    agreement: dict[str, LayerAgreement] = field(default_factory=dict)
    exactness: Exactness = field(default_factory=lambda: Exactness(()))
    reset: dict[str, str] = field(default_factory=dict)


def evaluate(
    float_graph: Graph | None,
    fixed_graph: Graph,
    data: Data,
    *,
    engines: tuple[str, ...],
    steps: int,
    seed: int,
    progress: Progress = lambda what, done, total: None,
    watch: Watch = lambda spikes, updated: None,
) -> Evaluation:
    """Run all samples of the data; watch sees the spikes of each batch on the fixed engine.

    Raises:
        BadInput: If data, task and network do not belong together.
    """
    check_task(fixed_graph, data)
    compared = engines if "fixed" in engines else (*engines, "fixed")
    result = Evaluation(len(data), steps, exactness=Exactness(compared))
    with one_thread(), ThreadPoolExecutor(1) as beside:  # float on one core, fixed on another
        for first, last in spans(len(data)):
            encoded = encode(fixed_graph, data, first, last, steps, seed)
            floating = None
            if float_graph is not None:
                values = float_input(float_graph, data, first, last, steps, seed)
                read = (last_layer(float_graph),)
                floating = beside.submit(run_float, float_graph, values, steps, membranes=read)
            ours = _run_fixed(fixed_graph, encoded, result, watch)
            ideal = None if floating is None else floating.result()
            if ideal is not None:
                _add_agreement(ideal, ours, result)
            _add_errors(fixed_graph, data, (first, last), ours, ideal, result.errors)
            progress("fixed", last, len(data))
            for engine in engines:
                if engine == "fixed":
                    continue
                told = partial(_told, progress, engine, first, len(data))
                theirs = run_engine(engine, fixed_graph, encoded, told)
                compare_recordings((engine, "fixed"), theirs, ours, first, result.exactness)
                result.reset[engine] = reset_word(engine, fixed_graph)
                progress(engine, last, len(data))
            result.exactness.samples = last
    return result


def _told(progress: Progress, engine: str, first: int, total: int, done: int, _: int) -> None:
    """Progress of a batch as progress of the whole."""
    progress(engine, first + done, total)


def check_task(graph: Graph, data: Data) -> None:
    """Refuse data without what the decoder's task compares with."""
    task = graph.settings.decoder.task
    if task == "classification" and data.labels is None:
        raise BadInput(
            f"data '{data.name}' has no labels, but this network classifies. Add the key 'labels'."
        )


def _run_fixed(graph: Graph, encoded: Encoded, result: Evaluation, watch: Watch) -> Recording:
    """A batch on the fixed engine; adds its activity. Potentials of all layers only if compared."""
    from neurocompile.engines import fixed

    alone = set(result.exactness.engines) <= {"fixed"}
    done = fixed.run(graph, encoded, membrane=(last_layer(graph),) if alone else None)
    add_up(result.activity, done.activity)
    watch(done.recording.spikes, {name: each.updated for name, each in done.activity.items()})
    return done.recording


def _add_agreement(ideal: FloatRecording, ours: Recording, result: Evaluation) -> None:
    """Compare the spikes of a batch, float against fixed."""
    for name, spikes in ideal.spikes.items():
        row = result.agreement.setdefault(name, LayerAgreement())
        row.compared += spikes.size
        row.equal += int((spikes == ours.spikes[name]).sum())
        row.float_spikes += int(spikes.sum())
        row.fixed_spikes += int(ours.spikes[name].sum())


def _add_errors(
    graph: Graph,
    data: Data,
    span: tuple[int, int],
    recording: Recording,
    ideal: FloatRecording | None,
    errors: Errors,
) -> None:
    """Decode a batch of both stages and add what they miss."""
    read = last_layer(graph)
    node: CubaLIF = graph.nodes[read]
    decoder = graph.settings.decoder
    spikes = None if node.readout else recording.spikes[read]
    ours = decode(decoder, spikes, potentials(graph, read, recording.membrane[read]))
    if ours is None:
        return
    theirs = None
    if ideal is not None:
        theirs = decode(decoder, ideal.spikes.get(read), ideal.membrane.get(read))
    errors.values += ours.size
    if theirs is not None:
        errors.difference += squared_error(ours, theirs)
    if decoder.task == "reconstruction" and data.kind == "x":
        target: Array = data.values[slice(*span)]
        errors.fixed_sum += squared_error(ours, target)
        errors.float_sum += 0.0 if theirs is None else squared_error(theirs, target)
    elif decoder.task == "classification" and data.labels is not None:
        labels = data.labels[slice(*span)]
        errors.fixed_right += int((_classes(ours) == labels).sum())
        errors.float_right += 0 if theirs is None else int((_classes(theirs) == labels).sum())


def _classes(result: Array) -> Array:
    return np.asarray(result.reshape(len(result), -1).argmax(axis=1))
