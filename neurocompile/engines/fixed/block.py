"""Run a block of samples through the network, on one core.

In:  a FixedPlan, the input of all samples, the recording to be filled, the state to begin from.
Out: the block's activity as ActivitySums; its part of the recording; the state at its end.
A layer takes all steps of a chunk before the next layer starts; a loop goes step by step.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from contextvars import ContextVar
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from neurocompile.engines.fixed.choice import EVENTS
from neurocompile.engines.fixed.graded import largest_of, scatter_payloads
from neurocompile.engines.fixed.handover import Handover
from neurocompile.engines.fixed.late import Ahead, mark_late, move_spikes, move_sums
from neurocompile.engines.fixed.loops import add_shifted, mark, put, scatter, take
from neurocompile.engines.fixed.plan import FixedPlan, Link, Population, holding
from neurocompile.engines.fixed.result import beyond_one_wrap, refuse_beyond
from neurocompile.engines.fixed.running import ActivitySums, State
from neurocompile.engines.recording import Recording
from neurocompile.ir.arrays import Array
from neurocompile.ir.fixed import AlwaysOn, ChipNeuron, SpikeInput
from neurocompile.ir.graph import Graph
from neurocompile.ir.registers import CURRENT_WRAP_LIMIT

CACHE_BYTES = 1 << 20  # size of the sums at a time: these stay in a core's second-level cache
# Processor seconds by population, of blocks that run in this thread while somebody measures.
CLOCK: ContextVar[dict[str, float] | None] = ContextVar("clock", default=None)
FEW_ROWS = 64  # rows on which events are timed; a product is only fast on all rows of a block


class Scratch(threading.local):
    """Memory that a thread reuses: fresh pages cost more time than the sums in them."""

    def __init__(self) -> None:
        self.buffers: dict[str, Array] = {}

    def take(self, use: str, shape: tuple[int, ...], number: Any) -> Array:
        """An array with arbitrary content, valid until the same use is taken again."""
        count = math.prod(shape) * np.dtype(number).itemsize
        if use not in self.buffers or self.buffers[use].nbytes < count:
            self.buffers[use] = np.empty(count, dtype=np.uint8)
        return self.buffers[use][:count].view(number).reshape(shape)


class Way(NamedTuple):
    """How a synapse is computed for the steps of a chunk.

    Attributes:
        path: EVENTS, or the name of a product.
        bound: Largest |sum| that these spikes can cause.
        number: Type that holds the sums before the shifts.
    """

    path: str
    bound: int
    number: Any


class SampleBlock:
    """What all blocks of a run have in common.

    Args:
        graph: FIXED graph.
        plan: Plan made from the graph.
        inputs: By input node, for all samples: spikes (n, steps, *shape), mantissas (n, *shape).
        steps: Time steps per sample.
        recording: Recording of all samples, into which each block writes its own.
        carried: What the blocks begin from and leave; None: the initial state, and nothing.
    """

    def __init__(
        self,
        graph: Graph,
        plan: FixedPlan,
        inputs: dict[str, Array],
        steps: int,
        recording: Recording,
        carried: Handover | None = None,
    ) -> None:
        self.graph, self.plan, self.inputs, self.steps = graph, plan, inputs, steps
        self.recording = recording
        self.carried = carried
        self.begun = 0 if carried is None else carried.steps
        self.scratch = Scratch()

    def run(self, first: int, last: int, chunk: int) -> dict[str, ActivitySums]:
        """Run the samples [first, last), a chunk of steps at a time."""
        clock = CLOCK.get()
        state = self._start(first, last, chunk)
        if self.carried is not None:
            self.carried.give(first, last, self.plan, state)
        for done in range(0, self.steps, chunk):
            count = min(chunk, self.steps - done)
            for part, loop in self.plan.parts:
                for begin in range(count) if loop else (0,):
                    for name in part:
                        started = 0.0 if clock is None else time.thread_time()
                        self._pass(state, name, done, begin, 1 if loop else count)
                        if clock is not None:
                            clock[name] = clock.get(name, 0.0) + time.thread_time() - started
            for name, history in self.plan.history.items():
                if history:
                    fired = state.fired[name]
                    fired[:, :history] = fired[:, count : count + history].copy()
        if self.carried is not None:
            self.carried.take(first, last, self.plan, state)
        return dict(state.sums)

    def _start(self, first: int, last: int, chunk: int) -> State:
        samples = last - first
        fired, states, bias = {}, {}, {}
        for name, place in self.plan.order.items():
            always = isinstance(self.graph.nodes[name], AlwaysOn)
            shape = (samples, self.plan.history[name] + chunk, len(place))
            fired[name] = self.scratch.take(f"fired {name}", shape, self.plan.sends[name])
            fired[name][:, : self.plan.history[name]] = 0
            if always:
                fired[name][:, self.plan.history[name] :] = 1
        for name, ready in self.plan.populations.items():
            starts = ready.kind.start(ready.p, ready.v_init, np.zeros_like(ready.v_init))
            states[name] = tuple(
                self._filled(f"state {i} {name}", samples, start) for i, start in enumerate(starts)
            )
            bias[name] = ready.p.bias[None]
            if ready.written:
                written = self.inputs[ready.written][first:last].reshape(samples, -1)
                mantissas = written[:, self.plan.order[name]].astype(np.int64)
                bias[name] = (mantissas << ready.bias_exp).astype(ready.number, order="C")
        sums = {name: ActivitySums(len(place)) for name, place in self.plan.order.items()}
        kept, marked = {}, {}
        for name, ready in self.plan.populations.items():
            for link in ready.links:
                shapes = link.keeps(samples, len(self.plan.order[name]))
                if shapes is not None:
                    kept[link.name] = np.zeros(shapes[0], holding(link.bound))
                    marked[link.name] = np.zeros(*shapes[1:])
        return State(first, fired, states, bias, sums, kept, marked)

    def _filled(self, use: str, samples: int, start: Array) -> Array:
        """Values (n,) as (samples, n), to be changed."""
        values = self.scratch.take(use, (samples, *start.shape), start.dtype)
        values[:] = start
        return values

    def _pass(self, state: State, name: str, done: int, begin: int, count: int) -> None:
        """Take a population through the steps [begin, begin + count) of the chunk."""
        node = self.graph.nodes[name]
        fired = state.fired[name]
        samples, place = len(fired), self.plan.order[name]
        here = slice(state.first, state.first + samples)
        then = slice(done + begin, done + begin + count)
        now = slice(self.plan.history[name] + begin, self.plan.history[name] + begin + count)
        if isinstance(node, SpikeInput):
            rows = self.inputs[name][here, then].reshape(samples, count, -1)
            take(rows, fired, now.start, state.sums[name].spikes)
        elif isinstance(node, ChipNeuron):
            self._neurons(state, name, done, begin, count)
            if name in self.recording.spikes:
                recorded = self.recording.spikes[name].reshape(-1, self.steps, len(place))
                put(fired[:, now], recorded, place, state.first, done + begin)

    def _neurons(self, state: State, name: str, done: int, begin: int, count: int) -> None:
        """Run all synapses into a population, then its neurons, a few samples at a time."""
        ready = self.plan.populations[name]
        samples, size = len(state.fired[name]), len(self.plan.order[name])
        ways = [self._way(state, link, begin, count) for link in ready.links]
        at_once = samples
        if all(way.path == EVENTS for way in ways):
            sum_bytes = max((np.dtype(way.number).itemsize for way in ways), default=1)
            at_once = max(1, CACHE_BYTES // max(1, sum_bytes * count * size * ready.inputs))
        spikes = np.zeros(size, dtype=np.int32)
        for a in range(0, samples, at_once):
            part = slice(a, min(a + at_once, samples))
            sent = [self._sent(state, link, part, begin, count) for link in ready.links]
            shape = (part.stop - part.start, count, size)
            (total, *further), left, right = self._arriving(state, ready, part, sent, ways, shape)
            reached = self._reached(state, ready, name, part, sent, shape)
            membrane = np.empty((0, 0, 0), dtype=np.int32)
            if name in self.recording.membrane:
                membrane = self.scratch.take("membrane", total.shape, np.int32)
            bias = state.bias[name]
            constants = ready.p._replace(bias=bias[part] if ready.written else bias)
            *counted, stopped, current, most = ready.advance(
                total, *further, left, right, self.plan.history[name] + begin, done + begin,
                *(each[part] for each in state.states[name]), *constants,
                state.fired[name][part], spikes, membrane, reached, CURRENT_WRAP_LIMIT,
            )  # fmt: skip
            if stopped and current >= CURRENT_WRAP_LIMIT:
                raise beyond_one_wrap(name, self.begun + stopped, current)
            refuse_beyond(name, self.graph.nodes[name], self.begun + stopped, [most])
            sums = state.sums[name]
            sums.updated += counted[0] if reached.size else total.size
            sums.saturations += counted[1]
            sums.wraps += counted[2]
            if membrane.size:
                recorded = self.recording.membrane[name].reshape(-1, self.steps, size)
                first = state.first + part.start
                put(membrane, recorded, self.plan.order[name], first, done + begin)
        state.sums[name].spikes += spikes
        state.latest[name] = (begin, count), int(spikes.sum())

    def _arriving(
        self,
        state: State,
        ready: Population,
        part: slice,
        sent: list[tuple[Array, int]],
        ways: list[Way],
        shape: tuple[int, int, int],
    ) -> tuple[list[Array], int, int]:
        """By input, the sum (samples, steps, n) of its synapses; the shifts that it still needs."""
        if len(ready.links) == ready.inputs == 1:
            (link,), (way,) = ready.links, ways
            total = self.scratch.take("total", shape, way.number)
            self._through(state, link, part, sent[0], way, total)
            return [total], link.left, link.right
        totals = [
            self.scratch.take(f"total {into}", shape, ready.sum_number)
            for into in range(ready.inputs)
        ]
        for total in totals:
            total[:] = 0
        for link, one_sent, way in zip(ready.links, sent, ways, strict=True):
            one = self.scratch.take("one", shape, way.number)
            self._through(state, link, part, one_sent, way, one)
            add_shifted(one, link.left, link.right, totals[link.into])
        return totals, 0, 0

    def _through(
        self,
        state: State,
        link: Link,
        part: slice,
        sent: tuple[Array, int],
        way: Way,
        total: Array,
    ) -> None:
        """Compute the sums of one synapse, each when it arrives."""
        fired, begin = sent
        if link.late is None or link.late.sources is not None:
            self._through_matrix(link, fired, begin, way, total)
        elif link.late.targets is not None:
            now = self.scratch.take("now", total.shape, way.number)
            self._through_matrix(link, fired, begin, way, now)
            move_sums(now, state.kept[link.name][part], link.late.targets, total)
        elif isinstance(link.late.weights, Ahead):
            link.late.weights.sums(fired, begin, state.kept[link.name][part], total)
        elif link.late.weights is not None:
            link.late.weights.sums(fired, begin, total)

    def _sent(
        self, state: State, link: Link, part: slice, begin: int, count: int
    ) -> tuple[Array, int]:
        """What a source sends into a synapse, and the step of it that arrives in step `begin`."""
        fired = state.fired[link.source][part]
        begin += self.plan.history[link.source] - link.delay
        if link.late is None or link.late.sources is None:
            return fired, begin
        shape = (len(fired), count, fired.shape[2])
        moved = self.scratch.take(f"moved {link.name}", shape, fired.dtype)
        move_spikes(fired, begin, link.late.sources, moved)
        return moved, 0

    def _through_matrix(self, link: Link, fired: Array, begin: int, way: Way, total: Array) -> None:
        """Compute the sums of one synapse with one delay; its choice learns their cost."""
        sources, rows = fired.shape[2], total.shape[0] * total.shape[1]
        started = time.thread_time()
        if way.path == EVENTS or link.dense is None:
            spikes = self._scatter(link, fired, begin, total)
            link.choice.went_by_events(time.thread_time() - started, spikes, rows, sources)
            return
        dense = fired[:, begin : begin + total.shape[1]].reshape(-1, sources)
        link.dense.sums(dense, total.reshape(-1, total.shape[2]), way.bound, way.path)
        link.choice.went_as_product(way.path, time.thread_time() - started, rows)

    def _scatter(self, link: Link, fired: Array, begin: int, total: Array) -> int:
        """Compute the sums of one synapse by events; returns the number of spikes."""
        t = link.table
        assert t is not None  # only a delay for each weight needs none
        events = self.scratch.take("events", (fired.shape[2],), np.int32)
        add = scatter if fired.dtype == np.uint8 else scatter_payloads
        spikes = add(
            fired, begin, t.at, t.group, t.first, t.target, t.weight, t.length, t.weights, t.shift,
            total, events,
        )  # fmt: skip
        return int(spikes)

    def _way(self, state: State, link: Link, begin: int, count: int) -> Way:
        """Choose the path of a synapse for the steps of this chunk, and the type of its sums.

        Payloads are most often far smaller than what their neuron may send, so their sums take the
        type that holds those of the largest one in the chunk; but not where sums are kept from
        chunk to chunk, or spikes of an earlier one arrive.
        """
        asked = begin, count
        begin += self.plan.history[link.source] - link.delay
        whole, bound, number = state.fired[link.source], link.bound, holding(link.bound)
        if bound > link.row and link.late is None:
            bound = link.row * largest_of(whole, begin, count)
            number = np.int32 if bound < 1 << 31 else np.int64
        fired = whole[:, begin : begin + count]
        samples, _, sources = fired.shape
        rows = samples * count
        if link.dense is None:
            return Way(EVENTS, bound, number)
        products = link.dense.exact(bound)
        if untimed := link.choice.untimed(rows, products):
            self._measure(link, untimed, fired.reshape(1, rows, sources), bound, number)
        steps, spikes = state.latest.get(link.source, (None, 0))
        if link.delay or steps != asked:
            spikes = int(np.count_nonzero(fired))
        path = link.choice.path(spikes, rows, sources, products)
        return Way(path, bound, number)

    def _measure(
        self, link: Link, products: list[str], fired: Array, bound: int, number: Any
    ) -> None:
        """Time the paths of a synapse on the rows (1, rows, n_source) of a block."""
        assert link.dense is not None
        dense, (rows, sources) = link.dense, fired.shape[1:]
        total = np.empty((1, rows, len(dense.target)), dtype=number)
        spikes = 0

        def events() -> None:
            nonlocal spikes
            spikes = self._scatter(link, fired, 0, total)

        for product in products:
            dense.sums(fired[0, :1], total[0, :1], bound, product)  # makes the weights
            seconds = _fastest(2, partial(dense.sums, fired[0], total[0], bound, product))
            link.choice.went_as_product(product, seconds, rows)
        fired, total = fired[:, :FEW_ROWS], total[:, :FEW_ROWS]
        seconds = _fastest(3, events)  # the first may compile
        link.choice.went_by_events(seconds, spikes, fired.shape[1], sources)

    def _reached(
        self,
        state: State,
        ready: Population,
        name: str,
        part: slice,
        sent: list[tuple[Array, int]],
        shape: tuple[int, int, int],
    ) -> Array:
        """(samples, steps, n) which neurons a spike reaches; empty if a bias updates them all."""
        if bool(state.bias[name].all()) if ready.written else ready.all_biased:
            return np.empty((0, 0, 0), dtype=np.uint8)
        reached = self.scratch.take("reached", shape, np.uint8)
        reached[:] = 0
        for link, one_sent in zip(ready.links, sent, strict=True):
            self._mark(state, link, part, one_sent, reached)
        return reached

    def _mark(
        self, state: State, link: Link, part: slice, sent: tuple[Array, int], reached: Array
    ) -> None:
        """Set `reached` to 1 where a spike arrives through one synapse."""
        fired, begin = sent
        late, t = link.late, link.table
        if t is None:
            assert late is not None
            if isinstance(late.weights, Ahead):
                late.weights.mark(fired, begin, state.marked[link.name][part], reached)
            elif late.weights is not None:
                late.weights.mark(fired, begin, reached)
            return
        seen = self.scratch.take("seen", (len(t.first) - 1,), np.uint8)
        if late is None or late.targets is None:
            mark(fired, begin, t.group, t.first, t.target, t.length, reached, seen)
            return
        if t.whole(reached.shape[2]):
            mark_late(fired, begin, late.targets, late.longest, reached)
            return
        now, moved = (self.scratch.take(use, reached.shape, np.uint8) for use in ("mark", "marked"))
        now[:] = 0
        mark(fired, begin, t.group, t.first, t.target, t.length, now, seen)
        move_sums(now, state.marked[link.name][part], late.targets, moved)
        reached |= moved


def _fastest(times: int, work: Callable[[], None]) -> float:
    """Seconds of this thread in the fastest of several runs."""
    taken = []
    for _ in range(times):
        started = time.thread_time()
        work()
        taken.append(time.thread_time() - started)
    return min(taken)
