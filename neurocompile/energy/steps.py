"""What the slowest core did in each step: a step lasts as long as its slowest core.

In:  Placed; the spikes of every population, step by step, batch by batch.
Out: by how samples follow each other and by latency model, the events of the slowest cores,
     summed over samples and steps: these counts times the chip's times are the seconds.
A core sends and receives at the same time, and its work is the longer of the two. The slowest core
is chosen for each sample and step by the chip's own event times. So the sums are exact for these
times, and a lower bound for others, with which another core may be the slowest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from neurocompile.chip.record import Prices
from neurocompile.energy.prices import lacks, price_of
from neurocompile.ir.arrays import Array
from neurocompile.ir.fixed import AlwaysOn, CubaLIF, SpikeInput
from neurocompile.ir.nodes import size
from neurocompile.ir.time import depths
from neurocompile.place.placed import Placed

Mode = Literal["reset", "pipelined"]
MODES: tuple[Mode, ...] = ("reset", "pipelined")
SENDING = (
    "neuron_access", "neuron_inactive", "neuron_active", "neuron_update", "spike_out", "message_out"
)  # fmt: skip
TRAVELLING = "message_within_tile"  # takes time on the mesh, not on a core
VALUES_AT_ONCE = 1 << 21  # samples x steps x cores per event: 16 MB
EXACT_FLOAT32 = 1 << 24  # float32 holds every whole number below this


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


def sending(event: str) -> bool:
    """Whether an event is part of visiting neurons and sending; otherwise it is of receiving."""
    return event in SENDING


def event_times(times: Prices, events: Mapping[str, Any]) -> dict[str, float] | None:
    """Seconds of each event; None if the model lacks a time that it must have."""
    missing = [e for e in events if e.startswith("synaptic_operation") and lacks(times, e)]
    if missing:
        return None
    stated = {event: price_of(times, event) for event in events if event != TRAVELLING}
    return {event: quantity.si for event, quantity in stated.items() if quantity is not None}


class EventColumns(NamedTuple):
    """Events that some neurons cause: their spikes @ weight, column by column.

    Attributes:
        neurons: Numbers of the neurons in their population; a slice if they are consecutive.
        weight: (neurons, columns) float32, or float64 if a sum might not be exact in float32.
        causes: (event, core) of each column.
    """

    neurons: Array | slice
    weight: Array
    causes: tuple[tuple[str, int], ...]


class StepWork:
    """Adds up the work of the slowest core of each step.

    Args:
        placed: The network on its chip.
        steps: Steps of the network's time per sample.
        lag: By population, number of chip steps by which it lags the input; None takes its
            depth. A spike arrives in the chip step in which it is sent. An axon that is always
            on may be one step ahead: its first spike waits at its target.
    """

    def __init__(self, placed: Placed, steps: int, lag: Mapping[str, int] | None = None) -> None:
        graph = placed.graph
        self.placed, self.steps = placed, steps
        lag = depths(graph) if lag is None else lag
        self.ahead = max(0, -min(lag.values(), default=0))  # chip steps before the first
        self.start = {name: self.ahead + steps_late for name, steps_late in lag.items()}
        self.span = steps + max(self.start.values(), default=0)
        self.nodes = dict(graph.of(SpikeInput, AlwaysOn, CubaLIF))
        self.columns = {name: list(_columns(placed, name)) for name in self.nodes}
        cores = len(placed.cores)
        self.held = {name: np.bincount(of, minlength=cores) for name, of in placed.core_of.items()}
        self.neurons = np.sum([*self.held.values()], axis=0) if self.held else np.zeros(cores)
        self.known = bool(cores)
        self.sums: dict[tuple[Mode, str], dict[str, float]] = {}
        self.slowest: dict[tuple[Mode, str], Array] = {}

    def add(self, spikes: Mapping[str, Array], updated: Mapping[str, Any]) -> None:
        """Add a batch.

        Args:
            spikes: By SpikeInput and CubaLIF, (n, steps, *shape) of 0 and 1.
            updated: By CubaLIF, (n, steps, *shape) whether each neuron was updated; or the number
                of updates in the batch, which is shared evenly among neurons, samples and steps;
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
                self._take(mode, self._cut(events) if mode == "reset" else self._folded(events))

    def slowest_cores(self) -> dict[tuple[Mode, str], Slowest]:
        """The slowest cores by mode and latency model; {} if no time is known."""
        latency = self.placed.chip.latency
        if not self.known:
            return {}
        return {
            (mode, model): Slowest(
                event_times(latency[model], sums) or {},
                {e: round(n) if float(n).is_integer() else round(n, 6) for e, n in sums.items()},
                self.slowest[mode, model],
            )
            for (mode, model), sums in self.sums.items()
        }

    def _events(
        self, spikes: Mapping[str, Array], updated: Mapping[str, Any], part: slice, samples: int
    ) -> dict[str, Array]:
        """By event, (n, chip steps from the earliest on, cores) float64, for some samples."""
        count = part.stop - part.start
        shape = (count, self.span, len(self.placed.cores))
        events = {event: np.zeros(shape) for event in ("spike_out", "neuron_update")}
        for name, node in self.nodes.items():
            now = slice(self.start[name], self.start[name] + self.steps)
            if name in self.held:
                self._updates(name, updated[name], part, samples, events["neuron_update"][:, now])
            if isinstance(node, AlwaysOn):
                fired = np.ones((count * self.steps, size(node.shape)), np.float32)
            else:
                rows = np.asarray(spikes[name])[part].reshape(count * self.steps, -1)
                fired = rows.astype(np.float32)
            for neurons, weight, causes in self.columns[name]:
                caused = (fired[:, neurons] @ weight).reshape(count, self.steps, -1)
                for column, (event, core) in enumerate(causes):
                    into = events.setdefault(event, np.zeros(shape))
                    into[:, now, core] += caused[:, :, column]
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
            times = event_times(prices, events)
            if times is None:
                continue
            sides = [np.zeros(events["spike_out"].shape) for _ in range(2)]
            for event, time in times.items():
                sides[sending(event)] += time * events[event]
            at = np.maximum(*sides).argmax(axis=2)[:, :, None]
            sent = np.take_along_axis(sides[1] >= sides[0], at, axis=2)
            sums = self.sums.setdefault((mode, model), dict.fromkeys(times, 0.0))
            for event in times:
                there = np.take_along_axis(events[event], at, axis=2)
                of = there[sent == sending(event)].sum()
                sums[event] = sums.get(event, 0.0) + float(of)
            cores = np.bincount(at.ravel(), minlength=len(self.placed.cores))
            before = self.slowest.get((mode, model), np.zeros_like(cores))
            self.slowest[mode, model] = before + cores


def _columns(placed: Placed, name: str) -> Iterator[EventColumns]:
    """The events that a spike of a population causes: where it is sent, and where it arrives."""
    routes = [route for route in placed.routes.values() if route.source == name]
    if name in placed.core_of:
        out = np.zeros(len(placed.core_of[name]))
        for route in routes:
            out += route.destinations
        for core in np.unique(placed.core_of[name]).tolist():
            neurons = np.flatnonzero(placed.core_of[name] == core)
            weight = np.stack([np.ones(len(neurons)), out[neurons]], axis=1)
            yield _packed(neurons, weight, [("spike_out", core), ("message_out", core)])
    for route in routes:
        alike: dict[bytes, list[tuple[int, Array, Array]]] = {}
        if not len(route.fan.neuron):  # a synapse without entries
            continue
        order = np.lexsort((route.fan.neuron, route.fan.core))
        cores, starts = np.unique(route.fan.core[order], return_index=True)
        for core, at in zip(cores.tolist(), np.split(order, starts[1:]), strict=True):
            neurons = route.fan.neuron[at]
            alike.setdefault(neurons.tobytes(), []).append((core, neurons, route.fan.synapses[at]))
        for group in alike.values():  # cores that the same neurons reach
            neurons = group[0][1]
            arrive = np.ones((len(neurons), len(group)))
            synapses = np.stack([of_core for _, _, of_core in group], 1)
            weight = np.concatenate([arrive, synapses], axis=1)
            events = ("message_in", f"synaptic_operation_{route.format}")
            yield _packed(neurons, weight, [(e, core) for e in events for core, _, _ in group])


def _packed(neurons: Array, weight: Array, causes: list[tuple[str, int]]) -> EventColumns:
    """Columns in the smallest float type that is exact, over a slice if the neurons form one."""
    first, last = int(neurons[0]), int(neurons[-1])
    follow = last - first + 1 == len(neurons)
    number = np.float32 if weight.sum(axis=0).max() < EXACT_FLOAT32 else np.float64
    return EventColumns(
        slice(first, last + 1) if follow else neurons, weight.astype(number), tuple(causes)
    )
