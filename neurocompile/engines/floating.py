"""Run a FLOAT graph in float64, many samples at once: the reference for the integers.

In:  FLOAT graph; encoded input (n, steps, *shape), or constant currents (n, *shape).
Out: spikes and potentials of every neuron layer, and the largest values in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import Executor, Future
from dataclasses import dataclass

import numpy as np
import torch

from neurocompile.data.stimulus import Stimulus
from neurocompile.engines.batches import batches
from neurocompile.engines.torch_ops import TorchOps, apply, one_thread, tensor
from neurocompile.errors import BadInput
from neurocompile.ir.arrays import Array
from neurocompile.ir.graph import Graph
from neurocompile.ir.neurons import (
    DeltaEncoder,
    Neuron,
    StepParameters,
    has_current,
    level_of,
    start_of,
    states_of,
    step_parameters,
)
from neurocompile.ir.nodes import Add, Concat, Delay, Input, Shape
from neurocompile.ir.order import components
from neurocompile.ir.shapes import shapes


@dataclass(frozen=True, eq=False)
class FloatRecording:
    """Recording of every neuron layer of a FLOAT graph.

    Attributes:
        spikes: By spiking layer, (n, steps, *shape) uint8, or float64 payloads.
        membrane: By requested neuron layer, (n, steps, *shape) float64 potentials after the reset.
        current_peak: By neuron layer, the largest |input + synaptic current| of any neuron.
        potential_peak: By neuron layer, the largest |v| before a reset, from the level
            that is 0 on the chip (`ir.neurons.level_of`).
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
        values: (n, steps, *shape) spikes or real values, or (n, *shape) currents that are the
            same in every step (gain included).
        steps: Number of steps to run.
        membranes: Names of layers whose potentials are recorded.
        peaks: Whether to observe the largest values, for calibration; otherwise they are 0.

    Raises:
        BadInput: If a network of random spikes is given values that are not encoded.
    """
    _check_encoded(graph, np.shape(values))
    run = _Run(graph, shapes(graph), steps, peaks, membranes)
    with one_thread(), torch.inference_mode():
        for name, node in graph.of(Input):
            run.flow[name] = _time_first(values, node.shape)[:steps]
        for names, loop in components(graph):
            if loop:
                run.loop(names)
            elif names[0] not in run.flow:
                run.layer(names[0])
    neurons = [(name, run.layers[name]) for name, _ in graph.of(Neuron)]
    return FloatRecording(
        spikes={
            name: _sent(run.flow[name], layer.node).transpose(0, 1).numpy()
            for name, layer in neurons
            if layer.node.spiking
        },
        membrane={
            name: layer.membrane.transpose(0, 1).numpy()
            for name, layer in neurons
            if layer.membrane is not None
        },
        current_peak={name: layer.current for name, layer in neurons},
        potential_peak={name: layer.potential for name, layer in neurons},
    )


def _check_encoded(graph: Graph, given: Shape) -> None:
    """Refuse samples where a network takes the spikes that its encoder makes of them."""
    encoder = graph.settings.encoder
    for _, node in graph.of(Input):
        if encoder.kind == "bernoulli" and len(given) == len(node.shape) + 1:
            raise BadInput(
                f"values of shape {given} have no steps, but this network takes random spikes "
                "(n, steps, ...). Encode them first: neurocompile.data.encoding.bernoulli(values, "
                f"steps, gain={encoder.gain:g}, seed=0)."
            )


def float_beside(
    pool: Executor, graph: Graph, stimulus: Stimulus, membranes: tuple[str, ...]
) -> Iterator[Future[FloatRecording]]:
    """Start batch after batch in a pool of threads, so that another engine can run concurrently.

    Args:
        pool: Pool in which the batches run.
        graph: FLOAT graph.
        stimulus: Samples, steps per sample and seed.
        membranes: Names of layers whose potentials are recorded.
    """

    def start(values: Array) -> Future[FloatRecording]:
        return pool.submit(run_float, graph, values, stimulus.steps, membranes=membranes)

    return (batch.did for batch in batches(graph, stimulus, start))


class _Run:
    """A network on a batch: the output of each node so far, (steps or 1, n, *shape)."""

    def __init__(
        self,
        graph: Graph,
        shape: dict[str, Shape],
        steps: int,
        watch: bool,
        membranes: tuple[str, ...],
    ):
        self.graph = graph
        self.shape = shape
        self.steps = steps
        self.watch = watch
        self.membranes = membranes
        self.flow: dict[str, torch.Tensor] = {}
        self.layers: dict[str, _Neurons] = {}

    def layer(self, name: str) -> None:
        """Run a node outside of any loop, over all steps at once if it has no state."""
        before = [self.flow[b] for b in self.graph.before(name)]
        if isinstance(self.graph.nodes[name], Neuron):
            (x,) = before
            neurons = self._neurons(name, x)
            out = x.new_empty(self.steps, *x.shape[1:])
            for t in range(self.steps):
                out[t] = neurons.step(x[t if len(x) > 1 else 0], t)
            self.flow[name] = out
        elif isinstance(self.graph.nodes[name], Delay):
            (x,) = before
            x = x.expand(self.steps, *x.shape[1:])
            times = torch.arange(self.steps)
            self.flow[name] = _held_back(self.graph.nodes[name], x, times)
        else:
            self.flow[name] = self._map(name, before)

    def loop(self, names: tuple[str, ...]) -> None:
        """Run nodes that form a loop step by step; they are in the order of the graph."""
        like = next(iter(self.flow.values()))
        for name in names:
            self.flow[name] = like.new_zeros(self.steps, like.shape[1], *self.shape[name])
        delays = [n for n in names if isinstance(self.graph.nodes[n], Delay)]
        late = [n for n in delays if self.graph.nodes[n].steps]
        for name in names:
            if isinstance(self.graph.nodes[name], Neuron):
                self._neurons(name, self.flow[name])
        for t in range(self.steps):
            for name in late:  # depends only on earlier steps
                (source,) = self.graph.before(name)
                node, now = self.graph.nodes[name], torch.tensor([t])
                self.flow[name][t] = _held_back(node, self.flow[source], now)[0]
            for name in names:
                if name in late:
                    continue
                before = [self._at(b, t) for b in self.graph.before(name)]
                if name in delays:
                    (source,) = self.graph.before(name)
                    node, now = self.graph.nodes[name], torch.tensor([t])
                    self.flow[name][t] = _held_back(node, self.flow[source], now)[0]
                elif name in self.layers:
                    self.flow[name][t] = self.layers[name].step(before[0][0], t)
                else:
                    self.flow[name][t] = self._map(name, before)[0]

    def _at(self, name: str, t: int) -> torch.Tensor:
        """One step of a node's output, (1, n, *shape)."""
        x = self.flow[name]
        return x[t : t + 1] if len(x) > 1 else x

    def _map(self, name: str, before: list[torch.Tensor]) -> torch.Tensor:
        """Output of a node without state, given (steps or 1, n, *shape) of each source."""
        node = self.graph.nodes[name]
        if isinstance(node, Add):
            return sum(before[1:], before[0])
        if isinstance(node, Concat):
            longest = max(len(x) for x in before)
            return torch.cat([x.expand(longest, *x.shape[1:]) for x in before], dim=2)
        (x,) = before
        inner = self.shape[self.graph.before(name)[0]]
        out = apply(node, x.reshape(-1, *inner), inner)
        return out.reshape(*x.shape[:2], *self.shape[name])

    def _neurons(self, name: str, like: torch.Tensor) -> _Neurons:
        keep = self.steps if name in self.membranes else 0
        dt = self.graph.settings.dt
        neurons = _Neurons(self.graph.nodes[name], like, dt, watch=self.watch, keep=keep)
        self.layers[name] = neurons
        return neurons


class _Neurons:
    """The state of a neuron layer, its potentials and its largest values."""

    def __init__(self, node: Neuron, like: torch.Tensor, dt: float, *, watch: bool, keep: int):
        """Start a layer.

        Args:
            node: Neuron node.
            like: (any, n, *shape) tensor of its input.
            dt: Length of a step, seconds.
            watch: Whether to observe the largest values.
            keep: Number of steps whose potentials are recorded.
        """
        self.node = node
        self.watch = watch
        numbers = step_parameters(node, dt)
        self.p = StepParameters(
            **{k: None if a is None else tensor(a, like) for k, a in numbers.items()}
        )
        start = start_of(node, self.p)
        v = like.new_zeros(like.shape[1:]) if start is None else start.expand(like.shape[1:])
        v = v.clone()
        self.state = states_of(node, self.p, v, torch.zeros_like(v))
        self.membrane = like.new_empty(keep, *v.shape) if keep else None
        self.current = self.potential = 0.0
        self.ops = TorchOps()

    def step(self, now: torch.Tensor, t: int) -> torch.Tensor:
        """Take step t with the input (n, *shape); returns the output."""
        p = self.p
        if self.watch:
            total = self.state[1] + now if has_current(self.node) else now
            if self.node.current_is_late:  # v takes it in the next step
                self.current, total = max(self.current, float(total.abs().max())), self.state[1]
            v, level = self.state[0], level_of(self.node, p)
            leaks = p.mem_leak is not None
            reached = v + (p.mem_leak * (total + p.v_leak - v) if leaks else total)
            if isinstance(self.node, DeltaEncoder):
                reached = now
            self.current = max(self.current, float(total.abs().max()))
            peak = float((reached if level is None else reached - level).abs().max())
            self.potential = max(self.potential, peak)
        stepped = self.node.step(self.ops, self.state, now, p)
        self.state = stepped.state
        if self.watch:
            self._watch_what_spikes_left()
        if self.membrane is not None:
            self.membrane[t] = self.state[0]
        out: torch.Tensor = stepped.out
        return out

    def _watch_what_spikes_left(self) -> None:
        """Observe thresholds and refractory states that are potentials: the chip has 24 bits."""
        level = level_of(self.node, self.p)
        for name, values in zip(self.node.state_names, self.state, strict=True):
            if name in self.node.rest:  # a threshold
                values = values if level is None else values - level
            elif name != "r":
                continue
            self.potential = max(self.potential, float(values.abs().max()))


def _sent(out: torch.Tensor, node: Neuron) -> torch.Tensor:
    """What a layer sent, as it is recorded."""
    return out if node.graded else out.to(torch.uint8)


def _held_back(delay: Delay, x: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
    """What leaves a delay in these steps, (len(times), n, *shape), from (steps, n, *shape)."""
    if delay.late is None:
        past = times - delay.steps
        late = x[past.clamp(min=0)]
        return late * (past >= 0).reshape(-1, *(1,) * (x.dim() - 1))
    flat = x.flatten(2)
    past = times[:, None] - delay.steps - torch.from_numpy(np.array(delay.late)).flatten()
    late = flat[past.clamp(min=0), :, torch.arange(flat.shape[2])].transpose(1, 2)
    return (late * (past >= 0)[:, None]).reshape(len(times), *x.shape[1:])


def _time_first(values: Array, shape: Shape) -> torch.Tensor:
    """(n, steps, *shape) as (steps, n, *shape); constant currents become one step."""
    x = torch.from_numpy(np.array(values, dtype=np.float64))  # a copy: data are read-only
    return x[None] if x.ndim == len(shape) + 1 else x.transpose(0, 1)
