"""Why one spike differs: the membrane of one neuron, one class of parameters rounded at a time.

In:  the first spike that differs between the float network and the chip's integers.
Out: its potential over its threshold in every run, and the class at fault.
Up to that spike both networks spiked alike. So every run is given the float network's spikes, the
neurons' own included, and what is left between two runs is what was rounded, and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from neurocompile.commands.compare.rerun import (
    Given,
    Neurons,
    RealOps,
    arrivals,
    bias_of,
    sources,
    time_first,
)
from neurocompile.commands.compare.rounding import CLASSES, Layer, rounded
from neurocompile.engines.torch_ops import TorchOps
from neurocompile.ir.arrays import Array
from neurocompile.ir.graph import Graph
from neurocompile.ir.registers import STATE_LIMIT
from neurocompile.quantize.incoming import Incoming

TIE = 1e-9  # of the threshold: closer to it, float64 itself decides who spikes
RUNS: Mapping[str, tuple[str, ...]] = {
    "float": (),
    **{name: (name,) for name in CLASSES},
    "all": CLASSES,
    "fixed": CLASSES,
}


@dataclass(frozen=True)
class Reached:
    """What a neuron reached in one step of one run, before its reset.

    Attributes:
        potential, threshold: Chip units of v.
        saturated, wrapped: Whether v or the current left 24 bits, in this step or before.
    """

    potential: float
    threshold: float
    saturated: bool = False
    wrapped: bool = False

    @property
    def spikes(self) -> bool:
        """Whether it spikes."""
        return self.potential > self.threshold

    @property
    def margin(self) -> float:
        """How far above the threshold."""
        return self.potential - self.threshold

    @property
    def of_threshold(self) -> float | None:
        """The potential over the threshold; None where the threshold is 0."""
        return self.potential / self.threshold if self.threshold else None


def reached(
    graph: Graph,
    incoming: Mapping[str, Incoming],
    place: tuple[str, int],
    neurons: Array,
    enters: Given,
    spikes: Mapping[str, Array],
) -> list[dict[str, Reached]]:
    """What neurons of one layer reached in one step of one sample, in every run of `RUNS`.

    Args:
        graph: FIXED graph.
        incoming: From `rounding.incomings`.
        place: The layer and the step, from 0.
        neurons: (k, axes) their indices in the layer.
        enters: Input of that one sample.
        spikes: The float network's, (1, steps, *shape) by layer.
    """
    found: list[dict[str, Reached]] = [{} for _ in neurons]
    for run, classes in RUNS.items():
        layer = rounded(graph, incoming, classes)[place[0]]
        ops = TorchOps() if run == "fixed" else RealOps()
        for one, of_run in zip(
            found, _reached(graph, layer, place, neurons, enters, spikes, ops), strict=True
        ):
            one[run] = of_run
    return found


def cause(found: Mapping[str, Reached], spike: bool) -> str:
    """What made the first differing spike differ.

    A class that alone moves the potential to the other side of the threshold; of several, the
    one that moves it farthest. Else "combined", if all classes together do. Else the chip's
    arithmetic: "wrap" or "saturation" where that neuron's current wrapped or its potential was
    cut to 24 bits, and "truncation" of decays toward zero where neither happened. "tie" where
    nothing moved by more than float64 resolves.

    Args:
        found: From `reached`.
        spike: Whether the neuron spiked in the float network.
    """

    def moved(run: str) -> float:
        return abs(found[run].margin - found["float"].margin)

    least = TIE * abs(found["float"].threshold)
    parted = [run for run in RUNS if found[run].spikes != spike and moved(run) > least]
    alone = [run for run in CLASSES if run in parted]
    if alone:
        return max(alone, key=moved)
    if "all" in parted:
        return "combined"
    if found["fixed"].wrapped:
        return "wrap"
    if found["fixed"].saturated:
        return "saturation"
    return "truncation" if "fixed" in parted else "tie"


class _Forced:
    """The operations of a step in which other spikes than a neuron's own reset it."""

    def __init__(self, ops: Any):
        self.inner = ops
        self.spikes: Any = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def where(self, condition: Any, yes: Any, no: Any) -> Any:
        """Yes where a spike was told: a step chooses between reset and potential alone."""
        return torch.where(self.spikes, torch.as_tensor(yes, dtype=torch.float64), no)


def _reached(
    graph: Graph,
    layer: Layer,
    place: tuple[str, int],
    neurons: Array,
    enters: Given,
    spikes: Mapping[str, Array],
    ops: Any,
) -> list[Reached]:
    """One layer alone up to a step, given everybody's spikes."""
    name, step = place
    flow = {**sources(graph, enters), **{n: time_first(s) for n, s in spikes.items()}}
    own = flow[name] > 0
    forced = _Forced(ops)
    run = Neurons(layer, bias_of(layer, enters), forced)
    index = (0, *neurons.T)
    saturated = wrapped = np.zeros(len(neurons), dtype=bool)
    with torch.inference_mode():
        arrived = arrivals(layer, layer.links, flow, enters.encoded.steps)
        for t in range(step + 1):
            forced.spikes = own[t]
            run.step(arrived[t])
            potential, current = (
                x.expand(own[t].shape).numpy()[index] for x in (run.potential, run.current)
            )
            saturated = saturated | (np.abs(potential) > STATE_LIMIT - 1)
            wrapped = wrapped | (current <= -STATE_LIMIT) | (current > STATE_LIMIT)
    threshold = np.broadcast_to(layer.constants.threshold, layer.node.shape)[tuple(neurons.T)]
    rows = zip(potential, threshold, saturated, wrapped, strict=True)
    return [Reached(float(v), float(limit), bool(s), bool(w)) for v, limit, s, w in rows]
