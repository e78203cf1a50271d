"""Write the table of docs/placement.md that says what each objective costs.

In:  examples/models/mnist_autoencoder.pt, 20 digits, the fixed engine.
Out: the text between the marks `costs` in docs/placement.md: the figures that
     `neurocompile energy DIR --place ...` prints.
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path
from typing import Any, get_args

import neurocompile as nc
from neurocompile.commands.energy.reprice import WhatIf, reprice
from neurocompile.place.objective import Objective
from neurocompile.terminal.screen import Screen
from neurocompile.terminal.words import joules, prefixed

PAGE = Path(__file__).parent / "placement.md"
MODEL = Path(__file__).parents[1] / "examples/models/mnist_autoencoder.pt"
SAMPLES = 20
BLOCK = re.compile(r"(<!-- begin costs -->\n).*?(<!-- end costs -->)", flags=re.DOTALL)


def main() -> int:
    """Write the page."""
    with tempfile.TemporaryDirectory() as folder, Screen(quiet=True) as screen:
        out = Path(folder) / "mnist"
        nc.compile(MODEL, "loihi-sim", data=nc.Sampling(samples=SAMPLES)).export(out)
        PAGE.write_text(filled(PAGE.read_text(), costs(out, screen)))
    return 0


def costs(directory: Path, screen: Screen) -> list[dict[str, Any]]:
    """What `energy DIR --place` says, by objective."""
    return [
        reprice(directory, nc.Sampling(), WhatIf(fewest_of=few), teller=screen)
        for few in get_args(Objective)
        if few != "halves"  # compares nothing, and is meant for Loihi 2
    ]


def filled(page: str, found: list[dict[str, Any]]) -> str:
    """The page with its table."""
    made, times = BLOCK.subn(lambda block: block[1] + table(found) + block[2], page)
    assert times == 1
    return made


def table(found: list[dict[str, Any]]) -> str:
    """One row per objective; a sample takes T + depth steps, as fast as possible."""
    models = [model["name"] for model in found[0]["energy"]["models"]]
    head = ["`--place`", "cores", "messages per sample"]
    head += [f"{what} per sample, {m}" for what in ("time", "joules") for m in models]
    lines = ["| " + " | ".join(head) + " |", "|---|" + "--:|" * (len(head) - 1)]
    for one in found:
        samples = one["samples"]
        terms = one["energy"]["models"][0]["terms"]
        messages = sum(t["count"] for t in terms if t["quantity"] == "message_within_tile")
        times = {
            r["model"]: r["sample_s"] for r in one["latency"] if r["samples_follow"] == "reset"
        }
        energies = {m["name"]: m["total_j"] / samples for m in one["energy"]["models"]}
        cells = [f"`{one['fewest_of']}`", str(one["cores_used"]), f"{messages / samples:,.0f}"]
        cells += [prefixed(times[m], "s") for m in models] + [joules(energies[m]) for m in models]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
