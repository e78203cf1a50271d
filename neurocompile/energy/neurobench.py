"""NeuroBench's metrics under NeuroBench's names, from our own counts.

In:  FIXED graph, Counts.
Out: JSON-ready values; a test compares them with NeuroBench's own harness.
Definitions are those of neurobench 2.3.0: a zero weight is no effective operation, a bias is no
operation at all, and Dense counts every connection in every step. MembraneUpdates is left out: it
counts potentials that changed, but a chip charges every neuron in every step.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from neurocompile.energy.counts import Counts
from neurocompile.ir.fixed import AlwaysOn, BiasInput, ChipNeuron, Synapse
from neurocompile.ir.graph import Graph
from neurocompile.ir.nodes import size

VERSION = "2.3.0"
BIAS_BYTES = 4  # one int32 register per neuron


def neurobench(graph: Graph, counts: Counts) -> dict[str, Any]:
    """The metrics of a run.

    Footprint is the memory of the layers in bytes: one int8 per weight, one int32 per biased
    neuron. Operations are means over samples. `Effective_MACs` is None if the host computes a
    layer on values, whose zeros are not counted.
    """
    weights = [_weights(synapse) for name, synapse in graph.of(Synapse) if not _bias(graph, name)]
    biases = [
        size(node.shape)
        for name, node in graph.of(ChipNeuron)
        if np.any(node.bias_mant) or any(_bias(graph, b) for b in graph.before(name))
    ]
    layers = [layer for layer in counts.layers.values() if layer.kind == "neurons"]
    activations = sum(layer.neurons for layer in layers) * counts.samples * counts.steps
    spikes = sum(layer.spikes for layer in layers)
    zeros, stored = (sum(part) for part in zip((0, 0), *weights, strict=True))
    synapses = [s for name, s in counts.synapses.items() if not _bias(graph, name)]
    host = any(node.host is not None for _, node in graph.of(BiasInput))
    return {
        "Footprint": stored + BIAS_BYTES * sum(biases),
        "ConnectionSparsity": round(zeros / stored, 4) if stored else None,
        "ActivationSparsity": (activations - spikes) / activations if activations else None,
        "SynapticOperations": {
            "Effective_MACs": None if host else 0.0,
            "Effective_ACs": sum(s.effective_synops for s in synapses) / counts.samples,
            "Dense": float(sum(s.synapses for s in synapses) * counts.steps),
        },
    }


def _weights(synapse: Synapse) -> tuple[int, int]:
    """Number of zeros, and of all weights that are stored."""
    weights = synapse.op.weights
    return int(weights.size - np.count_nonzero(weights)), weights.size


def _bias(graph: Graph, name: str) -> bool:
    """Whether a synapse starts at the axon that is always on: it is a bias, not a connection."""
    return any(isinstance(graph.nodes[before], AlwaysOn) for before in graph.before(name))
