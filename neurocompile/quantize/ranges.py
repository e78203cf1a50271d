"""Watch a FLOAT network on calibration data, or bound it from its weights.

In:  simplified FLOAT graph; calibration samples from training data, or none.
Out: the largest synaptic current and potential of each neuron layer, in float64.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from neurocompile.engines.agree import spans
from neurocompile.engines.floating import FloatRecording, run_float
from neurocompile.ir.arrays import Array
from neurocompile.ir.graph import Graph
from neurocompile.ir.linear import full_bias, matrix
from neurocompile.ir.neurons import NEURONS, has_current, step_parameters
from neurocompile.ir.nodes import LINEAR_OPS, Add, Concat, Delay, Input, Reshape, size
from neurocompile.ir.order import order_behind
from neurocompile.ir.shapes import shapes

Also = Callable[[Array, FloatRecording], None]


@dataclass(frozen=True)
class Ranges:
    """What each neuron layer went through.

    Attributes:
        calibrated: Whether real data were seen; else the bounds come from the weights.
        current: By layer, the largest |input + synaptic current|, float membrane units.
        potential: By layer, the largest |v| from the level the chip calls 0.
        input: Largest |value| at the input, the encoder's gain included.
    """

    calibrated: bool
    current: dict[str, float]
    potential: dict[str, float]
    input: float


def observe(
    graph: Graph, values: Array, steps: int, also: Also = lambda values, seen: None
) -> Ranges:
    """Run the float network over calibration samples.

    Args:
        graph: Simplified FLOAT graph.
        values: As `run_float` takes them: (n, steps, *shape) spikes or (n, *shape) currents.
        steps: Steps a sample.
        also: Told of each batch: its values, and what the network did.
    """
    current: dict[str, float] = {}
    potential: dict[str, float] = {}
    for first, last in spans(len(values)):
        seen = run_float(graph, values[first:last], steps, peaks=True)
        also(values[first:last], seen)
        for name, peak in seen.current_peak.items():
            current[name] = max(current.get(name, 0.0), peak)
            potential[name] = max(potential.get(name, 0.0), seen.potential_peak[name])
    return Ranges(True, current, potential, float(np.max(np.abs(values))))


def bound(graph: Graph) -> Ranges:
    """The worst that the weights allow when every input neuron spikes in every step.

    What does not leak may add up over all steps of a sample.
    Currents at the input, if any, are taken to lie in the encoder's gain times [0, 1].
    """
    shape = shapes(graph)
    reach: dict[str, Array] = {n: np.ones(size(shape[n])) for n, _ in graph.of(*NEURONS)}
    current: dict[str, float] = {}
    potential: dict[str, float] = {}
    largest_input = 1.0
    for name in order_behind(graph, (Input, *NEURONS)):
        node = graph.nodes[name]
        before = [reach[b] for b in graph.before(name) if name not in reach]
        if isinstance(node, Input):
            if graph.settings.encoder.kind == "current":
                largest_input = abs(graph.settings.encoder.gain)
            reach[name] = np.full(node.shape, largest_input).ravel()
        elif isinstance(node, Reshape | Delay):
            (reach[name],) = before
        elif isinstance(node, Add):
            reach[name] = np.sum(before, axis=0)
        elif isinstance(node, Concat):
            reach[name] = np.concatenate(before)
        elif isinstance(node, LINEAR_OPS):
            outer = shape[graph.before(name)[0]]
            arriving = np.abs(matrix(node, outer)).astype(np.float64) @ before[0]
            bias = full_bias(node, outer)
            reach[name] = arriving if bias is None else arriving + np.abs(bias)
    for name, node in graph.of(*NEURONS):
        p: dict[str, Any] = step_parameters(node, graph.settings.dt)
        total = reach[graph.before(name)[0]].max()
        if has_current(node):
            total = total / float(np.min(p["syn_leak"]))
        held = 1 if p["mem_leak"] is not None else graph.settings.steps
        levels = (p[v] for v in ("v_leak", "v_reset") if p[v] is not None)
        current[name] = float(total)
        potential[name] = float(total * held + sum(np.abs(v).max() for v in levels))
    return Ranges(False, current, potential, largest_input)
