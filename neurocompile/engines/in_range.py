"""Refuse a run in which a register was left: of engines that compute on in silence there.

In:  FIXED graph, encoded input, and what an engine recorded of every population.
Out: nothing, or the DoesNotFit of the engine `fixed`: layer, step, number, cure.
Needs only numpy. Only populations are replayed whose registers no bound keeps in range.

Whatever leaves its register first, in its sample, was reached with right numbers: all that leads
to it stayed in range. So a replay of what was recorded names the true number, though the engine
itself may have wrapped it in its 32 bits.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from neurocompile.data.inputs import Encoded
from neurocompile.engines.fixed.result import (
    beyond_one_wrap,
    readout_spiked,
    refuse_beyond,
    schedule,
)
from neurocompile.engines.recording import Recording
from neurocompile.engines.replay import arriving_at, bias_of, replayed
from neurocompile.ir.arrays import Array
from neurocompile.ir.fixed import AlwaysOn, ChipNeuron, Synapse
from neurocompile.ir.graph import Graph
from neurocompile.ir.nodes import size
from neurocompile.ir.ops import shift
from neurocompile.ir.payloads import largest_row, messages
from neurocompile.ir.registers import CURRENT_WRAP_LIMIT, STATE_LIMIT

VALUES_AT_ONCE = 1 << 22  # samples x steps x neurons that are replayed at a time: about 100 MB


class _Left(NamedTuple):
    """Where a register was left; the smallest is named.

    Attributes:
        sample, step: Sample, and step of the network's own time.
        place: Place of the population in the order of execution.
        current: Largest current before its wrap if that is what went too far, else 0.
        state: Largest number that nothing clips.
    """

    sample: int
    step: int
    place: int
    current: int
    state: int


def require_in_range(graph: Graph, encoded: Encoded, recording: Recording) -> None:
    """Refuse what the engine `fixed` refuses, with the same words.

    Args:
        graph: FIXED graph that ran.
        encoded: Its input.
        recording: Spikes and potentials of every population.

    Raises:
        DoesNotFit: If a state that nothing clips left 24 bits, a current needed more than one
            wrap, or a readout spiked. Of several, the first step of the first such sample counts.
    """
    if not encoded.samples or not encoded.steps:
        return
    names = [name for group in schedule(graph) for name in group.names]
    neurons = [name for name in names if isinstance(graph.nodes[name], ChipNeuron)]
    doubtful = [name for name in neurons if not _proved(graph, name, encoded.steps, recording)]
    for first, last in _spans(graph, doubtful, encoded):
        values = {name: each[first:last] for name, each in encoded.values.items()}
        some = Recording(
            {name: each[first:last] for name, each in recording.spikes.items()},
            {name: each[first:last] for name, each in recording.membrane.items()},
        )
        part = Encoded(values, encoded.steps)
        found = [left for name in doubtful for left in _left(graph, name, part, some, names)]
        if found:
            left = min(found)
            name = names[left.place]
            if left.current:
                raise beyond_one_wrap(name, left.step, left.current)
            refuse_beyond(name, graph.nodes[name], left.step, [left.state])
    for name, node in graph.of(ChipNeuron):
        if node.readout and (times := int(messages(np.asarray(recording.spikes[name])))):
            raise readout_spiked(name, times)


def _proved(graph: Graph, name: str, steps: int, recording: Recording) -> bool:
    """Whether a bound keeps a population in range, whatever the order of its input."""
    most = 0
    for before in graph.before(name):
        synapse = graph.nodes[before]
        if isinstance(synapse, Synapse):
            (source,) = graph.before(before)
            largest = _largest(
                synapse, None if _always(graph, source) else recording.spikes[source]
            )
            most += shift(largest, synapse.weight_exp) + (synapse.weight_exp < 0)
    return graph.nodes[name].stays_in_range(most, steps)


def _always(graph: Graph, source: str) -> bool:
    return isinstance(graph.nodes[source], AlwaysOn)


def _largest(synapse: Synapse, sent: Array | None) -> int:
    """Bound of |sum| onto a target, before the exponent; sent is None of an axon always on."""
    if sent is None:
        return largest_row(synapse)
    sizes = sent if sent.dtype == np.uint8 else np.abs(sent.astype(np.int64))
    by_weights = largest_row(synapse) * int(sizes.max(initial=0))
    if synapse.late_of in ("source", "weight"):  # spikes of several steps meet
        return by_weights
    in_a_step = sizes.reshape(*sent.shape[:2], -1).sum(axis=2, dtype=np.int64)
    weight = int(np.abs(synapse.op.weights.astype(np.int64)).max(initial=0))
    return min(by_weights, int(in_a_step.max(initial=0)) * weight)


def _spans(graph: Graph, names: list[str], encoded: Encoded) -> Iterator[tuple[int, int]]:
    """Ranges [first, last) of samples that are replayed together."""
    neurons = max((size(graph.nodes[name].shape) for name in names), default=0)
    if not neurons:
        return
    width = max(1, VALUES_AT_ONCE // (encoded.steps * neurons))
    for first in range(0, encoded.samples, width):
        yield first, min(first + width, encoded.samples)


def _left(
    graph: Graph, name: str, encoded: Encoded, recording: Recording, names: list[str]
) -> Iterator[_Left]:
    """Where a population first left a register, of each sample in which it did."""
    node: ChipNeuron = graph.nodes[name]
    arriving, _ = arriving_at(graph, name, recording)
    most = sum(int(np.abs(sums).max(initial=0)) for sums in arriving)
    if node.stays_in_range(most, encoded.steps):
        return
    done = np.zeros(encoded.samples, bool)
    bias = bias_of(graph, name, encoded)
    for step, (_, after) in enumerate(replayed(node, bias, arriving), start=1):
        current = _sizes([] if after.current is None else [after.current], done)
        states = _sizes(after.unclipped, done)
        far = current >= CURRENT_WRAP_LIMIT
        left = (far | (states >= STATE_LIMIT)) & ~done
        for sample in np.flatnonzero(left):
            peak = int(current[sample]) if far[sample] else 0
            yield _Left(int(sample), step, names.index(name), peak, int(states[sample]))
        done |= left
        if done.all():
            return


def _sizes(numbers: list[Array] | tuple[Array, ...], samples: Array) -> Array:
    """By sample, the largest size of some numbers (n, *shape), 0 without any."""
    largest = np.zeros(samples.size, np.int64)
    for each in numbers:
        largest = np.maximum(largest, np.abs(each).reshape(samples.size, -1).max(axis=1))
    return largest
