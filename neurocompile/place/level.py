"""Balance the work of the cores: the busiest one sets the pace of a step.

In:  what each core holds.
Out: the same blocks on as many cores; some have moved from busy cores to idle ones.
A block's work is its number of synapses, its operations when every source spikes once; or, where
a placement should be fast, its time for sending and for receiving. Blocks move to another core or
are exchanged, so the numbers of cores and messages do not change.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from neurocompile.ir.arrays import Array
from neurocompile.place.boxes import Box, Span
from neurocompile.place.limits import Load, PopulationToPlace, WorkOf

OTHERS = 16  # number of cores, the idlest first, that a block of a busy core may move to
TRIES = 1000  # largest number of changes that are checked
RELIEF = 32  # a change takes at least one part in this many off the busier of two cores

Blocks = dict[str, Box]
Work = Mapping[tuple[str, tuple[Span, ...]], tuple[int, ...]]  # by population and box of a block


def synapses(layer: PopulationToPlace, block: Box) -> tuple[int]:
    """Number of synapses onto a block."""
    return (sum(int(onto.reach(block).sum()) for _, onto in layer.maps),)


def levelled(
    layers: Sequence[PopulationToPlace], loads: Sequence[Load], work_of: WorkOf = synapses
) -> list[Load]:
    """Cores after moves and exchanges of blocks, each of which relieves the busier of two cores.

    Which core is really the busiest depends on the spikes, so every core is relieved where
    possible, the busiest first.

    Args:
        layers: Populations whose output axons are known.
        loads: Blocks that each core holds.
        work_of: Work of a block by side; a core works on all its sides at once.
    """
    by_name = {layer.name: layer for layer in layers}
    work = {
        (name, block.box): work_of(by_name[name], block)
        for load in loads
        for name, block in load.blocks.items()
    }
    loads = list(loads)
    sums = [_work_of(work, load.blocks).sum(axis=0) for load in loads]
    refused: set[tuple[object, ...]] = set()
    changed = True
    while changed:
        changed = False
        for busy in sorted(range(len(loads)), key=lambda at: -sums[at].max()):
            for at, *both in _changes(work, loads, sums, busy):
                key = tuple((name, block.box) for blocks in both for name, block in blocks.items())
                if key in refused or len(refused) >= TRIES:
                    continue
                pair = [_loaded(by_name, blocks) for blocks in both]
                if pair[0] is None or pair[1] is None:
                    refused.add(key)
                    continue
                loads[busy], loads[at] = pair[0], pair[1]
                sums[busy], sums[at] = (_work_of(work, blocks).sum(axis=0) for blocks in both)
                changed = True
                break
    return loads


def _work_of(work: Work, blocks: Mapping[str, Box]) -> Array:
    """(blocks, sides) int64, the work of each block."""
    return np.array([work[name, block.box] for name, block in blocks.items()], np.int64)


def _changes(
    work: Work, loads: Sequence[Load], sums: Sequence[Array], busy: int
) -> Iterator[tuple[int, Blocks, Blocks]]:
    """Blocks of a busy core and of another after a change that lowers the larger work of the two.

    Yields the number of the other core, then the blocks of both.
    """
    totals = [int(each.max()) for each in sums]
    idlest = sorted((at for at in range(len(loads)) if at != busy), key=totals.__getitem__)
    mine = loads[busy].blocks
    given = _work_of(work, mine)
    for at in idlest[:OTHERS]:
        theirs = loads[at].blocks
        others = [None, *theirs]  # what comes back for a block: nothing, or one of theirs
        taken = np.concatenate([np.zeros_like(given[:1]), _work_of(work, theirs)])
        moved = given[:, np.newaxis] - taken
        now = max(totals[busy], totals[at])
        after = np.maximum((sums[busy] - moved).max(axis=2), (sums[at] + moved).max(axis=2))
        for name, other in (
            (list(mine)[i], others[k])
            for i, k in np.argwhere(after * RELIEF <= now * (RELIEF - 1)).tolist()
        ):
            twice = name in theirs or (other is not None and other in mine)
            if twice and other != name:
                continue  # a core holds at most one block of a population
            my_next = {n: b for n, b in mine.items() if n != name}
            their_next = {n: b for n, b in theirs.items() if n != other}
            their_next[name] = mine[name]
            if other is not None:
                my_next[other] = theirs[other]
            if my_next and now:
                yield at, my_next, their_next


def _loaded(layers: Mapping[str, PopulationToPlace], blocks: Blocks) -> Load | None:
    """What a core with these blocks holds; None if they do not fit."""
    load = Load()
    for name, block in blocks.items():
        grown = layers[name].onto(load, block)
        if not isinstance(grown, Load):
            return None
        load = grown
    return load
