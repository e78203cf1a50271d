"""What a chip is: number formats, limits, mesh, prices and times, each number with its source.

In:  checked values from `chip/read.py`.
Out: frozen dataclasses. A field of a section is a key of that section in target.toml.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Annotated, Any, get_type_hints

import numpy as np

from neurocompile.ir.registers import (
    ALIGN_BITS,
    BIAS_EXPONENTS,
    DECAY_BITS,
    MANTISSA_BITS,
    MOST_AXON_DELAY,
    STATE_BITS,
    THRESHOLD_BITS,
    WEIGHT_EXPONENTS,
    WEIGHT_WIDTHS,
    Bounds,
    Grid,
)

KINDS = ("measured", "simulated", "derived", "assumed", "published")

# By dimension: unit -> power of ten that converts it to the SI unit.
UNITS: dict[str, dict[str, int]] = {
    "energy": {"fJ": -15, "pJ": -12, "nJ": -9, "uJ": -6, "mJ": -3, "J": 0},
    "time": {"ps": -12, "ns": -9, "us": -6, "ms": -3, "s": 0},
    "power": {"uW": -6, "mW": -3, "W": 0},
    "part": {"%": -2},
    "width": {"bit": 0},
    "widths": {"bit": 0},
    "number": {"1": 0},
    "names": {"name": 0},
    "flag": {"flag": 0},
    "count": dict.fromkeys(
        (
            "chip",
            "core",
            "neuron",
            "axon",
            "accumulator",
            "synapse",
            "configuration",
            "tile",
            "step",
        ),
        0,
    ),
}

# Events that a model may charge for; energy/estimate.py says which count each is multiplied by.
EVENTS = (
    "synaptic_operation",
    "synaptic_operation_dense",
    "synaptic_operation_sparse",
    "synaptic_operation_conv",
    "neuron_active",
    "neuron_inactive",
    "neuron_access",
    "neuron_update",
    "spike_out",
    "message_out",
    "message_in",
    "message_within_tile",
    "hop_east_west",
    "hop_north_south",
    "off_chip_message",
    "synaptic_update",
    "chip_reset",
)

# Events whose time is in no modelled step, with the reason; energy/latency.py has the model.
IN_NO_STEP = {
    "message_within_tile": "messages travel while cores work, and none waits for another",
    "hop_east_west": "messages travel while cores work, and none waits for another",
    "hop_north_south": "messages travel while cores work, and none waits for another",
    "off_chip_message": "a step on several chips has no modelled time",
    "synaptic_update": "nothing learns on the chip",
    "chip_reset": "a reset between samples is in no step",
}

# Values that the integer step of `ir`, its weights and its delays support; a file that states
# another value describes a chip that cannot be compiled for. By field of Formats: lowest, highest.
WIDEST = Grid(WEIGHT_WIDTHS[1])
STEP_ALLOWS: dict[str, Bounds] = {
    "weight_bits": (WIDEST.bits, WIDEST.bits),
    "weight_min": (WIDEST.stored[0], WIDEST.stored[0]),
    "weight_max": (WIDEST.stored[1], WIDEST.stored[1]),
    "weight_step": (WIDEST.step, WIDEST.step),
    "weight_exp_min": WEIGHT_EXPONENTS,
    "weight_exp_max": WEIGHT_EXPONENTS,
    "align_bits": (ALIGN_BITS, ALIGN_BITS),
    "threshold_bits": (1, THRESHOLD_BITS),
    "bias_mant_bits": (2, MANTISSA_BITS),
    "bias_exp_min": BIAS_EXPONENTS,
    "bias_exp_max": BIAS_EXPONENTS,
    "decay_bits": (DECAY_BITS, DECAY_BITS),
    "state_bits": (STATE_BITS, STATE_BITS),
    # The longest delay of an axon, plus the step that every synapse takes.
    "delay_max": (1, MOST_AXON_DELAY + 1),
}
RESETS = ("zero", "subtract")  # effect of a spike on a neuron's potential
BETWEEN = ("below", "line")  # how a barrier's time is interpolated between two entries


@dataclass(frozen=True)
class Quantity:
    """A number of a chip and its source.

    Attributes:
        value: A number; for a choice, names; for a flag, true or false.
        unit: One of UNITS.
        source: Key of one of the chip's sources.
        where: Place in the source.
        kind: One of KINDS.
        power: Power of ten: the unit is 10**power SI units.
    """

    value: Any
    unit: str
    source: str
    where: str
    kind: str
    power: int = 0

    @property
    def si(self) -> float:
        """The value in SI units, rounded once: 21.6 pJ is 2.16e-11 J; 12 % is a part of 0.12."""
        return float(Decimal(str(self.value)).scaleb(self.power))


# A quantity together with the key of UNITS that lists its allowed units.
Width = Annotated[Quantity, "width"]
Widths = Annotated[Quantity, "widths"]
Number = Annotated[Quantity, "number"]
Count = Annotated[Quantity, "count"]
Names = Annotated[Quantity, "names"]
Flag = Annotated[Quantity, "flag"]
Watts = Annotated[Quantity, "power"]
Joules = Annotated[Quantity, "energy"]
Part = Annotated[Quantity, "part"]
Prices = Mapping[str, Quantity]


@dataclass(frozen=True)
class Formats:
    """Number formats of registers and weights; ir/fixed.py explains each of them.

    Some registers may be narrower than Loihi's, and `quantize` obeys their widths; delays may be
    shorter, and `place` obeys that. The other numbers belong to the integer step itself; a file
    that states others is refused (STEP_ALLOWS).
    """

    weight_bits: Width
    weight_min: Number
    weight_max: Number
    weight_step: Number
    weight_exp_min: Number
    weight_exp_max: Number
    align_bits: Width
    threshold_bits: Width
    bias_mant_bits: Width
    bias_exp_min: Number
    bias_exp_max: Number
    decay_bits: Width
    state_bits: Width
    delay_max: Count
    graded_spikes: Flag
    resets: Names
    neurons: Names


@dataclass(frozen=True)
class Limits:
    """How much a chip and a core hold; None means no limit, and for chips one chip."""

    chips: Count | None = None
    cores: Count | None = None
    neurons_per_core: Count | None = None
    input_axons_per_core: Count | None = None
    output_axons_per_core: Count | None = None
    dendritic_accumulators_per_core: Count | None = None
    synapse_memory_per_core: Width | None = None
    threshold_configurations_per_core: Count | None = None
    neuron_configurations_per_core: Count | None = None
    synapse_configurations_per_core: Count | None = None


@dataclass(frozen=True)
class Memory:
    """Layout of an axon's list of synapses in synapse memory; place/memory.py has the formula."""

    word_bits: Width
    entry_synapses: Count
    entry_header_bits: Width
    weight_widths: Widths
    index_widths: Widths
    delay_widths: Widths
    shared_bases: Count


@dataclass(frozen=True)
class Words:
    """Layout of lists that start at whole words, as on Loihi 2; place/words.py has the formula."""

    word_bits: Width
    header_bits: Width
    index_bits: Width
    weight_widths: Widths


LAYOUTS = {"lists": Memory, "words": Words}  # by the `layout` of [memory]; without one, "lists"


@dataclass(frozen=True)
class Mesh:
    """Where cores are: a rectangle of tiles with a few cores each."""

    tiles_east_west: Count
    tiles_north_south: Count
    cores_per_tile: Count


@dataclass(frozen=True)
class Power:
    """Static power of one chip, by what was measured; None where no source states it.

    Attributes:
        idle_before: Power of a chip on which no network has run since it was switched on.
        idle_after: Power of a chip that waits after a network ran.
        leakage: Power that flows whatever the chip does.
        static_low, static_high: Lowest and highest power that measurements of running networks
            call static, without saying which of the above it is.
    """

    idle_before: Watts | None = None
    idle_after: Watts | None = None
    leakage: Watts | None = None
    static_low: Watts | None = None
    static_high: Watts | None = None

    @property
    def stated(self) -> dict[str, Quantity]:
        """Every power that a source states, by name."""
        return {name: power for name, power in vars(self).items() if power is not None}

    @property
    def running(self) -> dict[str, Quantity]:
        """Those of a chip that has run a network, the lowest first; idle_before is none of them."""
        ran = {name: power for name, power in self.stated.items() if name != "idle_before"}
        return dict(sorted(ran.items(), key=lambda item: item[1].si))


@dataclass(frozen=True)
class Reset:
    """What it takes to clear the state of a chip between two samples.

    Attributes:
        chip: Energy of a reset of one chip. No model charges it unless a user asks for it.
    """

    chip: Joules


@dataclass(frozen=True)
class Errors:
    """How far the authors of a model say that it is from what they measured.

    Attributes:
        energy: Of an energy, as a part of it.
        time: Of a time, as a part of it.
    """

    energy: Part | None = None
    time: Part | None = None


@dataclass(frozen=True)
class Folded:
    """What a model does not price by itself.

    Attributes:
        events: Events whose energy and time other prices of the model contain.
    """

    events: Names


@dataclass(frozen=True)
class Barrier:
    """Time that closes a step.

    Attributes:
        between: Rule for a number of tiles between two entries: "below" takes the entry below,
            "line" interpolates linearly.
        times: Time by number of mapped tiles.
    """

    between: str
    times: Mapping[int, Quantity]

    def seconds(self, tiles: int) -> float:
        """Seconds of the barrier that closes a step on so many mapped tiles."""
        known = sorted(self.times)
        if self.between == "below":
            return self.times[max((n for n in known if n <= tiles), default=known[0])].si
        return float(np.interp(tiles, known, [self.times[n].si for n in known]))


@dataclass(frozen=True)
class Chip:
    """A chip, as its target.toml describes it.

    Attributes:
        name: Name of the target.
        title: Description for people.
        formats, limits, memory, mesh, power, reset: See their classes; None if the chip has none.
        energy: By model, the price of each event (see EVENTS).
        latency: By model, the time of each event.
        barrier: By model, the time of the barrier that closes a step.
        errors: By model, the errors that its authors state.
        folded: By model, the events that its other prices contain.
        nominal: Name of the energy model of the nominal total, or "".
        sources: By key, title and link of a source.
    """

    name: str
    title: str
    formats: Formats
    limits: Limits
    memory: Memory | Words | None
    mesh: Mesh | None
    power: Power | None
    reset: Reset | None
    energy: Mapping[str, Prices]
    latency: Mapping[str, Prices]
    barrier: Mapping[str, Barrier]
    errors: Mapping[str, Errors]
    folded: Mapping[str, Folded]
    nominal: str
    sources: Mapping[str, Mapping[str, str]]

    def folded_in(self, model: str) -> tuple[str, ...]:
        """Events that other prices of a model contain, as the target declares them."""
        return tuple(self.folded[model].events.value) if model in self.folded else ()

    def quantities(self) -> Iterator[tuple[str, Quantity]]:
        """Every number of the chip with its key in the file."""
        for section in ("formats", "limits", "memory", "mesh", "power", "reset"):
            yield from _stated(section, getattr(self, section))
        for section in ("energy", "latency"):
            for model, prices in getattr(self, section).items():
                for event, quantity in prices.items():
                    yield f"{section}.{model}.{event}", quantity
        for model, barrier in self.barrier.items():
            for tiles, quantity in barrier.times.items():
                yield f"barrier.{model}.{tiles}", quantity
        for model, errors in self.errors.items():
            yield from _stated(f"errors.{model}", errors)
        for model, folded in self.folded.items():
            yield from _stated(f"folded.{model}", folded)


def _stated(key: str, part: Any) -> Iterator[tuple[str, Quantity]]:
    """The numbers of a section, without those that it does not state."""
    for f in fields(part) if part is not None else ():
        if getattr(part, f.name) is not None:
            yield f"{key}.{f.name}", getattr(part, f.name)


def dimensions(section: type) -> dict[str, str]:
    """By field of a section, the key of UNITS for its quantity."""
    hints = get_type_hints(section, include_extras=True)
    return {name: _dimension(hint) for name, hint in hints.items()}


def _dimension(hint: Any) -> str:
    """The mark of an Annotated type, also in a union with None."""
    marks = getattr(hint, "__metadata__", None)
    return str(marks[0]) if marks else _dimension(hint.__args__[0])
