"""Find the narrowest weights, layer by layer, that keep the reconstruction within a budget.

In:  simplified FLOAT graph, what calibration saw, the chip; how much worse it may become.
Out: FIXED graph, and the way there: bits, error, synapse memory and energy of each network that
     was the cheapest for its error.
From the narrowest width for all layers that keeps the budget, layers are narrowed one bit at a
time, first where a bit of memory costs least error. Only training data are read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from neurocompile.chip.record import Chip
from neurocompile.energy.counts import count
from neurocompile.energy.estimate import estimate
from neurocompile.engines.progress import Tell, silent
from neurocompile.errors import BadInput, DoesNotFit
from neurocompile.ir.fixed import Synapse
from neurocompile.ir.graph import Graph
from neurocompile.place.pack import Objective
from neurocompile.place.placement import place
from neurocompile.quantize.calibrate import Calibrated
from neurocompile.quantize.quantize import Memo, quantize
from neurocompile.quantize.search import Choices, Found, Trial, Trials, best

WIDEST, NARROWEST = 8, 2


@dataclass(frozen=True)
class Narrowest:
    """A wish for the narrowest weights, layer by layer, within an error budget.

    Attributes:
        max_error_increase: How much larger than the float network's reconstruction error, on
            calibration data, the error may become, as a part of it: 0.02 is 2 %.
    """

    max_error_increase: float

    def __post_init__(self) -> None:
        budget = self.max_error_increase
        if not isinstance(budget, int | float) or not 0 <= budget < float("inf"):
            raise BadInput(
                f"max_error_increase is {budget!r}. Use a part of the float network's error from "
                "0 on, such as 0.02 for 2 %."
            )


@dataclass(frozen=True)
class Point:
    """A network on the way.

    Attributes:
        bits: Width of the weights by neuron layer.
        error: Mean squared reconstruction error on calibration data.
        increase: Of the float network's error, as a part of it; below 0 where it is smaller.
        weight_bits: Of all weights, each stored once.
        memory_bits: Synapse memory of all cores; None where the chip has no formula.
        energy_j: Nominal, of a sample; None where the chip has no prices.
        chosen: Whether it is the network that was taken.
    """

    bits: Mapping[str, int]
    error: float
    increase: float
    weight_bits: int
    memory_bits: int | None
    energy_j: float | None
    chosen: bool = False


class Narrowed(NamedTuple):
    """The network that was taken, and all that no other beats in memory and error."""

    found: Found
    points: tuple[Point, ...]


def narrow(
    graph: Graph,
    chip: Chip,
    known: Calibrated,
    budget: float,
    tell: Tell = silent,
    fewest_of: Objective = "both",
) -> Narrowed:
    """The cheapest weights within a budget.

    Args:
        graph: Simplified FLOAT graph of a network that reconstructs its input.
        chip: The target.
        known: From `calibrate`, with data.
        budget: How much larger than the float network's error the error may be, as a part of it.
        tell: Called with a sentence before each round.
        fewest_of: What placements should have fewest of, for the joules of each point.

    Raises:
        BadInput: If there is nothing to measure the error by.
        DoesNotFit: If the widest weights already cost more than the budget.
    """
    return _Search(graph, chip, known, budget, tell, fewest_of).run()


class _Search:
    """What all rounds share."""

    def __init__(
        self,
        graph: Graph,
        chip: Chip,
        known: Calibrated,
        budget: float,
        tell: Tell,
        fewest_of: Objective,
    ) -> None:
        if known.stimulus is None or graph.settings.decoder.task != "reconstruction":
            raise BadInput(
                "--max-error-increase bounds the reconstruction error on training data, but "
                + ("no training data are known." if known.stimulus is None else
                   "this network does not reconstruct its input.")
                + " Use --bits."
            )  # fmt: skip
        self.graph, self.chip, self.known, self.tell = graph, chip, known, tell
        self.trials = Trials(graph, known)
        self.memo: Memo = {}
        self.weights: dict[str, int] = {}
        self.limit = self.trials.float_error * (1 + budget)
        self.budget, self.fewest_of = budget, fewest_of

    def run(self) -> Narrowed:
        """All rounds."""
        uniform: list[Found] = []
        for bits in range(WIDEST, NARROWEST - 1, -1):
            self.tell(f"trying {bits} bits for all layers")
            uniform.append(best(self.graph, self.chip, self.known, bits, self.trials, self.memo))
            if self._missed(uniform[-1]):
                break
        self.weights = _weights(uniform[0].graph)
        within = [found for found in uniform if not self._missed(found)]
        if not within:
            raise DoesNotFit(
                f"with {WIDEST}-bit weights the reconstruction error on calibration data is "
                f"{uniform[0].error:.6g}, above {self.limit:.6g}: that of the float network and "
                f"{100 * self.budget:g} % more. Allow a larger increase, or train on the grid."
            )
        start = within[-1]
        path = self._narrowed(start, objectives=uniform[-1].choices)
        points = [self._point(found) for found in (*uniform, *path[1:])]
        return Narrowed(path[-1], _marked(points, self._point(path[-1])))

    def _missed(self, found: Found) -> bool:
        return found.error is None or found.error > self.limit

    def _narrowed(self, start: Found, objectives: Choices) -> list[Found]:
        """From a network to narrower ones, as long as one is within the budget.

        A layer that is narrowed takes the objective that served all layers one bit lower.
        """
        path = [start]
        layers = list(self.weights)
        while True:
            self.tell("narrowing: " + ", ".join(f"{n} {path[-1].choices[n].bits}" for n in layers))
            tried = []
            for layer in layers:
                bits = path[-1].choices[layer].bits - 1
                if bits < NARROWEST:
                    continue
                choice = replace(objectives[layer], bits=bits)
                found = self._try({**path[-1].choices, layer: choice})
                if found is not None and not self._missed(found):
                    cost = max((found.error or 0.0) - (path[-1].error or 0.0), 0.0)
                    tried.append((cost / self.weights[layer], layers.index(layer), found))
            if not tried:
                return path
            path.append(min(tried, key=lambda each: each[:2])[2])

    def _try(self, choices: Choices) -> Found | None:
        try:
            made = quantize(
                self.graph, self.chip, self.known.ranges,
                moments=self.known.moments, choices=choices, memo=self.memo,
            )  # fmt: skip
            return Found(made, choices, self.trials.run(made).error)
        except DoesNotFit:
            return None

    def _point(self, found: Found) -> Point:
        trial: Trial = self.trials.run(found.graph)
        placed = place(found.graph, self.chip, self.fewest_of)
        samples, steps = len(self.trials.stimulus), self.trials.stimulus.steps
        spent = count(placed, trial.activity, samples, steps)
        energy = estimate(spent, placed, self.chip)
        nominal = energy.ranges[energy.mode].nominal_j
        memory = [core.use["synapse_memory"] for core in placed.cores]
        return Point(
            bits={name: choice.bits for name, choice in found.choices.items()},
            error=trial.error,
            increase=trial.error / self.trials.float_error - 1,
            weight_bits=sum(found.choices[n].bits * count for n, count in self.weights.items()),
            memory_bits=None if None in memory else sum(m or 0 for m in memory),
            energy_j=None if nominal is None else nominal / samples,
        )


def _weights(graph: Graph) -> dict[str, int]:
    """Stored weights by population that has some, in the order of the network."""
    found: dict[str, int] = {}
    for name, synapse in graph.of(Synapse):
        (target,) = graph.after(name)
        found[target] = found.get(target, 0) + synapse.op.weights.size
    return found


def _marked(points: list[Point], chosen: Point) -> tuple[Point, ...]:
    """The points that no other beats in both memory and error, and the one that was taken."""

    def cost(point: Point) -> tuple[int, float]:
        memory = point.weight_bits if point.memory_bits is None else point.memory_bits
        return memory, point.error

    def beaten(point: Point) -> bool:
        ours = cost(point)
        return any(
            theirs != ours and theirs[0] <= ours[0] and theirs[1] <= ours[1]
            for theirs in map(cost, points)
        )

    kept = [point for point in points if point == chosen or not beaten(point)]
    marked = {cost(point): replace(point, chosen=point == chosen) for point in kept}
    return tuple(marked[key] for key in sorted(marked, reverse=True))


def as_json(points: tuple[Point, ...]) -> list[dict[str, Any]]:
    """Points for report.json."""
    return [{**vars(point), "bits": dict(point.bits)} for point in points]
