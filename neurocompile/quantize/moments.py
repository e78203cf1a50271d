"""What arrives together at the weights of a synapse, on calibration data.

In:  simplified FLOAT graph; calibration samples.
Out: by synapse, the second moments of the spikes that meet its weights, through the leaks of the
     neurons behind: what the errors of two weights do together to a potential. The last column
     is a bias: what arrives in every step. `rounding` gets them as a factor of their inverse.
Traces are held in whole parts, so that sums of their products are whole numbers below 2^53: the
same on every machine, and so are the integers that follow from them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.linalg import cholesky, solve_triangular

from neurocompile.engines.floating import FloatRecording
from neurocompile.ir.arrays import Array
from neurocompile.ir.graph import Graph
from neurocompile.ir.neurons import Neuron
from neurocompile.ir.nodes import Conv, ConvTranspose, Linear, Shape
from neurocompile.ir.shapes import shapes
from neurocompile.quantize.columns import column_count, columns, evenly, places
from neurocompile.quantize.incoming import read_incoming

# Part of the mean moment that is added to each: unseen data differ, and columns that never met
# a spike would have no inverse.
DAMPING = 0.01

PARTS = 256  # of a spike, in a trace
LARGEST = 1 << 14  # parts: a trace without a leak grows on; beyond 64 spikes it says nothing new
MOST_COLUMNS = 4096  # of a synapse that has moments: they take 134 MB
WORK = 2e9  # multiply-adds for the moments of a synapse: a fraction of a second
EARLY = 2  # steps at the start of a sample, in which a trace is still filling


class Together:
    """What arrives together at the weights of one group of a synapse.

    Args:
        moments: (columns + 1, columns + 1) float64, the last of a bias.

    Attributes:
        power: (columns,) sum of the squares of what meets a weight.
        order: (columns,) int, columns by falling power.
    """

    def __init__(self, moments: Array) -> None:
        self.power = np.diag(moments)[:-1].copy()
        self.order = np.argsort(-self.power, kind="stable")
        every = [*self.order, len(self.order)]
        self._ordered = moments[np.ix_(every, every)]

    @cached_property
    def with_bias(self) -> Array:
        """U, upper, with U^T U the inverse of the damped moments, the bias last."""
        return _factor(self._ordered)

    @cached_property
    def without_bias(self) -> Array:
        """The same for the columns alone, where no bias can make up for anything."""
        return _factor(self._ordered[:-1, :-1])


def _factor(moments: Array) -> Array:
    """With the rows and columns of M turned round, M = L L^T gives M^-1 = L^-T L^-1, and L^-1
    turned back round is the factor that is wanted: no inverse is formed."""
    damped = moments + DAMPING * np.diag(moments).mean() * np.eye(len(moments))
    lower = cholesky(damped[::-1, ::-1], lower=True)
    inverse = solve_triangular(lower, np.eye(len(lower)), lower=True)
    return np.ascontiguousarray(inverse[::-1, ::-1])


Moments = Mapping[str, tuple[Together, ...]]  # by synapse, a group each


@dataclass(frozen=True, eq=False)
class _Way:
    """A synapse whose moments are taken.

    Attributes:
        name, origin: Its name, and that of its source.
        op, in_shape: Its weights, and its source as they see it.
        keeps: What of a trace stays from step to step, one a state of the neurons behind.
    """

    name: str
    origin: str
    op: Linear | Conv | ConvTranspose
    in_shape: Shape
    keeps: tuple[float, ...]


class Watch:
    """Sums up the moments of a network, batch by batch.

    Every synapse with dense weights and at most MOST_COLUMNS columns has them; others, sparse
    ones above all, have none.

    Args:
        graph: Simplified FLOAT graph.
        samples: Of all batches.
    """

    def __init__(self, graph: Graph, samples: int) -> None:
        self.ways = list(_ways(graph))
        self.samples = samples
        self.sums: dict[str, Array] = {}  # (groups, columns + 1, columns + 1)

    def __call__(self, values: Array, seen: FloatRecording) -> None:
        """Take in a batch.

        Args:
            values: The network's input, (n, steps, *shape) spikes or (n, *shape) currents.
            seen: What its neurons did.
        """
        for way in self.ways:
            spikes = seen.spikes.get(way.origin, values)  # else it is the network's input
            rows = WORK / column_count(way.op) ** 2 * len(values) / self.samples
            self.sums[way.name] = self.sums.get(way.name, 0) + _moments(way, spikes, rows)

    def moments(self) -> Moments:
        """Of all batches, ready for rounding; a group that met no spike has none."""
        return {
            name: tuple(Together(group) for group in groups)
            for name, groups in self.sums.items()
            if all(np.diag(group)[:-1].any() for group in groups)
        }


def _ways(graph: Graph) -> Iterator[_Way]:
    shape = shapes(graph)
    for name, _ in graph.of(Neuron):
        incoming = read_incoming(graph, name, shape)
        leaks = (incoming.numbers.syn_leak, incoming.numbers.mem_leak)
        keeps = tuple(1 - float(np.mean(leak)) for leak in leaks if leak is not None)
        for arrival in incoming.arrivals:
            op = arrival.op
            if isinstance(op, Linear | Conv | ConvTranspose) and column_count(op) <= MOST_COLUMNS:
                yield _Way(str(arrival.link), arrival.origin, op, arrival.in_shape, keeps)


def _moments(way: _Way, spikes: Array, rows: float) -> Array:
    """Second moments (groups, columns + 1, columns + 1) of some spikes (n, steps, ...)."""
    op, each = way.op, places(way.op, way.in_shape)
    traces = _traces(spikes, way.keeps)
    always = np.broadcast_to(_traces(np.ones((1, spikes.shape[1])), way.keeps), traces.shape[:2])
    traces, always = traces.reshape(-1, *traces.shape[2:]), always.ravel()
    some = evenly(len(traces), rows / each)
    found = columns(op, _whole(traces[some]), way.in_shape)
    bias = np.repeat(_whole(always[some]), each)[None, :, None]
    found = np.concatenate([found, np.broadcast_to(bias, (*found.shape[:2], 1))], axis=2)
    return np.asarray(found.transpose(0, 2, 1) @ found)


def _traces(spikes: Array, keeps: tuple[float, ...]) -> Array:
    """What each source (n, steps, ...) has left in a potential, without the EARLY steps."""
    keeps = keeps or (1.0,)
    states = [np.zeros(spikes[:, 0].shape) for _ in keeps]
    found = []
    for step in range(spikes.shape[1]):
        arriving = spikes[:, step].astype(np.float64)
        for i, keep in enumerate(keeps):
            states[i] = arriving = states[i] * keep + arriving
        found.append(arriving)
    return np.stack(found[EARLY:] or found, axis=1)


def _whole(traces: Array) -> Array:
    return np.minimum(np.rint(traces * PARTS), LARGEST)
