"""The smallest number of cores that a network can need, by counting.

In:  FIXED graph, chip.
Out: by resource, a lower bound on the number of cores of every placement.
What every placement must store is summed over the network and divided by the limit of a core.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from neurocompile.chip.record import Chip, Memory, Words
from neurocompile.ir.arrays import Array
from neurocompile.ir.fixed import ChipNeuron, Synapse
from neurocompile.ir.graph import Graph
from neurocompile.ir.nodes import size
from neurocompile.ir.time import depths, longest_wait
from neurocompile.place.boxes import Box
from neurocompile.place.limits import limit_of, slots_for
from neurocompile.place.maps import map_of
from neurocompile.place.memory import format_of
from neurocompile.place.storage import least_bits


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
