"""Observe the ranges of a FLOAT network on calibration data, or bound them by its weights.

In:  simplified FLOAT graph; calibration samples from training data, or none.
Out: the largest synaptic current and potential of each neuron layer, in float64.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from neurocompile.engines.batches import spans
from neurocompile.engines.floating import FloatRecording, run_float
from neurocompile.engines.in_order import in_order
from neurocompile.engines.progress import Progress, silent
from neurocompile.engines.torch_ops import one_thread
from neurocompile.ir.arrays import Array
from neurocompile.ir.graph import Graph
from neurocompile.ir.linear import check_connections, full_bias, matrix
from neurocompile.ir.neurons import Neuron, SigmaDeltaReLU, has_current, step_parameters
from neurocompile.ir.nodes import Add, Concat, Delay, Input, LinearMap, Reshape, Shape, size
from neurocompile.ir.shapes import shapes
from neurocompile.quantize.incoming import CHANGES, SUMS, order_of

# The 24 bits of a potential hold 516 times the largest weight, 254 * 2^6, if weights are not
# shifted down on arrival, and so not rounded (exponent 0); half of that is headroom.
ROOM = 256
SAMPLES = "Choose scales on samples (--calibration): then none of them is listed. "

OnBatch = Callable[[Array, FloatRecording], None]


@dataclass(frozen=True)
class Ranges:
    """The largest values in each neuron layer.

    Attributes:
        current: By layer, the largest |input + synaptic current|, float membrane units.
        potential: By layer, the largest |v|, from the level that is 0 on the chip.
        input: Largest |value| at the input, including the encoder's gain.
    """

    current: dict[str, float]
    potential: dict[str, float]
    input: float


def observe(
    graph: Graph,
    values: Array,
    steps: int,
    on_batch: OnBatch = lambda values, seen: None,
    progress: Progress = silent,
    membranes: tuple[str, ...] = (),
) -> Ranges:
    """Run the float network over calibration samples, on as many threads as torch may use.

    Args:
        graph: Simplified FLOAT graph.
        values: Input for `run_float`: (n, steps, *shape) spikes or (n, *shape) currents.
        steps: Time steps per sample.
        on_batch: Called with the values and the recording of each batch, in order.
        progress: Called after each batch.
        membranes: Names of layers whose potentials are recorded.
    """
    current: dict[str, float] = {}
    potential: dict[str, float] = {}
    parts = list(spans(len(values)))

    def run(first: int, last: int) -> FloatRecording:
        return run_float(graph, values[first:last], steps, membranes=membranes, peaks=True)

    threads = min(torch.get_num_threads(), len(parts))
    with one_thread():
        for (first, last), seen in zip(parts, in_order(run, parts, threads), strict=True):
            on_batch(values[first:last], seen)
            progress("float", last, len(values))
            for name, peak in seen.current_peak.items():
                current[name] = max(current.get(name, 0.0), peak)
                potential[name] = max(potential.get(name, 0.0), seen.potential_peak[name])
    return Ranges(current, potential, float(np.max(np.abs(values))))


def bound(graph: Graph) -> Ranges:
    """The largest ranges that the weights allow if any input neurons may spike in any steps.

    Currents at the input, if any, are assumed to be in the encoder's gain times [0, 1]. Then no
    current wraps, and no readout or leaky potential saturates, whatever the spikes. A spiking
    neuron without leak would need room for inhibition in every step of a sample, which would leave
    its threshold only a few units. It gets room for `ROOM` of its largest weights and may saturate
    beyond that; the report counts how often.

    Raises:
        BadInput: If a layer has too many connections to list them.
    """
    shape = shapes(graph)
    spiking = [(n, node) for n, node in graph.of(Neuron) if not isinstance(node, CHANGES)]
    reach = {n: _Reach.between(0.0, 1.0, size(shape[n])) for n, _ in spiking}
    largest_input = 1.0
    for name in order_of(graph):
        node = graph.nodes[name]
        before = [reach[b] for b in graph.before(name) if name not in reach]
        if isinstance(node, CHANGES):
            reach[name] = _sent(node, _summed(node, before[0], graph.settings.steps))
        elif isinstance(node, Input):
            gained = graph.settings.encoder.kind in ("current", "sequence")
            gain = graph.settings.encoder.gain if gained else 1.0
            largest_input = abs(gain)
            reach[name] = _Reach.between(min(gain, 0.0), max(gain, 0.0), size(node.shape))
        elif isinstance(node, Reshape | Delay):
            (reach[name],) = before
        elif isinstance(node, Add):
            reach[name] = _joined(before, lambda parts: np.sum(parts, axis=0))
        elif isinstance(node, Concat):
            reach[name] = _joined(before, np.concatenate)
        elif isinstance(node, LinearMap):
            inner = shape[graph.before(name)[0]]
            check_connections(node, inner, name, cure=SAMPLES)
            reach[name] = _through(node, before[0], inner)
    current, potential = {}, {}
    for name, node in graph.of(Neuron):
        arriving = reach[graph.before(name)[0]]
        if isinstance(node, CHANGES):
            current[name] = arriving.largest
            potential[name] = _summed(node, arriving, graph.settings.steps).largest
            continue
        if arriving.changes:
            arriving = arriving.times(2.0)  # from one end of the range to the other
        p: dict[str, Any] = step_parameters(node, graph.settings.dt)
        if has_current(node):
            arriving = arriving.times(1 / float(np.min(p["syn_leak"])))
        levels = (p[v] for v in ("v_leak", "v_reset") if p[v] is not None)
        level = sum(float(np.abs(v).max()) for v in levels)
        current[name] = arriving.largest
        reached = level + (
            arriving.largest
            if p["mem_leak"] is not None
            else _without_leak(node, arriving, graph.settings.steps)
        )
        potential[name] = max(reached, _left_by_spikes(p, reached))
    return Ranges(current, potential, largest_input)


@dataclass(frozen=True, eq=False)
class _Reach:
    """Range of what may arrive at each neuron in a step: from low <= 0 to high >= 0.

    Attributes:
        low, high: (n,) float64, the ends of the range.
        once: Largest magnitude that one spike, or the current of one input, contributes.
        changes: Whether changes arrive, whose sum has this range.
    """

    low: Array
    high: Array
    once: float
    changes: bool = False

    @classmethod
    def between(cls, low: float, high: float, n: int) -> _Reach:
        """The same range for n neurons."""
        return cls(np.full(n, low), np.full(n, high), max(-low, high))

    def times(self, factor: float) -> _Reach:
        """The range multiplied by a factor, as a decaying current accumulates."""
        return replace(
            self, low=self.low * factor, high=self.high * factor, once=self.once * factor
        )

    @property
    def largest(self) -> float:
        """The largest magnitude."""
        return float(max(-self.low.min(), self.high.max()))


def _joined(parts: list[_Reach], join: Callable[[list[Array]], Array]) -> _Reach:
    low, high = join([p.low for p in parts]), join([p.high for p in parts])
    return _Reach(low, high, max(p.once for p in parts), all(p.changes for p in parts))


def _through(op: Any, before: _Reach, shape: Shape) -> _Reach:
    """The range after weights; a bias counts only if it widens it, for a register may hold it."""
    weight = matrix(op, shape).astype(np.float64)
    middle, radius = (before.high + before.low) / 2, (before.high - before.low) / 2
    centre, spread = weight @ middle, abs(weight) @ radius
    bias = full_bias(op, shape)
    bias = np.zeros(len(centre)) if bias is None else np.asarray(bias, dtype=np.float64)
    low, high = centre - spread + np.minimum(bias, 0), centre + spread + np.maximum(bias, 0)
    once = float(abs(weight).max()) * before.once if weight.nnz else 0.0
    return _Reach(np.minimum(low, 0.0), np.maximum(high, 0.0), once, before.changes)


def _summed(node: Neuron, arriving: _Reach, steps: int) -> _Reach:
    """Range of what a layer of a sigma-delta network holds, without its bias."""
    if isinstance(node, SUMS) and not arriving.changes:
        return arriving.times(steps)
    return arriving


def _sent(node: Any, held: _Reach) -> _Reach:
    """Range of the activation that a layer of a sigma-delta network sends the changes of."""
    bias = np.asarray(getattr(node, "bias", 0.0), dtype=np.float64).ravel()
    low, high = held.low + np.minimum(bias, 0), held.high + np.maximum(bias, 0)
    if isinstance(node, SigmaDeltaReLU):
        low = np.zeros_like(low)
    return _Reach(low, high, float(max(-low.min(), high.max())), True)


def _left_by_spikes(p: Mapping[str, Any], potential: float) -> float:
    """The largest value of a threshold that rises, and of a refractory state, given |v|.

    A spike raises a threshold only from below v; r grows by 2 theta only where v - r >= theta, so
    it stays below 2 v.
    """
    if p["beta"] is None:
        return 0.0
    risen = max(potential, float(np.max(p["v_th"]))) + float(np.max(p["beta"]))
    return risen if p["refrac_leak"] is None else max(risen, 2 * potential)


def _without_leak(node: Any, arriving: _Reach, steps: int) -> float:
    """The largest |v| of a neuron without leak.

    A spiking neuron exceeds its threshold by at most the input of one step. Below its threshold it
    may move further in every step; above, only if a spike subtracts less than arrives.
    """
    if not node.spiking:
        return arriving.largest * steps
    low, high = float(arriving.low.min()), float(arriving.high.max())
    least, most = float(np.min(node.v_th)), float(np.max(node.v_th))
    above = max(most, 0.0) + high
    left = max(high - least, 0.0) if node.reset == "subtract" else 0.0
    return max(above, min(max(above + left * (steps - 1), -low * steps), ROOM * arriving.once))
