"""Read the result of a sample from the last layer.

In:  recording of the last layer, of either stage, samples first; the decoder in the settings.
Out: one result per sample, in the user's units, float64.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from neurocompile.errors import BadInput
from neurocompile.ir.arrays import Array
from neurocompile.ir.fixed import ChipNeuron
from neurocompile.ir.graph import Graph
from neurocompile.ir.settings import Decoder


class Recorded(Protocol):
    """Recording of the layers of a network: integers for a FIXED graph, otherwise real numbers."""

    @property
    def spikes(self) -> Mapping[str, Array]:
        """By layer, (n, steps, *shape) spikes."""

    @property
    def membrane(self) -> Mapping[str, Array]:
        """By layer, (n, steps, *shape) potentials after the reset."""


def result_of(graph: Graph, did: Recorded) -> Array | None:
    """The result of each sample, or None if the network has no decoder.

    Args:
        graph: FIXED or FLOAT graph.
        did: Recording of the graph; its last layer is read.

    Raises:
        BadInput: If the decoder reads what the last layer does not have.
    """
    decoder = graph.settings.decoder
    if decoder.kind == "none":
        return None
    name = last_layer(graph)
    spikes, membrane = did.spikes.get(name), did.membrane.get(name)
    if graph.fixed:
        node: ChipNeuron = graph.nodes[name]
        spikes = None if node.readout else spikes  # a readout never spikes: nothing to count
        membrane = None if membrane is None else potentials(graph, name, membrane)
    return decode(decoder, spikes, membrane)


def decode(decoder: Decoder, spikes: Array | None, membrane: Array | None) -> Array | None:
    """The result of each sample, or None if the network has no decoder.

    Args:
        decoder: Decoder from the settings.
        spikes: (n, steps, *shape) spikes of the last layer, for "rate".
        membrane: (n, steps, *shape) float potentials of the last layer, for the other kinds.
    """
    if decoder.kind == "none":
        return None
    source = spikes if decoder.kind == "rate" else membrane
    if source is None:
        raise BadInput(
            f"the decoder reads '{decoder.kind}', but the last layer does not have it. Use "
            "'rate' after spiking neurons, and 'last', 'max' or 'mean' after a readout."
        )
    values = np.asarray(source, dtype=np.float64)
    reading = {
        "last": lambda: values[:, -1],
        "max": lambda: values.max(axis=1),
        "mean": lambda: values.mean(axis=1),
        "rate": lambda: values.mean(axis=1),
    }[decoder.kind]()
    return in_result_units(decoder, reading)


def in_result_units(decoder: Decoder, reading: Array) -> Array:
    """A reading as a result: gain * reading + offset, within the limits."""
    result = decoder.gain * reading + decoder.offset
    return np.asarray(np.clip(result, decoder.low, decoder.high) if decoder.limits else result)


def result_to_compare(graph: Graph, did: Recorded) -> Array:
    """The decoded result; without a decoder, spikes of the last layer, or a readout's potentials.

    Those of a FIXED graph are in the float network's units.

    Args:
        graph: FIXED or FLOAT graph.
        did: Recording of the graph, with potentials of its last layer.
    """
    decoded = result_of(graph, did)
    if decoded is not None:
        return decoded
    read = last_layer(graph)
    membrane = did.membrane[read]
    if not graph.fixed:
        return np.asarray(did.spikes.get(read, membrane), dtype=np.float64)
    readout = graph.nodes[read].readout
    found = potentials(graph, read, membrane) if readout else did.spikes[read]
    return np.asarray(found, dtype=np.float64)


def potentials(graph: Graph, name: str, membrane: Array) -> Array:
    """Integer potentials of a population in float membrane units: integer * scale + offset."""
    node: ChipNeuron = graph.nodes[name]
    return np.asarray(membrane * node.scale + node.offset)


def require_integers(graph: Graph) -> None:
    """Refuse the network as it was trained where a chip's integers are meant.

    Raises:
        BadInput: If it is a FLOAT graph, or none.
    """
    if not isinstance(graph, Graph) or not graph.fixed:
        found = "a graph of floats" if isinstance(graph, Graph) else f"a {type(graph).__name__}"
        raise BadInput(
            f"the network is {found}, but this runs the integers of a chip. Give those of a "
            "compiled network, compile(...).fixed_graph, or of its file, load('DIR/fixed.onnx')."
        )


def last_layer(graph: Graph) -> str:
    """Name of the layer whose result is read.

    Raises:
        BadInput: If the network ends in more than one layer.
    """
    names = graph.outputs()
    if len(names) != 1:
        raise BadInput(
            f"the network ends in {len(names)} layers ({', '.join(names)}), but a result is read "
            "from one. Leave only one output."
        )
    return names[0]


def squared_error(result: Array, target: Array) -> float:
    """Sum of squared differences: each in float64, added exactly (the same on every machine).

    Raises:
        BadInput: If a result has another number of values than what it should reconstruct.
    """
    result, target = result.reshape(len(result), -1), target.reshape(len(target), -1)
    if result.shape[1] != target.shape[1]:
        raise BadInput(
            f"the network reconstructs {result.shape[1]} values, but a sample has "
            f"{target.shape[1]}. Save the model with the task that it has, such as "
            "Settings(decoder=Decoder('last', task='none')), or give it an output of that size."
        )
    difference: Any = result - target
    return math.fsum((difference**2).ravel().tolist())
