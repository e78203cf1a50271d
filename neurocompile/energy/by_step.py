"""Events, joules and seconds of every sample and chip step; their sums are those of the report.

In:  Placed; the spikes and updates of every population, step by step, batch by batch.
Out: columns with a row per sample and chip step.
Samples are reset between each other, as in the report's totals: T + depth chip steps. A population
lags the input by its depth, and a spike arrives in the chip step in which it is sent. What an axon
that is always on sends ahead of the first step is counted in that step. A reset of the chip, if a
model charges it, is in the last step of a sample.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from neurocompile.chip.mesh import chips_used
from neurocompile.chip.record import EVENTS
from neurocompile.energy.counts import Counts
from neurocompile.energy.estimate import CHIP_RESET, OFF_CHIP, Energy
from neurocompile.energy.latency import busiest
from neurocompile.energy.prices import price_of
from neurocompile.energy.steps import Mode, event_times, sending
from neurocompile.ir.arrays import Array
from neurocompile.ir.fixed import AlwaysOn, ChipNeuron, SpikeInput
from neurocompile.ir.nodes import size
from neurocompile.ir.time import depths
from neurocompile.place.placed import Placed, Route

FOLLOW: Mode = "reset"


@dataclass(frozen=True, eq=False)
class StepTable:
    """A row per sample and chip step, sample by sample.

    Attributes:
        samples, steps: Number of samples, and of chip steps per sample.
        events: By event, (samples, steps) int64; None if it is not known.
        energy_j: By energy model, (samples, steps) float64 joules; None without a total.
        time_s: By latency model, (samples, steps) float64 seconds; None if no time is known.
    """

    samples: int
    steps: int
    events: Mapping[str, Array | None]
    energy_j: Mapping[str, Array | None]
    time_s: Mapping[str, Array | None]

    def columns(self) -> dict[str, Array | None]:
        """Columns of all rows, named with their units, counted from 0: sample, step, events, ..."""
        sample, step = np.indices((self.samples, self.steps))
        named = {
            "sample": sample,
            "step": step,
            **self.events,
            **{f"energy_j_{model}": joules for model, joules in self.energy_j.items()},
            **{f"time_s_{model}": seconds for model, seconds in self.time_s.items()},
        }
        return {name: None if rows is None else rows.ravel() for name, rows in named.items()}

    def summed(self) -> list[dict[str, Any]]:
        """A JSON-ready row per chip step: events, joules and seconds of all samples together."""
        return [
            {
                "step": step,
                **{
                    name: {key: _sum(rows, step) for key, rows in part.items()}
                    for name, part in (
                        ("events", self.events),
                        ("energy_j", self.energy_j),
                        ("time_s", self.time_s),
                    )
                },
            }
            for step in range(self.steps)
        ]


class ByStep:
    """Collects what happens in every step of a run.

    Args:
        placed: The network on its chip.
        steps: Steps of the network's time per sample.
    """

    def __init__(self, placed: Placed, steps: int) -> None:
        self.placed, self.steps = placed, steps
        self.lag = depths(placed.graph)
        self.span = steps + max(self.lag.values(), default=0)
        self.causes: dict[str, list[tuple[str, Array]]] = {
            name: [] for name, _ in placed.graph.of(SpikeInput, AlwaysOn, ChipNeuron)
        }
        self.unknown: set[str] = set()
        for route in placed.routes.values():
            for event, per_spike in _caused(route):
                if per_spike is None:
                    self.unknown.add(event)
                else:
                    self.causes[route.source].append((event, per_spike))
        self.samples = 0
        self.counts: list[dict[str, Array]] = []
        self.work_s: dict[str, list[Array]] = {model: [] for model in placed.chip.latency}

    def watch(self, mode: Mode, events: Mapping[str, Array]) -> None:
        """Take the events of each core in each step, as StepWork finds them; (n, steps, cores)."""
        if mode != FOLLOW:
            return
        for model, prices in self.placed.chip.latency.items():
            times = event_times(prices, self.placed.chip.folded_in(model), events)
            if times is None:
                continue
            sides = np.zeros((2, *events["spike_out"].shape))
            for event, time in times.items():
                sides[int(sending(event))] += time * events[event]
            self.work_s[model].append(sides.max(axis=(0, 3)))

    def add(self, spikes: Mapping[str, Array], updates: Mapping[str, Array]) -> None:
        """Add a batch.

        Args:
            spikes: By SpikeInput and ChipNeuron, (n, steps, *shape) bits or payloads.
            updates: By ChipNeuron, (n, steps) number of its neurons updated.
        """
        samples = len(next(iter(spikes.values())))
        self.samples += samples
        rows = samples * self.steps
        found: dict[str, Array] = {}
        for name, node in self.placed.graph.of(SpikeInput, AlwaysOn, ChipNeuron):
            neurons = size(node.shape)
            fired = np.ones((rows, neurons), np.uint8)
            if not isinstance(node, AlwaysOn):
                fired = np.asarray(spikes[name]).reshape(rows, neurons)
            row, neuron = np.nonzero(fired)
            for event, per_spike in self.causes[name]:
                # Weights are whole and sums below 2^53: float64 is exact.
                here = np.bincount(row, per_spike[neuron], rows).astype(np.int64)
                self._put(found, event, name, here)
            if isinstance(node, ChipNeuron):
                self._put(found, "spike_out", name, np.bincount(row, minlength=rows))
                self._put(found, "neuron_update", name, np.asarray(updates[name]))
                into = found.setdefault("neuron_access", self._none(samples))
                into += neurons
        if "neuron_access" in found:
            found["neuron_active"] = found["neuron_update"]
            found["neuron_inactive"] = found["neuron_access"] - found["neuron_update"]
        self.counts.append(found)

    def table(self, counts: Counts, energy: Energy) -> StepTable:
        """The rows of all batches.

        Args:
            counts: Counts of the same run.
            energy: Energy of the same run, in the mode FOLLOW.
        """
        known = self.counts[0] if self.counts else {}
        events = {
            event: None
            if event in self.unknown
            else np.concatenate([batch[event] for batch in self.counts])
            for event in EVENTS
            if event in known or event in self.unknown
        }
        chip = self.placed.chip
        if any(CHIP_RESET in prices for prices in chip.energy.values()):
            resets = self._none(self.samples)
            resets[:, -1] = chips_used(chip, len(self.placed.cores))  # after the last step
            events[CHIP_RESET] = resets
        totals = {model.name: model.total_j for model in energy.models}
        return StepTable(
            self.samples,
            self.span,
            events,
            {
                name: None if total is None else self._joules(name, events)
                for name, total in totals.items()
            },
            {model: self.seconds(model, counts) for model in chip.latency},
        )

    def _joules(self, model: str, events: Mapping[str, Array | None]) -> Array:
        """(samples, steps) joules, for a model that has a total."""
        prices = self.placed.chip.energy[model]
        joules = np.zeros((self.samples, self.span))
        for event, counts in events.items():
            price = price_of(prices, event)
            if counts is not None and price is not None:
                joules += counts * price.si
        return joules

    def seconds(self, model: str, counts: Counts) -> Array | None:
        """(samples, steps) seconds of a step: its slowest core and the barrier; None if not known.

        Args:
            model: Latency model.
            counts: Counts of these samples, or of more.
        """
        slowest = busiest(counts, self.placed, self.placed.chip, model, FOLLOW)
        if slowest is None or not self.work_s[model]:
            return None
        return np.concatenate(self.work_s[model]) + slowest.barrier_s

    def _none(self, samples: int) -> Array:
        return np.zeros((samples, self.span), np.int64)

    def _put(self, found: dict[str, Array], event: str, name: str, here: Array) -> None:
        """Add the events of a population, (n, steps) in its own time, to its chip steps."""
        by_step = here.reshape(-1, self.steps)
        into = found.setdefault(event, self._none(len(by_step)))
        for step in range(self.steps):
            into[:, max(0, self.lag[name] + step)] += by_step[:, step]


def _caused(route: Route) -> Iterator[tuple[str, Array | None]]:
    """Events that a spike of each source neuron causes, (source neurons,); None if not known."""
    yield f"synaptic_operation_{route.format}", route.fan_out
    yield "message_in", route.destinations
    if not route.host:
        yield "message_out", route.destinations
        yield "message_within_tile", route.destinations
        yield "hop_east_west", route.hops_east_west
        yield "hop_north_south", route.hops_north_south
        yield OFF_CHIP, route.off_chip


def _sum(rows: Array | None, step: int) -> int | float | None:
    return None if rows is None else rows[:, step].sum().item()
