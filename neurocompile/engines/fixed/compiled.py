"""The compiled path: blocks of samples on several cores, each layer by events or as a product.

In:  FIXED graph, encoded input, what to record.
Out: a FixedRun. Memory holds one block of rows (samples x steps) per worker and the recording,
     however many samples and steps there are.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import torch

from neurocompile.data.inputs import Encoded
from neurocompile.engines.fixed.block import SampleBlock
from neurocompile.engines.fixed.handover import Handover
from neurocompile.engines.fixed.plan import FixedPlan, plan_of
from neurocompile.engines.fixed.result import FixedRun, readout_spiked, spikes_in
from neurocompile.engines.fixed.running import ActivitySums
from neurocompile.engines.fixed.state import Carried
from neurocompile.engines.in_order import in_order
from neurocompile.engines.recording import Activity, Recording
from neurocompile.engines.torch_ops import one_thread
from neurocompile.errors import DoesNotFit
from neurocompile.ir.arrays import Array
from neurocompile.ir.fixed import BiasInput, ChipNeuron, SpikeInput
from neurocompile.ir.graph import Graph
from neurocompile.ir.payloads import payload_type

ROWS = 1024  # samples x steps of a block: with a quarter of it a test digit takes a tenth longer
CHUNK = 256  # steps at a time: the sums of one sample stay in a cache
BLOCK_BYTES = 1 << 27  # limit for the spikes and largest sums of a block with many neurons


def run_compiled(
    graph: Graph,
    encoded: Encoded,
    *,
    spikes: Collection[str] | None = None,
    membrane: Collection[str] | None = None,
    state: Carried | None = None,
    carry: bool = False,
) -> FixedRun:
    """Run a batch of samples; see `engines.fixed.run`."""
    inputs = {n: spikes_in(graph, n, encoded) for n, _ in graph.of(SpikeInput)}
    inputs |= {n: np.asarray(encoded.values[n]) for n, _ in graph.of(BiasInput)}
    plan = plan_of(graph)
    shape = (encoded.samples, encoded.steps)
    fired: dict[str, Array] = {}
    for name, node in graph.of(SpikeInput, ChipNeuron):
        if spikes is None or name in spikes:
            own = isinstance(node, ChipNeuron)
            number = payload_type(node)
            fired[name] = np.empty((*shape, *node.shape), number) if own else inputs[name]
    potentials = {
        name: np.empty((*shape, *node.shape), np.int32)
        for name, node in graph.of(ChipNeuron)
        if membrane is None or name in membrane
    }
    sums = {name: ActivitySums(len(place)) for name, place in plan.order.items()}
    handover = Handover(graph, plan, encoded.samples, state) if carry or state else None
    threads = torch.get_num_threads()
    with one_thread():
        ranges = list(_blocks(plan, encoded, threads))
        recording = Recording(fired, potentials)
        block = SampleBlock(graph, plan, inputs, encoded.steps, recording, handover)
        done = 0
        try:
            for block_sums in in_order(block.run, ranges, min(threads, len(ranges))):
                for name, of_block in block_sums.items():
                    sums[name].add(of_block)
                done += 1
        except DoesNotFit:
            # Blocks and their populations are of no concern to a user: name what comes first.
            for sample in range(*ranges[done][:2]):
                block.run(sample, sample + 1, 1)
            raise
    activity = {name: _activity(plan, name, node, sums[name]) for name, node in _counted(graph)}
    for name, node in graph.of(ChipNeuron):
        if node.readout and (times := int(activity[name].spikes.sum())):
            raise readout_spiked(name, times)
    carried = None if handover is None else handover.carried(encoded.steps)
    return FixedRun(recording, activity, carried)


def _counted(graph: Graph) -> Iterator[tuple[str, Any]]:
    return graph.of(SpikeInput, ChipNeuron)


def _blocks(plan: FixedPlan, encoded: Encoded, threads: int) -> Iterator[tuple[int, int, int]]:
    """(first sample, last sample, steps at a time) of each block, as equal as possible."""
    neurons = {name: len(place) for name, place in plan.order.items()}
    sent_bytes = sum(n * plan.sends[name].itemsize for name, n in neurons.items())
    row_bytes = sent_bytes + 12 * max(neurons.values())
    rows = max(1, min(ROWS, BLOCK_BYTES // row_bytes))
    chunk = min(max(encoded.steps, 1), rows, CHUNK)
    most = max(1, rows // chunk)
    rounds = -(-encoded.samples // (most * threads))
    parts = min(max(rounds * threads, 1), encoded.samples)
    ends = [encoded.samples * i // parts for i in range(parts + 1)] if parts else [0]
    yield from ((a, b, chunk) for a, b in pairwise(ends))


def _activity(plan: FixedPlan, name: str, node: Any, sums: ActivitySums) -> Activity:
    """Sums as an Activity, neurons in C order."""
    counts = np.empty_like(sums.spikes)
    counts[plan.order[name]] = sums.spikes
    return Activity(counts.reshape(node.shape), sums.updated, sums.saturations, sums.wraps)
