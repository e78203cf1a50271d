"""Run a sweep: what is there already is read, what is missing is computed by the workers.

In:  points; the folder of the sweep; what opens the workers.
Out: the outcome of every point, in grid order, whatever the order in which they came.
Each outcome is on the disk before it counts, so a sweep that ends early goes on where it was.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from neurocompile.cluster.tasks import Failed, each
from neurocompile.errors import BadInput, NeurocompileError
from neurocompile.sweep.compute import Outcome, compute, refused
from neurocompile.sweep.points import Keys, Known, Point, text_of
from neurocompile.sweep.store import Store

if TYPE_CHECKING:
    from distributed import Client


class Watch(Protocol):
    """An observer of a sweep."""

    def tell(self, what: str) -> None:
        """Announce a new stage, or what holds the work up."""

    def begin(self, sweep: Sweep) -> None:
        """Called once it is known what is missing."""

    def finished(self, sweep: Sweep, at: int) -> None:
        """Called after each outcome, with the first point that has it."""


@dataclass
class Sweep:
    """Points with what is known of each.

    Attributes:
        points: In grid order.
        known: By point, what decides its result; None if its files cannot be read.
        outcomes: By point, its outcome; None as long as it is missing.
        reused: Number of points that were there already.
        missing: Number of points without an outcome.
    """

    points: Sequence[Point]
    known: list[Known | None] = field(default_factory=list)
    outcomes: list[Outcome | None] = field(default_factory=list)
    reused: int = 0
    missing: int = field(init=False)

    def __post_init__(self) -> None:
        self.missing = len(self.points) - sum(outcome is not None for outcome in self.outcomes)

    @cached_property
    def several(self) -> tuple[bool, bool]:
        """Whether there are several models, and several targets."""
        points = self.points
        return len({p.model for p in points}) > 1, len({p.target for p in points}) > 1

    def add(self, known: Known | None, outcome: Outcome | None) -> None:
        """Add what is known of the next point."""
        self.known.append(known)
        self.outcomes.append(outcome)
        self.missing -= outcome is not None

    def put(self, at: int, outcome: Outcome) -> None:
        """Fill in the outcome of a point that had none."""
        self.outcomes[at] = outcome
        self.missing -= 1

    @property
    def without_result(self) -> list[int]:
        """Points whose outcome another run might change: they failed, or something is missing."""
        return [
            at for at, o in enumerate(self.outcomes) if o is not None and o["exit_code"] in (1, 4)
        ]

    def where(self, store: Store) -> str:
        """How far it is, for someone whose sweep has ended early.

        A worker may have written a point of which nobody here has heard yet.
        """
        pairs = zip(self.known, self.outcomes, strict=True)
        done = sum(
            outcome is not None or (known is not None and store.path(known.key).is_file())
            for known, outcome in pairs
        )
        return (
            f"{done:,} of {len(self.points):,} points are done and kept; the same command does the "
            f"other {len(self.points) - done:,}."
        )


def run(
    sweep: Sweep,
    store: Store,
    opened: Callable[..., AbstractContextManager[Client]],
    watch: Watch,
    function: Callable[..., Outcome] = compute,
) -> None:
    """Fill in the outcomes of a sweep.

    Args:
        sweep: Its points.
        store: Its folder.
        opened: Opens the workers, as `cluster.each` takes it.
        watch: Told of what happens.
        function: `compute`, or what a benchmark puts around it.

    Raises:
        NeurocompileError: If it cannot go on; the message ends with what is done and missing.
    """
    by_key = _find(sweep, store)
    watch.begin(sweep)
    for path in store.broken:
        watch.tell(f"{path} is broken; its point is computed again")
    folder = _current()
    tasks = {}
    for at in _order(sweep.points):
        known = sweep.known[at]
        if known is not None and sweep.outcomes[at] is None and known.key not in tasks:
            tasks[known.key] = (sweep.points[at], folder, known, str(store.folder))
    try:
        for key, found in each(opened, function, tasks.items(), watch.tell):
            outcome = _failed(found) if isinstance(found, Failed) else found
            if not store.path(key).is_file():  # `compute` has written it, unless it failed
                store.write(tasks[key][2], outcome)
            for at in by_key[key]:
                sweep.put(at, outcome)
            watch.finished(sweep, by_key[key][0])
    except NeurocompileError as error:
        raise type(error)(f"{error}\n{sweep.where(store)}") from None


def _current() -> str:
    """The folder in which the command runs, from which workers mean paths."""
    try:
        return os.getcwd()
    except OSError:
        raise BadInput(
            "the current folder was deleted, and workers start from it. Change to another folder."
        ) from None


def _find(sweep: Sweep, store: Store) -> dict[str, list[int]]:
    """Fill in what is known before anything is computed; the points by key."""
    keys, by_key = Keys(), dict[str, list[int]]()
    for at, point in enumerate(sweep.points):
        known, outcome = None, None
        try:
            known = keys.of(point)
        except NeurocompileError as error:
            outcome = {**refused(error), "warnings": []}
        else:
            outcome = store.read(known.key) if known.key not in by_key else None
            if known.key in by_key:
                outcome = sweep.outcomes[by_key[known.key][0]]
            by_key.setdefault(known.key, []).append(at)
            sweep.reused += outcome is not None
        sweep.add(known, outcome)
    return by_key


def _order(points: Sequence[Point]) -> list[int]:
    """Points in the order in which to begin: those that share a calibration one after another."""
    first: dict[str, int] = {}

    def group(at: int) -> tuple[int, int, int]:
        point = points[at]
        later = replace(point.asked, fewest_of=None, chips=None, engines=())
        names = [text_of([point.model, vars(replace(later, bits=0))]),
                 text_of([point.model, point.target, vars(later)])]  # fmt: skip
        scales, network = (first.setdefault(name, at) for name in names)
        return scales, network, at

    return sorted(range(len(points)), key=group)


def _failed(found: Failed) -> dict[str, Any]:
    """The outcome of a point that has no result."""
    return {"exit_code": 1, "reason": found.reason, "metrics": None, "report": None, "warnings": []}
