"""The smallest number of cores that a network can need, by counting.

In:  graph, chip.
Out: by resource, a lower bound on the number of cores of every placement; a refusal of networks
     that are far too large.
What every placement must store is summed over the network and divided by the limit of a core.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from neurocompile.chip.mesh import chips_allowed, chips_used
from neurocompile.chip.record import Chip, Memory, Words
from neurocompile.errors import DoesNotFit
from neurocompile.ir.arrays import Array
from neurocompile.ir.fixed import ChipNeuron, Synapse
from neurocompile.ir.graph import Graph
from neurocompile.ir.neurons import Neuron
from neurocompile.ir.nodes import size
from neurocompile.ir.shapes import shapes
from neurocompile.ir.time import depths, longest_wait
from neurocompile.place.boxes import Box
from neurocompile.place.limits import limit_of, slots_for
from neurocompile.place.maps import map_of
from neurocompile.place.memory import format_of
from neurocompile.place.storage import least_bits

TRIED = 1024  # cores of a placement that is made only to say how many are missing


def least_cores(graph: Graph, chip: Chip) -> dict[str, int]:
    """By limited resource of a core, the smallest number of cores that can hold the network.

    Neurons, their dendritic accumulators and configurations are counted. Each source neuron with
    a synapse counts as one axon, as if all its targets shared a core. In memory each dense or
    sparse synapse is counted once, with the narrowest fields. Kernels count as 0 bits: cores may
    share their lists.
    """
    synapses = {name: _of_sources(synapse) for name, synapse in graph.of(Synapse)}
    axons = {name: int(np.count_nonzero(counts)) for name, counts in synapses.items()}
    populations = dict(graph.of(ChipNeuron))
    from_cores = [name for name in axons if graph.before(name)[0] in populations]
    need = {
        "neurons": sum(size(node.shape) for node in populations.values()),
        "input_axons": sum(axons.values()),
        "output_axons": sum(axons[name] for name in from_cores),
        "dendritic_accumulators": _accumulators(graph),
        "synapse_memory": _bits(graph, synapses, chip.memory),
        "threshold_configurations": _different([n.threshold for n in populations.values()]),
        "neuron_configurations": _different([n.decays for n in populations.values()]),
    }
    limits = {resource: limit_of(chip, resource) for resource in need}
    return {r: -(-need[r] // limit) for r, limit in limits.items() if limit is not None}


def refuse_far_too_large(graph: Graph, chip: Chip) -> None:
    """Refuse a network with neurons for more than `TRIED` cores, and more than are allowed.

    Every later look at it would take minutes and gigabytes, and end in a refusal.

    Args:
        graph: Verified graph of either stage: every trained neuron takes one on the chip, or more.
        chip: Chip with its limits.

    Raises:
        DoesNotFit: Names the cores, the largest layers and the number of chips.
    """
    most = limit_of(chip, "neurons")
    if most is None or chip.limits.cores is None:
        return
    if graph.fixed:
        neurons = {name: size(node.shape) for name, node in graph.of(ChipNeuron)}
    else:
        shape = shapes(graph)
        neurons = {name: size(shape[name]) for name, _ in graph.of(Neuron)}
    cores, allowed = -(-sum(neurons.values()) // most), chips_allowed(chip)
    have = allowed * chip.limits.cores.value
    if cores <= max(TRIED, have):
        return
    largest = sorted(neurons.items(), key=lambda item: -item[1])[:3]
    listed = ", ".join(f"'{name}' with {count:,}" for name, count in largest)
    chips = f"{chip.name} has" if allowed == 1 else f"{allowed} chips of {chip.name} have"
    raise DoesNotFit(
        f"the network has {sum(neurons.values()):,} neurons, so it needs at least {cores:,} cores, "
        f"but {chips} {have:,}. The largest layers are {listed} neurons. Use smaller layers, or "
        f"Target(chips=...) (--chips N) with at least {chips_used(chip, cores):,}."
    )


def _of_sources(synapse: Synapse) -> Array:
    """(source neurons,) int64, number of synapses of each."""
    shape = synapse.out_shape
    return map_of(synapse, shape).reach(Box(shape, tuple((0, n) for n in shape)))


def _bits(graph: Graph, synapses: Mapping[str, Array], memory: Memory | Words | None) -> int:
    """Smallest number of bits that any placement stores."""
    if memory is None:
        return 0
    nodes, depth = {name: graph.nodes[name] for name in synapses}, depths(graph)
    listed = [n for n, node in nodes.items() if format_of(node) != "conv"]
    return sum(
        least_bits(nodes[name], synapses[name], memory, longest_wait(graph, depth, name))
        for name in listed
    )


def _accumulators(graph: Graph) -> int:
    """Dendritic accumulators, as if no neuron shared a core with one whose spikes wait longer."""
    depth, total = depths(graph), 0
    for name, node in graph.of(ChipNeuron):
        onto = [b for b in graph.before(name) if isinstance(graph.nodes[b], Synapse)]
        wait = max((longest_wait(graph, depth, b) for b in onto), default=0)
        total += size(node.shape) * slots_for(wait)
    return total


def _different(registers: list[Array]) -> int:
    """Number of different values in the registers of all populations."""
    return len({int(value) for register in registers for value in np.unique(register)})
