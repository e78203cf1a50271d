"""What the integers of a bundle mean outside it: how they are made, and how a result is read.

In:  a FIXED graph.
Out: sentences for README.md; tables of the numbers that differ from neuron to neuron.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from textwrap import fill

import numpy as np

from neurocompile.ir.arrays import Array
from neurocompile.ir.fixed import BiasInput, ChipNeuron, SpikeInput
from neurocompile.ir.graph import Graph
from neurocompile.ir.payloads import graded

INPUTS, OUTPUTS = "inputs.csv", "outputs.csv"
WIDTH = 100  # characters of a line of README.md
READINGS = {
    "rate": "what it sends in a step, as the mean over the steps",
    "last": "its potential after the last step",
    "max": "its largest potential after any step",
    "mean": "its mean potential over the steps",
}


def entering(graph: Graph) -> str:
    """How a sample becomes the whole numbers that enter."""
    ((name, node),) = graph.of(SpikeInput, BiasInput)
    encoder = graph.settings.encoder
    if isinstance(node, BiasInput):
        return _mantissa(graph, name, node)
    low, high = node.payload
    if encoder.kind == "sequence":
        return _filled(
            f"A payload is {encoder.gain:.17g} * x in floats of 64 bits, rounded to the nearest "
            f"whole number, halves to even, for the value x of this step. It lies in {low}..{high}."
        )
    if encoder.kind == "bernoulli":
        return _filled(
            f"A value x of the sample spikes with the probability {encoder.gain:.17g} * x, drawn "
            "anew in each step."
        )
    within = f" They lie in {low}..{high}." if graded(node) else ""
    return f"Samples hold them already (encoder `spikes`).{within}"


def result(graph: Graph) -> str:
    """How the result of a sample is read from spikes and potentials."""
    decoder = graph.settings.decoder
    if decoder.kind == "none":
        return "No result is defined: the network has no decoder."
    scaled = "".join(
        [
            f", times {decoder.gain:.17g}" if decoder.gain != 1 else "",
            f", plus {decoder.offset:.17g}" if decoder.offset != 0 else "",
            *(
                f", at {'least' if name == 'low' else 'most'} {limit:.17g}"
                for name, limit in decoder.limits.items()
            ),
        ]
    )
    potential = "" if decoder.kind == "rate" else ", in the units of the trained network"
    text = (
        f"The result of a sample (decoder `{decoder.kind}`) is for each neuron "
        f"{READINGS[decoder.kind]}{potential}{scaled}."
    )
    if decoder.task == "classification":
        text += " The class is the neuron with the largest result, the first if several have it."
    return _filled(text)


def tables(graph: Graph, outputs: Iterable[str]) -> dict[str, bytes]:
    """Files of the numbers that differ from neuron to neuron; empty where one holds for all.

    Args:
        graph: FIXED graph.
        outputs: Names of the layers whose result is read, in the order of the bundle.
    """
    made = {}
    ((name, node),) = graph.of(SpikeInput, BiasInput)
    if isinstance(node, BiasInput):
        scale, bias = _of_inputs(graph, name, node)
        if _one(scale) is None or _one(bias) is None:
            rows = zip(range(len(scale)), scale.tolist(), bias.tolist(), strict=True)
            made[INPUTS] = _csv(("value", "scale", "bias"), rows)
    layers = [(each, graph.nodes[each]) for each in outputs]
    if any(_one(numbers) is None for _, layer in layers for numbers in _of_output(layer)):
        found: list[tuple[object, ...]] = []
        for each, layer in layers:
            scale, offset = _of_output(layer)
            neurons = zip(scale.tolist(), offset.tolist(), strict=True)
            found += [(each, k, *numbers) for k, numbers in enumerate(neurons)]
        made[OUTPUTS] = _csv(("layer", "neuron", "scale", "offset"), found)
    return made


def units(node: ChipNeuron) -> tuple[str, str]:
    """Scale and offset that turn potentials into the units of the trained network, as text."""
    found = [_one(numbers) for numbers in _of_output(node)]
    scale, offset = (f"in {OUTPUTS}" if one is None else f"{one:.17g}" for one in found)
    return scale, offset


def _mantissa(graph: Graph, name: str, node: BiasInput) -> str:
    """How the host makes a bias mantissa of a sample."""
    scale, bias = (_one(numbers) for numbers in _of_inputs(graph, name, node))
    x = "x" if node.host is None else "host(x)"
    product = f"{'scale' if scale is None else f'{scale:.17g}'} * {x}"
    added = "" if bias == 0 else f" + {'bias' if bias is None else f'{bias:.17g}'}"
    text = (
        f"A mantissa is round({product}){added} for a {'value' if node.host is None else 'sample'} "
        "x, in floats of 64 bits, where round takes halves to even. It is the same in each step of "
        "a sample."
    )
    if scale is None or bias is None:
        text += f" {INPUTS} has what differs, a row for each mantissa."
    if node.host is not None:
        text += (
            " host is the linear map before the first neurons; fixed.onnx, from which this was "
            "made, holds it."
        )
    return _filled(text)


def _of_inputs(graph: Graph, name: str, node: BiasInput) -> tuple[Array, Array]:
    """Scale and bias of each mantissa, in C order."""
    (target,) = graph.after(name)
    both = (node.scale, graph.nodes[target].bias_mant)
    scale, bias = (np.broadcast_to(numbers, node.shape).ravel() for numbers in both)
    return scale, bias


def _of_output(node: ChipNeuron) -> tuple[Array, Array]:
    """Scale and offset of each neuron, in C order."""
    both = (node.scale, node.offset)
    scale, offset = (np.broadcast_to(numbers, node.shape).ravel() for numbers in both)
    return scale, offset


def _one(numbers: Array) -> float | None:
    """The number that holds for all; None where they differ."""
    return float(numbers[0]) if (numbers == numbers[0]).all() else None


def _filled(text: str) -> str:
    """A paragraph of README.md."""
    return fill(text, WIDTH, break_long_words=False, break_on_hyphens=False)


def _csv(heads: Iterable[str], rows: Iterable[tuple[object, ...]]) -> bytes:
    """A table as text; floats are written so that reading gives the same bits."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(heads)
    writer.writerows(rows)
    return text.getvalue().encode()
