"""Read a chip's number formats, limits and prices from targets/<chip>/target.toml.

In:  the name of a target (`chip/find.py`), a target.toml or its folder.
Out: a frozen Chip; every number in it is a Quantity that names its source.
A file is refused if it has an unknown key, a number without unit or source, a limit of 0, or a
number format that the integer step does not have. A price that is far from the usual is a warning.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import MISSING, fields
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, NoReturn

from neurocompile.chip.find import chip_names, find_target
from neurocompile.chip.needed import NEEDED
from neurocompile.chip.record import (
    BETWEEN,
    EVENTS,
    KINDS,
    LAYOUTS,
    RESETS,
    STEP_ALLOWS,
    UNITS,
    Barrier,
    Chip,
    Errors,
    Folded,
    Formats,
    Limits,
    Memory,
    Mesh,
    Power,
    Prices,
    Quantity,
    Reset,
    Words,
    dimensions,
)
from neurocompile.chip.usual import unusual
from neurocompile.errors import BadInput, Doubtful, did_you_mean, path_of
from neurocompile.ir.chip_neurons import CHIP_NEURONS
from neurocompile.toml_text import parse_toml

__all__ = ["Chip", "Quantity", "chip_names", "load_chip"]

MOST_DIGITS = 9  # of a number of tiles
TILES = f"a whole number above 0, of at most {MOST_DIGITS} digits"
MOST_WARNINGS = 20  # of one file
LONGEST = 200  # letters of a key or value in a message
MAX_BYTES = 1 << 20  # a chip is a page of numbers; a larger file is given by mistake
MAX_WHOLE = 1 << 40  # no chip has more of anything; products must fit numpy's integers
MAX_VALUE = 1e9  # in any unit (a joule is 1e12 pJ): no price, time or power of an event is higher


def load_chip(name_or_path: str | Path) -> Chip:
    """The chip with this name, or the one in a target.toml given by its path or folder.

    Nothing else in a folder is read, and no code in it is run.

    Raises:
        BadInput: If there is no such chip, or its file breaks a rule of this module.

    Warns:
        Doubtful: If a price, time or power is far from the usual.
    """
    path_of(name_or_path, "the chip")
    path = find_target(name_or_path)
    reader = _Reader(path)
    chip = reader.chip()
    doubts = [(key, why) for key, one in chip.quantities() if (why := unusual(key, one))]
    for key, why in doubts[:MOST_WARNINGS]:
        place = reader.place(tuple(key.split(".")))
        warnings.warn(f"{place}: {why}", Doubtful, stacklevel=2)
    if len(doubts) > MOST_WARNINGS:
        more = f"{path}: {len(doubts) - MOST_WARNINGS} more numbers are unusual."
        warnings.warn(more, Doubtful, stacklevel=2)
    if str(name_or_path) in chip_names() and chip.name != str(name_or_path):
        raise BadInput(
            f"{path}: chip.name: '{chip.name}'. Allowed: '{name_or_path}', the name under which "
            "this target is found."
        )
    return chip


class _Reader:
    """Turns one target.toml into a Chip; keeps the text, so that messages can name lines."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            size = path.stat().st_size
            if size > MAX_BYTES:
                raise BadInput(f"{path}: {size} bytes, but a target.toml has at most {MAX_BYTES}.")
            self.text = path.read_bytes().decode("utf-8")
            self.data = parse_toml(self.text)
        except OSError as error:
            raise BadInput(f"{path}: cannot be read: {error.strerror}.") from None
        except ValueError as error:  # bad TOML, bad UTF-8
            raise BadInput(f"{path}: this is not valid TOML: {error}.") from None

    def chip(self) -> Chip:
        data, sections = self.data, {"mesh": Mesh, "power": Power, "reset": Reset}
        models = ("energy", "latency", "barrier", "errors", "folded")
        optional = ("limits", "memory", *sections, *models)
        self._keys((), data, ("chip", "sources", "formats"), optional)
        self._keys(("chip",), data["chip"], ("name", "title"), ("nominal",))
        for key in ("name", "title", "nominal"):
            self._text(("chip", key), data["chip"].get(key, "none"))
        self._sources()
        parts = {
            name: self._part((name,), data[name], kind) if name in data else None
            for name, kind in sections.items()
        }
        chip = Chip(
            name=data["chip"]["name"],
            title=data["chip"]["title"],
            formats=self._part(("formats",), data["formats"], Formats),
            limits=self._part(("limits",), data.get("limits", {}), Limits),
            memory=self._memory() if "memory" in data else None,
            energy=self._models("energy", "energy"),
            latency=self._models("latency", "time"),
            barrier=self._barriers(),
            errors=self._of_models("errors", Errors),
            folded=self._of_models("folded", Folded),
            nominal=data["chip"].get("nominal", ""),
            sources=MappingProxyType(data["sources"]),
            **parts,
        )
        self._check(chip)
        return chip

    def _check(self, chip: Chip) -> None:
        """Check the rules that involve several sections."""
        if chip.nominal and chip.nominal not in chip.energy:
            found = f"{chip.nominal!r} is not a model of [energy]"
            self._refuse(("chip", "nominal"), found, _list(chip.energy))
        if chip.power and not chip.power.running:
            allowed = "at least one power beside idle_before"
            self._refuse(("power",), "no power of a chip that has run a network", allowed)
        priced = {*chip.energy, *chip.latency}
        for section in ("errors", "folded"):
            for name in getattr(chip, section):
                if name not in priced:
                    self._refuse((section, name), "not a model of this file", _list(sorted(priced)))
        self._check_folded(chip)
        for name, (low, high) in STEP_ALLOWS.items():
            value = getattr(chip.formats, name).value
            if not low <= value <= high:
                allowed = f"{low}" if low == high else f"{low} to {high}"
                why = "the compiler computes neurons, weights and delays with no other value"
                self._refuse(("formats", name, "value"), f"{value}", f"{allowed}; {why}")
        neurons = tuple(kind.__name__ for kind in CHIP_NEURONS)
        for field, known in (("resets", RESETS), ("neurons", neurons)):
            names = getattr(chip.formats, field).value
            unknown = [name for name in names if name not in known]
            if unknown or not names:
                self._refuse(
                    ("formats", field, "value"), f"{unknown or 'an empty list'}", _list(known)
                )
        if chip.limits.synapse_memory_per_core and chip.memory is None:
            self._refuse(
                ("limits", "synapse_memory_per_core"),
                "a limit on memory, but no section [memory]",
                "this limit only with a section [memory], which says how synapses are stored",
            )
        for section, models in (("energy", chip.energy), ("latency", chip.latency)):
            for model, prices in models.items():
                twice = [p for p in ("neuron_active", "neuron_inactive") if p in prices]
                if twice and ("neuron_access" in prices or "neuron_update" in prices):
                    self._refuse(
                        (section, model, twice[0]),
                        "a neuron's step is priced twice",
                        "neuron_active with neuron_inactive, or neuron_access with neuron_update",
                    )

    def _check_folded(self, chip: Chip) -> None:
        """Check that what a model folds into other prices is an event, and has no price too."""
        for model in chip.folded:
            at = ("folded", model, "events")
            prices = {**chip.energy.get(model, {}), **chip.latency.get(model, {})}
            for event in chip.folded_in(model):
                if event not in NEEDED:
                    self._refuse(at, f"{event!r} is not charged", _list(NEEDED))
                if event in prices:
                    allowed = "an event without a price or time in this model"
                    self._refuse(at, f"{event} has one of its own", allowed)

    def _sources(self) -> None:
        sources = self.data["sources"]
        self._keys(("sources",), sources, (), None)
        for key, source in sources.items():
            self._keys(("sources", key), source, ("title",), ("link",))
            for name, value in source.items():
                self._text(("sources", key, name), value)

    def _memory(self) -> Memory | Words:
        """How synapses are stored, by one of the layouts."""
        self._keys(("memory",), self.data["memory"], (), None)
        table = dict(self.data["memory"])
        layout = table.pop("layout", "lists")
        if not isinstance(layout, str) or layout not in LAYOUTS:
            self._refuse(("memory", "layout"), f"{layout!r}", _list(LAYOUTS))
        memory: Memory | Words = self._part(("memory",), table, LAYOUTS[layout])
        return memory

    def _part(self, at: tuple[str, ...], table: Any, kind: Any) -> Any:
        """A section whose keys are the fields of a dataclass."""
        needed = tuple(f.name for f in fields(kind) if f.default is MISSING)
        self._keys(at, table, needed, tuple(f.name for f in fields(kind)))
        dimension = dimensions(kind)
        return kind(**{k: self._quantity((*at, k), v, dimension[k]) for k, v in table.items()})

    def _models(self, section: str, dimension: str) -> Mapping[str, Prices]:
        """The models of a section, each with its prices."""
        models = {}
        self._keys((section,), self.data.get(section, {}), (), None)
        for model, table in self.data.get(section, {}).items():
            at = (section, model)
            self._keys(at, table, (), EVENTS)
            prices = {k: self._quantity((*at, k), v, dimension) for k, v in table.items()}
            models[model] = MappingProxyType(prices)
        return MappingProxyType(models)

    def _of_models(self, section: str, kind: Any) -> Mapping[str, Any]:
        """A section that says something of each model, such as its error."""
        table = self.data.get(section, {})
        self._keys((section,), table, (), None)
        return MappingProxyType({m: self._part((section, m), t, kind) for m, t in table.items()})

    def _barriers(self) -> Mapping[str, Barrier]:
        """The models of the barrier: times by number of tiles, and the rule in between."""
        barriers = {}
        self._keys(("barrier",), self.data.get("barrier", {}), (), None)
        for model, table in self.data.get("barrier", {}).items():
            at = ("barrier", model)
            self._keys(at, table, ("between",), None)
            if table["between"] not in BETWEEN:
                self._refuse((*at, "between"), f"{table['between']!r}", _list(BETWEEN))
            times: dict[int, Quantity] = {}
            for key in (key for key in table if key != "between"):
                if not (key.isdecimal() and len(key) <= MOST_DIGITS and int(key) > 0):
                    self._refuse((*at, key), "not a number of tiles", TILES)
                times[int(key)] = self._quantity((*at, key), table[key], "time")
            if not times:
                self._refuse(at, "no time", "a time for at least one number of tiles")
            barriers[model] = Barrier(
                table["between"], MappingProxyType(dict(sorted(times.items())))
            )
        return MappingProxyType(barriers)

    def _quantity(self, at: tuple[str, ...], table: Any, dimension: str) -> Quantity:
        if not isinstance(table, dict):
            whole = "{ value = ..., unit = ..., source = ..., where = ..., kind = ... }"
            self._refuse(at, f"{table!r} without unit and source", whole)
        self._keys(at, table, ("value", "unit", "source", "where", "kind"), ())
        for key in ("unit", "source", "where", "kind"):
            self._text((*at, key), table[key])
        for key, allowed in (
            ("unit", tuple(UNITS[dimension])),
            ("source", tuple(self.data["sources"])),
            ("kind", KINDS),
        ):
            if table[key] not in allowed:
                self._refuse((*at, key), f"{table[key]!r}", _list(allowed))
        value = self._value((*at, "value"), table["value"], dimension, table["unit"])
        return Quantity(**{**table, "value": value}, power=UNITS[dimension][table["unit"]])

    def _value(self, at: tuple[str, ...], value: Any, dimension: str, unit: str) -> Any:
        whole = isinstance(value, int) and not isinstance(value, bool)
        if dimension == "flag":
            good, allowed = isinstance(value, bool), "true or false"
        elif dimension == "names":
            return self._names(at, value)
        elif dimension == "widths":
            good = isinstance(value, list) and all(type(v) is int and 0 < v <= 64 for v in value)
            good = bool(good and value and value == sorted(set(value)))
            allowed = "ascending widths of 1..64, at least one"
            value = tuple(value) if good else value
        elif dimension == "number":
            good, allowed = whole and abs(value) <= MAX_WHOLE, "a whole number"
        elif dimension in ("count", "width"):
            good = whole and 0 < value <= MAX_WHOLE
            allowed = f"a whole number above 0, at most {MAX_WHOLE}"
        elif dimension == "part":
            good = (whole or isinstance(value, float)) and 0 <= value < 100
            allowed = f"a number (without quotes) from 0 to below 100 {unit}"
        else:
            good = (whole or isinstance(value, float)) and 0 <= value <= MAX_VALUE
            allowed = f"a number (without quotes) from 0 to {MAX_VALUE:g} {unit}"
        return value if good else self._refuse(at, f"{value!r}", allowed)

    def _names(self, at: tuple[str, ...], value: Any) -> tuple[str, ...]:
        good = isinstance(value, list) and all(isinstance(v, str) and v.strip() for v in value)
        if not good:
            self._refuse(at, f"{value!r}", "a list of names")
        return tuple(value)

    def _text(self, at: tuple[str, ...], value: Any) -> None:
        if not isinstance(value, str) or not value.strip():
            self._refuse(at, f"{value!r}", "a non-empty text")

    def _keys(
        self,
        at: tuple[str, ...],
        table: Any,
        needed: tuple[str, ...],
        more: tuple[str, ...] | None,
    ) -> None:
        """Refuse anything but a table with the needed keys and at most `more` (None: any)."""
        if not isinstance(table, dict):
            self._refuse(at, f"{table!r}", "a table")
        for key in needed:
            if key not in table:
                self._refuse(at, f"is missing: {key}", _list(needed))
        for key in table:
            if more is not None and key not in needed and key not in more:
                known = (*needed, *more)
                near = did_you_mean(key, known)
                self._refuse((*at, key), "an unknown key", _list(known), near)

    def _refuse(self, at: tuple[str, ...], found: str, allowed: str, near: str = "") -> NoReturn:
        key, found = _cut(".".join(at) or "the file"), _cut(found)
        raise BadInput(f"{self.place(at)}: {key}: {found}. Allowed: {allowed}.{near}")

    def place(self, at: tuple[str, ...]) -> str:
        """The file, and the line of a key if it has one."""
        line = self._line(at)
        return f"{self.path}, line {line}" if line else f"{self.path}"

    def _line(self, at: tuple[str, ...]) -> int:
        """Number of the line that matches a key best, or 0."""
        return next((self.lines[at[:n]] for n in range(len(at), 0, -1) if at[:n] in self.lines), 0)

    @cached_property
    def lines(self) -> Mapping[tuple[str, ...], int]:
        """Number of the line on which a key stands first; tomllib keeps no positions."""
        header: tuple[str, ...] = ()
        found: dict[tuple[str, ...], int] = {}
        for number, line in enumerate(self.text.splitlines(), start=1):
            bare = line.split("#")[0].strip()
            if bare.startswith("["):
                key = header = tuple(bare.strip("[]").split("."))
            else:
                key = (*header, *bare.split("=")[0].strip().split("."))
            found.setdefault(key, number)
        return found


def _cut(text: str) -> str:
    """A text of a stranger as a message holds it."""
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def _list(names: Any) -> str:
    return ", ".join(str(name) for name in names) or "none"
