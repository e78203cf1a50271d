"""Measure how near the fixed engine is to its floors, at any activity.

In:  the shipped checkpoint, this machine.
Out: bench/floors.json and tables in docs/benchmarks.md.
Two floors, measured in the same run: torch's float32 products (`activity`), and what this
machine's memory and int8 units allow at all (`physical`). All take turns; the best of each counts.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import activity
import physical
import table as tables
from exchange import write
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent
ROOT = HERE.parent
MODEL = ROOT / "examples" / "models" / "mnist_autoencoder.pt"
FOLDER = ROOT / "build" / "floors"
WIDE, SHIPPED = "dense 4,096 x 4,096", "the shipped network"
BUSY = 0.5  # share of the neurons that spike, from which the wide layer has a goal of its own
FLOORS = (("float32 floor", "of_floor"), ("physical floor", "of_physical"))
console = Console()


def main() -> None:
    """Run every measurement."""
    options = arguments()
    console.print(f"writing the network to {FOLDER}")
    write(MODEL, FOLDER, activity.SAMPLES)
    file = FOLDER / "whole.onnx"
    console.print("peaks of this machine")
    limits = physical.limits(options.rounds)
    console.print("activity")
    results = {
        "machine": tables.machine(),
        "packages": tables.versions("neurocompile", "torch", "numpy", "numba"),
        "rounds": options.rounds,
        "limits": vars(limits) | {"text": limits.text()},
        "digits": activity.digits(limits, file, FOLDER / "network.npz", 3 * options.rounds),
        "activity": {
            SHIPPED: activity.shipped_network(limits, file, options.rounds),
            WIDE: activity.wide_layer(limits, options.rounds),
        },
    }
    results["load"] = os.getloadavg()[0]
    results["figures"] = [f.as_json() for f in figures(results)]
    show(results)
    if options.dry:
        return
    (HERE / "floors.json").write_text(json.dumps(results, indent=2) + "\n")
    tables.put(markdown(results), "floors")


def arguments() -> argparse.Namespace:
    """The arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="turns of each")
    parser.add_argument("--dry", action="store_true", help="write no file of the repository")
    return parser.parse_args()


def figures(results: Mapping[str, Any]) -> list[tables.Figure]:
    """The figures with a goal."""
    (digits,) = results["digits"]["rows"]
    found = [
        tables.Figure("ours / float32 floor, digits", digits["of_floor"], 0.4, False),
    ]
    for name, sweep in results["activity"].items():
        worst = max(row["of_floor"] for row in sweep["rows"])
        title = f"ours / float32 floor, worst activity, {name}"
        found.append(tables.Figure(title, worst, 1, False))
    wide = results["activity"][WIDE]
    busy = max(row["of_floor"] for row in wide["rows"] if row["activity"] >= BUSY)
    found.append(tables.Figure(f"ours / float32 floor, 50 and 100 %, {WIDE}", busy, 0.6, False))
    return found


def markdown(results: Mapping[str, Any]) -> str:
    """The tables of the page."""
    lines = tables.markdown(
        ("figure", "measured", "goal"), [figure["texts"] for figure in results["figures"]]
    )
    return "\n".join([*lines, "", *activities(results), "", about(results)])


def activities(results: Mapping[str, Any]) -> list[str]:
    """Time over both floors by activity."""
    sweeps = results["activity"]
    head = (
        "neurons that spike in a step",
        *(f"time / {floor}, {name}" for name in sweeps for floor, _ in FLOORS),
    )
    by_rate = zip(*(sweep["rows"] for sweep in sweeps.values()), strict=True)
    rates = [
        (
            f"{100 * rows[0]['activity']:.0f} %",
            *(tables.number(row[key]) for row in rows for _, key in FLOORS),
        )
        for rows in by_rate
    ]
    (digits,) = results["digits"]["rows"]
    real = (tables.number(digits[key]) for _, key in FLOORS)
    return tables.markdown(head, [*rates, ("test digits", *real, "", "")])


def about(results: Mapping[str, Any]) -> str:
    """The peaks of the machine, the shipped network in seconds, machine, versions, method."""
    digits, samples = results["digits"], results["digits"]["samples"]
    ours, floor, least = (
        tables.number(1e3 * seconds / samples)
        for seconds in (
            digits["rows"][0]["seconds"], digits["floor_seconds"], digits["physical_seconds"]
        )
    )  # fmt: skip
    return (
        f"{results['limits']['text']} A test digit takes {ours} ms in the shipped network, the "
        f"float32 floor {floor} ms ({digits['floor']}), the physical floor {least} ms. "
        f"{results['machine']}, {tables.listed(results['packages'])}. "
        f"Best of {results['rounds']} rounds in turns, on one and on two threads, at a load of "
        f"{results['load']:.1f} processes on these cores: 1 to 2 are the bench's own."
    )


def show(results: Mapping[str, Any]) -> None:
    """Print the same in a terminal."""
    reached = Table("figure", "measured", "goal", box=SIMPLE_HEAD)
    for figure in results["figures"]:
        reached.add_row(*figure["texts"])
    console.print(reached)
    for line in activities(results):
        console.print(line)
    console.print(about(results))


if __name__ == "__main__":
    main()
