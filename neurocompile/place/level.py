"""Level the work of cores: the busiest one sets the pace of a step.

In:  what each core holds.
Out: the same blocks on as many cores, busy ones relieved by idle ones.
A block's work is its synapses: its operations when every source spikes once. Blocks move or
change places, so cores and messages stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from neurocompile.place.boxes import Box, Span
from neurocompile.place.load import Load, PopulationToPlace

OTHERS = 16  # cores, the idlest first, that a block of a busy one may move to
TRIES = 1000  # changes that are checked at most
RELIEF = 32  # the busier of two cores is relieved by at least this part of its work

Blocks = dict[str, Box]
Work = Mapping[tuple[str, tuple[Span, ...]], int]  # of a block, by its population and box


def levelled(layers: Sequence[PopulationToPlace], loads: Sequence[Load]) -> list[Load]:
    """Cores after moves and exchanges of blocks, each of which relieves the busier of two cores.

    Which core is busiest depends on how often neurons spike, so all are relieved where they
    can be, the busiest first.

    Args:
        layers: Populations; what they send is told.
        loads: What each core holds.
    """
    by_name = {layer.name: layer for layer in layers}
    work = {
        (name, block.box): sum(int(each.reach(block).sum()) for _, each in by_name[name].maps)
        for load in loads
        for name, block in load.blocks.items()
    }
    loads = list(loads)
    totals = [_total(work, load.blocks.items()) for load in loads]
    refused: set[tuple[object, ...]] = set()
    changed = True
    while changed:
        changed = False
        for busy in sorted(range(len(loads)), key=lambda at: -totals[at]):
            for at, *both in _changes(work, loads, totals, busy):
                key = tuple((name, block.box) for blocks in both for name, block in blocks.items())
                if key in refused or len(refused) >= TRIES:
                    continue
                pair = [_loaded(by_name, blocks) for blocks in both]
                if pair[0] is None or pair[1] is None:
                    refused.add(key)
                    continue
                loads[busy], loads[at] = pair[0], pair[1]
                totals[busy], totals[at] = (_total(work, blocks.items()) for blocks in both)
                changed = True
                break
    return loads


def _total(work: Work, blocks: Iterable[tuple[str, Box]]) -> int:
    return sum(work[name, block.box] for name, block in blocks)


def _changes(
    work: Work,
    loads: Sequence[Load],
    totals: Sequence[int],
    busy: int,
) -> Iterator[tuple[int, Blocks, Blocks]]:
    """Blocks of the busiest core and of another after a move or an exchange, if both are idler."""
    idlest = sorted((at for at in range(len(loads)) if at != busy), key=totals.__getitem__)
    for at in idlest[:OTHERS]:
        mine, theirs = loads[busy].blocks, loads[at].blocks
        for name in mine:
            for other in (None, *theirs):
                twice = name in theirs or (other is not None and other in mine)
                if twice and other != name:
                    continue  # a core holds at most one block of a population
                given = {n: b for n, b in mine.items() if n != name}
                kept = {n: b for n, b in theirs.items() if n != other}
                kept[name] = mine[name]
                if other is not None:
                    given[other] = theirs[other]
                now = max(totals[busy], totals[at])
                after = max(_total(work, given.items()), _total(work, kept.items()))
                if given and now and after * RELIEF <= now * (RELIEF - 1):
                    yield at, given, kept


def _loaded(layers: Mapping[str, PopulationToPlace], blocks: Blocks) -> Load | None:
    """A core with these blocks; None where it cannot hold them."""
    load = Load()
    for name, block in blocks.items():
        grown = layers[name].onto(load, block)
        if not isinstance(grown, Load):
            return None
        load = grown
    return load
