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

from neurocompile.commands.simulate.run import simulate_artifact
from neurocompile.compiler import compile_graph
from neurocompile.data.sampling import Sampling
from neurocompile.ir.graph import Graph, chain
from neurocompile.ir.neurons import LIFBox
from neurocompile.ir.nodes import Input, Linear
from neurocompile.ir.settings import Decoder, Settings
from neurocompile.spread import Spread

HERE = Path(__file__).parent
SAMPLES, SHARD, STEPS, AXONS = 10_000_000, 50_000, 4, 16
MOST_BYTES, LEAST_SPEEDUP = 2e9, 1.7
SAMPLES_OF_A_ROUND, ROUNDS = 1_000_000, 3
EVERY_S = 0.25


def main() -> None:
    """Measure, and write both files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=SAMPLES)
    samples = parser.parse_args().samples
    with tempfile.TemporaryDirectory() as folder:
        compile_graph(network(), "loihi-sim").export(Path(folder, "net"), html=False)
        write(Path(folder, "shards"), samples)
        all_of_them = measured(folder, 2, samples)
        few = min(samples, SAMPLES_OF_A_ROUND)
        rounds = [[measured(folder, workers, few) for workers in (1, 2)] for _ in range(ROUNDS)]
    if any(one["layers"] != two["layers"] for one, two in rounds):
        raise SystemExit("one worker and two have counted different spikes")
    results = {
        "machine": tables.machine(),
        "samples": samples,
        "seconds": all_of_them["seconds"],
        "bytes": all_of_them["bytes"],
        "samples_of_a_round": few,
        "per_second": [max(row[at]["per_second"] for row in rounds) for at in (0, 1)],
    }
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


def measured(folder: str, workers: int, samples: int) -> dict[str, Any]:
    """Run in a process of its own, and look at the memory of all that it starts."""
    begun, most = time.perf_counter(), 0
    words = [sys.executable, __file__, "--run", folder, str(workers), str(samples)]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as process:
        while process.poll() is None:
            most = max(most, held(psutil.Process(process.pid)))
            time.sleep(EVERY_S)
        assert process.stdout is not None
        printed = process.stdout.read()
    if process.returncode:
        raise SystemExit(f"the run on {workers} workers failed")
    return {"seconds": time.perf_counter() - begun, "bytes": most, **json.loads(printed)}


def run(folder: str, workers: int, samples: int) -> None:
    """What `simulate --workers` does, with the speed after the first part has come."""
    came: list[tuple[int, float]] = []
    found = simulate_artifact(
        Path(folder, "net"),
        Sampling(f"shards:{folder}/shards", samples=samples),
        engines=("fixed",),
        spread=Spread(workers),
        progress=lambda _, done, __: came.append((done, time.perf_counter())),
    )
    (before, begun), (after, ended) = came[1], came[-1]  # the first call tells that nothing is done
    speed = (after - before) / (ended - begun)
    sys.stdout.write(json.dumps({"layers": found["layers"], "per_second": speed}))


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
    one, two = results["per_second"]
    fast, small = two / one >= LEAST_SPEEDUP, results["bytes"] < MOST_BYTES
    rows = [
        [
            f"{results['samples']:,} samples on two workers",
            f"{results['bytes'] / 1e9:.2f} GB in all processes, {results['seconds']:,.0f} s",
            f"under {MOST_BYTES / 1e9:.0f} GB" + ("" if small else " (missed)"),
        ],
        [
            "samples per second, one worker",
            tables.number(one),
            "",
        ],
        [
            "samples per second, two workers",
            f"{tables.number(two)}: {two / one:.2f} times",
            f"{LEAST_SPEEDUP} times" + ("" if fast else " (missed)"),
        ],
    ]
    words = (
        f"{STEPS} steps, {AXONS} axons, 12 neurons, .npz shards of {SHARD:,} samples. Speeds: "
        f"{results['samples_of_a_round']:,} samples after the first part has come, the best of "
        f"{ROUNDS} rounds in turns. {results['machine']}."
    )
    return "\n".join([*tables.markdown(["what", "measured", "goal"], rows), "", words])


if __name__ == "__main__":
    if sys.argv[1:2] == ["--run"]:
        run(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    else:
        main()
