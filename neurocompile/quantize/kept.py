"""Calibrations and quantized networks that several compilations have in common.

In:  the inputs of `calibrate` and `best`.
Out: their results, made once as long as a block keeps them; outside of one, made anew.
Two points of a sweep that differ only in what comes later, such as the placement, share both; two
that differ in their bits share the calibration. Inputs are the same if their digests are.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

from neurocompile.chip.digest import chip_digest
from neurocompile.chip.record import Chip
from neurocompile.data.samples import Data
from neurocompile.engines.progress import Progress
from neurocompile.ir.digest import graph_digest
from neurocompile.ir.graph import Graph
from neurocompile.quantize import search
from neurocompile.quantize.calibrate import Calibrated, calibrate

T = TypeVar("T")


class Kept:
    """The last results of each kind, the one used last at the end.

    Args:
        calibrations: Number of calibrations to keep; one holds the moments of every synapse.
        networks: Number of quantized networks to keep.
    """

    def __init__(self, calibrations: int = 2, networks: int = 4) -> None:
        self.most = {"calibration": calibrations, "network": networks}
        self.results: dict[str, OrderedDict[Hashable, Any]] = {k: OrderedDict() for k in self.most}

    def once(self, kind: str, key: Hashable, make: Callable[[], T]) -> T:
        """A result, made if it is not here."""
        results = self.results[kind]
        found: T = results[key] if key in results else make()
        results[key] = found
        results.move_to_end(key)
        while len(results) > self.most[kind]:
            results.popitem(last=False)
        return found


_KEPT: ContextVar[Kept | None] = ContextVar("kept", default=None)


@contextmanager
def keeping(kept: Kept) -> Iterator[None]:
    """Take what is kept, and keep what is made, inside a block."""
    token = _KEPT.set(kept)
    try:
        yield
    finally:
        _KEPT.reset(token)


def calibrated(
    graph: Graph, data: Data | None, steps: int, seed: int, progress: Progress
) -> Calibrated:
    """As `calibrate`."""
    kept = _KEPT.get()
    if kept is None:
        return calibrate(graph, data, steps, seed, progress)
    key = (graph_digest(graph), "" if data is None else data.digest, steps, seed)
    return kept.once("calibration", key, lambda: calibrate(graph, data, steps, seed, progress))


def best(
    graph: Graph, chip: Chip, found: Calibrated, bits: int | Mapping[str, int]
) -> search.Quantized:
    """As `search.best`."""
    kept = _KEPT.get()
    if kept is None:
        return search.best(graph, chip, found, bits)
    ran = found.stimulus
    on = None if ran is None else (ran.data.digest, ran.steps, ran.seed)
    widths = bits if isinstance(bits, int) else tuple(bits.items())
    key = (graph_digest(graph), chip_digest(chip), on, widths)
    return kept.once("network", key, lambda: search.best(graph, chip, found, bits))
