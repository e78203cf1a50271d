"""Count what happened on a chip: exactly, from spikes and the connection map.

In:  Placed; what each population did, as an engine reports it (Activity).
Out: Counts: integers by population, by synapse and by core; what the slowest cores did.
A synaptic operation is one spike through one stored synapse, whatever its weight: kernels and
dense rows store their zeros, and the connection map keeps every entry of a sparse map.
A message is one spike to one core. Lead-in steps are not counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from neurocompile.energy.effective import effective_fan_out
from neurocompile.energy.steps import Mode, Slowest
from neurocompile.engines.recording import Activity
from neurocompile.ir.arrays import Array
from neurocompile.ir.entries import entries
from neurocompile.ir.fixed import AlwaysOn, BiasInput, ChipNeuron, SpikeInput, Synapse
from neurocompile.ir.graph import Graph
from neurocompile.ir.nodes import size
from neurocompile.ir.time import depths
from neurocompile.place.placed import Placed, Route


@dataclass(frozen=True)
class LayerCounts:
    """Counts of one population.

    Attributes:
        name: Name of the population.
        kind: neurons, readout, input (spikes from the host) or always_on.
        neurons: Number of neurons.
        spikes: Number of spikes of all neurons.
        rate: Spikes per neuron and step of the network's time.
        synops: Number of synaptic operations that arrive at it.
        updated: See Activity; None for inputs, or if updates were not counted.
        saturations, wraps: See Activity.
    """

    name: str
    kind: str
    neurons: int
    spikes: int
    rate: float
    synops: int
    updated: int | None
    saturations: int
    wraps: int

    @property
    def on_chip(self) -> bool:
        """Whether these are neurons of the chip, which are computed in every step."""
        return self.kind in ("neurons", "readout")

    def idle(self, neuron_steps: int) -> int | None:
        """Charged neuron steps without an update; None if updates were not counted."""
        return None if self.updated is None else neuron_steps - self.updated


@dataclass(frozen=True)
class SynapseCounts:
    """Counts of one synapse.

    Attributes:
        name: Name of the synapse.
        source, target, format: See Route.
        host: Whether the host sends its spikes.
        synapses: Number of stored synapses in its connection map.
        synops: Spikes of each source neuron times its synapses, summed.
        effective_synops: The same for synapses whose weight is not 0; NeuroBench counts these.
        messages: Spikes of each source neuron times the cores that it reaches, summed.
        hops_east_west, hops_north_south: Number of hops of the messages that stay on a chip; None
            if not known.
        off_chip_messages: Number of messages to a core of another chip; None if the host sends.
    """

    name: str
    source: str
    target: str
    format: str
    host: bool
    synapses: int
    synops: int
    effective_synops: int
    messages: int
    hops_east_west: int | None
    hops_north_south: int | None
    off_chip_messages: int | None


@dataclass(frozen=True)
class HostCounts:
    """What the host does; counted, not priced.

    Attributes:
        spikes_sent: Number of spikes of SpikeInput and AlwaysOn, one message per core reached.
        register_writes: Number of bias registers written, one per neuron and sample.
        macs: Number of multiply-accumulates of synapses that the host computes.
        reads: Number of values read for the result, as the decoder needs them.
    """

    spikes_sent: int
    register_writes: int
    macs: int
    reads: int


@dataclass(frozen=True, eq=False)
class Counts:
    """Everything that happened.

    Attributes:
        samples: Number of samples.
        steps: Steps of the network's time per sample.
        depth: Additional chip steps of a sample if the state is reset after it.
        layers, synapses: Counts by name, in the graph's order.
        host: Counts of the host.
        on_cores: By event of chip.EVENTS that a core performs, (cores,) int64; without neuron
            updates, which are known only by population.
        slowest: By how samples follow each other and by latency model, the slowest core of each
            step; {} if steps were not watched.
    """

    samples: int
    steps: int
    depth: int
    layers: Mapping[str, LayerCounts]
    synapses: Mapping[str, SynapseCounts]
    host: HostCounts
    on_cores: Mapping[str, Array]
    slowest: Mapping[tuple[Mode, str], Slowest] = field(default_factory=dict)

    def steps_charged(self, mode: str) -> int:
        """Chip steps of all samples: T each if pipelined, T + depth each if reset in between."""
        return self.samples * (self.steps + (self.depth if mode == "reset" else 0))


def count(
    placed: Placed,
    activities: Mapping[str, Activity],
    samples: int,
    steps: int,
    slowest: Mapping[tuple[Mode, str], Slowest] | None = None,
) -> Counts:
    """Counts of a run.

    Args:
        placed: The network on its chip.
        activities: Activity by SpikeInput and ChipNeuron; an AlwaysOn needs none, it always spikes.
        samples: Number of samples that ran.
        steps: Steps of the network's time per sample.
        slowest: Slowest cores from a StepWork, if one watched the run.
    """
    graph = placed.graph
    runs = samples * steps
    every = {name: Activity(np.full(node.shape, runs)) for name, node in graph.of(AlwaysOn)}
    every.update({name: activities[name] for name, _ in graph.of(SpikeInput, ChipNeuron)})
    for name, activity in every.items():
        if activity.spikes.shape != graph.nodes[name].shape:
            raise ValueError(f"'{name}': spikes of shape {activity.spikes.shape}")
    fired = {name: activity.spikes.astype(np.int64).ravel() for name, activity in every.items()}
    synapses = {
        name: _synapse(name, route, graph.nodes[name], fired[route.source])
        for name, route in placed.routes.items()
    }
    layers = {}
    for name, node in graph.of(SpikeInput, AlwaysOn, ChipNeuron):
        spikes = int(fired[name].sum())
        neurons = size(node.shape)
        layers[name] = LayerCounts(
            name,
            _kind(node),
            neurons,
            spikes,
            spikes / (neurons * runs),
            sum(s.synops for s in synapses.values() if s.target == name),
            every[name].updated if isinstance(node, ChipNeuron) else None,
            every[name].saturations,
            every[name].wraps,
        )
    sent = sum(s.messages for s in synapses.values() if s.host)
    return Counts(
        samples,
        steps,
        max((depth for depth in depths(graph).values()), default=0),
        layers,
        synapses,
        _host(graph, samples, steps, sent),
        _on_cores(placed, fired),
        slowest or {},
    )


def _kind(node: SpikeInput | AlwaysOn | ChipNeuron) -> str:
    if isinstance(node, ChipNeuron):
        return "readout" if node.readout else "neurons"
    return "input" if isinstance(node, SpikeInput) else "always_on"


def _synapse(name: str, route: Route, synapse: Synapse, fired: Array) -> SynapseCounts:
    """Counts of a synapse; fired is (source neurons,) int64."""
    distances = [
        None if h is None else int(fired @ h)
        for h in (route.hops_east_west, route.hops_north_south, route.off_chip)
    ]
    return SynapseCounts(
        name,
        route.source,
        route.target,
        route.format,
        route.host,
        int(route.fan.synapses.sum()),
        int(fired @ route.fan_out),
        int(fired @ effective_fan_out(synapse.op, synapse.in_shape, synapse.out_shape)),
        int(fired @ route.destinations),
        *distances,
    )


def _on_cores(placed: Placed, fired: Mapping[str, Array]) -> Mapping[str, Array]:
    """Events by core: operations and messages where they arrive, spikes where they are fired."""
    cores = len(placed.cores)
    events = ("spike_out", "message_out", "message_in")
    on_cores = {event: np.zeros(cores, np.int64) for event in events}
    for core in placed.cores:
        spikes_out = sum(fired[name][held].sum() for name, held in core.held.items())
        on_cores["spike_out"][core.index] = spikes_out
    for route in placed.routes.values():
        spikes = fired[route.source]
        operations = f"synaptic_operation_{route.format}"
        on_cores.setdefault(operations, np.zeros(cores, np.int64))
        sent = spikes[route.fan.neuron]
        np.add.at(on_cores[operations], route.fan.core, route.fan.synapses * sent)
        np.add.at(on_cores["message_in"], route.fan.core, sent)
        if not route.host:
            np.add.at(
                on_cores["message_out"], placed.core_of[route.source], spikes * route.destinations
            )
    return on_cores


def _host(graph: Graph, samples: int, steps: int, sent: int) -> HostCounts:
    """Work of the host, which follows from the inputs and the decoder of the graph."""
    writes = macs = 0
    for _, node in graph.of(BiasInput):
        writes += samples * size(node.shape)
        if node.host is not None:
            macs += samples * entries(node.host, node.in_shape).rows.size
    kind = graph.settings.decoder.kind
    # The last potential and a count of spikes are read once; a mean or maximum every step.
    times = {"none": 0, "last": 1, "rate": 1, "max": steps, "mean": steps}[kind]
    values = sum(size(graph.nodes[name].shape) for name in graph.outputs())
    return HostCounts(sent, writes, macs, samples * times * values)
