"""What both paths of the fixed engine share: their result, what they refuse, their order.

In:  a FIXED graph and its encoded input.
Out: a Run; the populations in an order in which a batch can pass through them.
"""

from __future__ import annotations

from dataclasses import dataclass
from graphlib import TopologicalSorter

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from neurocompile.data.inputs import Encoded
from neurocompile.engines.recording import Activity, Recording
from neurocompile.errors import DoesNotFit
from neurocompile.ir.arrays import Array
from neurocompile.ir.fixed import (
    CURRENT_WRAP_LIMIT,
    POPULATIONS,
    Synapse,
)
from neurocompile.ir.graph import Graph
from neurocompile.ir.linear import matrix
from neurocompile.ir.nodes import ConvTranspose, Linear, Sparse

EXACT_FLOAT32 = 1 << 24  # every integer up to here is a float32


@dataclass(frozen=True, eq=False)
class FixedRun:
    """What a batch did.

    Attributes:
        recording: Spikes and potentials of the layers asked for.
        activity: By SpikeInput and CubaLIF population, summed over samples and steps.
    """

    recording: Recording
    activity: dict[str, Activity]


def schedule(graph: Graph) -> list[list[str]]:
    """The populations in an order of execution; those of one loop together, step by step."""
    names = [name for name, _ in graph.of(*POPULATIONS)]
    number = {name: i for i, name in enumerate(names)}
    links = [
        (number[graph.before(name)[0]], number[graph.after(name)[0]])
        for name, _ in graph.of(Synapse)
    ]
    rows, columns = np.array(links, dtype=np.int64).reshape(-1, 2).T
    around = sp.csr_array((np.ones(len(links)), (rows, columns)), shape=(len(names),) * 2)
    _, label = connected_components(around, connection="strong")
    above: dict[int, set[int]] = {}
    for i, _ in enumerate(names):  # in the graph's order where synapses leave a choice
        above.setdefault(int(label[i]), set())
    for a, b in links:
        if label[a] != label[b]:
            above[int(label[b])].add(int(label[a]))
    order = TopologicalSorter(above).static_order()
    return [[name for i, name in enumerate(names) if label[i] == part] for part in order]


def is_loop(graph: Graph, part: list[str]) -> bool:
    """Whether a part of the schedule must go step by step."""
    return len(part) > 1 or any(part[0] in graph.after(s) for s in graph.after(part[0]))


def largest_sum(synapse: Synapse) -> int:
    """The largest |sum| that any spikes can make, before the exponent."""
    op = synapse.op
    if isinstance(op, Linear):
        return max((int(np.abs(r.astype(np.int64)).sum()) for r in op.weight), default=0)
    if isinstance(op, Sparse):
        rows = abs(matrix(op, synapse.in_shape).astype(np.int64)).sum(axis=1)
        return int(rows.max(initial=0))
    every = np.abs(op.weights.astype(np.int64))
    # Conv sums over the inputs of an output channel; ConvTranspose keeps outputs on axis 1.
    outputs = 1 if isinstance(op, ConvTranspose) else 0
    channels = every.sum(axis=tuple(axis for axis in range(every.ndim) if axis != outputs))
    return int(channels.max(initial=0))


def spikes_in(name: str, encoded: Encoded) -> Array:
    """Input spikes (n, steps, *shape) as uint8."""
    return np.ascontiguousarray(np.asarray(encoded.values[name]).astype(np.uint8, copy=False))


def beyond_one_wrap(name: str, step: int, current: int) -> DoesNotFit:
    """The error of a current that one wrap does not bring back into 24 bits."""
    return DoesNotFit(
        f"layer '{name}', step {step}: the synaptic current reaches {current} before its 24-bit "
        f"wrap, beyond {CURRENT_WRAP_LIMIT - 1}, where one wrap no longer brings it into "
        "range. Lower the weights or the exponent of the synapses before this layer."
    )


def readout_spiked(name: str, times: int) -> DoesNotFit:
    """The error of a readout that reached the top of its register."""
    return DoesNotFit(
        f"readout '{name}' reached its threshold, the top of 24 bits, {times} times. Calibrate on "
        "data like these, or lower the weights before it."
    )
