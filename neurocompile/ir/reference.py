"""The meaning of a graph, in plain numpy: slow, sample by sample, step by step.

In:  a graph and its input.
Out: spikes and potentials of every layer. Fast engines are compared with this one.
FLOAT runs in the network's own time. FIXED runs in chip time, as the hardware would: every
synapse holds its sum back for one step, and each population starts early by its lead-in.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from neurocompile.ir.arrays import Array
from neurocompile.ir.fixed import AlwaysOn, BiasInput, ChipNeuron, SpikeInput, Synapse
from neurocompile.ir.graph import Graph
from neurocompile.ir.linear import connections, full_bias, matrix
from neurocompile.ir.neurons import Neuron, StepParameters, start_of, states_of, step_parameters
from neurocompile.ir.nodes import Add, Concat, Delay, Input, LinearMap, size
from neurocompile.ir.ops import NumpyOps, shift
from neurocompile.ir.payloads import graded
from neurocompile.ir.shapes import shapes
from neurocompile.ir.time import chip_delay, depths, lead_in

Traces = dict[str, Array]


def run_float(graph: Graph, values: Array) -> tuple[Traces, Traces]:
    """Run a FLOAT graph on one sample in float64.

    Args:
        graph: FLOAT graph.
        values: Input of each step, (steps, *shape).

    Returns:
        Outputs (spikes as bool, payloads, or potentials of a readout) and potentials after the
        reset. Both are by name of a neuron layer, each (steps, *shape).
    """
    shape = shapes(graph)
    maps = {n: matrix(op, shape[graph.before(n)[0]]) for n, op in graph.of(LinearMap)}
    biases = {n: full_bias(op, shape[graph.before(n)[0]]) for n, op in graph.of(LinearMap)}
    p, states = {}, {}
    for name, neuron in graph.of(Neuron):
        p[name] = StepParameters(**step_parameters(neuron, graph.settings.dt))
        start = start_of(neuron, p[name])
        v = np.broadcast_to(0.0 if start is None else start, shape[name]).copy()
        states[name] = states_of(neuron, p[name], v, np.zeros_like(v))
    late = {n: [np.zeros(shape[n])] * node.longest for n, node in graph.of(Delay)}
    outs: dict[str, list[Array]] = {name: [] for name in p}
    potentials: dict[str, list[Array]] = {name: [] for name in p}
    for x in np.asarray(values, dtype=np.float64):
        flow: dict[str, Array] = {
            name: _held(graph.nodes[name], held)
            for name, held in late.items()
            if graph.nodes[name].steps
        }
        for name, node in graph.nodes.items():
            before, *others = graph.before(name) or [""]
            if name in flow:
                continue
            if name in late:
                flow[name] = _held(node, [*late[name], flow[before]])
            elif isinstance(node, Input):
                flow[name] = x
            elif isinstance(node, Add):
                flow[name] = sum((flow[b] for b in others), flow[before])
            elif isinstance(node, Concat):
                flow[name] = np.concatenate([flow[b] for b in (before, *others)])
            elif name in maps:
                total = maps[name].astype(np.float64) @ flow[before].ravel()
                bias = biases[name]
                flow[name] = (total if bias is None else total + bias).reshape(shape[name])
            else:
                step = node.step(NumpyOps(), states[name], flow[before], p[name])
                states[name] = step.state
                flow[name] = step.out.astype(np.float64)
                outs[name].append(step.out)
                potentials[name].append(step.state[0])
        for name, held in late.items():
            held.append(flow[graph.before(name)[0]])
            held.pop(0)
    return _stacked(outs), _stacked(potentials)


def run_fixed(graph: Graph, inputs: dict[str, Array], steps: int) -> tuple[Traces, Traces]:
    """Run a FIXED graph on one sample, in chip time, with its lead-in.

    Args:
        graph: FIXED graph.
        inputs: Input by name of its node: what a SpikeInput sends (steps, *shape), or the
            mantissas (*shape) that the host wrote of a BiasInput.
        steps: Steps of the network's own time.

    Returns:
        Spikes of SpikeInput and ChipNeuron populations, bool or int32 payloads, and potentials
        after the reset of ChipNeuron populations, in the network's own time, each (steps, *shape).
    """
    depth = depths(graph)
    start = lead_in(graph)
    maps = {name: connections(s) for name, s in graph.of(Synapse)}
    held = {
        name: [
            np.zeros(size(s.out_shape), dtype=np.int64)
            for _ in range(1 + chip_delay(graph, depth, name) + s.longest_delay - s.delay)
        ]
        for name, s in graph.of(Synapse)
    }
    for name, queue in held.items():
        if depth[graph.before(name)[0]] < 0:  # an axon whose first spike is on its way already
            queue[0] = shift(maps[name].sum(axis=1), graph.nodes[name].weight_exp)
    p: dict[str, Any] = {}
    states: dict[str, Any] = {}
    for name, node in graph.of(ChipNeuron):
        p[name] = node.constants()
        for before in graph.before(name):
            if isinstance(graph.nodes[before], BiasInput):
                written = inputs[before].astype(np.int64)
                p[name] = p[name]._replace(bias=written << node.bias_exp)
        states[name] = node.start(p[name], start[name], np.zeros(node.shape, dtype=np.int64))
    spikes: dict[str, list[Array]] = {n: [] for n, _ in graph.of(SpikeInput, ChipNeuron)}
    potentials: dict[str, list[Array]] = {n: [] for n, _ in graph.of(ChipNeuron)}
    for tick in range(steps + max(depth.values())):
        fired: dict[str, Array] = {}
        for name, node in graph.nodes.items():
            if name not in depth:
                continue
            t = tick - depth[name]
            if isinstance(node, SpikeInput):
                fired[name] = inputs[name][t] if t < steps else np.zeros(node.shape)
            elif isinstance(node, AlwaysOn):
                fired[name] = np.full(node.shape, 0 <= t < steps)
            else:
                sums = {part: np.zeros(node.shape, dtype=np.int64) for part in node.inputs}
                for before in graph.before(name):
                    if before in held:
                        into = graph.nodes[before].into
                        sums[into] = sums[into] + held[before][0].reshape(node.shape)
                a = node.arriving([*sums.values()])
                after = node.step(NumpyOps(), states[name], a, p[name])
                states[name] = after.state
                fired[name] = after.out
                if 0 <= t < steps:
                    potentials[name].append(after.state[node.state_names.index("v")])
            if name in spikes and 0 <= t < steps:
                spikes[name].append(fired[name].astype(np.int32 if graded(node) else bool))
        for name, queue in held.items():
            (origin,) = graph.before(name)
            queue.append(np.zeros_like(queue[0]))
            soon = chip_delay(graph, depth, name) + 1
            for more, due in _sent_now(graph.nodes[name], maps[name], fired[origin].ravel()):
                queue[soon + more] += due
            queue.pop(0)
    return _stacked(spikes), _stacked(potentials)


def _held(delay: Delay, values: list[Array]) -> Array:
    """What leaves a delay, from the values that entered it in the `longest` steps before.

    Where `steps` is 0, what enters in this step comes last.
    """
    if delay.late is None:
        return values[0]
    now = len(values) - (0 if delay.steps else 1)
    waits = delay.steps + delay.late
    return np.asarray(sum(np.where(waits == n, values[now - n], 0) for n in np.unique(waits)))


def _sent_now(synapse: Synapse, weights: Any, fired: Array) -> Iterator[tuple[int, Array]]:
    """What the spikes of one step bring, by the further steps after which it arrives."""
    fired = fired.astype(np.int64)
    if synapse.late is None:
        yield 0, shift(weights @ fired, synapse.weight_exp)
        return
    late = synapse.late[:, None] if synapse.late_of == "target" else synapse.late
    late = np.broadcast_to(late, weights.shape)
    for more in np.unique(late):
        these = np.where(late == more, weights.toarray(), 0)
        yield int(more), shift(these @ fired, synapse.weight_exp)


def _stacked(traces: dict[str, list[Array]]) -> Traces:
    return {name: np.stack(rows) for name, rows in traces.items()}
