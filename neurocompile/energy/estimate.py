"""Turn counts into joules: counts times prices that name their source.

In:  Counts, Placed, a chip with energy models.
Out: Energy: every model complete, term by term; nominal is the total of one model, low and high
     are that total with the error that the model's authors state.
The result is modelled neurocore event energy, not the energy of a system. Models are never
mixed. A model has no total if a count or a price of one of its terms is unknown. Static power
is listed separately and never added to a total. A reset of the chip between samples is a term only
where a user gives it a price.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import fsum
from typing import Any

from neurocompile.chip.change import USER
from neurocompile.chip.mesh import chips_used
from neurocompile.chip.needed import lacking, lacks
from neurocompile.chip.record import Chip, Quantity
from neurocompile.energy.counts import Counts
from neurocompile.energy.latency import latency_table, run_time
from neurocompile.energy.prices import price_of
from neurocompile.energy.steps import MODES, Mode
from neurocompile.place.placed import Placed

MODEL_VERSION = "1.1"  # raised whenever a change of a price or a formula changes any joule
NAME = "modelled neurocore event energy"
OFF_CHIP = "off_chip_message"  # its price covers the whole distance between the two cores
CHIP_RESET = "chip_reset"  # clearing the state of a whole chip after a sample
WHOLE_CHIP = "(chip)"  # what stands in place of a layer for an event of no layer

NOT_MODELLED = (
    "the chip's x86 management cores, and the host computer with its reads and register writes",
    "the transport of input spikes from the host to the cores (their synaptic operations count)",
    "loading weights and configuration",
    "waiting and congestion on the mesh",
)

# docs/energy.md has the table; tests/crosscheck/test_pilotnet.py holds the ratio to it.
EVIDENCE = (
    "on the one network with a public measurement end to end, PilotNet LIF on Loihi 2, the joules "
    "are 1.37 times the dynamic ones that were measured, with prices of Loihi 1; on Loihi 1, the "
    "authors of these prices state errors within 12 % of energy and 25 % of time on three "
    "applications, and a measured slope of energy is plausible. This is no bound for another "
    "network"
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
    """The total of the chip's nominal model, in joules for all samples; None if it is unknown.

    Attributes:
        low_j, high_j: The total with the error that the authors of the model state; None if they
            state none, or if a user set a price of the total.
        nominal_j: The total.
    """

    low_j: float | None
    nominal_j: float | None
    high_j: float | None

    def in_words(self) -> str:
        """The totals as a line of text."""
        if self.nominal_j is None:
            return "without a total"
        known = [
            f"{name} {value:.4g} J"
            for name, value in (("low", self.low_j), ("high", self.high_j))
            if value is not None
        ]
        return f"nominal {self.nominal_j:.4g} J" + (f" ({', '.join(known)})" if known else "")

    def over(self, samples: int) -> Range:
        """The same per sample, for so many samples."""
        return Range(**{k: None if v is None else v / samples for k, v in vars(self).items()})


@dataclass(frozen=True, repr=False)
class Energy:
    """What a run costs. Printed, it is one line with the joules of a sample first.

    Attributes:
        mode: How samples follow each other; the terms of `models` are for this mode.
        samples: Number of samples.
        models: Energy by each energy model of the chip.
        ranges: By mode, the totals.
        steps_charged: By mode, number of chip steps charged for all samples.
        errors: Rows of `_errors`.
        static: Static power and modelled times, see `_static`.
        latency: Rows of `latency_table`.
        not_modelled: What the joules do not include.
    """

    mode: Mode
    samples: int
    models: tuple[ModelEnergy, ...]
    ranges: Mapping[Mode, Range]
    steps_charged: Mapping[Mode, int]
    errors: tuple[Mapping[str, Any], ...]
    static: Mapping[str, Any] | None
    latency: tuple[Mapping[str, Any], ...]
    not_modelled: tuple[str, ...]

    @property
    def total(self) -> Range:
        """Joules of all samples by the nominal model, and with its authors' error."""
        return self.ranges[self.mode]

    @property
    def per_sample(self) -> Range:
        """Joules per sample, as a mean."""
        return self.total.over(self.samples)

    def __repr__(self) -> str:
        return (
            f"<Energy per sample {self.per_sample.in_words()}; {self.samples} samples together "
            f"{self.total.in_words()}; {NAME}>"
        )

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
            "errors": [dict(row) for row in self.errors],
            "static": None if self.static is None else dict(self.static),
            "not_modelled": list(self.not_modelled),
            "evidence": EVIDENCE,
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
    used = chips_used(chip, len(placed.cores))
    resets = {m: counts.samples * used if m == "reset" else 0 for m in MODES}
    totals = {
        m: {
            name: _model(chip, name, [*_events(counts, charged[m]), _reset(resets[m])])
            for name in chip.energy
        }
        for m in MODES
    }
    hops = [s.hops_east_west for s in counts.synapses.values() if not s.host]
    left_out: tuple[str, ...] = NOT_MODELLED
    if None in hops:
        left_out += ("hops of messages: the chip has no mesh here",)
    left_out += _between_chips(counts, placed, chip) + _unpriced_resets(chip)
    left_out += tuple(_without_prices(chip, totals[mode].values()))
    return Energy(
        mode,
        counts.samples,
        tuple(totals[mode].values()),
        {m: _range(chip, totals[m]) for m in MODES},
        charged,
        tuple(_errors(chip)),
        _static(counts, placed, chip, mode),
        tuple(latency_table(counts, placed, chip)),
        left_out,
    )


Event = tuple[str, str, int | None]  # layer, name, count


def _model(chip: Chip, name: str, events: Iterable[Event]) -> ModelEnergy:
    """All terms of one model and their sum."""
    prices = chip.energy[name]
    unpriced, terms = lacking(prices, chip.folded_in(name)), []
    for layer, event, n in events:
        price = price_of(prices, event)
        if n == 0 or (price is None and event not in unpriced):
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


def _reset(resets: int) -> Event:
    """Resets of chips: those after every sample, of every chip that holds a part of the network."""
    return WHOLE_CHIP, CHIP_RESET, resets


def _events(counts: Counts, steps_charged: int) -> Iterator[Event]:
    """Everything of a layer that a model may price."""
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
    unpriced = [m for m, p in chip.energy.items() if lacks(p, OFF_CHIP, chip.folded_in(m))]
    unpriced.sort(key=lambda model: model != chip.nominal)  # the nominal model comes first
    left_out = [f"the time of a step on {chips} chips: no source states the time of a message or "
                "a barrier between chips"]  # fmt: skip
    if messages and unpriced:
        left_out.append(
            f"{messages:,} messages from one chip to another: no source states a price. With a "
            f"price of your own there is a total: energy DIR --set {unpriced[0]}.{OFF_CHIP}=..pJ"
        )
    return tuple(left_out)


def _without_prices(chip: Chip, models: Iterable[ModelEnergy]) -> Iterator[str]:
    """Which events happened without a price in a model, and what a user can do about it."""
    for model in models:
        lacked = [t.quantity for t in model.terms if t.price_j is None and t.quantity != OFF_CHIP]
        for event in dict.fromkeys(lacked):
            yield (
                f"{event} by {model.name}: {chip.name} states no price, so it has no total. "
                f"Give one in target.toml; or declare in [folded.{model.name}] that another price "
                f"contains it; or: energy DIR --set {model.name}.{event}=..pJ"
            )


def _unpriced_resets(chip: Chip) -> tuple[str, ...]:
    """That a reset between samples is in no total, and what a user can do about it."""
    if any(CHIP_RESET in prices for prices in chip.energy.values()):
        return ()
    state = "resetting the state of the chip between samples"
    if chip.reset is None:
        return (state,)
    price = chip.reset.chip
    return (
        f"{state}: {price.value:g} {price.unit} per chip and sample by {price.source}; "
        "energy DIR --charge-reset adds it",
    )


def _range(chip: Chip, models: Mapping[str, ModelEnergy]) -> Range:
    """The nominal model's total, and that total with its authors' error."""
    nominal = models[chip.nominal].total_j if chip.nominal else None
    errors = chip.errors.get(chip.nominal)
    if nominal is None or errors is None or errors.energy is None:
        return Range(None, nominal, None)
    if any((term.source or "").startswith(USER) for term in models[chip.nominal].terms):
        return Range(None, nominal, None)  # the authors' error is of their own prices
    part = errors.energy.si
    return Range(nominal * (1 - part), nominal, nominal * (1 + part))


def _errors(chip: Chip) -> Iterator[dict[str, Any]]:
    """What the authors of each model say of its error: a part of its energies or of its times."""
    for model, errors in chip.errors.items():
        for of, quantity in (("energy", errors.energy), ("time", errors.time)):
            if quantity is not None:
                yield {"model": model, "of": of, "part": quantity.si, **_origin(quantity)}


def _origin(quantity: Quantity) -> dict[str, str]:
    return {"source": quantity.source, "where": quantity.where, "kind": quantity.kind}


def _static(counts: Counts, placed: Placed, chip: Chip, follow: Mode) -> dict[str, Any] | None:
    """Static power of the chips, and its joules over each modelled time.

    `powers` has the watts of one chip by name. `low_w` and `high_w` are the lowest and highest of a
    chip that has run a network, for all chips. A row of `times` has a mode ("as fast as possible",
    by latency model, or "real time", with steps of dt), the seconds of all samples, and the joules
    at low and at high static power.
    """
    if chip.power is None:
        return None
    chips = chips_used(chip, len(placed.cores))
    running = [*chip.power.running.items()]
    (low_name, low), (high_name, high) = running[0], running[-1]
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
        "low_is": low_name,
        "high_is": high_name,
        "sources": [_origin(low), _origin(high)],
        "powers": [
            {"name": name, "chip_w": power.si, **_origin(power)}
            for name, power in chip.power.stated.items()
        ],
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
