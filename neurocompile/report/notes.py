"""What a user should know before reading the results: one sentence per thing.

In:  the integers, and what was run: data, steps, spikes by layer.
Out: sentences for the terminal and for `notes` of report.json.
Nothing here refuses anything: a network may be meant as it is, but not in silence.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import numpy as np

from neurocompile.data.samples import Data
from neurocompile.ir.decoder import with_decoder
from neurocompile.ir.fixed import AlwaysOn, ChipNeuron, SpikeInput, Synapse
from neurocompile.ir.graph import Graph
from neurocompile.ir.registers import ALIGN_BITS, STATE_LIMIT, UNITY, lost_on_average
from neurocompile.terminal.words import number_of

POTENTIALS = {
    "last": "what is left of it after the last step",
    "max": "the largest that did not reach the threshold",
    "mean": "its mean over the steps, each after the reset",
}
NOTICEABLE = 1e-3  # part of the threshold by which rounded sums may move a potential unnoted
STRONGER = (
    "Use a larger gain of the encoder, Encoder(gain=...) (--gain), more steps, or a lower threshold"
)


def notes(graph: Graph, made_up: Collection[str] = ()) -> list[str]:
    """What holds of a network on any data: notes of its reader, and how its result is read.

    Args:
        graph: FIXED graph.
        made_up: Layers whose weights make up for what a negative exponent cuts off their sums.
    """
    said = [each.sentence for each in graph.settings.assumed if each.is_note]
    decoder, ends = graph.settings.decoder, graph.outputs()
    last = graph.nodes[ends[0]]
    if (
        decoder.kind in POTENTIALS
        and isinstance(last, ChipNeuron)
        and not (last.readout or last.always_sends)
    ):
        said.append(
            f"the decoder '{decoder.kind}' reads the potential of layer '{ends[0]}', which a spike "
            f"resets: {POTENTIALS[decoder.kind]}. Decoder('rate') reads its spikes per step."
        )
    return said + list(_rounded_sums(graph, made_up))


def _rounded_sums(graph: Graph, made_up: Collection[str]) -> Iterator[str]:
    """The lines on layers in which a negative weight exponent moves potentials noticeably."""
    for name, synapse in graph.of(Synapse):
        (target,), (source,) = graph.after(name), graph.before(name)
        every = int(np.bitwise_or.reduce(np.abs(synapse.op.weights), axis=None))
        step = every & -every  # the largest power of 2 that divides all weights
        lost = lost_on_average(synapse.weight_exp, step) * 2.0**synapse.weight_exp
        if isinstance(graph.nodes[source], AlwaysOn) or not step:
            continue  # the first is a bias that was rounded
        node: Any = graph.nodes[target]
        part = lost * _added_up(node, graph.settings.steps) / _held(node)
        if part < NOTICEABLE:
            continue
        end = (
            "Its weights were chosen to make up for that on average."
            if target in made_up
            else "A lower threshold, rise of it or current, relative to the largest weight, raises "
            "the exponent."
        )
        unit = "the largest potential that it holds" if node.readout else "its threshold"
        yield (
            f"layer '{target}': the weights of '{name}' have the exponent {synapse.weight_exp}, so "
            f"that the chip rounds their sum down in every step. By itself that lowers potentials "
            f"by up to {100 * part:.2g} % of {unit}. {end}"
        )


def _added_up(node: Any, steps: int) -> float:
    """How often a potential holds what arrives in every step, before its spikes reset it."""
    leaks = [getattr(node, "du", 4095) + 1, getattr(node, "dv", 0)]
    held = [np.max(1 / np.maximum(leak / UNITY, 1 / steps)) for leak in leaks]
    return float(np.prod(held))


def _held(node: Any) -> float:
    """The threshold in units of a sum; a readout's is the largest potential of all."""
    if node.readout:
        return float(STATE_LIMIT >> ALIGN_BITS)
    return float(max(np.min(node.threshold), 1)) * 2.0 ** getattr(node, "threshold_exp", 0)


def notes_on_run(
    graph: Graph,
    data: Data,
    steps: int,
    spikes: Mapping[str, int],
    float_spikes: Mapping[str, int],
    calibration: Data | None = None,
) -> list[str]:
    """What a run showed that makes its results doubtful, or absent.

    Args:
        graph: FIXED graph.
        data: Samples that were run.
        steps: Steps per sample.
        spikes: Number of spikes of each population, over all samples and steps.
        float_spikes: The same of the float network's layers; empty if there is none.
        calibration: Samples on which scales were chosen.
    """
    own, said = graph.settings.steps, []
    if steps != own:
        said.append(f"a sample took {steps} steps, as was asked for; the model's own are {own}.")
    if calibration is not None and calibration.name == data.name:
        said.append(
            f"scales were chosen on the first {len(calibration)} samples of {data.name}, which is "
            "measured too: on samples that nobody has seen the integers may lose more."
        )
    silent = [
        name
        for name, node in graph.of(SpikeInput, ChipNeuron)
        if not getattr(node, "readout", False) and spikes[name] == 0
    ]
    said += [_never_spiked(graph, name, len(data), steps, float_spikes) for name in silent]
    return said + _without_accuracy(graph, data)


def _never_spiked(
    graph: Graph, name: str, samples: int, steps: int, float_spikes: Mapping[str, int]
) -> str:
    """The line on a silent layer, with what follows for the result and what to try."""
    words = f"layer '{name}' never spiked, in {number_of(samples, 'sample')} of {steps} steps"
    if isinstance(graph.nodes[name], SpikeInput):
        return f"{words}: nothing entered the network. Look at the data and the encoder's gain."
    decoder = graph.settings.decoder
    if name in graph.outputs() and decoder.kind == "rate":
        classifies = decoder.task == "classification"
        words += ", and the result is its rate: all results are equal"
        words += ", and the accuracy is that of class 0" if classifies else ""
    if float_spikes.get(name):
        return (
            f"{words}. The float network's spiked {float_spikes[name]:,} times: use more bits, or "
            "calibrate on samples like these."
        )
    also = " Nor did it in the float network." if name in float_spikes else ""
    return f"{words}.{also} {STRONGER}."


def _without_accuracy(graph: Graph, data: Data) -> list[str]:
    """Why there is no accuracy, where the data have labels or the network classifies."""
    decoder = graph.settings.decoder
    if data.labels is None:
        if decoder.task != "classification":
            return []
        return [
            f"no accuracy: data '{data.name}' have no labels, and this network classifies. To get "
            "one, add the key 'labels'."
        ]
    if decoder.kind != "none" and decoder.task != "none":
        return []
    last = graph.nodes[graph.outputs()[0]]
    kind = decoder.kind
    found = f"the decoder '{kind}' has no task"
    if kind == "none":
        found = "the model has no decoder"
        sums = isinstance(last, ChipNeuron) and (last.readout or last.always_sends)
        kind = "last" if sums else "rate"
    cure = with_decoder(f"Decoder('{kind}', task='classification')")
    return [f"no accuracy: data '{data.name}' have labels, but {found}. To get one, {cure}."]
