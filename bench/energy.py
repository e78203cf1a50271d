"""Measure how long an energy estimate from a recorded run of 1,000 samples takes.

In:  the shipped checkpoint.
Out: a table and bench/energy.json: seconds of the whole command `neurocompile energy`, for which a
     user waits, and of the estimate only, compared with the limit of 2 s.
The run itself is made once, in build/energy, and is not timed.
"""

from __future__ import annotations

import json
import platform
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import table as tables
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from neurocompile.chip.read import load_chip
from neurocompile.energy.estimate import estimate
from neurocompile.formats.load_onnx import load_onnx
from neurocompile.place import place
from neurocompile.report.read import recorded

HERE = Path(__file__).parent
ROOT = HERE.parent
OUT = ROOT / "build" / "energy"
EXPORT = ["export", "examples/models/mnist_autoencoder.pt", "--target", "loihi-sim"]
SAMPLES, ROUNDS, MOST_S = 1000, 5, 2.0


def main() -> None:
    """Export, time, show and write."""
    run(*EXPORT, "--out", str(OUT), "--engine", "fixed", "--samples", str(SAMPLES), "--force")
    command = [timed(lambda: run("energy", str(OUT), "--json")) for _ in range(ROUNDS)]
    alone = [timed(priced) for _ in range(ROUNDS)]
    rows = [
        row(f"energy of a recorded run of {SAMPLES:,} samples, whole command", command),
        row("the same in a running process: counts read, placed, priced", alone),
    ]
    results = {
        "machine": tables.machine(),
        "python": platform.python_version(),
        "packages": tables.versions("neurocompile", "numpy", "onnx"),
        "figures": rows,
    }
    (HERE / "energy.json").write_text(json.dumps(results, indent=2) + "\n")
    shown = Table("figure", "median", "worst", "at most", box=SIMPLE_HEAD)
    for one in rows:
        shown.add_row(one["name"], f"{one['median_s']:.2f} s", f"{one['worst_s']:.2f} s", "2 s")
    Console(highlight=False).print(shown)


def run(*arguments: str) -> None:
    """Run a command of ours in its own process."""
    command = [sys.executable, "-m", "neurocompile.cli", *arguments]
    subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)  # fmt: skip


def priced() -> None:
    """Estimate joules from the files."""
    report = json.loads((OUT / "report.json").read_text())
    steps = json.loads((OUT / "manifest.json").read_text())["data"]["steps"]
    chip = load_chip("loihi-sim")
    placed = place(load_onnx(OUT / "fixed.onnx"), chip)
    estimate(recorded(report, placed, steps), placed, chip)


def timed(work: Any) -> float:
    """Seconds that a call takes."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def row(name: str, seconds: list[float]) -> dict[str, Any]:
    """A figure compared with the limit."""
    return {
        "name": name,
        "median_s": median(seconds),
        "worst_s": max(seconds),
        "limit_s": MOST_S,
        "met": max(seconds) <= MOST_S,
    }


if __name__ == "__main__":
    main()
