"""How every run of a comparison departs from the float network, over any number of samples.

In:  every run of the network, a batch of samples at a time.
Out: how far each run is from the float network, and which neurons never spike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from neurocompile.engines.decode import potentials
from neurocompile.engines.fixed import FixedRun
from neurocompile.engines.floating import FloatRecording
from neurocompile.engines.torch_ops import apply
from neurocompile.ir.arrays import Array
from neurocompile.ir.fixed import BiasInput, ChipNeuron, SpikeInput
from neurocompile.ir.graph import Graph
from neurocompile.quantize.incoming import Incoming
from neurocompile.report.parting.apart import Apart
from neurocompile.report.parting.rerun import Given
from neurocompile.report.parting.rounding import RoundedPopulation, threshold_of

# As in neurocompile.nn.activity, which needs Norse: above it a neuron says little more than "on".
BURSTING_RATE = 0.5


class Departures:
    """How the chip, each layer by itself and each class of rounding depart from the float one."""

    def __init__(
        self, graph: Graph, incoming: Mapping[str, Incoming], steps: int, runs: tuple[str, ...]
    ):
        self.graph = graph
        self.incoming = incoming
        self.steps = steps
        shape = {name: node.shape for name, node in graph.of(ChipNeuron)}
        spiking = {n: s for n, s in shape.items() if incoming[n].neuron.spiking}
        self.chip = Apart(shape, steps)
        self.alone = Apart(spiking, steps)
        self.control = Apart(spiking, steps)
        self.runs = {run: Apart(spiking, steps) for run in runs}
        self.saturations = dict.fromkeys(shape, 0)
        self.wraps = dict.fromkeys(shape, 0)
        self.units = {name: _unit(incoming[name]) for name in shape}
        self.driven: dict[str, Array] = {}

    def add_chip(self, ideal: FloatRecording, chip: FixedRun, count: int) -> None:
        """Add the next `count` samples of the float network and of the fixed engine."""
        first = self.chip.add_spikes(ideal.spikes, chip.recording.spikes, count)
        for name, row in self.chip.layers.items():
            v = ideal.membrane[name]
            fixed = potentials(self.graph, name, chip.recording.membrane[name])
            self.chip.add_membrane(name, (fixed - v) / self.units[name], first)
            peak = np.abs(v - self.incoming[name].level).max(initial=0.0)
            row.largest = max(row.largest, float(peak))
            self.saturations[name] += chip.activity[name].saturations
            self.wraps[name] += chip.activity[name].wraps

    def add_input(self, enters: Given) -> None:
        """Note which inputs are ever other than 0."""
        for name, _ in self.graph.of(BiasInput):
            self._drive(name, (enters.currents[name] != 0).any(axis=0))
        for name, _ in self.graph.of(SpikeInput):
            self._drive(name, np.any(enters.encoded.values[name], axis=(0, 1)))

    def _drive(self, name: str, active: Any) -> None:
        self.driven[name] = active | self.driven.get(name, False)


def _unit(incoming: Incoming) -> Array:
    """Unit of the membrane errors: the threshold above the level; 1 where that is not positive."""
    if not incoming.neuron.spiking:
        return np.ones(())  # a readout's unit is known at the end: its largest float potential
    threshold = threshold_of(incoming)
    return np.where(threshold > 0, threshold, 1.0)


@dataclass(frozen=True)
class Idle:
    """Neurons of a layer that carry no information, as `neurocompile.nn.activity` counts them.

    Attributes:
        silent: Neurons without a spike in all samples.
        unreachable: Neurons into which no source with a non-zero weight ever spiked.
        dead: Neurons that are reachable and silent.
        bursting: Neurons with a mean rate above `BURSTING_RATE`.
    """

    silent: int
    unreachable: int
    dead: int
    bursting: int


def idle(
    layer: RoundedPopulation,
    counts: Mapping[str, Array],
    driven: Mapping[str, Array],
    steps: int,
    name: str,
) -> Idle:
    """Count a layer's silent and bursting neurons.

    Args:
        layer: The population, with the weights of the run in question.
        counts: Spikes of each neuron over all samples, by layer.
        driven: Which inputs were ever other than 0, by input.
        steps: Time steps of all samples together.
        name: Name of the layer.
    """
    reach = np.broadcast_to(driven.get(layer.host, False), layer.node.shape)
    for synapse in layer.synapses:
        active = driven.get(synapse.source)
        active = (
            counts[synapse.source] > 0 if active is None and synapse.source in counts else active
        )
        if active is None:  # an always-on axon carries nothing of the input
            continue
        x = torch.from_numpy(active.astype(np.float64)).reshape(1, *synapse.in_shape)
        present = synapse.op.with_weights((synapse.op.weights != 0).astype(np.float64))
        sources = apply(present, x, synapse.in_shape).numpy()  # that ever spiked, per neuron
        reach = reach | (sources.reshape(layer.node.shape) > 0.5)
    spikes = counts[name]
    return Idle(
        silent=int((spikes == 0).sum()),
        unreachable=int((~reach).sum()),
        dead=int((reach & (spikes == 0)).sum()),
        bursting=int((spikes > BURSTING_RATE * steps).sum()),
    )
