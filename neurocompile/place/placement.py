"""Put the populations of a network on the cores of a chip.

In:  FIXED graph, chip.
Out: Placed: every core within its limits, every route exact.
The simplest legal placement: populations in the graph's order on consecutive cores, each
split into equal runs of neurons; a core holds neurons of one population only.

Input axons are counted a synapse: a source neuron with two synapses onto a core has two.
SpikeInput and AlwaysOn take no core: the host sends their spikes, one message for each core
that they reach. BiasInput is the population behind it, whose neurons count.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from neurocompile.chip import Chip
from neurocompile.errors import DoesNotFit
from neurocompile.ir.arrays import Array, frozen
from neurocompile.ir.entries import Rows, rows_of
from neurocompile.ir.fixed import CubaLIF, Synapse
from neurocompile.ir.graph import Graph
from neurocompile.ir.nodes import size
from neurocompile.place.memory import format_of
from neurocompile.place.mesh import positions
from neurocompile.place.placed import Core, Fan, Placed, Route
from neurocompile.place.split import Incoming, Part, limit_of, split, too_much


def place(graph: Graph, chip: Chip) -> Placed:
    """Place a network.

    A network that needs more cores than the chip has is placed all the same, on cores that
    do not exist: `Placed.fits` says so, and `require_fit` refuses it.

    Raises:
        DoesNotFit: By layer, if one neuron alone is too much for a core.
    """
    maps = {name: rows_of(synapse) for name, synapse in graph.of(Synapse)}
    most = {name: size(node.shape) for name, node in graph.of(CubaLIF)}
    parts: dict[str, list[Part]] = {}
    again = list(most)
    while again:  # until no core sends to more cores than it has output axons
        for name in again:
            parts[name] = _split(graph, chip, maps, name, most[name])
        placed = _assemble(graph, chip, maps, parts)
        again = _send_too_much(placed, most)
    return placed


def require_fit(placed: Placed) -> None:
    """Refuse a network that needs more cores than the chip has.

    Raises:
        DoesNotFit: With the cores of each layer.
    """
    if placed.fits or placed.chip.limits.cores is None:
        return
    count: dict[str, int] = {}
    for core in placed.cores:
        count[core.layer] = count.get(core.layer, 0) + 1
    largest = sorted(count.items(), key=lambda item: -item[1])[:3]
    listed = ", ".join(f"'{name}' with {cores}" for name, cores in largest)
    raise DoesNotFit(
        f"the network takes {len(placed.cores)} cores, but {placed.chip.name} has "
        f"{placed.chip.limits.cores.value}. The largest layers are "
        f"{listed} cores. Make them smaller."
    )


def _split(graph: Graph, chip: Chip, maps: Mapping[str, Rows], name: str, most: int) -> list[Part]:
    before = [b for b in graph.before(name) if b in maps]
    incoming = [Incoming(graph.nodes[b], maps[b]) for b in before]
    return split(name, graph.nodes[name], incoming, chip, most)


def _assemble(
    graph: Graph,
    chip: Chip,
    maps: Mapping[str, Rows],
    parts: Mapping[str, list[Part]],
) -> Placed:
    """Number the cores and draw the routes between them."""
    flat = [(name, part) for name, _ in graph.of(CubaLIF) for part in parts[name]]
    core_of = {name: np.zeros(size(node.shape), np.int64) for name, node in graph.of(CubaLIF)}
    for index, (name, part) in enumerate(flat):
        core_of[name][part.neurons] = index
    routes = {name: _route(graph, chip, name, maps[name], core_of, len(flat)) for name in maps}
    axons = {name: np.zeros(core.size, np.int64) for name, core in core_of.items()}
    for route in routes.values():
        if not route.host:
            axons[route.source] += route.destinations
    cores = [
        Core(
            i, name, frozen(p.neurons), {**p.use, "output_axons": int(axons[name][p.neurons].sum())}
        )
        for i, (name, p) in enumerate(flat)
    ]
    return Placed(
        graph,
        chip,
        tuple(cores),
        MappingProxyType({name: frozen(core) for name, core in core_of.items()}),
        MappingProxyType(routes),
    )


def _route(
    graph: Graph,
    chip: Chip,
    name: str,
    connected: Rows,
    core_of: Mapping[str, Array],
    cores: int,
) -> Route:
    """Where the spikes of one synapse go."""
    (source,), (target,) = graph.before(name), graph.after(name)
    fan = _fan(connected, core_of[target])
    host = source not in core_of
    lie = positions(chip, cores)
    hops: list[Array | None] = [None, None]
    if lie is not None and not host:
        start = core_of[source][fan.neuron]
        for axis, at in enumerate(lie):
            distance = np.zeros(connected.width, np.int64)
            np.add.at(distance, fan.neuron, np.abs(at[fan.core] - at[start]))
            hops[axis] = frozen(distance)
    kind = format_of(graph.nodes[name])
    return Route(source, target, kind, host, connected.width, fan, hops[0], hops[1])


def _fan(connected: Rows, lies_on: Array) -> Fan:
    """Which cores each source neuron reaches; a synapse of weight 0 is a synapse."""
    order = np.argsort(lies_on, kind="stable")
    ends = np.flatnonzero(np.diff(lies_on[order], append=-1)) + 1
    cores, neurons, synapses = [], [], []
    for targets in np.split(order, ends[:-1]):
        reached = np.bincount(connected.take(targets).indices, minlength=connected.width)
        (from_,) = np.nonzero(reached)
        cores.append(np.full(from_.size, lies_on[targets[0]]))
        neurons.append(from_)
        synapses.append(reached[from_])
    return Fan(*map(np.concatenate, (cores, neurons, synapses)))


def _send_too_much(placed: Placed, most: dict[str, int]) -> list[str]:
    """Populations to split further, with `most` lowered for each.

    Raises:
        DoesNotFit: If one neuron alone sends to more cores than a core has output axons.
    """
    limit = limit_of(placed.chip, "output_axons")
    lowered: dict[str, int] = {}
    for core in placed.cores:
        used = core.use["output_axons"] or 0
        if limit is None or used <= limit:
            continue
        if core.neurons.size == 1:
            neuron = int(core.neurons[0])
            raise too_much(core.layer, neuron, "output_axons", used, placed.chip)
        fewer = max(1, min(core.neurons.size - 1, core.neurons.size * limit // used))
        lowered[core.layer] = min(fewer, lowered.get(core.layer, fewer))
    most.update(lowered)
    return list(lowered)
