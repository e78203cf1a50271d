"""How long the cores of a placement take for a step, as far as it is known before a run.

In:  a chip with the times of its events; how often each neuron spikes.
Out: Pace: the work of a block on its core, and the time of a step.
A core sends and receives at the same time, so its work is the longer of the two: visiting its
neurons and sending their spikes, or receiving messages and processing them (`energy/latency.py`).
Every neuron counts as updated in every step. Where nothing was measured, a neuron spikes in one
step of ten.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from neurocompile.chip.mesh import chips_used, tiles_used
from neurocompile.chip.record import Chip
from neurocompile.errors import BadInput
from neurocompile.ir.arrays import Array
from neurocompile.ir.fixed import AlwaysOn, ChipNeuron, SpikeInput
from neurocompile.ir.graph import Graph
from neurocompile.place.boxes import Box
from neurocompile.place.limits import Load, PopulationToPlace
from neurocompile.place.maps import Listed
from neurocompile.place.memory import format_of

RATE = 0.1  # spikes of a neuron per step, where nothing was measured
PER_SECOND = 10**12
VISIT = ("neuron_access", "neuron_update", "neuron_active")


class Work(NamedTuple):
    """What blocks take of a step, in picoseconds, for both of which a core takes the same time."""

    sending: int
    receiving: int


class Pace:
    """The times of a chip's events, and the rates of a network.

    Args:
        graph: FIXED graph.
        chip: Chip with times.
        spikes: By population, (shape) mean spikes of each neuron per step. What is missing spikes
            at RATE, an axon that is always on in every step.

    Raises:
        BadInput: If no latency model of the chip is complete.
    """

    def __init__(self, graph: Graph, chip: Chip, spikes: Mapping[str, Array]) -> None:
        self.chip, self.model = chip, model_of(chip)
        self.rates = {
            name: np.broadcast_to(
                spikes.get(name, 1.0 if isinstance(node, AlwaysOn) else RATE), node.shape
            ).astype(float)
            for name, node in graph.of(SpikeInput, AlwaysOn, ChipNeuron)
        }
        self._receiving: dict[tuple[object, ...], float] = {}
        self._seconds = {event: price.si for event, price in chip.latency[self.model].items()}

    def work(self, layer: PopulationToPlace, block: Box) -> Work:
        """What a block takes of a step, with the output axons that are known by now."""
        rates = self.rates[layer.name].reshape(layer.shape)[block.slices]
        messages = float((rates * layer.output_axons[block.slices]).sum())
        sending = block.size * sum(map(self._of, VISIT))
        sending += float(rates.sum()) * self._of("spike_out") + messages * self._of("message_out")
        key = layer.name, block.box
        if key not in self._receiving:
            self._receiving[key] = sum(self._received(*onto, block) for onto in layer.maps)
        return Work(round(sending * PER_SECOND), round(self._receiving[key] * PER_SECOND))

    def step(self, layers: Sequence[PopulationToPlace], loads: Sequence[Load]) -> int:
        """Picoseconds of a step: the slowest core, and the barrier where one chip has all cores."""
        slowest = self.slowest(layers, loads)
        if chips_used(self.chip, len(loads)) > 1:
            return slowest  # no source states the time of a barrier between chips
        closing = self.chip.barrier[self.model].seconds(tiles_used(self.chip, len(loads)))
        return slowest + round(closing * PER_SECOND)

    def slowest(self, layers: Sequence[PopulationToPlace], loads: Sequence[Load]) -> int:
        """Work of the slowest core in a step, in picoseconds."""
        by_name = {layer.name: layer for layer in layers}
        works = [
            [self.work(by_name[name], block) for name, block in load.blocks.items()]
            for load in loads
        ]
        return max((longer(blocks) for blocks in works), default=0)

    def least(self, layers: Sequence[PopulationToPlace], cores: int) -> int:
        """Work of the slowest of so many cores if all were equally busy, in picoseconds."""
        whole = [Box(layer.shape, tuple((0, n) for n in layer.shape)) for layer in layers]
        return longer(map(self.work, layers, whole)) // max(1, cores)

    def _received(self, source: str, onto: Listed, block: Box) -> float:
        """Seconds in which a core takes in the spikes of one source for a block."""
        if source not in self.rates:  # a bias sends nothing
            return 0.0
        reach, rates = onto.reach(block), self.rates[source].ravel()
        each = self._of(f"synaptic_operation_{format_of(onto.synapse)}")
        operations = float(rates @ reach) * (each or self._of("synaptic_operation"))
        return operations + float(rates @ (reach > 0)) * self._of("message_in")

    def _of(self, event: str) -> float:
        """Seconds of an event; 0 where its time is part of another one."""
        return self._seconds.get(event, 0.0)


def longer(works: Iterable[tuple[int, ...]]) -> int:
    """The longer of both sides of the work of several blocks together."""
    return max(map(sum, zip(*works, strict=True)), default=0)


def model_of(chip: Chip) -> str:
    """The latency model whose times count: the nominal one, else the first that is complete.

    Raises:
        BadInput: If there is none.
    """
    complete = [model for model in chip.latency if model in chip.barrier]
    if not complete:
        raise BadInput(
            f"placing for time (--place time) needs the times of {chip.name}, but its target.toml "
            "has no model with [latency.NAME] and [barrier.NAME]. Use fewest_of='both', 'cores' or "
            "'messages' (--place)."
        )
    return chip.nominal if chip.nominal in complete else complete[0]
