"""A quantized network without spikes, of the same architecture: the comparison for the spikes.

In:  the FIXED graph, Counts, prices of arithmetic and memory.
Out: counts, joules per sample, and the firing rate at which the spiking network costs as much.
Activations have ceil(log2(T + 1)) bits, enough to count the spikes of T steps (Yan 2024, arXiv
2409.08290). In a pass each weight is read once and kept while it is used; an activation is written
once and read once by each layer after it. Weights lie in the smallest memory with a published price
that holds them all, activations in the smallest one that holds the input and output of any layer.
A chip that reads anything twice, or moves it further, takes more: this is a lower bound.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import fsum
from typing import Any, Literal

from neurocompile.chip.change import ANN
from neurocompile.chip.record import Quantity
from neurocompile.energy.comparators import MACS, store_for
from neurocompile.energy.counts import Counts
from neurocompile.energy.estimate import ModelEnergy
from neurocompile.energy.prices import priced
from neurocompile.energy.sensitivity import parts
from neurocompile.ir.entries import entries
from neurocompile.ir.fixed import AlwaysOn, BiasInput, ChipNeuron, SpikeInput, Synapse
from neurocompile.ir.graph import Graph
from neurocompile.ir.nodes import size

Passes = Literal["sample", "step"]
NAME = "quantized network without spikes, same architecture, one pass per "
MEMORY = ("weight_bit", "activation_bit")
NOT_MODELLED = (
    "biases, activation functions and pooling; control, clock and leakage",
    "reading a weight more than once per pass",
)


@dataclass
class Pass:
    """What one pass does and holds.

    Attributes:
        macs: Multiply-accumulates.
        weight_bits: Bits of all weights.
        moved: Activations written or read.
        held: Activations of the input and output of the layer with the most.
        widest: Bits of the widest factor of a product; an input value has 8.
    """

    macs: int = 0
    weight_bits: int = 0
    moved: int = 0
    held: int = 0
    widest: int = 8


def baseline(
    graph: Graph,
    counts: Counts,
    prices: Mapping[str, Quantity],
    passes: Passes = "sample",
) -> dict[str, Any] | None:
    """Counts and joules per sample; None for a network with delays, which one pass cannot compute.

    Args:
        graph: FIXED graph.
        counts: Counts of the run; the steps per sample decide the bits of an activation.
        prices: Prices that a user set, by key of chip.change.ANN.
        passes: Whether the network runs once per sample, or once per step as the spiking one does.
    """
    if any(synapse.longest_delay for _, synapse in graph.of(Synapse)):
        return None
    one = _one_pass(graph, counts)
    bits = counts.steps.bit_length()  # ceil(log2(T + 1))
    width = next((w for w in MACS if w >= max(one.widest, bits)), max(MACS))
    many = counts.steps if passes == "step" else 1
    stores = {"weights": one.weight_bits, "activations": bits * one.held}
    charged: tuple[tuple[str, int, Quantity], ...] = (
        ("multiply_accumulate", one.macs, MACS[width]),
        ("weight_bit", one.weight_bits, store_for(stores["weights"]).bit),
        ("activation_bit", bits * one.moved, store_for(stores["activations"]).bit),
    )
    terms = [
        priced(quantity, many * count, prices.get(ANN[quantity], usual))
        for quantity, count, usual in charged
    ]
    memory = fsum(term["energy_j"] for term in terms if term["quantity"] in MEMORY)
    return {
        "name": NAME + passes,
        "passes_per_sample": many,
        "activation_bits": bits,
        "arithmetic_bits": width,
        "terms": terms,
        "memory": [
            {"holds": what, "bits": held, "in": store_for(held).name}
            for what, held in stores.items()
        ],
        "arithmetic_j": terms[0]["energy_j"],
        "memory_j": memory,
        "per_sample_j": fsum(term["energy_j"] for term in terms),
        "arithmetic_alone": not memory,
        "not_modelled": list(NOT_MODELLED),
    }


def _one_pass(graph: Graph, counts: Counts) -> Pass:
    """Everything that one pass of the layers computes, reads and writes."""
    one = Pass()
    for name, synapse in graph.of(Synapse):
        (source,) = graph.before(name)
        if isinstance(graph.nodes[source], AlwaysOn):
            continue  # a bias
        one.weight_bits += synapse.bits * synapse.op.weights.size
        one.macs += counts.synapses[name].synapses
        one.moved += size(synapse.in_shape)  # read once by each layer after it
        one.held = max(one.held, size(synapse.in_shape) + size(synapse.out_shape))
        one.widest = max(one.widest, synapse.bits)
    for _, node in graph.of(BiasInput):
        if node.host is not None:
            one.macs += entries(node.host, node.in_shape).rows.size
            one.moved += size(node.in_shape)
            one.held = max(one.held, size(node.in_shape) + size(node.shape))
            one.weight_bits += one.widest * node.host.weights.size
    one.moved += sum(
        size(node.shape) for name, node in graph.of(ChipNeuron) if not _input(graph, name)
    )  # written once
    return one


def break_even(model: ModelEnergy, counts: Counts, ann_j: float) -> dict[str, Any] | None:
    """Spikes per neuron and sample at which a model's total equals the network without spikes.

    Neuron steps, and resets where they are charged, keep their cost; each spike costs its mean.
    `rate` is None if these already cost more: then no firing rate is low enough.
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
