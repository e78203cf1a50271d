"""How much of a core blocks of neurons use, and when a core is full.

In:  a population with its incoming synapses; what a core holds already.
Out: what the core holds with one more block, or which resource runs out.
A core holds at most one block of a population, so the uses of blocks add up. Equal thresholds,
decays and layouts of lists are shared. Blocks with dense lists lie first on a core: from there,
the lists need no index.

A neuron sums the spikes of each future step in a dendritic accumulator of its own, and all
neurons of a core have equally many. With 2^b of them, 2^b - 1 steps lie ahead: one that every
synapse takes, and a wait of up to 2^b - 2.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from neurocompile.chip.record import Chip, Memory
from neurocompile.errors import DoesNotFit
from neurocompile.ir.arrays import Array
from neurocompile.ir.fixed import ChipNeuron
from neurocompile.ir.nodes import Shape
from neurocompile.place.boxes import Box
from neurocompile.place.maps import Listed
from neurocompile.place.memory import Lists, format_of
from neurocompile.place.placed import RESOURCES
from neurocompile.place.storage import addressable, least_bits, stored

ADVICE = {
    "input_axons": "Let a neuron see fewer inputs: a stride or a pooling before this layer, a "
    "smaller kernel, or fewer neurons in the layer before it.",
    "synapse_memory": "Let a neuron see fewer inputs, or use fewer weight bits.",
    "output_axons": "Let a neuron reach fewer neurons: a smaller kernel, or a smaller layer "
    "after it.",
    "dendritic_accumulators": "Use shorter delays, or a skip over fewer layers.",
    "synapse_configurations": "Join synapses into this layer, or give them one weight exponent.",
}
SUMS = ("neurons", "input_axons", "output_axons", "dendritic_accumulators", "synapse_memory")
WORK = ("sending", "receiving")  # picoseconds of a step, limited only by `PopulationToPlace.hurry`
SETS = ("threshold_configurations", "neuron_configurations", "synapse_configurations")


class Over(NamedTuple):
    """A resource of which a core has too little, and the amount that it would need."""

    resource: str
    needed: int


@dataclass(frozen=True)
class Load:
    """What a core holds.

    Attributes:
        blocks: Blocks by population, in their order on the core.
        layers: The populations of these blocks, by name.
        sums: Numbers of neurons, input axons, output axons, dendritic accumulators and bits of
            memory; where the work of cores is limited, picoseconds of a step, else 0.
        sets: By key of SETS, the different configurations.
        share: Used part of the resource that is closest to its limit, 0 to 1.
        slots: Number of dendritic accumulators that each neuron has.
        dense: Sizes of the blocks with dense lists, which come first, in ascending order.
    """

    blocks: Mapping[str, Box] = field(default_factory=dict)
    layers: Mapping[str, PopulationToPlace] = field(default_factory=dict)
    sums: Mapping[str, int] = field(default_factory=lambda: dict.fromkeys((*SUMS, *WORK), 0))
    sets: Mapping[str, frozenset[Any]] = field(
        default_factory=lambda: dict.fromkeys(SETS, frozenset())
    )
    share: float = 0.0
    slots: int = 0
    dense: tuple[int, ...] = ()

    def use(self, chip: Chip) -> dict[str, int | None]:
        """By key of RESOURCES, amount in use; None where the chip has no formula."""
        use: dict[str, int | None] = {**self.sums, **{k: len(v) for k, v in self.sets.items()}}
        if chip.memory is None:
            use |= {"synapse_memory": None, "synapse_configurations": None}
        if chip.limits.dendritic_accumulators_per_core is None:
            use |= {"dendritic_accumulators": None}
        return {resource: use[resource] for resource in RESOURCES}


class PopulationToPlace:
    """A population on its way to cores.

    Attributes:
        name: Name of the population.
        shape: Shape in which it is cut.
        maps: Incoming synapses, each with the name of its source.
        chip: Chip with its limits.
        output_axons: (shape) int64, output axons per neuron to the targets that are cut already.
        earlier_axons: (shape) int64, the most that a neuron took in earlier placements; 0 at first.
        slots: Number of dendritic accumulators that each neuron needs.
        dense: Whether some synapse onto it has dense lists.
    """

    def __init__(
        self,
        name: str,
        population: ChipNeuron,
        shape: Shape,
        maps: list[tuple[str, Listed]],
        chip: Chip,
    ) -> None:
        self.name, self.shape, self.maps, self.chip = name, shape, maps, chip
        self.slots = slots_for(max((onto.wait for _, onto in maps), default=0))
        self.dense = any(format_of(onto.synapse) == "dense" for _, onto in maps)
        self.output_axons = np.zeros(shape, np.int64)
        self.earlier_axons = np.zeros(shape, np.int64)
        self._threshold, self._decay = (
            values if values.ndim == 0 else values.reshape(shape)
            for values in (population.threshold, population.decays)
        )
        self._stored: dict[tuple[Hashable, int], list[Lists]] = {}
        self._work: WorkOf | None = None
        self._limits = {r: limit_of(chip, r) for r in RESOURCES} | dict.fromkeys(WORK)

    def hurry(self, work: WorkOf | None, most: int | None) -> None:
        """Limit what a core sends and what it receives in a step, each in picoseconds."""
        self._work = work
        self._limits |= dict.fromkeys(WORK, most)

    def most(self) -> int | None:
        """Largest number of neurons that a core can hold, whatever they are."""
        accumulators = self._limits["dendritic_accumulators"]
        bounds = [self._limits["neurons"]]
        bounds.append(addressable(self.chip.memory) if self.chip.memory else None)
        bounds.append(None if accumulators is None else accumulators // self.slots)
        return min((b for b in bounds if b is not None), default=None)

    def least_blocks(self, messages: Array) -> Array:
        """Fewest blocks that hold the axons and lists of so many messages, whatever their shape."""
        least = np.ones_like(messages)
        need: dict[str, Any] = {"input_axons": messages, "output_axons": np.sum(self.output_axons)}
        memory = self.chip.memory
        if isinstance(memory, Memory):
            need["synapse_memory"] = self._bits + messages * memory.entry_header_bits.value
        elif memory is not None:
            need["synapse_memory"] = np.array(self._bits)
        for resource, total in need.items():
            limit = self._limits[resource]
            if limit:
                least = np.maximum(least, -(-total // limit))
        return least

    @cached_property
    def _bits(self) -> int:
        """Fewest bits of all lists that are not shared, without their headers."""
        memory, whole = self.chip.memory, Box(self.shape, tuple((0, n) for n in self.shape))
        assert memory is not None
        return sum(
            least_bits(onto.synapse, onto.reach(whole), memory, onto.wait)
            for _, onto in self.maps
            if format_of(onto.synapse) != "conv"
        )

    def onto(self, load: Load, block: Box) -> Load | Over:
        """What a core holds with one more block, or what runs out; memory is checked last."""
        sums = dict(load.sums)
        sums["neurons"] += block.size
        slots = max(load.slots, self.slots)
        sums["dendritic_accumulators"] = sums["neurons"] * slots
        over, most = self._over(sums), self.most()
        if over is None and most is not None and sums["neurons"] > most:  # than indices reach
            over = Over("neurons", sums["neurons"])
        if over is not None:
            return over
        sums["input_axons"] += sum(onto.axons(block) for _, onto in self.maps)
        sums["output_axons"] += int(
            np.maximum(self.output_axons[block.slices], self.earlier_axons[block.slices]).sum()
        )
        if self._work is not None:
            for side, time in zip(WORK, self._work(self, block), strict=True):
                sums[side] += time
        over = self._over(sums)
        if over is not None:
            return over
        layers = {**load.layers, self.name: self}
        at = bisect_right(load.dense, block.size) if self.dense else len(load.blocks)
        blocks = _with_entry(load.blocks, at, (self.name, block))
        dense = (*load.dense[:at], block.size, *load.dense[at:]) if self.dense else load.dense
        kinds: dict[str, frozenset[Any]] = {
            "threshold_configurations": _values(self._threshold, block),
            "neuron_configurations": _values(self._decay, block),
        }
        sets = {key: held | kinds.get(key, frozenset()) for key, held in load.sets.items()}
        if self.chip.memory is not None:
            if at == len(load.blocks):  # behind the others, whose lists stay as they are
                stored = self.lists(block, load.sums["neurons"])
            else:
                stored = _stored(layers, blocks)
                sums["synapse_memory"], sets["synapse_configurations"] = 0, frozenset()
            sums["synapse_memory"] += sum(lists.bits for lists in stored)
            sets["synapse_configurations"] |= {lists.layout for lists in stored}
        use = {**sums, **{key: len(different) for key, different in sets.items()}}
        share = max((use[r] / n for r, n in self._limits.items() if n), default=0.0)
        return self._over(use) or Load(blocks, layers, sums, sets, share, slots, dense)

    def refuse(self, block: Box, over: Over) -> DoesNotFit:
        """The error for one neuron that no core can hold."""
        what = over.resource.replace("_", " ")
        unit = " bits of" if over.resource == "synapse_memory" else ""
        limit = self._limits[over.resource]
        return DoesNotFit(
            f"layer '{self.name}': neuron {int(block.neurons()[0])} needs {over.needed}{unit} "
            f"{what}{self._whence(block, over)}, but a core of {self.chip.name} has only {limit}. "
            f"{ADVICE.get(over.resource, '')}".rstrip()
        )

    def limit(self, resource: str) -> int | None:
        """How much of a resource a core has; None means no limit."""
        return self._limits[resource]

    def _whence(self, block: Box, over: Over) -> str:
        """The sources of input axons, if there are several."""
        if over.resource != "input_axons" or len(self.maps) < 2:
            return ""
        return f" ({', '.join(f'{onto.axons(block)} from {name!r}' for name, onto in self.maps)})"

    def _over(self, use: Mapping[str, int]) -> Over | None:
        """The first resource of which there is too little."""
        for resource, needed in use.items():
            limit = self._limits[resource]
            if limit is not None and needed > limit:
                return Over(resource, needed)
        return None

    def lists(self, block: Box, base: int) -> list[Lists]:
        """The lists of each synapse onto a block that starts at this number, computed once.

        Blocks that are alike share them.
        """
        assert self.chip.memory is not None
        key = tuple(onto.alike(block) for _, onto in self.maps), base
        if key not in self._stored:
            memory = self.chip.memory
            self._stored[key] = [stored(onto, block, memory, base) for _, onto in self.maps]
        return self._stored[key]


WorkOf = Callable[[PopulationToPlace, Box], tuple[int, ...]]  # sending, receiving


def _with_entry(blocks: Mapping[str, Box], at: int, entry: tuple[str, Box]) -> dict[str, Box]:
    """Blocks with one more at a place among them."""
    entries = list(blocks.items())
    entries.insert(at, entry)
    return dict(entries)


def _stored(layers: Mapping[str, PopulationToPlace], blocks: Mapping[str, Box]) -> list[Lists]:
    """The lists of all synapses onto a core."""
    base, stored = 0, []
    for name, block in blocks.items():
        stored += layers[name].lists(block, base)
        base += block.size
    return stored


def slots_for(wait: int) -> int:
    """Number of dendritic accumulators that a neuron needs whose spikes wait up to `wait` steps."""
    return 1 << (wait + 1).bit_length()


def limit_of(chip: Chip, resource: str) -> int | None:
    """How much of a resource a core of the chip has; None means no limit."""
    limit = getattr(chip.limits, RESOURCES[resource])
    return None if limit is None else int(limit.value)


def _values(register: Array, block: Box) -> frozenset[int]:
    """The different values of a register on a block."""
    if register.ndim == 0:
        return frozenset([int(register)])
    return frozenset(np.unique(register[block.slices]).tolist())
