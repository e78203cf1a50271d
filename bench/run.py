"""Measure the figures that the README states, and write them to bench/results.json.

In:  the shipped checkpoint, this machine.
Out: a table and bench/results.json. Times are of whole commands, as a user waits for them;
     memory is the largest sum over the command's processes, shared pages counted once.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent
MODEL = HERE.parent / "examples" / "models" / "mnist_autoencoder.pt"
EXPORT = ["export", str(MODEL), "--target", "loihi-sim", "--force", "--json"]
POLL_S = 0.2


def main() -> None:
    """Run every measurement."""
    with tempfile.TemporaryDirectory() as folder:
        lava = measure([*EXPORT, "--samples", "20", "--engine", "lava", "--out", f"{folder}/lava"])
        fixed = measure([*EXPORT, "--engine", "fixed", "--out", f"{folder}/fixed"])
    training = inspect()["settings"]["training"]
    errors = fixed["report"]["reconstruction"]
    rows = [
        row("export, 20 samples on Lava", lava["seconds"], "s", 60),
        row("export, 1,000 samples on the fixed engine", fixed["seconds"], "s", 20),
        row("peak memory with Lava", lava["peak_bytes"] / 2**30, "GiB", 2 * 1e9 / 2**30),
        row("peak memory, fixed engine", fixed["peak_bytes"] / 2**30, "GiB", 2 * 1e9 / 2**30),
        row("values that differ, Lava against fixed", mismatches(lava), "", 0),
        row("float error, 1,000 test digits", errors["mse_float"], "per pixel", 0.010),
        row("fixed / float error, 8 bits", errors["ratio"], "", 1.02),
        row("training of the shipped checkpoint", training["minutes"], "min", 20),
    ]
    results = {
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}",
        "python": platform.python_version(),
        "packages": {n: version(n) for n in ("neurocompile", "torch", "numpy", "lava-nc", "norse")},
        "figures": rows,
    }
    (HERE / "results.json").write_text(json.dumps(results, indent=2) + "\n")
    show(results)


def row(name: str, value: float, unit: str, limit: float) -> dict[str, Any]:
    """One figure against the most it may be."""
    return {"name": name, "value": value, "unit": unit, "at_most": limit, "met": value <= limit}


def mismatches(run: dict[str, Any]) -> int:
    """Values that differ between engines in an exported report."""
    return int(run["report"]["exactness"]["mismatches"])


def inspect() -> dict[str, Any]:
    """What `neurocompile inspect` says of the shipped checkpoint."""
    command = [sys.executable, "-m", "neurocompile.cli", "inspect", str(MODEL), "--json"]
    found: dict[str, Any] = json.loads(subprocess.check_output(command))
    return found


def measure(arguments: list[str]) -> dict[str, Any]:
    """Run a command to its end: report, seconds, largest memory of all its processes."""
    begun = time.perf_counter()
    with tempfile.TemporaryFile() as out:
        running = subprocess.Popen(
            [sys.executable, "-m", "neurocompile.cli", *arguments], stdout=out
        )
        peak = 0
        while running.poll() is None:
            peak = max(peak, sum(map(memory, family(running.pid))))
            time.sleep(POLL_S)
        seconds = time.perf_counter() - begun
        if running.returncode:
            raise SystemExit(f"{' '.join(arguments)} ended with exit code {running.returncode}")
        out.seek(0)
        return {"report": json.load(out), "seconds": seconds, "peak_bytes": peak}


def family(root: int) -> list[int]:
    """A process and all below it."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                after_name = (entry / "stat").read_text().rpartition(")")[2]
            except OSError:
                continue  # it ended between the two looks
            parents[int(entry.name)] = int(after_name.split()[1])
    found = [root]
    for pid in found:
        found.extend(child for child, parent in parents.items() if parent == pid)
    return found


def memory(pid: int) -> int:
    """Bytes of a process, each shared page divided by those who share it."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0  # it ended between the two looks
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def show(results: dict[str, Any]) -> None:
    """The table that the README shows."""
    table = Table("figure", "measured", "at most", "", box=SIMPLE_HEAD)
    for figure in results["figures"]:
        value, limit = (f"{figure[key]:.4g} {figure['unit']}" for key in ("value", "at_most"))
        table.add_row(figure["name"], value, limit, "met" if figure["met"] else "MISSED")
    console = Console()
    console.print(table)
    packages = ", ".join(f"{name} {number}" for name, number in results["packages"].items())
    console.print(f"{results['machine']}, Python {results['python']}, {packages}")


if __name__ == "__main__":
    main()
