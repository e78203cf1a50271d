"""Replay the steps of a population from what its sources sent, in int64 and with numpy only.

In:  FIXED graph, encoded input, a recording of every population.
Out: what arrives at a population in each step, and its states and further numbers.
A recording holds spikes and potentials. What else an engine computed is found here again.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from neurocompile.data.inputs import Encoded
from neurocompile.engines.recording import Recording
from neurocompile.ir.arrays import Array
from neurocompile.ir.entries import Columns, rows_of
from neurocompile.ir.fixed import (
    AlwaysOn,
    BiasInput,
    ChipNeuron,
    FixedStep,
    Synapse,
    by_delay,
)
from neurocompile.ir.graph import Graph
from neurocompile.ir.nodes import size
from neurocompile.ir.ops import NumpyOps, shift

OPERATIONS_AT_ONCE = 1 << 22  # synaptic operations expanded at a time: about 100 MB


def bias_of(graph: Graph, name: str, encoded: Encoded) -> Array:
    """(1 or n, *shape) int64, the bias of a population, its own or as the host wrote it."""
    node: ChipNeuron = graph.nodes[name]
    for before in graph.before(name):
        if isinstance(graph.nodes[before], BiasInput):
            return np.asarray(encoded.values[before]).astype(np.int64) << node.bias_exp
    return np.broadcast_to(node.bias, node.shape)[None]


def arriving_at(graph: Graph, name: str, recording: Recording) -> tuple[list[Array], Array]:
    """What arrives at a population.

    Returns:
        By input of its neurons, (n, steps, *shape) int64 sums of weights times payloads; and
        (n, steps, *shape) bool, whether a spike arrives.
    """
    node: ChipNeuron = graph.nodes[name]
    shape: tuple[int, ...] = recording.membrane[name].shape
    samples, steps = shape[:2]
    total = {part: np.zeros(shape, np.int64) for part in node.inputs}
    spiked = np.zeros(shape, bool)
    for before in graph.before(name):
        synapse = graph.nodes[before]
        if not isinstance(synapse, Synapse):
            continue
        (source,) = graph.before(before)
        for more, part in by_delay(synapse) if synapse.late_of == "weight" else ((0, synapse),):
            sent = _sent(graph, source, synapse.delay + more, recording, (samples, steps))
            if part.late is not None and part.late_of == "source":
                sent = _moved(sent, part.late[0], steps)
            sums, reached = _arrivals(part, sent)
            if part.late is not None and part.late_of == "target":
                sums, reached = (_moved(each, part.late, steps) for each in (sums, reached))
            total[synapse.into] += shift(sums, part.weight_exp).reshape(shape)
            spiked |= reached.reshape(shape)
    return [*total.values()], spiked


def replayed(
    node: ChipNeuron, bias: Array, arriving: list[Array]
) -> Iterator[tuple[tuple[Array, ...], FixedStep]]:
    """The states before each step, and the step; arguments as the functions above return them."""
    p = node.constants()._replace(bias=bias)
    samples, steps = arriving[0].shape[:2]
    zero = np.zeros((samples, *node.shape), np.int64)
    state = tuple(zero + start for start in node.start(p, node.v_init, 0))
    for step in range(steps):
        after = node.step(NumpyOps(), state, node.arriving([a[:, step] for a in arriving]), p)
        yield state, after
        state = after.state


def _sent(
    graph: Graph, source: str, delay: int, recording: Recording, shape: tuple[int, int]
) -> Array:
    """(n * steps, neurons of the source) spikes that arrive through a synapse."""
    if isinstance(graph.nodes[source], AlwaysOn):
        spikes = np.ones((*shape, size(graph.nodes[source].shape)), np.uint8)
    else:
        spikes = np.asarray(recording.spikes[source]).reshape(*shape, -1)
    late = np.zeros_like(spikes)
    late[:, delay:] = spikes[:, : max(0, shape[1] - delay)]
    return late.reshape(shape[0] * shape[1], -1)


def _moved(rows: Array, late: Array, steps: int) -> Array:
    """(n * steps, neurons), each neuron later by its own number of steps within each sample."""
    by_sample = rows.reshape(-1, steps, rows.shape[1])
    at = np.arange(steps)[:, None] - late
    moved = by_sample[:, np.maximum(at, 0), np.arange(late.size)]
    return np.where(at >= 0, moved, 0).astype(rows.dtype).reshape(rows.shape)


def _arrivals(synapse: Synapse, spikes: Array) -> tuple[Array, Array]:
    """For rows of spikes, weighted sums (rows, targets) int64, and whether a spike arrived."""
    targets = size(synapse.out_shape)
    by_source = rows_of(synapse).columns(0, targets)
    fan_out = np.diff(by_source.indptr)
    sums = np.zeros((len(spikes), targets), np.int64)
    reached = np.zeros((len(spikes), targets), bool)
    operations = np.cumsum((spikes != 0) @ fan_out)
    first = 0
    while first < len(spikes):
        done = operations[first - 1] if first else 0
        last = int(np.searchsorted(operations, done + OPERATIONS_AT_ONCE, "right"))
        part = slice(first, max(first + 1, last))
        sums[part], reached[part] = _expand(by_source, spikes[part], targets)
        first = part.stop
    return sums, reached


def _expand(by_source: Columns, spikes: Array, targets: int) -> tuple[Array, Array]:
    """The same as `_arrivals`, with every spike expanded to all of its targets."""
    row, source = np.nonzero(spikes)
    starts = by_source.indptr[source]
    lengths = by_source.indptr[source + 1] - starts
    before = np.cumsum(lengths) - lengths
    at = np.arange(lengths.sum()) + np.repeat(starts - before, lengths)
    place = np.repeat(row * targets, lengths) + by_source.indices[at]
    box = (len(spikes), targets)
    # Weights are below 2^9, payloads below 2^24, operations at once below 2^24 or of one row:
    # the sums onto a neuron are below 2^53, and float64 is exact.
    sent = by_source.data[at] * np.repeat(spikes[row, source].astype(np.int64), lengths)
    sums = np.bincount(place, sent, len(spikes) * targets).astype(np.int64)
    return sums.reshape(box), (np.bincount(place, minlength=sums.size) > 0).reshape(box)
