"""Derive activity from only spikes and potentials, for engines that do not count it.

In:  FIXED graph, encoded input, the recording of an engine such as onnx.
Out: Activity by population, equal to what the fixed engine counts during a run; its updates also
     step by step.
Needs only numpy. A current is replayed only if some neuron might be at rest. Saturations and wraps
cannot be seen in a recording and stay 0.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from neurocompile.data.inputs import Encoded
from neurocompile.engines.batches import Batch
from neurocompile.engines.recording import Activity, Recording
from neurocompile.ir.arrays import Array
from neurocompile.ir.entries import Columns, rows_of
from neurocompile.ir.fixed import AlwaysOn, BiasInput, ChipNeuron, SpikeInput, Synapse, by_delay
from neurocompile.ir.graph import Graph
from neurocompile.ir.nodes import size
from neurocompile.ir.ops import NumpyOps, shift
from neurocompile.ir.payloads import messages

OPERATIONS_AT_ONCE = 1 << 22  # synaptic operations expanded at a time: about 100 MB


def activity_of(graph: Graph, encoded: Encoded, recording: Recording) -> dict[str, Activity]:
    """Activity of every SpikeInput and ChipNeuron; all layers must have been recorded."""
    activity = {}
    for name, node in graph.of(SpikeInput, ChipNeuron):
        spikes = messages(np.asarray(recording.spikes[name]), axis=(0, 1))
        updated = None
        if isinstance(node, ChipNeuron):
            updated = int(_updated(graph, name, encoded, recording).sum())
        activity[name] = Activity(spikes, updated)
    return activity


def updates_by_step(graph: Graph, encoded: Encoded, recording: Recording) -> dict[str, Array]:
    """By ChipNeuron, (n, steps) int64, number of neurons updated in each sample and step."""
    updates = {}
    for name, node in graph.of(ChipNeuron):
        neurons = tuple(range(2, 2 + len(node.shape)))
        updates[name] = _updated(graph, name, encoded, recording).sum(axis=neurons, dtype=np.int64)
    return updates


def counted(batch: Batch[Encoded, Recording], graph: Graph) -> Mapping[str, Activity]:
    """Activity of a batch: as the engine counted it, otherwise from its recording."""
    activity = batch.did.activity
    return activity_of(graph, batch.entered, batch.did) if activity is None else activity


def _updated(graph: Graph, name: str, encoded: Encoded, recording: Recording) -> Array:
    """(n, steps, *shape) bool, whether input arrived, or a state or bias was not at rest."""
    node: ChipNeuron = graph.nodes[name]
    v = recording.membrane[name]
    start = np.broadcast_to(node.v_init, (len(v), 1, *node.shape))
    busy = np.concatenate([start, v[:, :-1]], axis=1) != 0
    bias = np.broadcast_to(node.bias, node.shape)[None]
    synapses = []
    for before in graph.before(name):
        if isinstance(graph.nodes[before], BiasInput):
            bias = np.asarray(encoded.values[before]).astype(np.int64) << node.bias_exp
        elif isinstance(graph.nodes[before], Synapse):
            synapses.append(before)
    busy |= (bias != 0)[:, None]
    if not busy.all():
        busy |= _reached_or_moving(graph, synapses, node, bias, recording, v.shape)
    return busy


def _reached_or_moving(
    graph: Graph,
    synapses: list[str],
    node: ChipNeuron,
    bias: Array,
    recording: Recording,
    shape: tuple[int, ...],
) -> Array:
    """(n, steps, *shape) bool, whether a spike arrived or a state was not at rest before a step."""
    total = {part: np.zeros(shape, np.int64) for part in node.inputs}
    busy = np.zeros(shape, bool)
    for name in synapses:
        synapse: Synapse = graph.nodes[name]
        (source,) = graph.before(name)
        for more, part in by_delay(synapse) if synapse.late_of == "weight" else ((0, synapse),):
            sent = _sent(graph, source, synapse.delay + more, recording, shape)
            if part.late is not None and part.late_of == "source":
                sent = _moved(sent, part.late[0], shape[1])
            sums, reached = _arrivals(part, sent)
            if part.late is not None and part.late_of == "target":
                sums, reached = (_moved(each, part.late, shape[1]) for each in (sums, reached))
            total[synapse.into] += shift(sums, part.weight_exp).reshape(shape)
            busy |= reached.reshape(shape)
    p = node.constants()._replace(bias=bias)
    rest = node.resting(p, 0)
    zero = np.zeros((shape[0], *node.shape), np.int64)
    state = tuple(zero + start for start in node.start(p, node.v_init, 0))
    for step in range(shape[1]):
        for each, resting in zip(state, rest, strict=True):
            busy[:, step] |= each != resting
        a = node.arriving([sums[:, step] for sums in total.values()])
        state = node.step(NumpyOps(), state, a, p).state
    return busy


def _sent(
    graph: Graph, source: str, delay: int, recording: Recording, shape: tuple[int, ...]
) -> Array:
    """(n * steps, neurons of the source) spikes that arrive through a synapse."""
    if isinstance(graph.nodes[source], AlwaysOn):
        spikes = np.ones((*shape[:2], size(graph.nodes[source].shape)), np.uint8)
    else:
        spikes = np.asarray(recording.spikes[source]).reshape(*shape[:2], -1)
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
