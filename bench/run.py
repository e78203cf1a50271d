"""Measure the commands for which a user waits, and the activity of the shipped network.

In:  the shipped checkpoint, this machine.
Out: bench/results.json and a table in docs/benchmarks.md.
Times are of whole commands. Memory is the largest sum over the command's processes; shared pages
count once.
"""

from __future__ import annotations

import json
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import table as tables
import torch
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from neurocompile.data.samples import load_data
from neurocompile.formats.checkpoint.read import load
from neurocompile.nn import LayerActivity, SpikingAutoencoder, activity

HERE = Path(__file__).parent
ROOT = HERE.parent
MODEL = "examples/models/mnist_autoencoder.pt"
DEMO = ["export", MODEL, "--target", "loihi-sim", "--force", "--out", "build/mnist"]
FIXED = [*DEMO[:-1], "build/fixed", "--engine", "fixed"]
POLL_S = 0.2
TWO_GB = 2e9 / 2**30


def main() -> None:
    """Run every measurement."""
    lava, fixed = measure(DEMO), measure(FIXED)
    errors, compared = fixed["report"]["reconstruction"], lava["report"]["exactness"]
    layers = trained_activity()
    share = max(layer.dead / (layer.neurons - layer.unreachable) for layer in layers.values())
    latent = layers["latent"]
    rows = [
        row("export, 20 samples on Lava", lava["seconds"], "s", 60),
        row("export, 1,000 samples on the fixed engine", fixed["seconds"], "s", 20),
        row("peak memory with Lava", lava["peak_bytes"] / 2**30, "GiB", TWO_GB),
        row("peak memory, fixed engine", fixed["peak_bytes"] / 2**30, "GiB", TWO_GB),
        row("values that differ, Lava against fixed, 20 digits", compared["mismatches"], "", 0),
        row("float error, 1,000 test digits", errors["mse_float"], "per pixel", 0.010),
        row("fixed / float error at 8 bits, 1,000 test digits", errors["ratio"], "", 1.02),
        row("dead and bursting latent neurons", latent.dead + latent.bursting, "", 0),
        row("dead of the reachable, worst layer", 100 * share, "%", 2),
    ]
    results = {
        "machine": tables.machine(),
        "python": platform.python_version(),
        "packages": tables.versions("neurocompile", "torch", "numpy", "lava-nc", "norse"),
        "figures": rows,
    }
    (HERE / "results.json").write_text(json.dumps(results, indent=2) + "\n")
    tables.put(markdown(results), "bench")
    show(results)


def row(name: str, value: float, unit: str, limit: float) -> dict[str, Any]:
    """One figure compared with its upper limit."""
    return {"name": name, "value": value, "unit": unit, "at_most": limit, "met": value <= limit}


def trained_activity() -> dict[str, LayerActivity]:
    """Activity of each layer of the shipped checkpoint on the 1,000 test digits."""
    checkpoint = load(ROOT / MODEL)
    model = SpikingAutoencoder(steps=checkpoint.settings.steps)
    model.load_state_dict(checkpoint.state_dict)
    return activity(model, torch.tensor(load_data(checkpoint.settings.data).values))


def measure(arguments: list[str]) -> dict[str, Any]:
    """Run a command to its end; returns its report, seconds, and memory of all its processes."""
    begun = time.perf_counter()
    command = [sys.executable, "-m", "neurocompile.cli", *arguments]
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=ROOT)
    peak = 0
    while running.poll() is None:
        peak = max(peak, sum(map(memory, family(running.pid))))
        time.sleep(POLL_S)
    seconds = time.perf_counter() - begun
    if running.returncode:
        raise SystemExit(f"{' '.join(arguments)} ended with exit code {running.returncode}")
    folder = ROOT / arguments[arguments.index("--out") + 1]
    report = json.loads((folder / "report.json").read_text())
    return {"report": report, "seconds": seconds, "peak_bytes": peak}


def family(root: int) -> list[int]:
    """A process and all its descendants."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                after_name = (entry / "stat").read_text().rpartition(")")[2]
            except OSError:
                continue  # it ended between the two looks
            parents[int(entry.name)] = int(after_name.split()[1])
    members = [root]
    for pid in members:
        members.extend(child for child, parent in parents.items() if parent == pid)
    return members


def memory(pid: int) -> int:
    """Bytes of a process; each shared page is divided among the processes that share it."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0  # it ended between the two looks
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def markdown(results: dict[str, Any]) -> str:
    """The table of the page."""
    rows = []
    for figure in results["figures"]:
        value, limit = texts(figure)
        missed = "" if figure["met"] else " (missed)"
        rows.append((figure["name"], f"{value}{missed}", limit))
    lines = tables.markdown(("figure", "measured", "at most"), rows)
    packages = tables.listed(results["packages"])
    return "\n".join([*lines, "", f"{results['machine']}, Python {results['python']}, {packages}."])


def texts(figure: dict[str, Any]) -> tuple[str, str]:
    """Value and limit with their unit."""
    value, limit = (f"{figure[key]:.4g} {figure['unit']}".strip() for key in ("value", "at_most"))
    return value, limit


def show(results: dict[str, Any]) -> None:
    """The same table for a terminal."""
    table = Table("figure", "measured", "at most", "", box=SIMPLE_HEAD)
    for figure in results["figures"]:
        value, limit = texts(figure)
        table.add_row(figure["name"], value, limit, "met" if figure["met"] else "MISSED")
    console = Console()
    console.print(table)
    packages = tables.listed(results["packages"])
    console.print(f"{results['machine']}, Python {results['python']}, {packages}")


if __name__ == "__main__":
    main()
