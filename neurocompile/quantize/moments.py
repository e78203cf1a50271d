"""Second moments of what arrives at the weights of a synapse, on calibration data.

In:  simplified FLOAT graph; calibration samples.
Out: by synapse, the second moments of the spikes at its weights, filtered by the leaks of the
     neurons after it: the joint effect of the errors of two weights on a potential. The last
     column is a bias, which arrives in every step. `rounding` uses a factor of their inverse.
Traces are held in whole parts, so that sums of their products are whole numbers below 2^53. These
are the same on every machine, and so are the integers that follow from them.
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
from neurocompile.quantize.columns import column_count, columns, evenly, positions
from neurocompile.quantize.incoming import CHANGES, SUMS, read_incoming

# Part of the mean moment that is added to the diagonal: unseen data differ, and with columns at
# which no spike arrived there would be no inverse.
DAMPING = 0.01

PARTS = 256  # parts into which one spike is divided in a trace
LARGEST = 1 << 14  # largest trace in parts: without a leak it grows, but 64 spikes say enough
MOST_COLUMNS = 4096  # largest number of columns of a synapse with moments: they take 134 MB
WORK = 2e9  # multiply-adds for the moments of one synapse: a fraction of a second
EARLY = 2  # steps at the start of a sample that are left out: a trace is still building up


class GroupMoments:
    """Second moments of what arrives at the weights of one group of a synapse.

    Args:
        moments: (columns + 1, columns + 1) float64, a bias last.

    Attributes:
        power: (columns,) sum of the squares of what arrives at a weight.
        order: (columns,) int, columns by decreasing power.
    """

    def __init__(self, moments: Array) -> None:
        self.power = np.diag(moments)[:-1].copy()
        self.order = np.argsort(-self.power, kind="stable")
        every = [*self.order, len(self.order)]
        self._ordered = moments[np.ix_(every, every)]

    @cached_property
    def with_bias(self) -> Array:
        """Upper triangular U such that U^T U is the inverse of the damped moments, bias last."""
        return _factor(self._ordered)

    @cached_property
    def without_bias(self) -> Array:
        """The same for only the columns, if no bias may compensate."""
        return _factor(self._ordered[:-1, :-1])

    @cached_property
    def like_bias(self) -> Array:
        """(columns,) the weights, in `order`, whose sum is nearest to a bias of 1 in every step."""
        factor = self.without_bias
        return np.asarray(factor.T @ (factor @ self._ordered[:-1, -1]))


def _factor(moments: Array) -> Array:
    """Upper triangular U such that U^T U is the inverse of the damped moments M.

    With the rows and columns of M reversed, M = L L^T implies M^-1 = L^-T L^-1. L^-1 reversed
    again is the factor U, so no inverse is formed.
    """
    damped = moments + DAMPING * np.diag(moments).mean() * np.eye(len(moments))
    lower = cholesky(damped[::-1, ::-1], lower=True)
    inverse = solve_triangular(lower, np.eye(len(lower)), lower=True)
    return np.ascontiguousarray(inverse[::-1, ::-1])


Moments = Mapping[str, tuple[GroupMoments, ...]]  # by synapse, one entry per group


@dataclass(frozen=True, eq=False)
class _Observed:
    """A synapse whose moments are taken.

    Attributes:
        name, origin: Name of the synapse, and of its source.
        op, in_shape: Its node, and the shape of its input.
        keeps: Part of a trace that stays from step to step, one per state of the neurons after it.
        once: Whether a bias arrives once and not in every step, as in a sum of changes.
    """

    name: str
    origin: str
    op: Linear | Conv | ConvTranspose
    in_shape: Shape
    keeps: tuple[float, ...]
    once: bool = False


class MomentWatch:
    """Sums the moments of a network, batch by batch.

    Every synapse with dense weights and at most MOST_COLUMNS columns has moments; others, above
    all sparse ones, have none.

    Args:
        graph: Simplified FLOAT graph.
        samples: Number of samples in all batches.
    """

    def __init__(self, graph: Graph, samples: int) -> None:
        self.synapses = list(_observed(graph))
        self.samples = samples
        self.sums: dict[str, Array] = {}  # (groups, columns + 1, columns + 1)
        self.parts: dict[str, float] = {}  # by synapse after payloads, parts of one unit

    def __call__(self, values: Array, seen: FloatRecording) -> None:
        """Add a batch.

        Args:
            values: Input of the network, (n, steps, *shape) spikes or (n, *shape) currents.
            seen: Recording of its neurons.
        """
        for synapse in self.synapses:
            spikes = seen.spikes.get(synapse.origin, values)  # otherwise the network's input
            rows = WORK / column_count(synapse.op) ** 2 * len(values) / self.samples
            if synapse.name not in self.parts:
                self.parts[synapse.name] = _parts(synapse, spikes)
            moments = _moments(synapse, spikes, rows, self.parts[synapse.name])
            self.sums[synapse.name] = self.sums.get(synapse.name, 0) + moments

    def moments(self) -> Moments:
        """Moments over all batches; a synapse with a group without any spike has none."""
        return {
            name: tuple(GroupMoments(group) for group in groups)
            for name, groups in self.sums.items()
            if all(np.diag(group)[:-1].any() for group in groups)
        }


def _observed(graph: Graph) -> Iterator[_Observed]:
    shape = shapes(graph)
    for name, _ in graph.of(Neuron):
        incoming = read_incoming(graph, name, shape)
        leaks = (incoming.numbers.syn_leak, incoming.numbers.mem_leak)
        keeps = tuple(1 - float(np.mean(leak)) for leak in leaks if leak is not None)
        if isinstance(incoming.neuron, CHANGES):
            keeps = (1.0 if isinstance(incoming.neuron, SUMS) else 0.0,)
        for arrival in incoming.arrivals:
            op = arrival.op
            if isinstance(op, Linear | Conv | ConvTranspose) and column_count(op) <= MOST_COLUMNS:
                link, once = str(arrival.link), isinstance(incoming.neuron, CHANGES)
                yield _Observed(link, arrival.origin, op, arrival.in_shape, keeps, once)


def _parts(synapse: _Observed, spikes: Array) -> float:
    """Parts into which a unit is divided in a trace: a power of two for payloads of any size."""
    if spikes.dtype == np.uint8:
        return PARTS
    largest = float(np.abs(_traces(spikes, synapse.keeps)).max(initial=0.0)) or 1.0
    return float(2.0 ** np.floor(np.log2(LARGEST / 2 / largest)))


def _moments(synapse: _Observed, spikes: Array, rows: float, parts: float) -> Array:
    """Second moments (groups, columns + 1, columns + 1) of some spikes (n, steps, ...)."""
    op, sharing = synapse.op, positions(synapse.op, synapse.in_shape)
    traces = _traces(spikes, synapse.keeps)
    constant = _traces(np.ones((1, spikes.shape[1])), (0.0,) if synapse.once else synapse.keeps)
    always = np.broadcast_to(constant, traces.shape[:2])
    traces, always = traces.reshape(-1, *traces.shape[2:]), always.ravel()
    some = evenly(len(traces), rows / sharing)
    arriving = columns(op, _whole(traces[some], parts), synapse.in_shape, more=1)
    arriving[:, :, -1] = np.repeat(_whole(always[some], parts), sharing)
    return np.asarray(arriving.transpose(0, 2, 1) @ arriving)


def _traces(spikes: Array, keeps: tuple[float, ...]) -> Array:
    """What is left of each source's spikes (n, steps, ...) in a potential, from step EARLY on."""
    keeps = keeps or (1.0,)
    states = [np.zeros(spikes[:, 0].shape) for _ in keeps]
    traces = []
    for step in range(spikes.shape[1]):
        arriving = spikes[:, step].astype(np.float64)
        for i, keep in enumerate(keeps):
            states[i] = arriving = states[i] * keep + arriving
        traces.append(arriving)
    return np.stack(traces[EARLY:] or traces, axis=1)


def _whole(traces: Array, parts: float) -> Array:
    return np.clip(np.rint(traces * parts), -LARGEST, LARGEST)
