"""Draw the places that a fault hits, and put it there.

In:  a placed network, a kind of fault, the share of its places that is hit, the number of a draw.
Out: the faulty network.
A draw is decided by the seed, its number and the kind. A larger share of the same draw holds the
smaller one, with the same bits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import NamedTuple

import numpy as np

from neurocompile.errors import BadInput, DoesNotFit, did_you_mean
from neurocompile.faults import DRIFTS, FACTOR, KINDS, neurons, weights
from neurocompile.faults.membrane import Upset, potentials, upset
from neurocompile.ir.arrays import Array
from neurocompile.ir.graph import Graph
from neurocompile.ir.verify import verify
from neurocompile.place.placed import Placed


@dataclass(frozen=True, eq=False)
class Faulty:
    """A network with faults.

    Attributes:
        graph: FIXED graph; every engine runs it with the same result.
        upset: What turns over in the course of a run, None for nothing; see `membrane`.
        hit: How many places are hit.
        places: How many places there are.
    """

    graph: Graph
    upset: Upset | None
    hit: int
    places: int


class Drawn(NamedTuple):
    """What a draw says.

    Attributes:
        hit: (n,) numbers of the places that are hit.
        luck: (n,) in [0, 1), what happens to each.
        step: The step after which a state is disturbed.
        factor: Of a threshold that drifts.
    """

    hit: Array
    luck: Array
    step: int
    factor: float


class _Kind(NamedTuple):
    """How a kind of fault is drawn.

    Attributes:
        of: What its places are called.
        places: How many a placed network has.
        put: Puts it into the network.
    """

    of: str
    places: Callable[[Placed], int]
    put: Callable[[Placed, Drawn], Graph | Upset]


def _all(sizes: Callable[[Graph], Mapping[str, int]]) -> Callable[[Placed], int]:
    return lambda placed: sum(sizes(placed.graph).values())


def _dead(placed: Placed, drawn: Drawn) -> Graph:
    found = neurons.apart(neurons.spiking(placed.graph), drawn.hit, drawn.luck)
    return neurons.silenced(placed.graph, {name: at for name, (at, _) in found.items()})


_KINDS = {
    "weight-flips": _Kind(
        "stored weights", _all(weights.words),
        lambda placed, d: weights.flipped(placed.graph, d.hit, d.luck),
    ),
    "stuck-weights": _Kind(
        "stored weights", _all(weights.words),
        lambda placed, d: weights.stuck(placed.graph, d.hit),
    ),
    "dead-neurons": _Kind("neurons that can spike", _all(neurons.spiking), _dead),
    "silent-cores": _Kind(
        "cores", lambda placed: len(placed.cores),
        lambda placed, d: neurons.silenced(placed.graph, neurons.on_cores(placed, d.hit)),
    ),
    "membrane-flips": _Kind(
        "potentials", _all(potentials),
        lambda placed, d: upset(placed.graph, d.hit, d.luck, d.step),
    ),
    "threshold-flips": _Kind(
        "threshold registers", _all(neurons.thresholds),
        lambda placed, d: neurons.flipped_thresholds(placed.graph, d.hit, d.luck),
    ),
    "threshold-drift": _Kind(
        "threshold registers", _all(neurons.thresholds),
        lambda placed, d: neurons.drifted_thresholds(placed.graph, d.hit, d.luck, d.factor),
    ),
}  # fmt: skip


def places_of(placed: Placed, kind: str, steps: int) -> tuple[int, str]:
    """How many places a kind of fault has in a network, and what they are called.

    Args:
        placed: The network on its cores.
        kind: One of `KINDS`.
        steps: Steps of a sample.

    Raises:
        BadInput: If the kind is unknown, or the network has no place for it.
    """
    if kind not in _KINDS:
        raise BadInput(
            f"the kind of fault {kind!r} is unknown. Use one of: {', '.join(KINDS)}."
            f"{did_you_mean(str(kind), KINDS)}"
        )
    how = _KINDS[kind]
    number = how.places(placed)
    others = f"Leave out the kind {kind}."
    if not number:
        raise BadInput(f"{kind}: this network has no {how.of}. {others}")
    if kind == "silent-cores" and number == 1:
        raise BadInput(
            f"{kind}: this network is on 1 core, and without it nothing is left; this kind needs "
            f"2 or more. {others}"
        )
    if kind == "membrane-flips" and steps < 2:
        raise BadInput(
            f"{kind}: a sample has {steps} step, but a state is disturbed between two steps. Use "
            f"2 or more steps. {others}"
        )
    return number, how.of


def check_share(share: float) -> None:
    """Refuse what is no share of something.

    Raises:
        BadInput: Says what is allowed.
    """
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
        raise BadInput(
            f"the share is {share!r}, allowed are numbers from 0 to 1: the part of all places that "
            "is hit, such as 0.01."
        )


def check_factor(factor: float) -> None:
    """Refuse a factor of thresholds that is none.

    Raises:
        BadInput: Says what is allowed.
    """
    number = isinstance(factor, int | float) and not isinstance(factor, bool)
    if not number or not (isfinite(factor) and factor > 0):
        raise BadInput(
            f"the factor of {DRIFTS} is {factor!r}, allowed are finite numbers above 0, such as "
            f"{FACTOR}."
        )


def faulty(
    placed: Placed,
    kind: str,
    share: float,
    *,
    draw: int = 0,
    seed: int = 0,
    factor: float = FACTOR,
    steps: int | None = None,
) -> Faulty:
    """One faulty network.

        faulty(compiled.placed, "weight-flips", 0.01, draw=3).graph

    Args:
        placed: The network on its cores.
        kind: One of `KINDS`.
        share: Part of all places that is hit, 0..1; of n places, round(share * n), ties to even.
        draw: Number of the draw, 0 or more.
        seed: Seed of all draws, 0 or more.
        factor: Of thresholds that drift.
        steps: Steps of a sample, in one of which states are disturbed; None: the network's own.

    Raises:
        BadInput: If an argument is none of these, or the network has no place for the kind.
        DoesNotFit: If no chip can hold the faulty network.
    """
    check_share(share)
    check_factor(factor)
    steps = placed.graph.settings.steps if steps is None else steps
    places, _ = places_of(placed, kind, steps)
    random = np.random.default_rng([seed, draw, *kind.encode()])
    order, luck = random.permutation(places), random.random(places)
    step = 1 + int(random.random() * (steps - 1))
    hit = order[: round(share * places)]
    found = _KINDS[kind].put(placed, Drawn(hit, luck[hit], step, factor))
    if isinstance(found, Upset):
        return Faulty(placed.graph, found if hit.size else None, hit.size, places)
    try:
        return Faulty(verify(found, "fixed"), None, hit.size, places)
    except BadInput as error:  # such as sums that round, where delays differ between weights
        raise DoesNotFit(f"{kind}, draw {draw}: {error}") from None
