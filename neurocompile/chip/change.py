"""Replace prices of a chip by a user's own: `--set KEY=VALUE`, `--cores-per-chip N`.

In:  a chip, assignments such as davies2018.synaptic_operation=20pJ.
Out: the chip with those prices, each marked as set by the user.
Only existing prices can be replaced. Where no source states a price, it can be added: for an event
that a model must price (such as a message from one chip to another), for a reset between samples,
and for a network without spikes.
A value has a unit and is not negative, or is a positive factor of the sourced price, such as x2.
A price that is far from the usual is a warning.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any

from neurocompile.chip.mesh import chips_allowed
from neurocompile.chip.needed import lacking
from neurocompile.chip.read import MAX_VALUE
from neurocompile.chip.record import IN_NO_STEP, UNITS, Chip, Prices, Quantity
from neurocompile.chip.usual import unusual
from neurocompile.errors import BadInput, Doubtful

USER = "set by the user"
# Keys of the network without spikes, by the name of what each prices in its table.
ANN = {
    "multiply_accumulate": "ann.mac",
    "weight_bit": "ann.weight_bit",
    "activation_bit": "ann.activation_bit",
}
NUMBER = r"(?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)"
VALUE = re.compile(NUMBER + r"\s*(?P<unit>[A-Za-z]*)", re.ASCII)
FACTOR = re.compile(r"x\s*" + NUMBER, re.ASCII)


@dataclass(frozen=True)
class Change:
    """One price that a user set.

    Attributes:
        key: Key of the price, as in `settable`.
        now: New price.
        was: Price that it replaces; None if there was none.
        factor: The new price as a multiple of the old one, as text; None if it was given by itself.
    """

    key: str
    now: Quantity
    was: Quantity | None
    factor: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        was = None if self.was is None else f"{self.was.value} {self.was.unit}"
        return {
            "key": self.key,
            "value": self.now.value,
            "unit": self.now.unit,
            "was": was,
            "was_source": None if self.was is None else self.was.source,
            "how": None
            if self.factor is None or self.was is None
            else multiple(self.factor, self.was),
        }


def multiple(factor: str, was: Quantity) -> str:
    """How a price is named that is a multiple of the target's own, with what that one is."""
    return f"{factor} x sourced price ({was.source}, {was.kind})"


def settable(chip: Chip) -> dict[str, tuple[str, Quantity | None]]:
    """By key, its dimension (energy, time, power) and the present price.

    An energy price is MODEL.EVENT; others are latency.MODEL.EVENT, barrier.MODEL.TILES and
    power.NAME, as in the chip's file. They are followed by those without a price there:
    MODEL.EVENT of every event that the model must price, MODEL.chip_reset and the keys of ANN.
    """
    stated: dict[str, tuple[str, Quantity | None]] = {}
    for key, quantity in chip.quantities():
        section, _, rest = key.partition(".")
        if section in DIMENSIONS:
            stated[rest if section == "energy" else key] = (DIMENSIONS[section], quantity)
    extra = (
        f"{model}.{event}"
        for model, prices in chip.energy.items()
        for event in (*lacking(prices, chip.folded_in(model)), "chip_reset")
    )
    unpriced = [key for key in extra if key not in stated]
    added: dict[str, tuple[str, Quantity | None]]
    added = dict.fromkeys([*unpriced, *ANN.values()], ("energy", None))
    if chip.reset is not None:  # [reset] states a price that no model charges by itself
        resets = {key: ("energy", chip.reset.chip) for key in unpriced if _of_reset(key)}
        added.update(resets)
    return {**stated, **added}


def _of_reset(key: str) -> bool:
    return key.endswith(".chip_reset")


EXAMPLES = {"energy": "20pJ", "time": "5ns", "power": "30mW"}


def _example(key: str, dimension: str) -> str:
    """A value of the usual order for a key."""
    return "5uJ" if _of_reset(key) else EXAMPLES[dimension]


DIMENSIONS = {"energy": "energy", "latency": "time", "barrier": "time", "power": "power"}


def parse(assignments: Iterable[str], chip: Chip) -> dict[str, Change]:
    """The changes that `--set` asks for, by key.

    Raises:
        BadInput: If the chip does not have a key (the message names the nearest ones), a value
            has no unit or a wrong one, is negative or too large, a key is set twice, or it is of
            a time or a price that nothing is computed from.
    """
    keys = settable(chip)
    changes: dict[str, Change] = {}
    for text in assignments:
        key, equals, value = (part.strip() for part in text.partition("="))
        key = key.removeprefix("energy.")
        if not equals:
            raise BadInput(
                f"--set {text}: no '='. Write it as KEY=VALUE, with a unit: KEY=20pJ; or as a "
                "multiple of the sourced price: KEY=x2."
            )
        if key not in keys:
            raise BadInput(
                f"--set {text}: {chip.name} has no price '{key}'. {_nearest(key, keys, chip)}"
            )
        if why := _in_no_total(key):
            raise BadInput(f"--set {text}: this changes nothing: {why}. Leave it out.")
        if key in changes:
            raise BadInput(f"--set {text}: '{key}' is set twice. Set it once.")
        dimension, was = keys[key]
        factor = FACTOR.fullmatch(value)
        changes[key] = (
            Change(key, _quantity(text, value, dimension, _example(key, dimension)), was)
            if factor is None
            else _multiplied(text, key, factor["number"], dimension, was)
        )
        _doubt(text, changes[key])
    return changes


def _in_no_total(key: str) -> str:
    """Why no modelled time or total depends on a number of the chip; "" if one may."""
    section, event = key.partition(".")[0], key.rpartition(".")[2]
    if section == "latency" and event in IN_NO_STEP:
        return f"no modelled time contains it, since {IN_NO_STEP[event]}"
    if section not in DIMENSIONS and event == "synaptic_update":
        return f"it is never charged, since {IN_NO_STEP[event]}"
    return ""


def with_changes(chip: Chip, changes: Mapping[str, Change]) -> Chip:
    """The chip with the prices that were set."""
    prices = {
        section: {model: dict(events) for model, events in getattr(chip, section).items()}
        for section in ("energy", "latency")
    }
    times = {model: dict(one.times) for model, one in chip.barrier.items()}
    power = {} if chip.power is None else dict(vars(chip.power))
    for key, change in changes.items():
        if key in ANN.values():
            continue
        section, _, rest = key.partition(".")
        if section == "power":
            power[rest] = change.now
            continue
        model, _, event = (rest if section in ("latency", "barrier") else key).rpartition(".")
        if section == "barrier":
            times[model][int(event)] = change.now
        else:
            prices["latency" if section == "latency" else "energy"][model][event] = change.now
    return replace(
        chip,
        power=None if chip.power is None else replace(chip.power, **power),
        sources={**chip.sources, **_source(changes)},
        barrier=MappingProxyType(
            {
                model: replace(one, times=MappingProxyType(times[model]))
                for model, one in chip.barrier.items()
            }
        ),
        energy=_frozen(prices["energy"]),
        latency=_frozen(prices["latency"]),
    )


def _frozen(prices: Mapping[str, Mapping[str, Quantity]]) -> Mapping[str, Prices]:
    return MappingProxyType({model: MappingProxyType(dict(one)) for model, one in prices.items()})


def with_reset(chip: Chip) -> Chip:
    """The chip whose models charge each reset between samples, at the price that a source states.

    A price that a model has already, because a user set it, stays.

    Raises:
        BadInput: If no source states a price for this chip.
    """
    if chip.reset is None or not chip.energy:
        raise BadInput(
            f"--charge-reset: no source states the energy of a reset of {chip.name}. Give a price "
            "of your own: --set MODEL.chip_reset=5uJ."
        )
    price = {"chip_reset": chip.reset.chip}
    return replace(chip, energy=_frozen({m: price | dict(p) for m, p in chip.energy.items()}))


def with_cores(chip: Chip, cores: int) -> Chip:
    """The chip with so many cores; its mesh stays, and a larger network needs several chips."""
    mark = Quantity(cores, "core", USER, f"--cores-per-chip {cores}", "assumed")
    return replace(
        chip,
        limits=replace(chip.limits, cores=mark),
        sources={**chip.sources, USER: {"title": "an option of the command line"}},
    )


def with_chips(chip: Chip, chips: int | None) -> Chip:
    """The chip with so many chips allowed; None leaves what its own file says."""
    if chips in (None, chips_allowed(chip)):
        return chip
    mark = Quantity(chips, "chip", USER, f"--chips {chips}", "assumed")
    return replace(
        chip,
        limits=replace(chip.limits, chips=mark),
        sources={**chip.sources, USER: {"title": "an option of the command line"}},
    )


def _source(changes: Mapping[str, Change]) -> dict[str, dict[str, str]]:
    option = "an option of the command line"
    return {
        change.now.source: {
            "title": option
            if change.factor is None
            else f"{option}, which multiplies the price that the target states with its source"
        }
        for change in changes.values()
    }


def _multiplied(text: str, key: str, number: str, dimension: str, was: Quantity | None) -> Change:
    """The sourced price times a factor.

    Raises:
        BadInput: If there is no sourced price, or the factor is not above 0 or is too large.
    """
    if was is None:
        why = (
            f"the price '{key}' is not the target's: it depends on the network's widths and sizes"
            if key in ANN.values()
            else f"the target states no price '{key}' to multiply"
        )
        example = f"{key}={_example(key, dimension)}"
        raise BadInput(f"--set {text}: {why}. Give a price with a unit: {example}.")
    factor = _decimal(number)
    if factor <= 0:
        raise BadInput(
            f"--set {text}: the factor {number} is not above 0. Write x2 or x0.5; a price of 0 is "
            f"{key}=0{was.unit}."
        )
    if not 1 / Decimal(MAX_VALUE) <= factor <= Decimal(MAX_VALUE):
        raise BadInput(
            f"--set {text}: the factor {number} is not from {1 / MAX_VALUE:g} to {MAX_VALUE:g}. "
            f"Give a price with a unit: {key}={_example(key, dimension)}."
        )
    product = factor * Decimal(str(was.value))
    if product > Decimal(MAX_VALUE):
        raise BadInput(
            f"--set {text}: {number} x {was.value} {was.unit} is above {MAX_VALUE:g}. Give a price "
            f"with a unit: {key}={_example(key, dimension)}."
        )
    named = f"{factor.normalize():f}"
    now = replace(
        was,
        value=_plain(product),
        source=f"{USER}, {multiple(named, was)}",
        where=f"--set {text}: {named} x {was.value} {was.unit} of {was.source}",
        kind="assumed",
    )
    return Change(key, now, was, named)


def _decimal(number: str) -> Decimal:
    """A number as it is written; one with an exponent that no decimal has is 0 or infinite."""
    try:
        return Decimal(number)
    except InvalidOperation:
        return Decimal(float(number))


def _plain(number: Decimal) -> int | float:
    return int(number) if number == number.to_integral_value() else float(number)


def _quantity(text: str, value: str, dimension: str, example: str) -> Quantity:
    units = UNITS[dimension]
    allowed = (
        f"Give a number of at least 0 and one of {', '.join(units)}: {example}; or a "
        "multiple of the sourced price: x2."
    )
    match = VALUE.fullmatch(value)
    if match is None:
        raise BadInput(f"--set {text}: '{value}' is not a number with a unit. {allowed}")
    number, unit = match["number"], match["unit"]
    if not unit:
        raise BadInput(f"--set {text}: {number} has no unit. {allowed}")
    if unit not in units:
        raise BadInput(f"--set {text}: '{unit}' is not a unit of {dimension}. {allowed}")
    exact = _decimal(number)
    if exact < 0:
        raise BadInput(f"--set {text}: {number} is negative. {allowed}")
    if exact > Decimal(MAX_VALUE):
        raise BadInput(f"--set {text}: {number} is above {MAX_VALUE:g}. {allowed}")
    return Quantity(_plain(exact), unit, USER, f"--set {text}", "assumed", power=units[unit])


def _doubt(text: str, change: Change) -> None:
    """Warn if a price of the user's own is far from the usual."""
    key, stem = change.key, change.key.partition(".")[0]
    section = "reset" if _of_reset(key) else stem if stem in DIMENSIONS else "energy"
    if why := unusual(key if section == stem else f"{section}.{key}", change.now):
        warnings.warn(f"--set {text}: {why}", Doubtful, stacklevel=3)


def _nearest(key: str, keys: Mapping[str, Any], chip: Chip) -> str:
    useful = [other for other in keys if not _in_no_total(other)]
    near = get_close_matches(key, useful, n=4, cutoff=0.5)
    if near:
        return f"Nearest: {', '.join(near)}."
    models = ", ".join(chip.energy) or "none"
    return (
        f"Keys are MODEL.EVENT (models: {models}), latency.MODEL.EVENT, barrier.MODEL.TILES, "
        f"power.NAME, {', '.join(ANN.values())}; "
        f"`neurocompile targets {chip.name}` lists them."
    )
