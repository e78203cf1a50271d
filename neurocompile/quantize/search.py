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
from functools import cached_property
from itertools import product
from typing import NamedTuple

import numpy as np

from neurocompile.chip.record import Chip
from neurocompile.data.inputs import encode, float_input
from neurocompile.engines import fixed as engine
from neurocompile.engines.agree import spans
from neurocompile.engines.decode import decode, last_layer, potentials, squared_error
from neurocompile.engines.floating import run_float
from neurocompile.engines.recording import Activity, add_up
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
        error: On calibration data, see `Judge`; None where there are none.
    """

    graph: Graph
    choices: Choices
    error: float | None


class Trial(NamedTuple):
    """What a run on calibration data showed.

    Attributes:
        error: Mean squared error, see Judge.
        activity: By population, over all samples.
    """

    error: float
    activity: Mapping[str, Activity]


class Judge:
    """Runs quantized networks on calibration data and says how much they miss.

    The error is what a user sees: of the reconstruction where the network reconstructs, else the
    mean squared difference of the decoded results, or of the spikes of the last layer where there
    is no decoder, from those of the float network.
    """

    def __init__(self, graph: Graph, known: Calibrated) -> None:
        assert known.data is not None, "there is nothing to judge by"
        self.graph, self.data, self.known = graph, known.data, known
        decoder = graph.settings.decoder
        self.reconstructs = decoder.task == "reconstruction" and known.data.kind == "x"
        self.target = known.data.values if self.reconstructs else self._float_result()

    def run(self, fixed: Graph) -> Trial:
        """Run a FIXED graph on all samples."""
        read = last_layer(fixed)
        total, count = 0.0, 0
        activity: dict[str, Activity] = {}
        for first, last in spans(len(self.data)):
            encoded = encode(fixed, self.data, first, last, self.known.steps, self.known.seed)
            done = engine.run(fixed, encoded, spikes=(read,), membrane=(read,))
            found = done.recording
            result = self._result(
                found.spikes.get(read), potentials(fixed, read, found.membrane[read])
            )
            total += squared_error(result, self.target[first:last])
            count += result.size
            add_up(activity, done.activity)
        return Trial(total / count, activity)

    @cached_property
    def float_error(self) -> float:
        """Of the float network; 0 where the float network is what is compared with."""
        if not self.reconstructs:
            return 0.0
        return squared_error(self._float_result(), self.target) / self.target.size

    def misses(self, error: float | None) -> bool:
        """Whether a reconstruction is worse than the float network's by more than `TOLERANCE`."""
        return self.reconstructs and (error is None or error > TOLERANCE * self.float_error)

    def _float_result(self) -> Array:
        read = last_layer(self.graph)
        parts = []
        for first, last in spans(len(self.data)):
            values = float_input(
                self.graph, self.data, first, last, self.known.steps, self.known.seed
            )
            found = run_float(self.graph, values, self.known.steps, membranes=(read,))
            parts.append(self._result(found.spikes.get(read), found.membrane[read]))
        return np.concatenate(parts)

    def _result(self, spikes: Array | None, membrane: Array) -> Array:
        decoded = decode(self.graph.settings.decoder, spikes, membrane)
        if decoded is not None:
            return decoded
        return np.asarray(membrane if spikes is None else spikes, dtype=np.float64)


def best(
    graph: Graph,
    chip: Chip,
    known: Calibrated,
    bits: int | Mapping[str, int],
    judge: Judge | None = None,
    memo: Memo | None = None,
) -> Found:
    """The integers that lose least.

    Args:
        graph: Simplified FLOAT graph.
        chip: The target; only its formats are read.
        known: From `calibrate`. Without data the largest weight takes the whole grid.
        bits: Width of all weights, or by neuron layer.
        judge, memo: Of earlier calls for the same graph and calibration, to save their work.
    """
    layers = [name for name, _ in graph.of(Neuron)]
    widths = dict.fromkeys(layers, bits) if isinstance(bits, int) else dict(bits)
    first = {name: Choice(widths[name]) for name in layers}
    if known.data is None:
        return Found(_quantized(graph, chip, known, first), first, None)
    judge, memo = judge or Judge(graph, known), {} if memo is None else memo

    def better(found: Found, changed: Iterable[Choices]) -> Found:
        for choices in changed:
            with suppress(DoesNotFit):  # another choice leaves room for all registers
                made = _quantized(graph, chip, known, choices, memo)
                found = min(found, Found(made, choices, judge.run(made).error), key=_missed)
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
    return better(found, whole(WAYS[1:])) if ample and judge.misses(found.error) else found


def _quantized(
    graph: Graph, chip: Chip, known: Calibrated, choices: Choices, memo: Memo | None = None
) -> Graph:
    return quantize(graph, chip, known.ranges, moments=known.moments, choices=choices, memo=memo)


def _missed(found: Found) -> float:
    return float("inf") if found.error is None else found.error
