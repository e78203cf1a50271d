"""A quantized network without spikes, of the same architecture: the comparison for the spikes.

In:  the FIXED graph, Counts, prices of arithmetic and, if a user sets them, of memory.
Out: counts, joules per sample, and the firing rate at which the spiking network costs as much.
Activations have ceil(log2(T + 1)) bits, enough to count the spikes of T steps (Yan 2024, arXiv
2409.08290). We know of no published price of memory for this model, so memory traffic is counted
and priced only if a user sets its price. Otherwise the joules are of arithmetic only, a lower
bound of such a network.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import fsum
from typing import Any

from neurocompile.chip.record import Quantity
from neurocompile.energy.comparators import MACS
from neurocompile.energy.counts import Counts
from neurocompile.energy.estimate import ModelEnergy
from neurocompile.energy.prices import priced
from neurocompile.energy.sensitivity import parts
from neurocompile.ir.entries import entries
from neurocompile.ir.fixed import AlwaysOn, BiasInput, CubaLIF, SpikeInput, Synapse
from neurocompile.ir.graph import Graph
from neurocompile.ir.nodes import size

NAME = "quantized network without spikes, same architecture, one pass per sample"
NOT_MODELLED = (
    "reading weights and activations from memory: counted, not priced (--set ann.weight_bit=..., "
    "ann.activation_bit=...)",
    "biases, activation functions and pooling; control, clock and leakage",
)


def baseline(graph: Graph, counts: Counts, prices: Mapping[str, Quantity]) -> dict[str, Any] | None:
    """Counts and joules per sample; None for a network with delays, which one pass cannot compute.

    Args:
        graph: FIXED graph.
        counts: Counts of the run; the steps per sample decide the bits of an activation.
        prices: Prices that a user set, by key of chip.change.ANN.
    """
    if any(synapse.longest_delay for _, synapse in graph.of(Synapse)):
        return None
    weights = activations = macs = 0
    widths = [8]
    for name, synapse in graph.of(Synapse):
        (source,) = graph.before(name)
        if isinstance(graph.nodes[source], AlwaysOn):
            continue  # a bias
        weights += synapse.bits * synapse.op.weights.size
        macs += counts.synapses[name].synapses
        activations += size(synapse.in_shape)  # read once by each layer after it
        widths.append(synapse.bits)
    for _, node in graph.of(BiasInput):
        if node.host is not None:
            macs += entries(node.host, node.in_shape).rows.size
            activations += size(node.in_shape)
            weights += max(widths) * node.host.weights.size
    activations += sum(
        size(node.shape) for name, node in graph.of(CubaLIF) if not _input(graph, name)
    )  # written once
    bits = counts.steps.bit_length()  # ceil(log2(T + 1))
    width = next((w for w in MACS if w >= max(*widths, bits)), max(MACS))
    terms = [
        priced("multiply_accumulate", macs, prices.get("ann.mac", MACS[width])),
        priced("weight_bit", weights, prices.get("ann.weight_bit")),
        priced("activation_bit", activations * bits, prices.get("ann.activation_bit")),
    ]
    known = [term["energy_j"] for term in terms if term["energy_j"] is not None]
    return {
        "name": NAME,
        "activation_bits": bits,
        "arithmetic_bits": width,
        "terms": terms,
        "per_sample_j": fsum(known),
        "arithmetic_alone": len(known) == 1,
        "not_modelled": list(NOT_MODELLED if len(known) < len(terms) else NOT_MODELLED[1:]),
    }


def break_even(model: ModelEnergy, counts: Counts, ann_j: float) -> dict[str, Any] | None:
    """Spikes per neuron and sample at which a model's total equals the network without spikes.

    Neuron steps keep their cost; each spike costs its mean. `rate` is None if the neuron steps
    already cost more: then no firing rate is low enough.
    """
    split = parts(model)
    spiking = [layer for layer in counts.layers.values() if layer.kind == "neurons"]
    neurons = sum(layer.neurons for layer in spiking)
    if split is None or not neurons:
        return None
    steps, spikes = (joules / counts.samples for joules in split)
    now = sum(layer.spikes for layer in spiking) / (neurons * counts.samples)
    left = ann_j - steps
    rate = None if left < 0 or not spikes else now * left / spikes
    return {
        "model": model.name,
        "neuron_steps_j": steps,
        "spikes_j": spikes,
        "ann_j": ann_j,
        "rate_now": now,
        "rate": rate,
    }


def _input(graph: Graph, name: str) -> bool:
    """Whether a population holds input values: the host writes them into its registers."""
    sources = [graph.nodes[before] for before in graph.before(name)]
    return any(isinstance(s, SpikeInput) or (isinstance(s, BiasInput) and s.host is None)
               for s in sources)  # fmt: skip
