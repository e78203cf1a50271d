"""A network on cores: what each core holds, and which cores each spike goes to.

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

# What a core has and may run out of: name in the fit table -> field of chip.Limits.
RESOURCES = {
    "neurons": "neurons_per_core",
    "input_axons": "input_axons_per_core",
    "output_axons": "output_axons_per_core",
    "synapse_memory": "synapse_memory_per_core",
    "threshold_configurations": "threshold_configurations_per_core",
    "neuron_configurations": "neuron_configurations_per_core",
    "synapse_configurations": "synapse_configurations_per_core",
}


@dataclass(frozen=True, eq=False)
class Core:
    """Neurons on one core, and what they take of it.

    Attributes:
        index: Number of the core.
        held: By population, (n,) int64, which of its neurons; all in their order on the core.
        use: By key of RESOURCES, how much is taken; None where the chip has no formula.
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
        core, neuron: (n,) int64.
        synapses: (n,) int64, how many: at least 1.
    """

    core: Array
    neuron: Array
    synapses: Array


@dataclass(frozen=True, eq=False)
class Route:
    """One synapse between placed populations.

    Attributes:
        source, target: Names of the populations.
        format: dense, sparse or conv.
        host: Whether the host sends the spikes (SpikeInput, AlwaysOn), not a core.
        sources: Neurons of the source.
        fan: Which cores a source neuron reaches, with how many synapses.
        hops_east_west, hops_north_south: (source neurons,) int64, hops of those messages of one
            spike that stay on a chip; None where there is no mesh, or the host sends.
        off_chip: (source neurons,) int64, messages of one spike that go to another chip; None
            where the host sends. The whole way of such a message is this one event.
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
        """Synaptic operations of a spike, (source neurons,) int64."""
        return self._by_neuron(self.fan.synapses)

    @property
    def destinations(self) -> Array:
        """Cores that a spike is sent to, (source neurons,) int64: one message each."""
        return self._by_neuron(np.ones_like(self.fan.synapses))

    def _by_neuron(self, values: Array) -> Array:
        """Sums of values of each pair, by its source neuron."""
        found = np.zeros(self.sources, np.int64)
        np.add.at(found, self.fan.neuron, values)
        return found


@dataclass(frozen=True, eq=False)
class Placed:
    """A FIXED graph on a chip.

    Attributes:
        graph: The network.
        chip: The chip.
        cores: By number.
        core_of: By population of neurons, (neurons,) int64, the core of each.
        routes: By synapse.
        fewest_of: What there was to be fewest of, see `place`.
    """

    graph: Graph
    chip: Chip
    cores: tuple[Core, ...]
    core_of: Mapping[str, Array]
    routes: Mapping[str, Route]
    fewest_of: str = "both"

    @property
    def fits(self) -> bool:
        """Whether the chips are no more than allowed; a core itself always holds its part."""
        return chips_used(self.chip, len(self.cores)) <= chips_allowed(self.chip)

    def used(self, resource: str) -> Array | None:
        """What each core takes of a resource, (cores,) int64; None without a formula."""
        values = [core.use[resource] for core in self.cores]
        return None if None in values else np.array(values, dtype=np.int64)
