"""The first spike that differs between the float network and the integers, examined.

In:  where it is, and what both networks did with that one sample.
Out: the state of each neuron that differs there in every run of `causes`, and JSON-ready values.
Steps count from 1 and samples from 0 in the values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from neurocompile.ir.arrays import Array
from neurocompile.ir.fixed import AlwaysOn, BiasInput
from neurocompile.ir.graph import Graph
from neurocompile.quantize.incoming import Incoming
from neurocompile.report.parting.apart import SpikeIndex, fired
from neurocompile.report.parting.causes import Reached, cause, reached
from neurocompile.report.parting.rerun import Given
from neurocompile.report.parting.words import CAUSES


@dataclass(frozen=True, eq=False)
class Parted:
    """The first spike that differs, and the others in its layer, step and sample.

    Attributes:
        place: Where the first one is.
        spikes: Whether each neuron spikes in the float network; the neuron of `place` comes first.
        runs: The state of each neuron in every run.
    """

    place: SpikeIndex
    spikes: Sequence[bool]
    runs: Sequence[Mapping[str, Reached]]


def examine(
    fixed: Graph,
    incoming: Mapping[str, Incoming],
    layer: str,
    place: SpikeIndex,
    enters: Given,
    ideal: Mapping[str, Array],
    chip: Array,
) -> Parted:
    """The state of every neuron of a layer that differs in the step of `place`.

    Args:
        fixed: FIXED graph.
        incoming: Result of `rounding.incomings`.
        layer: Name of the layer.
        place: Where the first spike differs.
        enters: Input of that one sample.
        ideal: Spikes of the float network, (1, steps, *shape) by layer.
        chip: (1, steps, *shape) spikes of the layer's integers.
    """
    there = fired(ideal[layer])[0, place.step]
    neurons = np.argwhere(there != fired(chip)[0, place.step])  # in order: the first is the place's
    runs = reached(fixed, incoming, (layer, place.step), neurons, enters, ideal)
    return Parted(place, [bool(there[tuple(n)]) for n in neurons], runs)


def first_document(graph: Graph, names: list[str], parted: Parted) -> dict[str, Any]:
    """The first spike that differs, with its cause, as JSON-ready values."""
    name = names[parted.place.layer]
    causes = [cause(runs, spike) for runs, spike in zip(parted.runs, parted.spikes, strict=True)]
    runs, spike = parted.runs[0], parted.spikes[0]
    return {
        **(place_document(names, parted.place) or {}),
        "path": path_to(graph, name),
        "float_spike": spike,
        "fixed_spike": not spike,
        "cause": causes[0],
        # potential over threshold, both of the same run
        "of_threshold": {run: one.of_threshold for run, one in runs.items()},
        "saturated": runs["fixed"].saturated,
        "wrapped": runs["fixed"].wrapped,
        "differ_there": len(causes),
        "causes_there": {name: causes.count(name) for name in CAUSES if name in causes},
    }


def path_to(graph: Graph, name: str) -> str:
    """A layer after what leads to it: "conv2 -> lif2"."""
    before = [
        b
        for b in graph.before(name)
        if not any(isinstance(graph.nodes[s], AlwaysOn) for s in graph.before(b))
    ]
    inputs = [b for b in before if isinstance(graph.nodes[b], BiasInput)]
    synapses = [b for b in before if b not in inputs]
    return f"{' + '.join(inputs + synapses)} -> {name}"


def place_document(names: list[str], place: SpikeIndex | None) -> dict[str, Any] | None:
    """Where a spike differs; steps count from 1, samples from 0."""
    if place is None:
        return None
    return {
        "layer": names[place.layer],
        "step": place.step + 1,
        "sample": place.sample,
        "neuron": list(place.neuron),
    }
