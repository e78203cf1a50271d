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
from neurocompile.engines.replay import arriving_at, bias_of, replayed
from neurocompile.ir.arrays import Array
from neurocompile.ir.fixed import ChipNeuron, SpikeInput
from neurocompile.ir.graph import Graph
from neurocompile.ir.payloads import messages


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
    bias = bias_of(graph, name, encoded)
    busy |= (bias != 0)[:, None]
    if busy.all():
        return busy
    arriving, reached = arriving_at(graph, name, recording)
    busy |= reached
    rest = node.resting(node.constants(), 0)
    for step, (state, _) in enumerate(replayed(node, bias, arriving)):
        for each, resting in zip(state, rest, strict=True):
            busy[:, step] |= each != resting
    return busy
