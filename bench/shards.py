"""Ten million samples in shards: memory, and two workers against one.

In:  this machine; `--samples N` for another number.
Out: bench/shards.json, and a table in docs/benchmarks.md.
The network is small, 16 axons, 12 neurons and 4 steps, so that what is measured is all that is done
around it. Shards are .npz files of 50,000 samples. Memory is the most that the command and its
workers hold together, as the system counts it; what they share is counted for each.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import table as tables

from neurocompile.compiler import compile_graph
from neurocompile.ir.graph import Graph, chain
from neurocompile.ir.neurons import LIFBox
from neurocompile.ir.nodes import Input, Linear
from neurocompile.ir.settings import Decoder, Settings

HERE = Path(__file__).parent
SAMPLES, SHARD, STEPS, AXONS = 10_000_000, 50_000, 4, 16
MOST_BYTES, LEAST_SPEEDUP = 2e9, 1.7
EVERY_S = 0.25


def main() -> None:
    """Measure, and write both files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=SAMPLES)
    samples = parser.parse_args().samples
    with tempfile.TemporaryDirectory() as folder:
        compile_graph(network(), "loihi-sim").export(Path(folder, "net"), html=False)
        write(Path(folder, "shards"), samples)
        rows = [measured(folder, count) for count in (1, 2)]
    if rows[0].pop("layers") != rows[1].pop("layers"):
        raise SystemExit("one worker and two have counted different spikes")
    results = {"machine": tables.machine(), "samples": samples, "rows": rows}
    (HERE / "shards.json").write_text(json.dumps(results, indent=2) + "\n")
    tables.put(markdown(results), "shards")
    sys.stdout.write(markdown(results) + "\n")


def network() -> Graph:
    """Two layers of LIF neurons."""
    rng = np.random.default_rng(1)
    numbers = tuple(map(np.float64, (10.0, 0.0, 0.3, 0.0)))
    nodes: dict[str, Any] = {
        "in": Input((AXONS,)),
        "w0": Linear(rng.normal(size=(8, AXONS))),
        "n0": LIFBox(*numbers),
        "w1": Linear(rng.normal(size=(4, 8))),
        "n1": LIFBox(*numbers),
    }
    return chain(nodes, Settings(dt=1e-3, steps=STEPS, decoder=Decoder("rate")))


def write(folder: Path, samples: int) -> None:
    """Random spikes, one shard after another."""
    folder.mkdir()
    draw = np.random.default_rng(0)
    for first in range(0, samples, SHARD):
        shape = (min(SHARD, samples - first), STEPS, AXONS)
        spikes = (draw.integers(0, 4, shape, np.uint8) == 0).view(np.uint8)
        np.savez(folder / f"{first:010d}.npz", spikes=spikes)


def measured(folder: str, workers: int) -> dict[str, Any]:
    """Run the command, and look at the memory of all its processes."""
    program = "from neurocompile.cli import main; main()"
    words = ["simulate", f"{folder}/net", "--data", f"shards:{folder}/shards", "--json"]
    begun, most = time.perf_counter(), 0
    with subprocess.Popen(
        [sys.executable, "-c", program, *words, "--workers", str(workers)], stdout=subprocess.PIPE
    ) as process:
        while process.poll() is None:
            most = max(most, held(psutil.Process(process.pid)))
            time.sleep(EVERY_S)
        assert process.stdout is not None
        printed = process.stdout.read()
    if process.returncode:
        raise SystemExit(f"the run on {workers} workers failed")
    return {
        "workers": workers,
        "seconds": time.perf_counter() - begun,
        "bytes": most,
        "layers": json.loads(printed)["layers"],
    }


def held(process: psutil.Process) -> int:
    """Bytes in memory of a process and of all that it started."""
    total = 0
    try:
        for each in (process, *process.children(recursive=True)):
            total += each.memory_info().rss
    except psutil.Error:  # one has just ended
        pass
    return total


def markdown(results: dict[str, Any]) -> str:
    """The table of docs/benchmarks.md."""
    one, two = (row["seconds"] for row in results["rows"])
    rows = [
        [
            str(row["workers"]),
            f"{row['seconds']:,.0f} s",
            f"{results['samples'] / row['seconds']:,.0f}",
            f"{row['bytes'] / 1e9:.2f} GB" + ("" if row["bytes"] < MOST_BYTES else " (missed)"),
        ]
        for row in results["rows"]
    ]
    missed = "" if one / two >= LEAST_SPEEDUP else " (missed)"
    words = (
        f"{results['samples']:,} samples of {STEPS} steps in .npz shards, {AXONS} axons and 12 "
        f"neurons, `simulate --workers`. Two workers are {one / two:.2f} times as fast as one"
        f"{missed}; goals: {LEAST_SPEEDUP} times, and under {MOST_BYTES / 1e9:.0f} GB in all "
        f"processes together. {results['machine']}."
    )
    head = ["workers", "time", "samples per second", "memory"]
    return "\n".join([*tables.markdown(head, rows), "", words])


if __name__ == "__main__":
    main()
