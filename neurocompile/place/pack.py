"""Choose the core of every block: several populations share a core where that saves cores.

In:  populations, in the graph's order.
Out: what each core holds.
Two greedy methods are tried, and the better result is kept. Packing cuts each population into
equal blocks and puts them, the largest first, each onto the fullest core that still has room
(best fit decreasing). Pouring cuts each population so that it fills the cores that still have
room. Both go from the output to the input: what a neuron sends depends on how its targets are
cut.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product

import numpy as np

from neurocompile.errors import Refusals
from neurocompile.ir.arrays import Array
from neurocompile.place.boxes import Box
from neurocompile.place.cut import Cut, cuts, longest
from neurocompile.place.halves import halved
from neurocompile.place.level import levelled
from neurocompile.place.limits import Load, Over, PopulationToPlace
from neurocompile.place.objective import Counted, cost

ROOM = 64  # cores, before arrays of them grow
OPEN = 6  # number of cores with room that are tried for a block
CHOICES = 6  # number of ways to cut a population that are poured
SMALLEST = (8, 4, 2, 1)  # a block that fills a gap is at least the largest one divided by this
POURED_FOR: tuple[Counted, ...] = ("cores", "both")  # what each population is poured for


def packed(layers: Sequence[PopulationToPlace], objective: Counted) -> list[Load]:
    """The cores of a network.

    Args:
        layers: Populations, in the graph's order; their output axons are set on the way.
        objective: What there should be fewest of; the other quantity comes second.

    Raises:
        DoesNotFit: If a single neuron is too much for a core; names every such layer.
    """
    best = min(packings(layers), key=lambda loads: cost(len(loads), _messages(loads), objective))
    announce_all(layers, best)
    return levelled(layers, best)


def packings(layers: Sequence[PopulationToPlace], *, pour: bool = True) -> list[list[Load]]:
    """Placements by each method; without pouring only those of equal blocks."""
    ways: dict[str, list[Cut]] = {}
    refusals, sources = Refusals(), _by_name(layers)
    for layer in _backwards(layers):
        with refusals.gather():
            ways[layer.name] = cuts(layer)
            _announce(sources, layer, ways[layer.name][0].blocks)
    refusals.errors.reverse()  # into the order of the network
    refusals.answer()
    tried = [_pack(layers, ways, "cores"), _pack(layers, ways, "messages")]
    if pour:
        tried += [_pour(layers, ways, *how) for how in product(SMALLEST, POURED_FOR)]
    return tried


def announce_all(layers: Sequence[PopulationToPlace], loads: Sequence[Load]) -> None:
    """Set the output axons of all populations to those that these cores need."""
    sources = _by_name(layers)
    for layer in _backwards(layers):
        _announce(sources, layer, _blocks(loads, layer))


def _messages(loads: Iterable[Load]) -> int:
    """Number of messages when every source spikes once."""
    return sum(load.sums["input_axons"] for load in loads)


def _blocks(loads: Iterable[Load], layer: PopulationToPlace) -> list[Box]:
    """The blocks of a population."""
    return [load.blocks[layer.name] for load in loads if layer.name in load.blocks]


def _backwards(layers: Sequence[PopulationToPlace]) -> Iterator[PopulationToPlace]:
    """From the last population to the first; at the start no target counts as cut."""
    for layer in layers:
        layer.output_axons = np.zeros(layer.shape, np.int64)
    yield from reversed(layers)


def _by_name(layers: Iterable[PopulationToPlace]) -> dict[str, PopulationToPlace]:
    return {layer.name: layer for layer in layers}


def _announce(
    sources: Mapping[str, PopulationToPlace], target: PopulationToPlace, blocks: Iterable[Box]
) -> None:
    """Add the output axons that the sources of a population need to reach its blocks."""
    for block in blocks:
        for name, onto in target.maps:
            if name in sources:
                axons = sources[name].output_axons
                axons += (onto.reach(block) > 0).reshape(axons.shape)


def in_halves(layers: Sequence[PopulationToPlace]) -> list[Load]:
    """Every population by itself, cut in halves: no core holds two populations."""
    loads: list[Load] = []
    sources = _by_name(layers)
    for layer in _backwards(layers):
        cut = halved(layer)
        _announce(sources, layer, [block for load in cut for block in load.blocks.values()])
        loads += cut
    return loads


def _pack(
    layers: Sequence[PopulationToPlace], ways: dict[str, list[Cut]], objective: Counted
) -> list[Load]:
    """Equal blocks of each population, best fit decreasing."""
    waiting: list[tuple[float, PopulationToPlace, Box]] = []
    sources = _by_name(layers)
    for layer in _backwards(layers):
        blocks = _best(ways[layer.name], objective).blocks
        alone = [layer.onto(Load(), block) for block in blocks]
        if any(isinstance(load, Over) for load in alone):  # it sends more than it did when cut
            blocks = _best(cuts(layer), objective).blocks
            alone = [layer.onto(Load(), block) for block in blocks]
        _announce(sources, layer, blocks)
        waiting += [
            (load.share, layer, block)
            for load, block in zip(alone, blocks, strict=True)
            if isinstance(load, Load)
        ]
    cores = _Cores()
    for _, layer, block in sorted(waiting, key=lambda entry: -entry[0]):
        for at in (*cores.open(layer, block.size)[:OPEN], cores.count):
            grown = layer.onto(cores.load(at), block)
            if isinstance(grown, Load):
                cores.put(at, grown, layer)
                break
    return cores.loads


def _best(ways: Sequence[Cut], objective: Counted) -> Cut:
    return min(ways, key=lambda way: cost(len(way.blocks), way.messages, objective))


class _Cores:
    """Cores while they are filled; of thousands, those with room are found at once.

    Attributes:
        loads: What each of them holds; at the start, nothing of the populations that will be put.
    """

    def __init__(self, loads: Sequence[Load] = ()) -> None:
        self.loads = list(loads)
        room = max(ROOM, len(loads))
        self._neurons, self._share = np.zeros(room, np.int64), np.zeros(room)
        self._neurons[: len(loads)] = [load.sums["neurons"] for load in loads]
        self._share[: len(loads)] = [load.share for load in loads]
        self._with: dict[str, list[int]] = {}  # by population, the cores with a block of it

    @property
    def count(self) -> int:
        """Number of cores."""
        return len(self.loads)

    def load(self, at: int) -> Load:
        """What a core holds; nothing if it is the next new one."""
        return self.loads[at] if at < self.count else Load()

    def put(self, at: int, load: Load, layer: PopulationToPlace) -> None:
        """Let a core, or a new one, hold one more block, which is one of this population."""
        self.loads[at : at + 1] = [load]
        if at == self._share.size:
            self._neurons, self._share = (_doubled(each) for each in (self._neurons, self._share))
        self._neurons[at], self._share[at] = load.sums["neurons"], load.share
        self._with.setdefault(layer.name, []).append(at)

    def open(self, layer: PopulationToPlace, neurons: int) -> list[int]:
        """Cores with room for so many neurons and without this population, the fullest first."""
        most = layer.most()
        free = np.ones(self.count, bool)
        if most is not None:
            free &= self._neurons[: self.count] + neurons <= most
        free[self._with.get(layer.name, [])] = False
        cores = np.flatnonzero(free)
        found: list[int] = cores[np.argsort(-self._share[cores], kind="stable")].tolist()
        return found


def _doubled(values: Array) -> Array:
    return np.concatenate([values, np.zeros_like(values)])


def _pour(
    layers: Sequence[PopulationToPlace], ways: dict[str, list[Cut]], part: int, each: Counted
) -> list[Load]:
    """Populations one after another, each into the gaps that the earlier ones left.

    `each` says which way to cut a population is taken.
    """
    loads: list[Load] = []
    sources = _by_name(layers)
    for layer in _backwards(layers):
        tried = _poured(layer, ways[layer.name], loads, part)
        tried = tried or _poured(layer, cuts(layer), loads, part)  # it sends more than when cut
        loads = min(tried, key=lambda poured: cost(len(poured), _messages(poured), each))
        _announce(sources, layer, _blocks(loads, layer))
    return loads


def _poured(
    layer: PopulationToPlace, ways: Sequence[Cut], loads: Sequence[Load], part: int
) -> list[list[Load]]:
    """The cores with one more population, for each way in which it can be poured."""
    tried = [_poured_in(layer, cut, loads, part) for cut in ways[:CHOICES]]
    return [poured for poured in tried if poured is not None]


def _poured_in(
    layer: PopulationToPlace, cut: Cut, before: Sequence[Load], part: int
) -> list[Load] | None:
    """The cores with one more population; None if a slice is too much for a core."""
    cores, axis = _Cores(before), cut.layout.axis
    for bar in cut.layout.bars:
        start, end = bar.box[axis]
        while start < end:
            rest = bar.piece(axis, (start, end))
            first = next(_places(layer, cores, rest, axis, max(1, cut.longest // part)), None)
            if first is None:
                return None
            at, stop = first
            grown = layer.onto(cores.load(at), bar.piece(axis, (start, stop)))
            assert isinstance(grown, Load), "`_places` has checked that the piece fits"
            cores.put(at, grown, layer)
            start = stop
    return cores.loads


def _places(
    layer: PopulationToPlace, cores: _Cores, rest: Box, axis: int, least: int
) -> Iterator[tuple[int, int]]:
    """Cores for the rest of a bar, the best one first; with each, the end of the part that fits.

    The whole rest goes onto the fullest core that has room for it. Otherwise at least `least`
    neurons go onto the emptiest core, otherwise as many as possible onto a new core.
    """
    start, end = rest.box[axis]
    least = min(rest.size, least)
    for at in cores.open(layer, rest.size)[:OPEN]:
        if isinstance(layer.onto(cores.loads[at], rest), Load):
            yield at, end
    for at in cores.open(layer, least)[: -OPEN - 1 : -1]:
        stop = longest(layer, cores.loads[at], rest, axis, start)
        if not isinstance(stop, Over) and (stop - start) * (rest.size // (end - start)) >= least:
            yield at, stop
    stop = longest(layer, Load(), rest, axis, start)
    if not isinstance(stop, Over):
        yield cores.count, stop
