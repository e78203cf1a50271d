"""Choose the core of every block: several populations share a core where that saves cores.

In:  populations, in the graph's order.
Out: what each core holds.
Two greedy methods, both tried, the better one kept. Packing takes each population in equal
blocks, the largest first, each onto the fullest core that still takes it (best fit
decreasing). Pouring cuts each population so that it fills the cores that are still open. Both
go from the output to the input: what a neuron sends depends on how its targets are cut.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

import numpy as np

from neurocompile.place.boxes import Box
from neurocompile.place.cut import Cut, cuts, longest
from neurocompile.place.level import levelled
from neurocompile.place.load import Load, Over, PopulationToPlace

Objective = Literal["both", "cores", "messages"]

OPEN = 6  # open cores that are tried for a block
CHOICES = 6  # ways to cut a population that are poured
SMALLEST = (8, 4, 2, 1)  # a block that fills a gap is no smaller than this part of the largest


def packed(layers: Sequence[PopulationToPlace], few: Objective) -> list[Load]:
    """The cores of a network.

    Args:
        layers: Populations, in the graph's order; what they send is told on the way.
        few: What there should be fewest of, the other one coming second. "both" takes the
            smallest product: a core more must save its share of messages.

    Raises:
        DoesNotFit: If one neuron alone is too much for a core.
    """
    ways: dict[str, list[Cut]] = {}
    for layer in _backwards(layers):
        ways[layer.name] = cuts(layer)
        _announce(layers, layer, ways[layer.name][0].blocks)
    tried = [_pack(layers, ways, "cores"), _pack(layers, ways, "messages")]
    tried += [_pour(layers, ways, part) for part in SMALLEST]
    best = min(tried, key=lambda loads: _cost(len(loads), _messages(loads), few))
    for layer in _backwards(layers):
        _announce(layers, layer, _blocks(best, layer))
    return levelled(layers, best)


def _cost(cores: int, messages: int, few: Objective) -> tuple[int, int]:
    """What is compared first, and second."""
    first = {"both": cores * messages, "cores": cores, "messages": messages}[few]
    return first, cores if few == "messages" else messages


def _messages(loads: Iterable[Load]) -> int:
    """Messages of one spike of every source."""
    return sum(load.sums["input_axons"] for load in loads)


def _blocks(loads: Iterable[Load], layer: PopulationToPlace) -> list[Box]:
    """The blocks of a population."""
    return [load.blocks[layer.name] for load in loads if layer.name in load.blocks]


def _backwards(layers: Sequence[PopulationToPlace]) -> Iterator[PopulationToPlace]:
    """From the last population to the first; none has been told yet how its targets are cut."""
    for layer in layers:
        layer.told = np.zeros(layer.shape, np.int64)
    yield from reversed(layers)


def _announce(
    layers: Sequence[PopulationToPlace], target: PopulationToPlace, blocks: Iterable[Box]
) -> None:
    """Tell the sources of a population into which blocks it is cut."""
    sources = {layer.name: layer for layer in layers}
    for block in blocks:
        for name, each in target.maps:
            if name in sources:
                told = sources[name].told
                told += (each.reach(block) > 0).reshape(told.shape)


def _pack(
    layers: Sequence[PopulationToPlace], ways: dict[str, list[Cut]], few: Objective
) -> list[Load]:
    """Equal blocks of each population, best fit decreasing."""
    waiting: list[tuple[float, PopulationToPlace, Box]] = []
    for layer in _backwards(layers):
        blocks = _best(ways[layer.name], few).blocks
        alone = [layer.onto(Load(), block) for block in blocks]
        if any(isinstance(each, Over) for each in alone):  # it sends more than was known
            blocks = _best(cuts(layer), few).blocks
            alone = [layer.onto(Load(), block) for block in blocks]
        _announce(layers, layer, blocks)
        waiting += [
            (load.share, layer, block)
            for load, block in zip(alone, blocks, strict=True)
            if isinstance(load, Load)
        ]
    loads: list[Load] = []
    for _, layer, block in sorted(waiting, key=lambda each: -each[0]):
        for at in (*_open(loads, layer, block.size)[:OPEN], len(loads)):
            grown = layer.onto(loads[at] if at < len(loads) else Load(), block)
            if isinstance(grown, Load):
                loads[at : at + 1] = [grown]
                break
    return loads


def _best(ways: Sequence[Cut], few: Objective) -> Cut:
    return min(ways, key=lambda way: _cost(len(way.blocks), way.messages, few))


def _open(loads: Sequence[Load], layer: PopulationToPlace, neurons: int) -> list[int]:
    """Cores with room for so many neurons and without this population, the fullest first."""
    most = layer.most()
    found = [
        at
        for at, load in enumerate(loads)
        if (most is None or load.sums["neurons"] + neurons <= most)
        and layer.name not in load.blocks
    ]
    return sorted(found, key=lambda at: -loads[at].share)


def _pour(layers: Sequence[PopulationToPlace], ways: dict[str, list[Cut]], part: int) -> list[Load]:
    """Populations one after another, each into the gaps that those before it left."""
    loads: list[Load] = []
    for layer in _backwards(layers):
        tried = _poured(layer, ways[layer.name], loads, part)
        tried = tried or _poured(layer, cuts(layer), loads, part)  # it sends more than was known
        loads = min(tried, key=lambda found: (len(found), _messages(found)))
        _announce(layers, layer, _blocks(loads, layer))
    return loads


def _poured(
    layer: PopulationToPlace, ways: Sequence[Cut], loads: Sequence[Load], part: int
) -> list[list[Load]]:
    """The cores with one population more, for each way that it can be poured."""
    found = [_poured_in(layer, cut, loads, part) for cut in ways[:CHOICES]]
    return [each for each in found if each is not None]


def _poured_in(
    layer: PopulationToPlace, cut: Cut, before: Sequence[Load], part: int
) -> list[Load] | None:
    """The cores with one population more; None where a slice is too much for a core."""
    loads, axis = list(before), cut.layout.axis
    for bar in cut.layout.bars:
        start, end = bar.box[axis]
        while start < end:
            rest = bar.piece(axis, (start, end))
            found = next(_places(layer, loads, rest, axis, max(1, cut.longest // part)), None)
            if found is None:
                return None
            at, stop = found
            grown = layer.onto(
                loads[at] if at < len(loads) else Load(), bar.piece(axis, (start, stop))
            )
            assert isinstance(grown, Load), "the piece was found to fit"
            loads[at : at + 1] = [grown]
            start = stop
    return loads


def _places(
    layer: PopulationToPlace, loads: Sequence[Load], rest: Box, axis: int, least: int
) -> Iterator[tuple[int, int]]:
    """Cores for what is left of a bar, and until where it fits there, the best one first.

    The whole rest goes onto the fullest core that takes it, else at least `least` neurons onto
    the emptiest one, else as much as possible onto a new core.
    """
    start, end = rest.box[axis]
    least = min(rest.size, least)
    for at in _open(loads, layer, rest.size)[:OPEN]:
        if isinstance(layer.onto(loads[at], rest), Load):
            yield at, end
    for at in _open(loads, layer, least)[: -OPEN - 1 : -1]:
        stop = longest(layer, loads[at], rest, axis, start)
        if not isinstance(stop, Over) and (stop - start) * (rest.size // (end - start)) >= least:
            yield at, stop
    stop = longest(layer, Load(), rest, axis, start)
    if not isinstance(stop, Over):
        yield len(loads), stop
