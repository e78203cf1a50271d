"""Why one spike differs: a neuron's potential with one class of numbers rounded at a time.

In:  the first spike that differs between the float network and the chip's integers.
Out: the neuron's potential over its threshold in every run, and the class at fault.
Up to that spike both networks spiked alike. So every run is given the float network's spikes,
including the neurons' own, and two runs differ only in what was rounded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from neurocompile.engines.torch_ops import TorchOps, one_thread
from neurocompile.ir.arrays import Array
from neurocompile.ir.graph import Graph
from neurocompile.ir.registers import ALIGN_BITS, STATE_LIMIT
from neurocompile.ir.sigma_delta import Delta
from neurocompile.quantize.changes import CHIP_CHANGES
from neurocompile.quantize.incoming import Incoming
from neurocompile.report.parting.rerun import (
    Given,
    Neurons,
    RealOps,
    arrivals,
    bias_of,
    given_spikes,
    sources,
)
from neurocompile.report.parting.rounding import CLASSES, RoundedPopulation, rounded, runs_of

TIE = 1e-9  # part of the threshold: closer to it than that, float64 rounding decides who spikes


@dataclass(frozen=True)
class Reached:
    """The state of a neuron in one step of one run, before its reset.

    Attributes:
        potential, threshold: Membrane potential and threshold, in chip units of v.
        saturated, wrapped: Whether v, or the current, left 24 bits in this step or before.
    """

    potential: float
    threshold: float
    saturated: bool = False
    wrapped: bool = False

    @property
    def spikes(self) -> bool:
        """Whether the neuron spikes."""
        return self.potential > self.threshold

    @property
    def margin(self) -> float:
        """How far the potential is above the threshold."""
        return self.potential - self.threshold

    @property
    def of_threshold(self) -> float | None:
        """The potential over the threshold; None if the threshold is 0."""
        return self.potential / self.threshold if self.threshold else None


def reached(
    graph: Graph,
    incoming: Mapping[str, Incoming],
    place: tuple[str, int],
    neurons: Array,
    enters: Given,
    spikes: Mapping[str, Array],
) -> list[dict[str, Reached]]:
    """The state of neurons of one layer in one step of one sample in each run: "float", those of
    `rounding.runs_of`, and "fixed", which is "all" in the chip's arithmetic.

    Args:
        graph: FIXED graph.
        incoming: Result of `rounding.incomings`.
        place: Name of the layer, and the step, counted from 0.
        neurons: (k, axes) indices of the neurons in the layer.
        enters: Input of that one sample.
        spikes: Spikes of the float network, (1, steps, *shape) by layer.
    """
    reached_in: list[dict[str, Reached]] = [{} for _ in neurons]
    runs = runs_of(graph)
    with one_thread():
        for run, classes in {"float": (), **runs, "fixed": runs["all"]}.items():
            layers = rounded(graph, incoming, classes)
            ops = TorchOps() if run == "fixed" else RealOps()
            states = _reached(graph, layers, place, neurons, enters, spikes, ops)
            for one, of_run in zip(reached_in, states, strict=True):
                one[run] = of_run
    return reached_in


def cause(runs: Mapping[str, Reached], spike: bool) -> str:
    """Why the first spike that differs does so.

    A class of numbers, if rounding only it moves the potential across the threshold; of
    several such classes, the one that moves it farthest. Else "combined", if all classes together
    do. Else the chip's arithmetic: "wrap" if the neuron's current wrapped, "saturation" if its
    potential was cut to 24 bits, "truncation" (of decays toward zero) if neither happened. "tie"
    if nothing moved by more than float64 resolves.

    Args:
        runs: Result of `reached` for the neuron.
        spike: Whether the neuron spiked in the float network.
    """

    def moved(run: str) -> float:
        return abs(runs[run].margin - runs["float"].margin)

    least = TIE * abs(runs["float"].threshold)
    parted = [run for run in runs if runs[run].spikes != spike and moved(run) > least]
    alone = [run for run in CLASSES if run in parted]
    if alone:
        return max(alone, key=moved)
    if "all" in parted:
        return "combined"
    if runs["fixed"].wrapped:
        return "wrap"
    if runs["fixed"].saturated:
        return "saturation"
    return "truncation" if "fixed" in parted else "tie"


def _reached(
    graph: Graph,
    layers: Mapping[str, RoundedPopulation],
    place: tuple[str, int],
    neurons: Array,
    enters: Given,
    spikes: Mapping[str, Array],
    ops: Any,
) -> list[Reached]:
    """Run one layer by itself up to a step, given the spikes of all layers."""
    name, step = place
    layer = layers[name]
    flow = {**sources(graph, enters, layer.written), **given_spikes(layers, spikes)}
    own = flow[name] != 0
    if isinstance(layer.node, CHIP_CHANGES):
        return _reached_change(layer, arrivals(layer, layer.synapses, flow, step + 1), own, neurons)
    run = Neurons(layer, bias_of(layer, enters), ops)
    index = (0, *neurons.T)
    saturated = wrapped = np.zeros(len(neurons), dtype=bool)
    with torch.inference_mode():
        arrived = arrivals(layer, layer.synapses, flow, enters.encoded.steps)
        for t in range(step + 1):
            run.step(arrived[t], own[t])
            potential, current = (
                x.expand(own[t].shape).numpy()[index] for x in (run.potential, run.current)
            )
            saturated = saturated | (np.abs(potential) > STATE_LIMIT - 1)
            wrapped = wrapped | (current <= -STATE_LIMIT) | (current > STATE_LIMIT)
        threshold = run.level.expand(own[step].shape).numpy()[index]
    rows = zip(potential, threshold, saturated, wrapped, strict=True)
    return [Reached(float(v), float(limit), bool(s), bool(w)) for v, limit, s, w in rows]


def _reached_change(
    layer: RoundedPopulation, arrived: torch.Tensor, own: torch.Tensor, neurons: Array
) -> list[Reached]:
    """The change of neurons of a sigma-delta network in the last step, in place of a potential.

    Args:
        layer: The layer.
        arrived: (steps, 1, *shape) what arrives in each step up to the one in question.
        own: (any, 1, *shape) whether each neuron of the float network sent something.
        neurons: (k, axes) indices of the neurons.
    """
    node: Any = layer.node
    p = layer.constants
    steps = arrived.numpy()[:, 0] / (1 << ALIGN_BITS)
    first = getattr(p, "first_act", np.zeros(()))
    known = np.broadcast_to(first, node.shape).astype(np.float64)
    held, change = np.broadcast_to(layer.start, node.shape), known
    for t, now in enumerate(steps):
        if isinstance(node, Delta):
            act = now * 2.0 ** (node.spike_exp + node.state_exp)
        else:
            held = held + now
            act = np.maximum(held + p.bias, 0) if node.activation == "relu" else held + p.bias
        change = np.abs(act - known)
        known = np.where(own[t, 0].numpy(), act, known)
    index = tuple(neurons.T)
    least = np.broadcast_to(p.threshold * 2.0 ** (node.spike_exp + node.state_exp) - 1, node.shape)
    rows = zip(change[index], least[index], strict=True)
    return [Reached(float(v), float(limit)) for v, limit in rows]
