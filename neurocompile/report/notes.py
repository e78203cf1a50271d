"""What a user should know before reading the results: one sentence per thing.

In:  the integers, and what was run: data, steps, spikes by layer.
Out: sentences for the terminal and for `notes` of report.json.
Nothing here refuses anything: a network may be meant as it is, but not in silence.
"""

from __future__ import annotations

from collections.abc import Mapping

from neurocompile.data.samples import Data
from neurocompile.ir.decoder import with_decoder
from neurocompile.ir.fixed import ChipNeuron, SpikeInput
from neurocompile.ir.graph import Graph
from neurocompile.terminal.words import number_of

POTENTIALS = {
    "last": "what is left of it after the last step",
    "max": "the largest that did not reach the threshold",
    "mean": "its mean over the steps, each after the reset",
}
STRONGER = (
    "Use a larger gain of the encoder, Encoder(gain=...) (--gain), more steps, or a lower threshold"
)


def notes(graph: Graph) -> list[str]:
    """What holds of a network on any data: notes of its reader, and how its result is read.

    Args:
        graph: FIXED graph.
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
    return said


def notes_on_run(
    graph: Graph,
    data: Data,
    steps: int,
    spikes: Mapping[str, int],
    float_spikes: Mapping[str, int],
) -> list[str]:
    """What a run showed that makes its results doubtful, or absent.

    Args:
        graph: FIXED graph.
        data: Samples that were run.
        steps: Steps per sample.
        spikes: Number of spikes of each population, over all samples and steps.
        float_spikes: The same of the float network's layers; empty if there is none.
    """
    own, said = graph.settings.steps, []
    if steps != own:
        said.append(f"a sample took {steps} steps, as was asked for; the model's own are {own}.")
    silent = [
        name
        for name, node in graph.of(SpikeInput, ChipNeuron)
        if not getattr(node, "readout", False) and spikes[name] == 0
    ]
    said += [_never_spiked(graph, name, len(data), steps, float_spikes) for name in silent]
    if data.labels is not None:
        said += _without_accuracy(graph, data)
    return said


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
    """Why there is no accuracy, where the data have labels."""
    decoder = graph.settings.decoder
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
