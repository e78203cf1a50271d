"""Turn counts into joules: counts times prices that name their source.

In:  Counts, Placed, a chip with energy models.
Out: Energy: every model complete, term by term; low, nominal and high are totals of models.
The result is modelled neurocore event energy, not the energy of a system. Models are never
mixed. A model has no total if a count or a price of one of its terms is unknown. Static power
is listed separately and never added to a total.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import fsum
from typing import Any

from neurocompile.chip.mesh import chips_used
from neurocompile.chip.record import Chip, Prices
from neurocompile.energy.counts import Counts
from neurocompile.energy.latency import latency_table, run_time
from neurocompile.energy.prices import lacks, price_of
from neurocompile.energy.steps import MODES, Mode
from neurocompile.place.placed import Placed

MODEL_VERSION = "1.0"  # raised whenever a change of a price or a formula changes any joule
NAME = "modelled neurocore event energy"
OFF_CHIP = "off_chip_message"  # its price covers the whole distance between the two cores

NOT_MODELLED = (
    "the chip's x86 management cores, and the host computer with its reads and register writes",
    "the transport of input spikes from the host to the cores (their synaptic operations count)",
    "loading weights and configuration, and resetting the state between samples",
    "waiting and congestion on the mesh",
)


@dataclass(frozen=True)
class Term:
    """One product of the sum; fields as in report.json, in joules per event and for all events."""

    layer: str
    quantity: str
    count: int | None
    price_j: float | None
    energy_j: float | None
    source: str | None
    kind: str | None


@dataclass(frozen=True)
class ModelEnergy:
    """The energy by one complete model.

    Attributes:
        name: Name of the model in the chip's file.
        total_j: Sum of the terms; None if one is unknown.
        terms: Terms whose count is not 0.
    """

    name: str
    total_j: float | None
    terms: tuple[Term, ...]


@dataclass(frozen=True)
class Range:
    """Totals of the chip's models, in joules for all samples; None if one is unknown."""

    low_j: float | None
    nominal_j: float | None
    high_j: float | None

    def over(self, samples: int) -> Range:
        """The same per sample, for so many samples."""
        return Range(**{k: None if v is None else v / samples for k, v in vars(self).items()})


@dataclass(frozen=True)
class Energy:
    """What a run costs.

    Attributes:
        mode: How samples follow each other; the terms of `models` are for this mode.
        samples: Number of samples.
        models: Energy by each energy model of the chip.
        ranges: By mode, the totals.
        steps_charged: By mode, number of chip steps charged for all samples.
        static: Static power and modelled times, see `_static`.
        latency: Rows of `latency_table`.
        not_modelled: What the joules do not include.
    """

    mode: Mode
    samples: int
    models: tuple[ModelEnergy, ...]
    ranges: Mapping[Mode, Range]
    steps_charged: Mapping[Mode, int]
    static: Mapping[str, Any] | None
    latency: tuple[Mapping[str, Any], ...]
    not_modelled: tuple[str, ...]

    @property
    def total(self) -> Range:
        """Joules of all samples: low, nominal and high, each the total of one complete model."""
        return self.ranges[self.mode]

    @property
    def per_sample(self) -> Range:
        """Joules per sample, as a mean."""
        return self.total.over(self.samples)

    def to_dict(self) -> dict[str, Any]:
        """The `energy` of report.json."""
        return {
            "name": NAME,
            "model_version": MODEL_VERSION,
            **vars(self.total),
            "per_sample_j": dict(vars(self.per_sample)),
            "samples": self.samples,
            "mode": self.mode,
            "modes": [
                {"mode": m, "steps_charged": self.steps_charged[m], **vars(self.ranges[m])}
                for m in MODES
            ],
            "models": [
                {"name": m.name, "total_j": m.total_j, "terms": [dict(vars(t)) for t in m.terms]}
                for m in self.models
            ],
            "static": None if self.static is None else dict(self.static),
            "not_modelled": list(self.not_modelled),
        }


def estimate(counts: Counts, placed: Placed, chip: Chip, mode: Mode = "reset") -> Energy:
    """Energy of a run.

    Args:
        counts: Counts of the run.
        placed: Placed network that ran.
        chip: Chip with the prices; usually placed.chip.
        mode: "reset": a sample takes T + depth steps and the state is reset after it;
            "pipelined": samples follow each other every T steps. Steps beyond T are charged
            as idle: what a layer does in its lead-in and tail is not counted.
    """
    charged = {m: counts.steps_charged(m) for m in MODES}
    totals = {
        m: {name: _model(name, p, counts, charged[m]) for name, p in chip.energy.items()}
        for m in MODES
    }
    hops = [s.hops_east_west for s in counts.synapses.values() if not s.host]
    left_out: tuple[str, ...] = NOT_MODELLED
    if None in hops:
        left_out += ("hops of messages: the chip has no mesh here",)
    left_out += _between_chips(counts, placed, chip)
    return Energy(
        mode,
        counts.samples,
        tuple(totals[mode].values()),
        {m: _range(chip, totals[m]) for m in MODES},
        charged,
        _static(counts, placed, chip, mode),
        tuple(latency_table(counts, placed, chip)),
        left_out,
    )


def _model(name: str, prices: Prices, counts: Counts, steps_charged: int) -> ModelEnergy:
    """All terms of one model and their sum."""
    terms = []
    for layer, event, n in _events(counts, steps_charged):
        price = price_of(prices, event)
        if n == 0 or (price is None and not lacks(prices, event)):
            continue
        if price is None:
            terms.append(Term(layer, event, n, None, None, None, None))
            continue
        energy = None if n is None else n * price.si
        terms.append(Term(layer, event, n, price.si, energy, price.source, price.kind))
    energies = [t.energy_j for t in terms]
    known = [e for e in energies if e is not None]
    total = fsum(known) if len(known) == len(energies) else None  # exact, in any order
    return ModelEnergy(name, total, tuple(terms))


def _events(counts: Counts, steps_charged: int) -> Iterator[tuple[str, str, int | None]]:
    """(layer, event, count) for everything that a model may price."""
    for synapse in counts.synapses.values():
        yield synapse.name, f"synaptic_operation_{synapse.format}", synapse.synops
        yield synapse.name, "message_in", synapse.messages
        if not synapse.host:
            # Each message passes its own tile's router once; hops to other tiles are added.
            # Davies 2018 states the two prices but not this rule: it is our reading.
            yield synapse.name, "message_out", synapse.messages
            yield synapse.name, "message_within_tile", synapse.messages
            yield synapse.name, "hop_east_west", synapse.hops_east_west
            yield synapse.name, "hop_north_south", synapse.hops_north_south
            yield synapse.name, OFF_CHIP, synapse.off_chip_messages
    for layer in counts.layers.values():
        if layer.on_chip:
            neuron_steps = layer.neurons * steps_charged
            yield layer.name, "neuron_access", neuron_steps
            yield layer.name, "neuron_update", layer.updated
            yield layer.name, "neuron_active", layer.updated
            yield layer.name, "neuron_inactive", layer.idle(neuron_steps)
            yield layer.name, "spike_out", layer.spikes


def _between_chips(counts: Counts, placed: Placed, chip: Chip) -> tuple[str, ...]:
    """What is unknown about a network on several chips, and what a user can do about it."""
    chips = chips_used(chip, len(placed.cores))
    if chips == 1:
        return ()
    messages = sum(s.off_chip_messages or 0 for s in counts.synapses.values())
    unpriced = [m for m, prices in chip.energy.items() if lacks(prices, OFF_CHIP)]
    unpriced.sort(key=lambda model: model != chip.nominal)  # the nominal model comes first
    left_out = [f"the time of a step on {chips} chips: no source states the time of a message or "
                "a barrier between chips"]  # fmt: skip
    if messages and unpriced:
        left_out.append(
            f"{messages:,} messages from one chip to another: no source states a price. With a "
            f"price of your own there is a total: energy DIR --set {unpriced[0]}.{OFF_CHIP}=..pJ"
        )
    return tuple(left_out)


def _range(chip: Chip, models: Mapping[str, ModelEnergy]) -> Range:
    """Low and high over the chip's range of models; nominal from its nominal model."""
    nominal = models[chip.nominal].total_j if chip.nominal else None
    totals = [models[name].total_j for name in chip.range]
    known = [t for t in totals if t is not None]
    if not totals or len(known) < len(totals):
        return Range(None, nominal, None)
    return Range(min(known), nominal, max(known))


def _static(counts: Counts, placed: Placed, chip: Chip, follow: Mode) -> dict[str, Any] | None:
    """Static power of the chips, and its joules over each modelled time.

    A row of `times` has a mode ("as fast as possible", by latency model, or "real time", with
    steps of dt), the seconds of all samples, and the joules at low and at high static power.
    """
    if chip.power is None:
        return None
    chips = chips_used(chip, len(placed.cores))
    low, high = chip.power.static_low, chip.power.static_high
    times: list[tuple[str, str | None, float | None]] = [
        ("as fast as possible", model, run_time(counts, placed, chip, model, follow))
        for model in chip.latency
    ]
    real = counts.steps_charged(follow) * placed.graph.settings.dt
    times.append(("real time", None, real))
    return {
        "chips": chips,
        "low_w": chips * low.si,
        "high_w": chips * high.si,
        "sources": [{"source": p.source, "where": p.where, "kind": p.kind} for p in (low, high)],
        "times": [
            {
                "mode": mode,
                "model": model,
                "time_s": time,
                "low_j": None if time is None else chips * low.si * time,
                "high_j": None if time is None else chips * high.si * time,
            }
            for mode, model, time in times
        ],
    }
