"""Write the tables of docs/energy.md: the shipped autoencoder's terms and totals.

In:  examples/models/mnist_autoencoder.pt, 20 digits, the fixed engine.
Out: the text between the marks in docs/energy.md. The sentences around it are written by hand and
     quote no figure of the network except from these tables.
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import neurocompile as nc
from neurocompile.commands.energy.reprice import reprice
from neurocompile.terminal.screen import Screen
from neurocompile.terminal.words import exact, joules

PAGE = Path(__file__).parent / "energy.md"
MODEL = Path(__file__).parents[1] / "examples/models/mnist_autoencoder.pt"
SAMPLES = 20


def main() -> int:
    """Write, or with --check say whether the page is stale."""
    with tempfile.TemporaryDirectory() as folder, Screen(quiet=True) as screen:
        out = Path(folder) / "mnist"
        nc.compile(MODEL, "loihi-sim", data=nc.Sampling(samples=SAMPLES)).export(out)
        found = reprice(out, nc.Sampling(), teller=screen)
    old = PAGE.read_text()
    new = filled(old, found)
    if sys.argv[1:] == ["--check"]:
        return int(new != old)
    PAGE.write_text(new)
    return 0


def filled(page: str, found: dict[str, Any]) -> str:
    """The page with its tables."""
    made = {"terms": terms, "totals": totals, "static": static, "ann": without_spikes}
    for mark, table in ((mark, make(found)) for mark, make in made.items()):
        pattern = rf"(<!-- begin {mark} -->\n).*?(<!-- end {mark} -->)"
        page, n = re.subn(pattern, lambda m, t=table: m[1] + t + m[2], page, flags=re.DOTALL)
        assert n == 1, mark
    return page


def terms(found: dict[str, Any]) -> str:
    """Every term of the nominal model."""
    (model,) = (m for m in found["energy"]["models"] if m["name"] == found["nominal"])
    lines = ["| layer | event | count | x pJ | = nJ | source |", "|---|---|--:|--:|--:|---|"]
    lines += [
        f"| {t['layer']} | {t['quantity']} | {t['count']:,} | {exact(t['price_j'], -12)} | "
        f"{exact(t['energy_j'], -9)} | {t['source']}, {t['kind']} |"
        for t in model["terms"]
    ]
    lines.append(f"| all | total of {model['name']} | | | {exact(model['total_j'], -9)} | |")
    return "\n".join(lines) + "\n"


def totals(found: dict[str, Any]) -> str:
    """What a sample costs by each model, and what is listed beside it."""
    samples, ann, energy = found["samples"], found["ann"], found["energy"]
    lines = ["| per sample | joules | what it is |", "|---|--:|---|"]
    for model in found["energy"]["models"]:
        mark = "nominal" if model["name"] == found["nominal"] else "another complete model"
        lines.append(f"| {model['name']} | {joules(model['total_j'] / samples)} | {mark} |")
    lines += [
        f"| beside them | {error['part']:.0%} | error of {error['of']} that the authors of "
        f"{error['model']} state; {error['where']} |"
        for error in energy["errors"]
    ]
    low, high = (joules(energy["per_sample_j"][key]) for key in ("low_j", "high_j"))
    lines.append(f"| `low_j`, `high_j` | {low}, {high} | the nominal total with that error |")
    for row in energy["static"]["times"]:
        low, high = (joules(row[key] / samples) for key in ("low_j", "high_j"))
        how = f"static power, {row['mode']}" + (
            f", times of {row['model']}" if row["model"] else ""
        )
        lines.append(f"| beside it | {low} to {high} | {how} |")
    lines.append(
        f"| without spikes | {joules(ann['per_sample_j'])} | one pass: arithmetic "
        f"{joules(ann['arithmetic_j'])}, memory {joules(ann['memory_j'])} |"
    )
    for row in found["keras_spiking"]:
        if row["device"] == "loihi":
            total = joules(row["total_j"] / samples)
            lines.append(f"| keras-spiking, loihi | {total} | its own rule, comparison only |")
    return "\n".join(lines) + "\n"


def static(found: dict[str, Any]) -> str:
    """The static share of one chip: watts by name, and joules over each modelled time."""
    rows = found["energy"]["static"]
    names = [power["name"] for power in rows["powers"]]
    head = ("power of one chip", "mW", "source", "kind", "where")
    lines = ["| " + " | ".join(head) + " |", "|---|--:|---|---|---|"]
    lines += [
        f"| `{p['name']}` | {exact(p['chip_w'], -3)} | {p['source']} | {p['kind']} | {p['where']} |"
        for p in rows["powers"]
    ]
    lines += ["", f"| time of all {found['samples']} samples | us | "
              + " | ".join(f"{name}, uJ" for name in names) + " |"]  # fmt: skip
    lines.append("|---" + "|--:" * (1 + len(names)) + "|")
    for row in rows["times"]:
        how = row["mode"] + (f", times of {row['model']}" if row["model"] else "")
        spent = (exact(power["chip_w"] * row["time_s"], -6) for power in rows["powers"])
        lines.append(f"| {how} | {exact(row['time_s'], -6)} | {' | '.join(spent)} |")
    return "\n".join(lines) + "\n"


def without_spikes(found: dict[str, Any]) -> str:
    """Every term of the network without spikes, per sample."""
    ann = found["ann"]
    places = {f"{one['holds'][:-1]}_bit": one["in"] for one in ann["memory"]}
    lines = ["| event | count | x pJ | = nJ | where |", "|---|--:|--:|--:|---|"]
    lines += [
        f"| {t['quantity']} | {t['count']:,} | {exact(t['price_j'], -12)} | "
        f"{exact(t['energy_j'], -9)} | {places.get(t['quantity'], 'arithmetic of 8 bits')}, "
        f"{t['source']}, {t['kind']} |"
        for t in ann["terms"]
    ]
    lines.append(f"| total | | | {exact(ann['per_sample_j'], -9)} | |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
