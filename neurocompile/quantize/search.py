"""Find the choices that lose least: try them on the fixed engine, on calibration data.

In:  simplified FLOAT graph, what calibration saw, the chip.
Out: FIXED graph, and what was chosen for each neuron layer.
One objective serves the whole network, and biases are corrected, and channels counted finer, in
all layers or in none: another choice for some layers, tried one by one on the shipped network,
gained nothing that held on test data. Training data alone are read. Every step
is deterministic; ties go to what was tried first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import product
from typing import NamedTuple

import numpy as np

from neurocompile.chip.record import Chip
from neurocompile.engines.agree import Engine
from neurocompile.engines.batches import batches
from neurocompile.engines.decode import Recorded, last_layer, result_of, squared_error
from neurocompile.engines.floating import run_float
from neurocompile.engines.recording import Activity, add_up
from neurocompile.engines.score import Score, Wanted
from neurocompile.errors import DoesNotFit
from neurocompile.ir.arrays import Array
from neurocompile.ir.graph import Graph
from neurocompile.ir.neurons import Neuron
from neurocompile.quantize.calibrate import Calibrated
from neurocompile.quantize.choices import OBJECTIVES, Choice
from neurocompile.quantize.quantize import Memo, quantize

# Of all layers: with these, finer channels and other biases have nothing to make up for, as a rule.
# Where neurons burst from their bias alone, one rounding can move all their spikes by a step: past
# the tolerance, in parts of the float network's error, every way is tried.
AMPLE_BITS, TOLERANCE = 8, 1.02
WAYS = tuple(product((False, True), (True, False)))  # channels counted finer, biases corrected

Choices = Mapping[str, Choice]


@dataclass(frozen=True, eq=False)
class Found:
    """A quantized network.

    Attributes:
        graph: FIXED.
        choices: By neuron layer.
        error: On calibration data, see `Trials`; None where there are none.
    """

    graph: Graph
    choices: Choices
    error: float | None


class Trial(NamedTuple):
    """What a run on calibration data showed.

    Attributes:
        error: Mean squared error, see Trials.
        activity: By population, over all samples.
    """

    error: float
    activity: Mapping[str, Activity]


class Trials:
    """Runs quantized networks on calibration data and says how much they miss.

    The error is what a user sees: of the reconstruction where the network reconstructs, else the
    mean squared difference of the decoded results, or of the spikes of the last layer where there
    is no decoder, from those of the float network.
    """

    def __init__(self, graph: Graph, known: Calibrated) -> None:
        assert known.stimulus is not None, "there is nothing to try on"
        self.graph, self.stimulus = graph, known.stimulus
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
            score.add_result(batch.first, _result(fixed, batch.did))
            add_up(activity, batch.did.activity or {})
        return Trial(score.squares / score.values, activity)

    @cached_property
    def float_error(self) -> float:
        """Error of the float network; 0 where the float network is what is compared with."""
        if not self.reconstructs:
            return 0.0
        target = self.stimulus.data.values
        return squared_error(self._float_result(), target) / target.size

    def misses(self, error: float | None) -> bool:
        """Whether a reconstruction is worse than the float network's by more than `TOLERANCE`."""
        return self.reconstructs and (error is None or error > TOLERANCE * self.float_error)

    def _float_result(self) -> Array:
        read, steps = (last_layer(self.graph),), self.stimulus.steps
        run = partial(run_float, self.graph, steps=steps, membranes=read)
        runs = batches(self.graph, self.stimulus, run)
        return np.concatenate([_result(self.graph, batch.did) for batch in runs])


def _result(graph: Graph, did: Recorded) -> Array:
    """What the decoder reads; without one what the last layer did: its spikes if it has some."""
    decoded = result_of(graph, did)
    if decoded is not None:
        return decoded
    read = last_layer(graph)
    spikes, membrane = did.spikes.get(read), did.membrane[read]
    return np.asarray(membrane if spikes is None else spikes, dtype=np.float64)


def best(
    graph: Graph,
    chip: Chip,
    known: Calibrated,
    bits: int | Mapping[str, int],
    trials: Trials | None = None,
    memo: Memo | None = None,
) -> Found:
    """The integers that lose least.

    Args:
        graph: Simplified FLOAT graph.
        chip: The target; only its formats are read.
        known: From `calibrate`. Without data the largest weight takes the whole grid.
        bits: Width of all weights, or by neuron layer.
        trials, memo: Of earlier calls for the same graph and calibration, to save their work.
    """
    layers = [name for name, _ in graph.of(Neuron)]
    widths = dict.fromkeys(layers, bits) if isinstance(bits, int) else dict(bits)
    first = {name: Choice(widths[name]) for name in layers}
    if known.stimulus is None:
        return Found(_quantized(graph, chip, known, first), first, None)
    trials, memo = trials or Trials(graph, known), {} if memo is None else memo

    def better(found: Found, changed: Iterable[Choices]) -> Found:
        for choices in changed:
            with suppress(DoesNotFit):  # another choice leaves room for all registers
                made = _quantized(graph, chip, known, choices, memo)
                found = min(found, Found(made, choices, trials.run(made).error), key=_missed)
        return found

    plain = Found(_quantized(graph, chip, known, first, memo), first, None)
    ample = min(widths.values()) >= AMPLE_BITS

    def whole(ways: Iterable[tuple[bool, bool]]) -> Iterable[Choices]:
        for (finer, correct), objective in product(ways, OBJECTIVES):
            yield {
                n: replace(c, objective=objective, correct_bias=correct, per_channel=finer)
                for n, c in first.items()
            }

    found = better(plain, whole(WAYS[:1] if ample else WAYS))
    return better(found, whole(WAYS[1:])) if ample and trials.misses(found.error) else found


def _quantized(
    graph: Graph, chip: Chip, known: Calibrated, choices: Choices, memo: Memo | None = None
) -> Graph:
    return quantize(graph, chip, known.ranges, moments=known.moments, choices=choices, memo=memo)


def _missed(found: Found) -> float:
    return float("inf") if found.error is None else found.error
