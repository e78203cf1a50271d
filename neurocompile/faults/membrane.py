"""Faults of the state: bits of potentials that turn over in the course of a run.

In:  a FIXED graph, what turns over after which step, encoded input.
Out: a recording, as of an undisturbed run.
No integer of a graph says this, so only the engine `fixed` runs it: up to that step and, from the
state with the bits turned over, on to the end.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np

from neurocompile.data.inputs import Encoded
from neurocompile.engines import fixed
from neurocompile.engines.fixed.state import Carried
from neurocompile.engines.recording import Activity, Recording, add_up
from neurocompile.faults.places import apart
from neurocompile.faults.weights import flipped_words
from neurocompile.ir.arrays import Array
from neurocompile.ir.fixed import ChipNeuron, SpikeInput
from neurocompile.ir.graph import Graph
from neurocompile.ir.nodes import size
from neurocompile.ir.registers import STATE_BITS, STATE_LIMIT


@dataclass(frozen=True, eq=False)
class Upset:
    """Bits of potentials that turn over between two steps, the same in every sample.

    Attributes:
        step: The step after which they do, from 1.
        masks: By population that is hit, (neurons,) int64, the bits of each neuron's word.
    """

    step: int
    masks: Mapping[str, Array]


def potentials(graph: Graph) -> dict[str, int]:
    """By population, its neurons: each has one potential, readouts included."""
    return {name: size(node.shape) for name, node in graph.of(ChipNeuron)}


def upset(graph: Graph, hit: Array, luck: Array, step: int) -> Upset:
    """One bit of each potential that is hit.

    Args:
        graph: FIXED graph.
        hit: (n,) numbers of the neurons, counted through `potentials`.
        luck: (n,) in [0, 1), which bit of the word: each is as likely.
        step: The step after which the bits turn over.
    """
    sizes, masks = potentials(graph), {}
    for name, (at, chance) in apart(sizes, hit, luck).items():
        masks[name] = np.zeros(sizes[name], np.int64)
        masks[name][at] = np.left_shift(1, (chance * STATE_BITS).astype(np.int64))
    return Upset(step, masks)


def run_upset(
    graph: Graph, encoded: Encoded, disturbed: Upset, *, read: Collection[str]
) -> Recording:
    """Run a batch of samples whose potentials are disturbed.

    Args:
        graph: FIXED graph.
        encoded: Input of n samples, of more steps than `disturbed.step`.
        disturbed: What turns over, and when.
        read: Populations to record.

    Raises:
        DoesNotFit: As `engines.fixed.run`.
    """
    begin = _part(graph, encoded, 0, disturbed.step)
    rest = _part(graph, encoded, disturbed.step, encoded.steps)
    first = fixed.run(graph, begin, spikes=read, membrane=read, carry=True)
    assert first.state is not None
    state = _turned(first.state, disturbed)
    second = fixed.run(graph, rest, spikes=read, membrane=read, state=state)
    activity: dict[str, Activity] = {}
    add_up(activity, first.activity)
    add_up(activity, second.activity)
    a, b = first.recording, second.recording
    return Recording(_joined(a.spikes, b.spikes), _joined(a.membrane, b.membrane), activity)


def _part(graph: Graph, encoded: Encoded, begin: int, end: int) -> Encoded:
    """The input of the steps [begin, end); what a host writes for a sample stays."""
    values = {
        name: each[:, begin:end] if isinstance(graph.nodes[name], SpikeInput) else each
        for name, each in encoded.values.items()
    }
    return Encoded(values, end - begin)


def _turned(state: Carried, disturbed: Upset) -> Carried:
    """The state with bits turned over; -2^23, which no step leaves, reads -2^23 + 1."""
    values = dict(state.values)
    for name, mask in disturbed.masks.items():
        key = f"state/{name}/v"
        values[key] = np.maximum(flipped_words(values[key], mask, STATE_BITS), 1 - STATE_LIMIT)
    return replace(state, values=values)


def _joined(first: Mapping[str, Array], second: Mapping[str, Array]) -> dict[str, Array]:
    """What was recorded of all steps."""
    return {name: np.concatenate([each, second[name]], axis=1) for name, each in first.items()}
