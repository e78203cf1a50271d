"""Find the weight choices with the smallest error: try them on the fixed engine.

In:  simplified FLOAT graph, its calibration, the chip.
Out: FIXED graph, and the choice for each neuron layer.
The whole network has one grid fit, and biases are corrected, and channels made finer, in all
layers or in none. Different choices for some layers were tried one by one on the shipped network,
and gained nothing that held on test data. Only training data are read. Every step is
deterministic; ties go to what was tried first. Where a negative weight exponent rounds sums, each
grid fit is tried once more with weights that make up for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import product
from typing import NamedTuple

import numpy as np
import torch

from neurocompile.chip.record import Chip
from neurocompile.engines.agree import Engine
from neurocompile.engines.batches import batches
from neurocompile.engines.decode import last_layer, result_to_compare, squared_error
from neurocompile.engines.floating import run_float
from neurocompile.engines.in_order import in_order
from neurocompile.engines.recording import Activity, add_up
from neurocompile.engines.score import Score, Wanted
from neurocompile.errors import DoesNotFit
from neurocompile.ir.arrays import Array
from neurocompile.ir.fixed import Synapse
from neurocompile.ir.graph import Graph
from neurocompile.ir.neurons import Neuron
from neurocompile.ir.registers import Grid, lost_on_average
from neurocompile.quantize.calibrate import Calibrated
from neurocompile.quantize.choices import GRID_FITS, WeightChoice
from neurocompile.quantize.quantize import Memo, quantize

# If all layers have this many bits, finer channels and other biases usually gain nothing. But if
# neurons burst from their bias alone, one rounding can shift all their spikes by a step. So above
# this tolerance, a multiple of the float network's error, every way is tried.
AMPLE_BITS, TOLERANCE = 8, 1.02
WAYS = tuple(product((False, True), (True, False)))  # finer channels, corrected biases

Choices = Mapping[str, WeightChoice]


@dataclass(frozen=True, eq=False)
class Quantized:
    """A quantized network.

    Attributes:
        graph: FIXED graph.
        choices: Choices by neuron layer.
        error: Error on calibration data, see `Trials`; None without such data.
    """

    graph: Graph
    choices: Choices
    error: float | None


class Trial(NamedTuple):
    """Result of a run on calibration data.

    Attributes:
        error: Mean squared error, see Trials.
        activity: Activity by population, over all samples.
    """

    error: float
    activity: Mapping[str, Activity]


class Trials:
    """Runs quantized networks on calibration data and measures their errors.

    The error is the one that a user sees. For a network that reconstructs, it is the error of the
    reconstruction. For others, it is the mean squared difference from the float network's decoded
    results, or from the spikes of its last layer if there is no decoder.
    """

    def __init__(self, graph: Graph, calibrated: Calibrated) -> None:
        assert calibrated.stimulus is not None, "there are no data for a trial"
        self.graph, self.stimulus, self.ran = graph, calibrated.stimulus, calibrated.ran
        data = self.stimulus.data
        decoder = graph.settings.decoder
        self.reconstructs = decoder.task == "reconstruction" and data.kind == "x"
        self.target = Wanted(data.values if self.reconstructs else self._float_result())

    def run(self, fixed: Graph) -> Trial:
        """Run a FIXED graph on all samples."""
        read = (last_layer(fixed),)
        engine = Engine("fixed", fixed, len(self.stimulus), spikes=read, membrane=read)
        score = Score(fixed, self.target)
        activity: dict[str, Activity] = {}
        for batch in batches(fixed, self.stimulus, engine):
            score.add_result(batch.first, result_to_compare(fixed, batch.did))
            add_up(activity, batch.did.activity or {})
        return Trial(score.squares / score.values, activity)

    @cached_property
    def float_error(self) -> float:
        """Error of the float network; 0 if results are compared with the float network."""
        if not self.reconstructs:
            return 0.0
        target = self.stimulus.data.values
        return squared_error(self._float_result(), target) / target.size

    def misses(self, error: float | None) -> bool:
        """Whether a reconstruction error is above `TOLERANCE` times the float network's."""
        return self.reconstructs and (error is None or error > TOLERANCE * self.float_error)

    def _float_result(self) -> Array:
        """Results of the float network: those of the calibration, if it ran this network."""
        if self.ran is not None and self.ran.of(self.graph, self.stimulus):
            return self.ran.result
        read, steps = (last_layer(self.graph),), self.stimulus.steps
        run = partial(run_float, self.graph, steps=steps, membranes=read)
        runs = batches(self.graph, self.stimulus, run)
        return np.concatenate([result_to_compare(self.graph, batch.did) for batch in runs])


def best(
    graph: Graph,
    chip: Chip,
    calibrated: Calibrated,
    bits: int | Mapping[str, int],
    trials: Trials | None = None,
    memo: Memo | None = None,
) -> Quantized:
    """The integers that lose least.

    Args:
        graph: Simplified FLOAT graph.
        chip: Target chip; only its formats are read.
        calibrated: Result of `calibrate`. Without data, the largest weight takes the whole grid.
        bits: Width of all weights, or widths by neuron layer.
        trials, memo: Those of earlier calls for the same graph and calibration, to save work.
    """
    layers = [name for name, _ in graph.of(Neuron)]
    widths = dict.fromkeys(layers, bits) if isinstance(bits, int) else dict(bits)
    first = {name: WeightChoice(widths[name]) for name in layers}
    if calibrated.stimulus is None:
        return Quantized(_quantized(graph, chip, calibrated, first), first, None)
    trials, memo = trials or Trials(graph, calibrated), {} if memo is None else memo

    def integers(choices: Choices) -> Quantized | None:
        with suppress(DoesNotFit):  # with another choice all registers may fit
            return Quantized(_quantized(graph, chip, calibrated, choices, memo), choices, None)
        return None

    def better(best_yet: Quantized, changed: Iterable[Choices]) -> Quantized:
        # While one network is tried, the next ones are quantized.
        threads = torch.get_num_threads()
        for made in in_order(integers, ((choices,) for choices in changed), threads):
            if made is not None:
                with suppress(DoesNotFit):
                    tried = replace(made, error=trials.run(made.graph).error)
                    best_yet = min(best_yet, tried, key=_missed)
        return best_yet

    plain = Quantized(_quantized(graph, chip, calibrated, first, memo), first, None)
    ample = min(widths.values()) >= AMPLE_BITS

    def whole(ways: Iterable[tuple[bool, bool]]) -> Iterable[Choices]:
        for (finer, correct), objective in product(ways, GRID_FITS):
            yield {
                n: replace(c, objective=objective, correct_bias=correct, per_channel=finer)
                for n, c in first.items()
            }

    first_best = better(plain, whole(WAYS[:1] if ample else WAYS))
    more = ample and trials.misses(first_best.error)
    found = better(first_best, whole(WAYS[1:])) if more else first_best
    synapses = found.graph.of(Synapse)
    if not any(lost_on_average(s.weight_exp, Grid(s.bits).step) for _, s in synapses):
        return found
    fits: Iterable[Choices] = (
        {n: replace(c, objective=fit, correct_sums=True) for n, c in found.choices.items()}
        for fit in GRID_FITS
    )
    return better(found, fits)


def _quantized(
    graph: Graph, chip: Chip, calibrated: Calibrated, choices: Choices, memo: Memo | None = None
) -> Graph:
    return quantize(
        graph, chip, calibrated.ranges, moments=calibrated.moments, choices=choices, memo=memo
    )


def _missed(quantized: Quantized) -> float:
    return float("inf") if quantized.error is None else quantized.error
