"""Find the narrowest weights, layer by layer, that keep the reconstruction within a budget.

In:  simplified FLOAT graph, its calibration, the chip; how much the error may increase.
Out: FIXED graph, and the steps of the search: bits, error, synapse memory and energy of each
     network that was the cheapest for its error.
The search starts with the narrowest common width within the budget. Then layers are narrowed one
bit at a time, first where a bit of memory costs least error. Only training data are read.
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
from neurocompile.place.objective import Objective
from neurocompile.place.placement import place
from neurocompile.quantize.calibrate import Calibrated
from neurocompile.quantize.quantize import Memo, quantize
from neurocompile.quantize.search import Choices, Quantized, Trial, Trials, best

WIDEST, NARROWEST = 8, 2


@dataclass(frozen=True)
class Narrowest:
    """A request for the narrowest weights, layer by layer, within an error budget.

    Attributes:
        max_error_increase: Largest increase of the reconstruction error on calibration data, as a
            part of the float network's error: 0.02 is 2 %.
    """

    max_error_increase: float

    def __post_init__(self) -> None:
        budget = self.max_error_increase
        if not isinstance(budget, int | float) or not 0 <= budget < float("inf"):
            raise BadInput(
                f"max_error_increase is {budget!r}. Use a part of the float network's error, at "
                "least 0, such as 0.02 for 2 %."
            )


@dataclass(frozen=True)
class Point:
    """A network that the search tried.

    Attributes:
        bits: Width of the weights by neuron layer.
        error: Mean squared reconstruction error on calibration data.
        increase: Increase of the error as a part of the float network's; negative if it is smaller.
        weight_bits: Number of bits of all weights, each stored once.
        memory_bits: Synapse memory of all cores in bits; None if the chip has no formula.
        energy_j: Nominal energy per sample in joules; None if the chip has no prices.
        chosen: Whether this network was taken.
    """

    bits: Mapping[str, int]
    error: float
    increase: float
    weight_bits: int
    memory_bits: int | None
    energy_j: float | None
    chosen: bool = False


class Narrowed(NamedTuple):
    """The network that was taken, and all networks that no other beats in memory and error."""

    quantized: Quantized
    points: tuple[Point, ...]


def narrow(
    graph: Graph,
    chip: Chip,
    calibrated: Calibrated,
    budget: float,
    tell: Tell = silent,
    objective: Objective = "both",
) -> Narrowed:
    """The cheapest weights within a budget.

    Args:
        graph: Simplified FLOAT graph of a network that reconstructs its input.
        chip: Target chip.
        calibrated: Result of `calibrate` with data.
        budget: Largest increase of the error, as a part of the float network's error.
        tell: Called with a sentence before each round.
        objective: What placements should have fewest of; they decide the joules of each point.

    Raises:
        BadInput: If the error cannot be measured.
        DoesNotFit: If already the widest weights exceed the budget.
    """
    return _Search(graph, chip, calibrated, budget, tell, objective).run()


class _Search:
    """The state that all rounds share."""

    def __init__(
        self,
        graph: Graph,
        chip: Chip,
        calibrated: Calibrated,
        budget: float,
        tell: Tell,
        objective: Objective,
    ) -> None:
        if calibrated.stimulus is None or graph.settings.decoder.task != "reconstruction":
            raise BadInput(
                "Narrowest (--max-error-increase) limits the reconstruction error on training "
                "data, but "
                + ("no training data are known." if calibrated.stimulus is None else
                   "this network does not reconstruct its input.")
                + " Use bits= (--bits)."
            )  # fmt: skip
        self.graph, self.chip, self.calibrated, self.tell = graph, chip, calibrated, tell
        self.trials = Trials(graph, calibrated)
        self.memo: Memo = {}
        self.weights: dict[str, int] = {}
        self.limit = self.trials.float_error * (1 + budget)
        self.budget, self.objective = budget, objective

    def run(self) -> Narrowed:
        """Run all rounds."""
        uniform: list[Quantized] = []
        for bits in range(WIDEST, NARROWEST - 1, -1):
            self.tell(f"trying {bits} bits for all layers")
            uniform.append(
                best(self.graph, self.chip, self.calibrated, bits, self.trials, self.memo)
            )
            if self._missed(uniform[-1]):
                break
        self.weights = _weights(uniform[0].graph)
        within = [quantized for quantized in uniform if not self._missed(quantized)]
        if not within:
            raise DoesNotFit(
                f"with {WIDEST}-bit weights the reconstruction error on calibration data is "
                f"{uniform[0].error:.6g}, but at most {self.limit:.6g} is allowed: "
                f"{100 * self.budget:g} % more than the float network's. Allow a larger increase, "
                "or train on the grid."
            )
        start = within[-1]
        path = self._narrowed(start, objectives=uniform[-1].choices)
        points = [self._point(quantized) for quantized in (*uniform, *path[1:])]
        return Narrowed(path[-1], _marked(points, self._point(path[-1])))

    def _missed(self, quantized: Quantized) -> bool:
        return quantized.error is None or quantized.error > self.limit

    def _narrowed(self, start: Quantized, objectives: Choices) -> list[Quantized]:
        """The networks from `start` to the narrowest, each one bit narrower and within the budget.

        A narrowed layer takes the grid fit that was best for all layers at the next lower width.
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
                narrowed = self._try({**path[-1].choices, layer: choice})
                if narrowed is not None and not self._missed(narrowed):
                    cost = max((narrowed.error or 0.0) - (path[-1].error or 0.0), 0.0)
                    tried.append((cost / self.weights[layer], layers.index(layer), narrowed))
            if not tried:
                return path
            path.append(min(tried, key=lambda entry: entry[:2])[2])

    def _try(self, choices: Choices) -> Quantized | None:
        try:
            fixed = quantize(
                self.graph, self.chip, self.calibrated.ranges,
                moments=self.calibrated.moments, choices=choices, memo=self.memo,
            )  # fmt: skip
            return Quantized(fixed, choices, self.trials.run(fixed).error)
        except DoesNotFit:
            return None

    def _point(self, quantized: Quantized) -> Point:
        trial: Trial = self.trials.run(quantized.graph)
        placed = place(quantized.graph, self.chip, self.objective)
        samples, steps = len(self.trials.stimulus), self.trials.stimulus.steps
        spent = count(placed, trial.activity, samples, steps)
        energy = estimate(spent, placed, self.chip)
        nominal = energy.ranges[energy.mode].nominal_j
        memory = [core.use["synapse_memory"] for core in placed.cores]
        return Point(
            bits={name: choice.bits for name, choice in quantized.choices.items()},
            error=trial.error,
            increase=trial.error / self.trials.float_error - 1,
            weight_bits=sum(quantized.choices[n].bits * count for n, count in self.weights.items()),
            memory_bits=None if None in memory else sum(m or 0 for m in memory),
            energy_j=None if nominal is None else nominal / samples,
        )


def _weights(graph: Graph) -> dict[str, int]:
    """Number of stored weights by population with weights, in the order of the network."""
    stored: dict[str, int] = {}
    for name, synapse in graph.of(Synapse):
        (target,) = graph.after(name)
        stored[target] = stored.get(target, 0) + synapse.op.weights.size
    return stored


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

    best = [point for point in points if point == chosen or not beaten(point)]
    marked = {cost(point): replace(point, chosen=point == chosen) for point in best}
    return tuple(marked[key] for key in sorted(marked, reverse=True))


def as_json(points: tuple[Point, ...]) -> list[dict[str, Any]]:
    """Points for report.json."""
    return [{**vars(point), "bits": dict(point.bits)} for point in points]
