"""Run a population's own step in exact arithmetic, with some of its parameters rounded.

In:  layers out of `rounding`, the input of some samples.
Out: spikes and potentials in float membrane units, as the float network's recording has them.
The step is `CubaLIF.step`, the only definition there is; `RealOps` gives it numbers that are
never cut, wrapped or clipped, `TorchOps` the chip's arithmetic.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from neurocompile.commands.compare.rounding import Layer, Link
from neurocompile.data.inputs import Encoded, currents
from neurocompile.engines.fixed.result import schedule
from neurocompile.engines.torch_ops import TorchOps, apply, tensor
from neurocompile.ir.arrays import Array
from neurocompile.ir.fixed import AlwaysOn, BiasInput, FixedConstants, SpikeInput
from neurocompile.ir.graph import Graph
from neurocompile.ir.registers import ALIGN_BITS, UNITY


class RealOps:
    """The operations of a step on real numbers: nothing is cut, wrapped or clipped."""

    def divide_toward_zero(self, x: Any, power: int) -> Any:
        """x / 2**power."""
        return x * 2.0**-power

    def clip(self, x: Any, low: int, high: int) -> Any:
        """x as it is."""
        return x

    def where(self, condition: Any, yes: Any, no: Any) -> Any:
        """Yes where the condition holds, else no."""
        return torch.where(condition, yes, no)

    def wrap(self, x: Any) -> Any:
        """x as it is."""
        return x

    def decay(self, x: Any, keep: Any) -> Any:
        """x keep / 4096."""
        return x * (keep / UNITY)


@dataclass(frozen=True, eq=False)
class Given:
    """What enters the network for some samples, samples first.

    Attributes:
        encoded: Spikes, or the mantissas that the host writes.
        currents: By BiasInput, (n, *shape) float64: the same before it is rounded, without the
            population's own bias.
    """

    encoded: Encoded
    currents: Mapping[str, Array]


@dataclass(frozen=True, eq=False)
class Rerun:
    """What the populations did.

    Attributes:
        spikes: By population, (n, steps, *shape) uint8.
        membrane: By population asked for, (n, steps, *shape) float64 after reset, float units.
    """

    spikes: Mapping[str, Array]
    membrane: Mapping[str, Array]


def given(graph: Graph, values: Array, encoded: Encoded) -> Given:
    """What enters a FIXED graph.

    Args:
        graph: FIXED graph.
        values: (n, ...) some samples.
        encoded: The same samples as the engines take them.
    """
    written = {name: currents(graph, name, values) for name, _ in graph.of(BiasInput)}
    return Given(encoded, written)


def rerun(
    graph: Graph, layers: Mapping[str, Layer], enters: Given, membranes: Collection[str]
) -> Rerun:
    """Run the whole network from its initial state, in exact arithmetic.

    Args:
        graph: FIXED graph.
        layers: From `rounding.rounded`.
        enters: Input of the samples.
        membranes: Layers whose potentials to keep.
    """
    spikes: dict[str, Array] = {}
    membrane: dict[str, Array] = {}
    flow = sources(graph, enters)
    steps, samples = enters.encoded.steps, enters.encoded.samples
    with torch.inference_mode():
        for names, _ in schedule(graph):
            inside = [name for name in names if name in layers]
            runs = {n: Neurons(layers[n], bias_of(layers[n], enters), RealOps()) for n in inside}
            arrive = {
                n: arrivals(
                    layers[n], (k for k in layers[n].links if k.source not in inside), flow, steps
                )
                for n in inside
            }
            made = {n: torch.zeros(steps, samples, *layers[n].node.shape).double() for n in inside}
            kept = {n: torch.empty_like(made[n]) for n in inside if n in membranes}
            for t in range(steps):
                for n in inside:
                    now = arrive[n][t] + arrived_at(layers[n], made, t)
                    made[n][t] = runs[n].step(now)
                    if n in kept:
                        kept[n][t] = runs[n].v
            flow.update(made)
            for n in inside:
                spikes[n] = made[n].transpose(0, 1).to(torch.uint8).numpy()
            for n, v in kept.items():
                membrane[n] = v.transpose(0, 1).numpy() * layers[n].node.scale
                membrane[n] += layers[n].node.offset
    return Rerun(spikes, membrane)


def alone(
    graph: Graph, layers: Mapping[str, Layer], enters: Given, spikes: Mapping[str, Array]
) -> dict[str, Array]:
    """Each spiking layer by itself in the chip's arithmetic, given the float network's spikes.

    Args:
        graph: FIXED graph.
        layers: With every class rounded.
        enters: Input of the samples.
        spikes: The float network's, (n, steps, *shape) by layer.

    Returns:
        (n, steps, *shape) uint8 by layer: it differs where this layer alone makes it differ.
    """
    flow = {**sources(graph, enters), **{n: time_first(s) for n, s in spikes.items()}}
    found = {}
    with torch.inference_mode():
        for name in spikes:
            layer = layers[name]
            neurons = Neurons(layer, bias_of(layer, enters), TorchOps())
            arrived = arrivals(layer, layer.links, flow, enters.encoded.steps)
            out = torch.stack([neurons.step(now).expand(flow[name].shape[1:]) for now in arrived])
            found[name] = out.transpose(0, 1).to(torch.uint8).numpy()
    return found


def sources(graph: Graph, enters: Given) -> dict[str, torch.Tensor]:
    """What no neuron sends: input spikes and always-on axons, (steps, n, *shape)."""
    found = {}
    for name, node in graph.of(SpikeInput, AlwaysOn):
        if isinstance(node, SpikeInput):
            found[name] = time_first(enters.encoded.values[name])
        else:
            lead = (enters.encoded.steps, enters.encoded.samples)
            found[name] = torch.ones(*lead, *node.shape).double()
    return found


def time_first(spikes: Array) -> torch.Tensor:
    """(n, steps, *shape) -> (steps, n, *shape) float64."""
    return torch.from_numpy(np.asarray(spikes)).double().transpose(0, 1)


def arrivals(
    layer: Layer, links: Iterable[Link], flow: Mapping[str, torch.Tensor], steps: int
) -> torch.Tensor:
    """What arrives in every step out of populations that have run: (steps, n or 1, *shape)."""
    total = torch.zeros(steps, *(1,) * (1 + len(layer.node.shape))).double()
    for link in links:
        x = flow[link.source]
        late = torch.cat([torch.zeros_like(x[: link.delay]), x[: max(0, steps - link.delay)]])
        total = total + _through(layer, link, late)
    return total


def arrived_at(layer: Layer, flow: Mapping[str, torch.Tensor], t: int) -> Any:
    """What arrives in step t over links out of the populations that run right now."""
    total: Any = 0.0
    for link in layer.links:
        if link.source in flow and t >= link.delay:
            total = total + _through(layer, link, flow[link.source][t - link.delay][None])[0]
    return total


def _through(layer: Layer, link: Link, x: torch.Tensor) -> torch.Tensor:
    """(steps, n, *source) spikes -> (steps, n, *shape) chip units of v."""
    done = apply(link.op, x.reshape(-1, *link.in_shape), link.in_shape)
    return done.reshape(*x.shape[:2], *layer.node.shape) * tensor(link.factor, done)


def bias_of(layer: Layer, enters: Given) -> Array:
    """The bias of each step, () or shape or (n, *shape), chip units of v."""
    if not layer.host:
        return np.asarray(layer.constants.bias)
    unit = 2.0**layer.node.bias_exp
    if layer.written:
        return np.asarray(enters.encoded.values[layer.host] * unit)
    return np.asarray(enters.currents[layer.host] * unit + layer.constants.bias)


class Neurons:
    """The state of a population for some samples.

    Attributes:
        v: After the last step and its reset, (n, *shape).
        potential: In the last step before saturation and reset.
        current: In the last step before its wrap.
    """

    def __init__(self, layer: Layer, bias: Array, ops: Any):
        self.node = layer.node
        self.ops = ops
        like = torch.zeros(1, dtype=torch.float64)
        constants = layer.constants._replace(bias=bias)
        self.constants = FixedConstants(*(tensor(number, like) for number in constants))
        self.v = tensor(layer.start, like)
        self.u: Any = torch.zeros_like(self.v)
        self.potential = self.current = self.v

    def step(self, arrived: torch.Tensor) -> torch.Tensor:
        """One step, given (n, *shape) chip units of v; gives the spikes."""
        done = self.node.step(
            self.ops, (self.u, self.v), arrived / (1 << ALIGN_BITS), self.constants
        )
        self.u, self.v = done.state
        self.potential, self.current = done.potential, done.current
        out: torch.Tensor = done.out
        return out
