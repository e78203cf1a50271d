"""Write the tables of docs/targets.md: every target, what is known of each, what a file may state.

In:  targets/*/target.toml; STEP_ALLOWS of chip/record.py.
Out: the text between the marks `targets`, `known` and `formats` in docs/targets.md.
What is known, assumed and unknown follows from the kind of each number, and from what a file could
state and does not.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path

from neurocompile.chip.needed import lacking
from neurocompile.chip.read import load_chip
from neurocompile.chip.record import (
    STEP_ALLOWS,
    UNITS,
    Chip,
    Errors,
    Limits,
    Memory,
    Mesh,
    Power,
    Quantity,
    Reset,
)

PAGE = Path(__file__).parent / "targets.md"
FOLDER = Path(__file__).parents[1] / "targets"
SECTIONS = {
    "limits": Limits, "memory": Memory, "mesh": Mesh, "power": Power, "reset": Reset,
}  # fmt: skip
OPTIONAL = ("chips", "static_low", "static_high")  # nothing is missing where these are not stated


def main() -> int:
    """Write the page."""
    PAGE.write_text(filled(PAGE.read_text()))
    return 0


def filled(page: str) -> str:
    """The page with its tables."""
    for mark, text in (("targets", table()), ("known", known()), ("formats", formats())):
        block = re.compile(rf"(<!-- begin {mark} -->\n).*?(<!-- end {mark} -->)", flags=re.DOTALL)
        page, times = block.subn(lambda found, t=text: found[1] + t + found[2], page)
        assert times == 1, mark
    return page


def chips() -> list[Chip]:
    """Every chip that ships, by name."""
    return [load_chip(path.parent) for path in sorted(FOLDER.glob("*/target.toml"))]


def table() -> str:
    """One row per target."""
    lines = ["| target | what it is | cores | energy models |", "|---|---|--:|---|"]
    for chip in chips():
        cores = "no limit" if chip.limits.cores is None else str(chip.limits.cores.value)
        models = [m + (" (nominal)" if m == chip.nominal else "") for m in chip.energy]
        lines.append(f"| `{chip.name}` | {chip.title} | {cores} | {', '.join(models) or 'none'} |")
    return "\n".join(lines) + "\n"


def known() -> str:
    """A table per chip with limits: what sources state, what is assumed, what nothing states."""
    return "\n".join(known_of(chip) for chip in chips() if chip.limits.cores is not None)


def known_of(chip: Chip) -> str:
    """What is known of one chip, a row per section and model."""
    numbers: dict[str, list[tuple[str, Quantity]]] = {}
    for key, quantity in chip.quantities():
        section, _, name = key.rpartition(".")
        numbers.setdefault(section, []).append((name, quantity))
    missing = unknown(chip)
    lines = [f"{chip.title} (`{chip.name}`):", "", "| part | known | assumed | not known |"]
    lines.append("|---|---|---|---|")
    for section in dict.fromkeys((*numbers, *missing)):
        stated = numbers.get(section, [])
        cells = (
            listed((name, q) for name, q in stated if q.kind != "assumed"),
            ", ".join(f"`{name}` {shown(q)}" for name, q in stated if q.kind == "assumed"),
            ", ".join(f"`{name}`" for name in missing.get(section, ())),
        )
        lines.append(f"| {section} | {' | '.join(cell or '-' for cell in cells)} |")
    return "\n".join(lines) + "\n"


def unknown(chip: Chip) -> dict[str, list[str]]:
    """By section, what a file could state and this one does not."""
    missing = {}
    for section, kind in SECTIONS.items():
        part = getattr(chip, section)
        if part is None or isinstance(part, kind):
            names = [f.name for f in fields(kind) if getattr(part, f.name, None) is None]
            missing[section] = [name for name in names if name not in OPTIONAL]
    for model, prices in chip.energy.items():
        missing[f"energy.{model}"] = lacking(prices, chip.folded_in(model))
        if model not in chip.errors:
            missing[f"errors.{model}"] = [f.name for f in fields(Errors)]
    for section in ("latency", "barrier"):
        if not getattr(chip, section):
            missing[section] = ["every time"]
    return {section: names for section, names in missing.items() if names}


def listed(numbers: Iterable[tuple[str, Quantity]]) -> str:
    """Numbers by how they were obtained."""
    by_kind: dict[str, list[str]] = {}
    for name, quantity in numbers:
        by_kind.setdefault(quantity.kind, []).append(f"`{name}` {shown(quantity)}")
    return "; ".join(f"{kind}: {', '.join(names)}" for kind, names in by_kind.items())


def shown(quantity: Quantity) -> str:
    """A number and its unit where it has one."""
    value = quantity.value
    text = ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
    if isinstance(value, bool):
        text = "yes" if value else "no"
    bare = quantity.unit in ("1", "name", "flag", *UNITS["count"])
    return text if bare else f"{text} {quantity.unit}"


def formats() -> str:
    """One row per number of [formats]: what a file may state."""
    lines = ["| `[formats]` | a target may state |", "|---|---|"]
    for name, (low, high) in STEP_ALLOWS.items():
        lines.append(f"| `{name}` | {f'only {low}' if low == high else f'{low} to {high}'} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
