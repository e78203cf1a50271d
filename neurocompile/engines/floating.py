"""Run a FLOAT graph in float64, many samples at once: the yardstick for the integers.

In:  FLOAT graph; encoded input (n, steps, *shape), or constant currents (n, *shape).
Out: spikes and potentials of every neuron layer, and the range that each went through.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from neurocompile.engines.torch_ops import TorchOps, apply, one_thread, tensor
from neurocompile.ir.arrays import Array
from neurocompile.ir.graph import Graph
from neurocompile.ir.neurons import (
    LI,
    NEURONS,
    LIBox,
    Neuron,
    StepParameters,
    has_current,
    step_parameters,
)
from neurocompile.ir.nodes import Input
from neurocompile.ir.shapes import shapes


@dataclass(frozen=True, eq=False)
class FloatRecording:
    """What every neuron layer of a FLOAT graph did.

    Attributes:
        spikes: By spiking layer, (n, steps, *shape) uint8.
        membrane: By neuron layer, (n, steps, *shape) float64 after reset; layers asked for.
        current_peak: By neuron layer, the largest |input + synaptic current| of any neuron.
        potential_peak: By neuron layer, the largest |v| before a reset, from the level
            that the chip calls 0 (v_reset of a spiking layer, v_leak of a readout).
    """

    spikes: Mapping[str, Array]
    membrane: Mapping[str, Array]
    current_peak: Mapping[str, float]
    potential_peak: Mapping[str, float]


def run_float(
    graph: Graph,
    values: Array,
    steps: int,
    *,
    membranes: tuple[str, ...] = (),
    peaks: bool = False,
) -> FloatRecording:
    """Run the network on a batch, from the initial state.

    Args:
        graph: FLOAT graph.
        values: (n, steps, *shape) spikes, or (n, *shape) currents that stay the same in
            every step (gain included).
        steps: Steps to run.
        membranes: Layers whose potentials to keep.
        peaks: Whether to watch the ranges, for calibration; else they are 0.
    """
    shape = shapes(graph)
    flow: dict[str, torch.Tensor] = {}
    spikes: dict[str, Array] = {}
    kept: dict[str, Array] = {}
    current: dict[str, float] = {}
    potential: dict[str, float] = {}
    with one_thread(), torch.inference_mode():
        for name, node in graph.nodes.items():
            if isinstance(node, Input):
                flow[name] = _time_first(values, node.shape)
                continue
            (before,) = graph.before(name)
            x = flow[before]
            if isinstance(node, NEURONS):
                keep = name in membranes
                run = _run_neurons(node, x, steps, graph.settings.dt, watch=peaks, keep=keep)
                flow[name], current[name], potential[name] = run.out, run.current, run.potential
                if node.spiking:
                    spikes[name] = run.out.to(torch.uint8).transpose(0, 1).numpy()
                if keep:
                    kept[name] = run.membrane.transpose(0, 1).numpy()
            else:
                rows = x.reshape(-1, *shape[before])
                flow[name] = apply(node, rows, shape[before]).reshape(*x.shape[:2], *shape[name])
    return FloatRecording(spikes, kept, current, potential)


@dataclass(frozen=True, eq=False)
class _LayerRun:
    """One layer over all steps: output and potential (steps, n, *shape), peaks if watched."""

    out: torch.Tensor
    membrane: torch.Tensor
    current: float
    potential: float


def _time_first(values: Array, shape: tuple[int, ...]) -> torch.Tensor:
    """(n, steps, *shape) -> (steps, n, *shape); constant currents become one step."""
    x = torch.from_numpy(np.asarray(values)).to(torch.float64)
    return x[None] if x.ndim == len(shape) + 1 else x.transpose(0, 1)


def _run_neurons(
    node: Neuron, x: torch.Tensor, steps: int, dt: float, *, watch: bool, keep: bool
) -> _LayerRun:
    """A layer over all steps; x (steps or 1, n, *shape)."""
    numbers = step_parameters(node, dt)
    p = StepParameters(**{k: None if a is None else tensor(a, x) for k, a in numbers.items()})
    v = p.v_leak.expand(x.shape[1:]).clone()
    state: tuple[Any, ...] = (v, torch.zeros_like(v)) if has_current(node) else (v,)
    out = x.new_empty(steps, *x.shape[1:])
    membrane = x.new_empty(out.shape) if keep and node.spiking else out
    current = potential = 0.0
    ops = TorchOps()
    for t in range(steps):
        now = x[t if len(x) > 1 else 0]
        if watch:
            total = state[1] + now if has_current(node) else now
            reached = state[0] + p.mem_leak * (total + p.v_leak - state[0]) - _zero(node, p)
            current = max(current, float(total.abs().max()))
            potential = max(potential, float(reached.abs().max()))
        step = node.step(ops, state, now, p)
        state = step.state
        out[t] = step.out
        if membrane is not out:
            membrane[t] = state[0]
    return _LayerRun(out, membrane, current, potential)


def _zero(node: Neuron, p: StepParameters) -> Any:
    """The potential that the chip calls 0: see `quantize.incoming.Incoming.level`."""
    if isinstance(node, LI | LIBox):
        return p.v_leak
    return p.v_reset if node.reset == "zero" else 0.0
