"""A network on cores: what each core holds, and to which cores each spike goes.

In:  the choices of `placement.py`.
Out: frozen dataclasses that counting, energy and the report read.
Every number here follows from the connection map of `ir.entries`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from neurocompile.chip.mesh import chips_allowed, chips_used
from neurocompile.chip.record import Chip
from neurocompile.ir.arrays import Array
from neurocompile.ir.graph import Graph

# Resources that a core may run out of: name in the fit table -> field of chip.Limits.
RESOURCES = {
    "neurons": "neurons_per_core",
    "input_axons": "input_axons_per_core",
    "output_axons": "output_axons_per_core",
    "dendritic_accumulators": "dendritic_accumulators_per_core",
    "synapse_memory": "synapse_memory_per_core",
    "threshold_configurations": "threshold_configurations_per_core",
    "neuron_configurations": "neuron_configurations_per_core",
    "synapse_configurations": "synapse_configurations_per_core",
}


@dataclass(frozen=True, eq=False)
class Core:
    """Neurons on one core, and how much of it they use.

    Attributes:
        index: Number of the core.
        held: By population, (n,) int64, numbers of its neurons, in their order on the core.
        use: By key of RESOURCES, amount in use; None where the chip has no formula.
    """

    index: int
    held: Mapping[str, Array]
    use: Mapping[str, int | None]

    @property
    def layer(self) -> str:
        """The names of its populations, for tables."""
        return ", ".join(self.held)


class Fan(NamedTuple):
    """Pairs of a core and a source neuron with synapses on it, each pair once.

    Attributes:
        core, neuron: (n,) int64, numbers of the core and of the source neuron.
        synapses: (n,) int64, number of synapses, at least 1.
    """

    core: Array
    neuron: Array
    synapses: Array


@dataclass(frozen=True, eq=False)
class Route:
    """One synapse between placed populations.

    Attributes:
        source, target: Names of the populations.
        format: Format in synapse memory: dense, sparse or conv.
        host: Whether the host sends the spikes (SpikeInput, AlwaysOn), not a core.
        sources: Number of neurons of the source.
        fan: Cores that each source neuron reaches, with the number of synapses.
        hops_east_west, hops_north_south: (source neurons,) int64, hops per spike of the messages
            that stay on a chip; None if there is no mesh, or if the host sends.
        off_chip: (source neurons,) int64, messages per spike that go to another chip; None if the
            host sends. Such a message is one event, however far it travels.
    """

    source: str
    target: str
    format: str
    host: bool
    sources: int
    fan: Fan
    hops_east_west: Array | None
    hops_north_south: Array | None
    off_chip: Array | None

    @property
    def fan_out(self) -> Array:
        """Synaptic operations per spike, (source neurons,) int64."""
        return self._by_neuron(self.fan.synapses)

    @property
    def destinations(self) -> Array:
        """Cores to which a spike is sent, (source neurons,) int64: one message each."""
        return self._by_neuron(np.ones_like(self.fan.synapses))

    def _by_neuron(self, values: Array) -> Array:
        """(source neurons,) int64, sums of a value per pair."""
        sums = np.zeros(self.sources, np.int64)
        np.add.at(sums, self.fan.neuron, values)
        return sums


@dataclass(frozen=True, eq=False)
class Placed:
    """A FIXED graph on a chip.

    Attributes:
        graph: FIXED graph.
        chip: Chip on which the network is placed.
        cores: Cores in the order of their numbers.
        core_of: By population of neurons, (neurons,) int64, number of each neuron's core.
        routes: Routes by synapse.
        objective: What the placement has fewest of, see `place`.
    """

    graph: Graph
    chip: Chip
    cores: tuple[Core, ...]
    core_of: Mapping[str, Array]
    routes: Mapping[str, Route]
    objective: str = "both"

    @property
    def fits(self) -> bool:
        """Whether no more chips are used than allowed; a single core never holds too much."""
        return chips_used(self.chip, len(self.cores)) <= chips_allowed(self.chip)

    def used(self, resource: str) -> Array | None:
        """Amount of a resource that each core uses, (cores,) int64; None without a formula."""
        values = [core.use[resource] for core in self.cores]
        return None if None in values else np.array(values, dtype=np.int64)
