"""What the slowest core did in each step: a step lasts as long as its slowest core.

In:  Placed; the spikes of every population, step by step, batch by batch.
Out: by how samples follow each other and by latency model, the events of the slowest cores,
     summed over samples and steps: these counts times the chip's times are the seconds.
A core sends and receives at the same time, and its work is the longer of the two. The slowest core
is chosen for each sample and step by the chip's own event times. So the sums are exact for these
times, and a lower bound for others, with which another core may be the slowest.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from neurocompile.chip.needed import lacks
from neurocompile.chip.record import IN_NO_STEP, Prices
from neurocompile.energy.prices import price_of
from neurocompile.energy.step_events import add_events
from neurocompile.engines.exact_sum import ExactSum
from neurocompile.ir.arrays import Array
from neurocompile.ir.fixed import AlwaysOn, ChipNeuron, SpikeInput
from neurocompile.ir.nodes import size
from neurocompile.ir.time import depths
from neurocompile.place.placed import Placed

Mode = Literal["reset", "pipelined"]
MODES: tuple[Mode, ...] = ("reset", "pipelined")
Watch = Callable[[Mode, Mapping[str, Array]], None]
SENDING = (
    "neuron_access", "neuron_inactive", "neuron_active", "neuron_update", "spike_out", "message_out"
)  # fmt: skip
VALUES_AT_ONCE = 1 << 21  # samples x steps x cores per event: 16 MB


@dataclass(frozen=True, eq=False)
class Slowest:
    """The slowest cores of all steps of all samples.

    Attributes:
        times_s: By event, its time in seconds with which the slowest core was chosen.
        events: By event, its number on the slowest cores; updates are shared, see `StepWork.add`.
        steps: (cores,) int64, number of steps in which each core was the slowest.
    """

    times_s: Mapping[str, float]
    events: Mapping[str, float]
    steps: Array

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "times_s": dict(self.times_s),
            "events": dict(self.events),
            "steps": self.steps.tolist(),
        }


@dataclass(frozen=True, eq=False)
class Worked:
    """The work of some samples, as `StepWork` adds it up.

    Attributes:
        known: Whether all updates were counted.
        sums: By mode and latency model, by event, its number on the slowest cores.
        slowest: By mode and latency model, (cores,) steps in which each core was the slowest.
    """

    known: bool
    sums: Mapping[tuple[Mode, str], Mapping[str, ExactSum]]
    slowest: Mapping[tuple[Mode, str], Array]


def sending(event: str) -> bool:
    """Whether an event is part of visiting neurons and sending; otherwise it is of receiving."""
    return event in SENDING


def event_times(
    times: Prices, folded: Collection[str], events: Iterable[str]
) -> dict[str, float] | None:
    """Seconds of each event; None if the model lacks a time that it must have.

    Args:
        times: Times of a latency model.
        folded: Events that other times of the model contain.
        events: Names of the events.
    """
    if any(event not in IN_NO_STEP and lacks(times, event, folded) for event in events):
        return None
    stated = {event: price_of(times, event) for event in events if event not in IN_NO_STEP}
    return {event: quantity.si for event, quantity in stated.items() if quantity is not None}


class Caused(NamedTuple):
    """How often a spike causes an event on a core; the arrays have an entry for each pair.

    Attributes:
        event: Name of the event.
        neuron: (entries,) number of the neuron in its population.
        core: (entries,) core on which the event happens.
        number: (entries,) int64, how often it happens.
    """

    event: str
    neuron: Array
    core: Array
    number: Array


class EventTable(NamedTuple):
    """The events that a spike of each neuron of a population causes, as sparse rows.

    Attributes:
        first: (neurons + 1,) int64; entries first[i] to first[i + 1] are those of neuron i.
        counter: (entries,) int32, number of the event times the number of cores, plus the core.
        number: (entries,) int64, how often the event happens.
    """

    first: Array
    counter: Array
    number: Array


class StepWork:
    """Adds up the work of the slowest core of each step.

    Args:
        placed: The network on its chip.
        steps: Steps of the network's time per sample.
        lag: By population, number of chip steps by which it lags the input; None takes its
            depth. A spike arrives in the chip step in which it is sent. An axon that is always
            on may be one step ahead: its first spike waits at its target.
        watch: Function that receives every mode with its events, (n, steps, cores) by event, part
            of a batch by part.
    """

    def __init__(
        self,
        placed: Placed,
        steps: int,
        lag: Mapping[str, int] | None = None,
        watch: Watch | None = None,
    ) -> None:
        self.watch = watch
        graph = placed.graph
        self.placed, self.steps = placed, steps
        lag = depths(graph) if lag is None else lag
        self.ahead = max(0, -min(lag.values(), default=0))  # chip steps before the first
        self.start = {name: self.ahead + steps_late for name, steps_late in lag.items()}
        self.span = steps + max(self.start.values(), default=0)
        self.nodes = dict(graph.of(SpikeInput, AlwaysOn, ChipNeuron))
        cores = len(placed.cores)
        sizes = {name: size(node.shape) for name, node in self.nodes.items()}
        caused = {name: list(_caused(placed, name, n)) for name, n in sizes.items()}
        names = ["spike_out", *(each.event for some in caused.values() for each in some)]
        self.events = list(dict.fromkeys(names))  # in this order times are added
        self.tables = {n: _table(caused[n], self.events, cores, sizes[n]) for n in self.nodes}
        self.held = {name: np.bincount(of, minlength=cores) for name, of in placed.core_of.items()}
        self.neurons = np.sum([*self.held.values()], axis=0) if self.held else np.zeros(cores)
        self.known = bool(cores)
        self.sums: dict[tuple[Mode, str], dict[str, ExactSum]] = {}
        self.slowest: dict[tuple[Mode, str], Array] = {}

    def add(self, spikes: Mapping[str, Array], updated: Mapping[str, Any]) -> None:
        """Add a batch.

        Args:
            spikes: By SpikeInput and ChipNeuron, (n, steps, *shape) of 0 and 1.
            updated: By ChipNeuron, (n, steps, *shape) whether each neuron was updated; or the
                number of updates in the batch, shared evenly among neurons, samples and steps;
                None if unknown.
        """
        if any(updated.get(name) is None for name in self.placed.core_of):
            self.known = False
        if not self.known:
            return
        samples = len(next(iter(spikes.values())))
        at_once = max(1, VALUES_AT_ONCE // (self.span * len(self.placed.cores)))
        for first in range(0, samples, at_once):
            part = slice(first, min(first + at_once, samples))
            events = self._events(spikes, updated, part, samples)
            for mode in MODES:
                by_step = self._cut(events) if mode == "reset" else self._folded(events)
                self._take(mode, by_step)
                if self.watch is not None:
                    self.watch(mode, by_step)

    def worked(self) -> Worked:
        """What was added so far, without the network."""
        return Worked(self.known, self.sums, self.slowest)

    def merge(self, other: Worked) -> None:
        """Add the work of other samples, which another one of the same network has added up."""
        self.known = self.known and other.known
        for key, sums in other.sums.items():
            for event, total in sums.items():
                self.sums.setdefault(key, {}).setdefault(event, ExactSum()).merge(total)
            before = self.slowest.get(key, np.zeros_like(other.slowest[key]))
            self.slowest[key] = before + other.slowest[key]

    def slowest_cores(self) -> dict[tuple[Mode, str], Slowest]:
        """The slowest cores by mode and latency model; {} if no time is known."""
        latency = self.placed.chip.latency
        if not self.known:
            return {}
        return {
            (mode, model): Slowest(
                event_times(latency[model], self.placed.chip.folded_in(model), sums) or {},
                {event: _rounded(float(total)) for event, total in sums.items()},
                self.slowest[mode, model],
            )
            for (mode, model), sums in self.sums.items()
        }

    def _events(
        self, spikes: Mapping[str, Array], updated: Mapping[str, Any], part: slice, samples: int
    ) -> dict[str, Array]:
        """By event, (n, chip steps from the earliest on, cores) counts, for some samples."""
        count, cores = part.stop - part.start, len(self.placed.cores)
        shape = (count, self.span, cores)
        spiking = np.zeros((count, self.span, len(self.events) * cores), np.int64)
        updates = np.zeros(shape)
        for name, node in self.nodes.items():
            now = slice(self.start[name], self.start[name] + self.steps)
            if name in self.held:
                self._updates(name, updated[name], part, samples, updates[:, now])
            if isinstance(node, AlwaysOn):
                fired = np.ones((count, self.steps, size(node.shape)), np.uint8)
            else:
                rows = np.asarray(spikes[name])[part].reshape(count, self.steps, -1)
                fired = np.ascontiguousarray(rows)
            add_events(fired, self.start[name], *self.tables[name], spiking)
        each = dict(zip(self.events, np.split(spiking, len(self.events), axis=2), strict=True))
        events = {"spike_out": each.pop("spike_out"), "neuron_update": updates, **each}
        events["neuron_access"] = np.broadcast_to(self.neurons.astype(float), shape)
        events["neuron_active"] = events["neuron_update"]
        events["neuron_inactive"] = events["neuron_access"] - events["neuron_update"]
        return events

    def _updates(self, name: str, updated: Any, part: slice, samples: int, into: Array) -> None:
        """Add the updates of a population, (n, steps, cores)."""
        if np.ndim(updated) == 0:
            neurons = size(self.nodes[name].shape)
            into += self.held[name] * (updated / (neurons * samples * self.steps))
            return
        which = np.asarray(updated)[part].reshape(*into.shape[:2], -1)
        for core in np.flatnonzero(self.held[name]):
            into[:, :, core] += which[:, :, self.placed.core_of[name] == core].sum(axis=2)

    def _cut(self, events: Mapping[str, Array]) -> dict[str, Array]:
        """Steps of a single sample: what happens before its first step is counted in that step."""
        return self._moved(events, [max(0, row - self.ahead) for row in range(self.span)])

    def _folded(self, events: Mapping[str, Array]) -> dict[str, Array]:
        """Steps of a sample that follows a copy of itself: its tail is added to its first steps."""
        return self._moved(events, [(row - self.ahead) % self.steps for row in range(self.span)])

    def _moved(self, events: Mapping[str, Array], to: list[int]) -> dict[str, Array]:
        """Events moved to other steps: those of row k to the step `to[k]`."""
        if to == list(range(self.span)):
            return dict(events)
        moved: dict[str, Array] = {}
        steps = max(to) + 1
        for event, counts in events.items():
            if event not in ("neuron_access", "neuron_inactive"):
                moved[event] = np.zeros((len(counts), steps, counts.shape[2]))
                for row, step in enumerate(to):
                    moved[event][:, step] += counts[:, row]
        moved["neuron_access"] = events["neuron_access"][:, :steps]
        moved["neuron_inactive"] = moved["neuron_access"] - moved["neuron_update"]
        return moved

    def _take(self, mode: Mode, events: Mapping[str, Array]) -> None:
        """Choose the slowest core of each sample and step by each latency model, and add it up."""
        for model, prices in self.placed.chip.latency.items():
            times = event_times(prices, self.placed.chip.folded_in(model), events)
            if times is None:
                continue
            sides = [np.zeros(events["spike_out"].shape) for _ in range(2)]
            for event, time in times.items():
                sides[sending(event)] += time * events[event]
            at = np.maximum(*sides).argmax(axis=2)[:, :, None]
            sent = np.take_along_axis(sides[1] >= sides[0], at, axis=2)
            sums = self.sums.setdefault((mode, model), {event: ExactSum() for event in times})
            for event in times:
                there = np.take_along_axis(events[event], at, axis=2)
                sums[event].add(there[sent == sending(event)].sum())
            cores = np.bincount(at.ravel(), minlength=len(self.placed.cores))
            before = self.slowest.get((mode, model), np.zeros_like(cores))
            self.slowest[mode, model] = before + cores


def _rounded(number: float) -> float:
    """A number of events: whole, or with six decimals."""
    return round(number) if number.is_integer() else round(number, 6)


def _caused(placed: Placed, name: str, neurons: int) -> Iterator[Caused]:
    """What spikes of a population cause: where they are sent, and where they arrive."""
    routes = [route for route in placed.routes.values() if route.source == name]
    if name in placed.core_of:
        every, core = np.arange(neurons), placed.core_of[name]
        yield Caused("spike_out", every, core, np.ones(neurons, np.int64))
        out = np.sum([np.zeros(neurons, np.int64), *(r.destinations for r in routes)], axis=0)
        yield Caused("message_out", every, core, out)
    for route in routes:
        neuron, core, synapses = route.fan.neuron, route.fan.core, route.fan.synapses
        if len(neuron):  # a synapse may be without entries
            yield Caused("message_in", neuron, core, np.ones(len(neuron), np.int64))
            yield Caused(f"synaptic_operation_{route.format}", neuron, core, synapses)


def _table(caused: list[Caused], events: list[str], cores: int, neurons: int) -> EventTable:
    """The rows of all neurons of a population."""
    entries = [
        (each.neuron, events.index(each.event) * cores + each.core, each.number) for each in caused
    ]
    none = np.zeros(0, np.int64)
    neuron, counter, number = (
        np.concatenate([none, *(entry[field] for entry in entries)]) for field in range(3)
    )
    order = np.argsort(neuron, kind="stable")
    first = np.concatenate([[0], np.cumsum(np.bincount(neuron, minlength=neurons))])
    return EventTable(first, counter[order].astype(np.int32), number[order])
