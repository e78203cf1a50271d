"""Run a population's own step in exact arithmetic, with some of its parameters rounded.

In:  populations from `rounding`, the input of some samples.
Out: spikes and potentials in float membrane units, as in the float network's recording.
The step is the population's own, its only definition. `RealOps` computes it with real numbers that
are never cut, wrapped or clipped, `TorchOps` in the chip's arithmetic.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from neurocompile.data.inputs import Encoded, currents
from neurocompile.engines.fixed.result import schedule
from neurocompile.engines.torch_ops import TorchOps, apply, tensor
from neurocompile.ir.arrays import Array
from neurocompile.ir.fixed import AlwaysOn, BiasInput, SpikeInput
from neurocompile.ir.graph import Graph
from neurocompile.ir.registers import ALIGN_BITS, UNITY
from neurocompile.quantize.changes import CHIP_CHANGES
from neurocompile.report.parting.rounding import RoundedPopulation, RoundedSynapse

# Part of a unit by which float64 may miss a whole sum. The sums of integers that are rounded are
# multiples of 2^-8 or so, and keep their floor with it.
SLACK = 1e-6


class RealOps:
    """The operations of a step on real numbers: nothing is cut, wrapped or clipped."""

    def divide_toward_zero(self, x: Any, power: int) -> Any:
        """x / 2**power."""
        return x * 2.0**-power

    def clip(self, x: Any, low: int, high: int) -> Any:
        """x as it is."""
        return x

    def where(self, condition: Any, yes: Any, no: Any) -> Any:
        """`yes` where the condition holds, else `no`."""
        return torch.where(condition, yes, no)

    def wrap(self, x: Any) -> Any:
        """x as it is."""
        return x

    def decay(self, x: Any, keep: Any) -> Any:
        """x * keep / 4096."""
        return x * (keep / UNITY)


@dataclass(frozen=True, eq=False)
class Given:
    """The input of the network for some samples; the first axis is the sample.

    Attributes:
        encoded: Spikes, or the mantissas that the host writes.
        currents: float64 before it is rounded, by BiasInput (n, *shape), without the population's
            own bias; by SpikeInput with a value in each step (n, steps, *shape), as payloads.
    """

    encoded: Encoded
    currents: Mapping[str, Array]


@dataclass(frozen=True, eq=False)
class Rerun:
    """Spikes and potentials of a run in exact arithmetic.

    Attributes:
        spikes: (n, steps, *shape) uint8 by population.
        membrane: (n, steps, *shape) float64 by population asked for, after reset, float units.
    """

    spikes: Mapping[str, Array]
    membrane: Mapping[str, Array]


def given(graph: Graph, values: Array, encoded: Encoded) -> Given:
    """The input of a FIXED graph.

    Args:
        graph: FIXED graph.
        values: (n, ...) samples.
        encoded: The same samples, encoded for the engines.
    """
    exact = {name: currents(graph, name, values) for name, _ in graph.of(BiasInput)}
    if graph.settings.encoder.kind == "sequence":
        for name, node in graph.of(SpikeInput):
            frames = np.asarray(values[:, : encoded.steps], dtype=np.float64)
            shape = (*frames.shape[:2], *node.shape)
            exact[name] = frames.reshape(shape) * graph.settings.encoder.gain
    return Given(encoded, exact)


def rerun(
    graph: Graph, layers: Mapping[str, RoundedPopulation], enters: Given, membranes: Collection[str]
) -> Rerun:
    """Run the whole network from its initial state, in exact arithmetic.

    Args:
        graph: FIXED graph.
        layers: Result of `rounding.rounded`.
        enters: Input of the samples.
        membranes: Layers whose potentials are recorded.
    """
    spikes: dict[str, Array] = {}
    membrane: dict[str, Array] = {}
    flow = sources(graph, enters, all(layer.written for layer in layers.values()))
    steps, samples = enters.encoded.steps, enters.encoded.samples
    with torch.inference_mode():
        for names, _ in schedule(graph):
            inside = [name for name in names if name in layers]
            runs = {n: Neurons(layers[n], bias_of(layers[n], enters), RealOps()) for n in inside}
            outer = {n: (s for s in layers[n].synapses if s.source not in inside) for n in inside}
            arrive = {n: arrivals(layers[n], outer[n], flow, steps) for n in inside}
            sent = {n: torch.zeros(steps, samples, *layers[n].node.shape).double() for n in inside}
            potentials = {n: torch.empty_like(sent[n]) for n in inside if n in membranes}
            for t in range(steps):
                for n in inside:
                    now = arrive[n][t] + arrived_at(layers[n], sent, t)
                    sent[n][t] = runs[n].step(now)
                    if n in potentials:
                        potentials[n][t] = runs[n].v
            flow.update(sent)
            for n in inside:
                spikes[n] = _fired(sent[n])
            for n, v in potentials.items():
                membrane[n] = v.transpose(0, 1).numpy() * layers[n].node.scale
                membrane[n] += layers[n].offset
    return Rerun(spikes, membrane)


def alone(
    graph: Graph,
    layers: Mapping[str, RoundedPopulation],
    enters: Given,
    spikes: Mapping[str, Array],
) -> dict[str, Array]:
    """Each spiking layer by itself in the chip's arithmetic, given the float network's spikes.

    Args:
        graph: FIXED graph.
        layers: Populations with every class rounded.
        enters: Input of the samples.
        spikes: Spikes or payloads of the float network, (n, steps, *shape) by layer.

    Returns:
        (n, steps, *shape) uint8 by layer; differences from `spikes` are caused by this layer only.
    """
    flow = {**sources(graph, enters, True), **given_spikes(layers, spikes)}
    sent = {}
    with torch.inference_mode():
        for name in spikes:
            layer = layers[name]
            neurons = Neurons(layer, bias_of(layer, enters), TorchOps())
            arrived = arrivals(layer, layer.synapses, flow, enters.encoded.steps)
            out = torch.stack([neurons.step(now).expand(flow[name].shape[1:]) for now in arrived])
            sent[name] = _fired(out)
    return sent


def _fired(sent: torch.Tensor) -> Array:
    """Whether each neuron sent something, (n, steps, *shape) uint8, of (steps, n, *shape)."""
    return (sent != 0).transpose(0, 1).to(torch.uint8).numpy()


def given_spikes(
    layers: Mapping[str, RoundedPopulation], spikes: Mapping[str, Array]
) -> dict[str, torch.Tensor]:
    """Spikes of the float network, (steps, n, *shape), with its payloads in the chip's units."""
    return {name: time_first(s) * layers[name].payload for name, s in spikes.items()}


def sources(graph: Graph, enters: Given, written: bool) -> dict[str, torch.Tensor]:
    """Spikes that no neuron sends: input and always-on axons, (steps, n, *shape).

    Args:
        graph: FIXED graph.
        enters: Input of the samples.
        written: Whether real values are rounded to payloads.
    """
    sent = {}
    for name, node in graph.of(SpikeInput, AlwaysOn):
        if isinstance(node, SpikeInput):
            exact = enters.currents.get(name)
            whole = enters.encoded.values[name]
            sent[name] = time_first(whole if written or exact is None else exact)
        else:
            lead = (enters.encoded.steps, enters.encoded.samples)
            sent[name] = torch.ones(*lead, *node.shape).double()
    return sent


def time_first(spikes: Array) -> torch.Tensor:
    """(n, steps, *shape) -> (steps, n, *shape) float64."""
    return torch.from_numpy(np.asarray(spikes)).double().transpose(0, 1)


def arrivals(
    layer: RoundedPopulation,
    synapses: Iterable[RoundedSynapse],
    flow: Mapping[str, torch.Tensor],
    steps: int,
) -> torch.Tensor:
    """What arrives in every step from populations that have run: (steps, n or 1, *shape)."""
    total = torch.zeros(steps, *(1,) * (1 + len(layer.node.shape))).double()
    for synapse in synapses:
        total = total + _arriving(layer, synapse, flow[synapse.source], 0, steps)
    return total


def arrived_at(layer: RoundedPopulation, flow: Mapping[str, torch.Tensor], t: int) -> Any:
    """What arrives in step t from the populations that are running now."""
    total: Any = 0.0
    for synapse in layer.synapses:
        if synapse.source in flow:
            total = total + _arriving(layer, synapse, flow[synapse.source], t, t + 1)[0]
    return total


def _arriving(
    layer: RoundedPopulation, synapse: RoundedSynapse, sent: torch.Tensor, begin: int, end: int
) -> torch.Tensor:
    """What arrives through a synapse in the steps [begin, end), (steps, n, *shape)."""
    late = torch.as_tensor(np.array(0 if synapse.late is None else synapse.late)).long()
    times = torch.arange(begin, end) - synapse.delay
    if late.dim() > 1:
        return _through(layer, synapse, _at(sent, times, late[0]))
    longest = int(late.max())
    earliest = torch.arange(begin - longest, end) - synapse.delay
    total = _through(layer, synapse, _at(sent, earliest, torch.zeros(1).long()))
    return _at(total, torch.arange(longest, longest + end - begin), late.reshape(-1))


def _at(values: torch.Tensor, times: torch.Tensor, late: torch.Tensor) -> torch.Tensor:
    """Values (steps, n, *shape) of `late` (1,) or (size,) steps before these times, or 0."""
    past = times[:, None] - late
    known = (past >= 0).reshape(len(times), 1, -1)
    if len(late) == 1:
        moved = values[past[:, 0].clamp(min=0)].flatten(2)
    else:
        each = torch.arange(len(late))
        moved = values.flatten(2)[past.clamp(min=0), :, each].transpose(1, 2)
    return (moved * known).reshape(len(times), *values.shape[1:])


def _through(layer: RoundedPopulation, synapse: RoundedSynapse, x: torch.Tensor) -> torch.Tensor:
    """(steps, n, *source) spikes -> (steps, n, *shape) chip units of v."""
    arriving = apply(synapse.op, x.reshape(-1, *synapse.in_shape), synapse.in_shape)
    arriving = arriving.reshape(*x.shape[:2], *layer.node.shape) * tensor(synapse.factor, arriving)
    if not synapse.rounds:
        return arriving
    return torch.floor(arriving / (1 << ALIGN_BITS) + SLACK) * (1 << ALIGN_BITS)


def bias_of(layer: RoundedPopulation, enters: Given) -> Array:
    """The bias in each step: () or shape or (n, *shape), chip units of v."""
    if not layer.host:
        return np.asarray(layer.constants.bias)
    unit = 2.0**layer.node.bias_exp
    if layer.written:
        return np.asarray(enters.encoded.values[layer.host] * unit)
    return np.asarray(enters.currents[layer.host] * unit + layer.constants.bias)


class Neurons:
    """The state of a population for some samples.

    Attributes:
        v: (n, *shape) potential after the last step and its reset.
        potential: Potential in the last step, before saturation and reset.
        current: Synaptic current in the last step, before it wraps.
        level: Potential above which a neuron spiked in the last step.
    """

    def __init__(self, layer: RoundedPopulation, bias: Array, ops: Any):
        self.node = layer.node
        self.ops = ops
        like = torch.zeros(1, dtype=torch.float64)
        constants = layer.constants._replace(bias=bias)
        self.constants = self.node.Constants(*(tensor(number, like) for number in constants))
        v = tensor(layer.start, like)
        self.state = self.node.start(self.constants, v, torch.zeros_like(v))
        self.potential = self.current = self.level = v

    @property
    def v(self) -> Any:
        """Potential after the last step and its reset."""
        return self.state[self.node.state_names.index("v")]

    def step(self, arrived: torch.Tensor, given: torch.Tensor | None = None) -> torch.Tensor:
        """Take one step; returns the spikes.

        Args:
            arrived: What arrives, (n, *shape) chip units of v.
            given: Spikes that take the place of its own in what they leave; None for its own.
        """
        a, watched = arrived / (1 << ALIGN_BITS), _Watched(self.ops)
        outcome = self.node.step(watched, self.state, a, self.constants)
        if not isinstance(self.node, CHIP_CHANGES):  # a change, not the potential, is what it sends
            self.level = self.node.level(self.ops, self.state, outcome, self.constants)
        self.potential, self.current = outcome.potential, outcome.current
        out: torch.Tensor = outcome.out
        if given is not None:
            forced = _Forced(self.ops, [asked is out for asked in watched.asked], given)
            outcome = self.node.step(forced, self.state, a, self.constants)
        self.state = outcome.state
        return out


class _Watched:
    """The operations of a step, which note the condition of each choice."""

    def __init__(self, ops: Any):
        self.inner = ops
        self.asked: list[Any] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def where(self, condition: Any, yes: Any, no: Any) -> Any:
        """`yes` where the condition holds, else `no`."""
        self.asked.append(condition)
        return self.inner.where(condition, yes, no)


class _Forced(_Watched):
    """The operations of a step in which given spikes, not a neuron's own, have their effect."""

    def __init__(self, ops: Any, by_spikes: list[bool], spikes: torch.Tensor):
        """Hold the spikes.

        Args:
            ops: The operations.
            by_spikes: Of each choice of the step, in order, whether spikes are its condition.
            spikes: The spikes that are given.
        """
        super().__init__(ops)
        self.by_spikes, self.spikes = by_spikes, spikes

    def where(self, condition: Any, yes: Any, no: Any) -> Any:
        """`yes` where the condition holds or a spike is given, else `no`."""
        chosen = self.spikes if self.by_spikes[len(self.asked)] else condition
        self.asked.append(chosen)
        return torch.where(chosen, torch.as_tensor(yes, dtype=torch.float64), no)
