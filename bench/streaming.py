"""An hour of a nine-channel recording at 64 Hz through one network: speed and memory.

In:  this machine.
Out: bench/streaming.json, and a table in docs/benchmarks.md.
Rows are steps. The network has 9 axons, 64 and 32 neurons and a readout of 9; a piece holds a
second, a minute, or all. Memory is what the process grew by after the first minute.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import table as tables
import torch

from neurocompile.compiler import compile_graph
from neurocompile.engines.stream import Stream
from neurocompile.ir.graph import Graph, chain
from neurocompile.ir.neurons import LIBox, LIFBox
from neurocompile.ir.nodes import Input, Linear
from neurocompile.ir.settings import Decoder, Settings

HERE = Path(__file__).parent
RATE, SECONDS, CHANNELS = 64, 3600, 9
PIECES = (1, 60)  # seconds
GOAL, FLAT_MIB = 100, 10


def main() -> None:
    """Measure, and write both files."""
    torch.set_num_threads(1)
    graph = compile_graph(network(), "loihi-sim").fixed_graph
    rows = (np.random.default_rng(0).random((RATE * 60, CHANNELS)) < 0.2).astype(np.uint8)
    found = [measured(graph, rows, piece) for piece in PIECES]
    results = {"machine": tables.machine(), "rows": found}
    (HERE / "streaming.json").write_text(json.dumps(results, indent=2) + "\n")
    tables.put(markdown(results), "streaming")
    sys.stdout.write(markdown(results) + "\n")


def network() -> Graph:
    """Two layers of LIF neurons and a readout."""
    rng = np.random.default_rng(1)
    sizes = (CHANNELS, 64, 32, CHANNELS)
    nodes: dict[str, Any] = {"in": Input((CHANNELS,))}
    for i, (before, after) in enumerate(pairwise(sizes)):
        nodes[f"w{i}"] = Linear(rng.normal(size=(after, before)) / np.sqrt(before) * 2)
        last = after == sizes[-1] and i == len(sizes) - 2
        numbers = (10.0, 0.0) if last else (10.0, 0.0, 0.3, 0.0)
        kind: Any = LIBox if last else LIFBox
        nodes[f"n{i}"] = kind(*map(np.float64, numbers))
    return chain(nodes, Settings(dt=1 / RATE, steps=RATE, decoder=Decoder("last")))


def measured(graph: Graph, minute: Any, piece: int) -> dict[str, Any]:
    """Run an hour in pieces of so many seconds."""
    stream = Stream(graph)
    parts = np.split(minute, 60 // piece)
    run(stream, parts)  # compiles, and fills the scratch memory
    before, started = peak_mib(), time.perf_counter()
    for _ in range(SECONDS // 60):
        run(stream, parts)
    seconds = time.perf_counter() - started
    return {"piece_s": piece, "times_real_time": SECONDS / seconds, "mib": peak_mib() - before}


def run(stream: Stream, parts: list[Any]) -> None:
    """A minute."""
    for part in parts:
        stream.push(part)


def peak_mib() -> float:
    """Most memory that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def markdown(results: dict[str, Any]) -> str:
    """The table of docs/benchmarks.md."""
    rows = [
        [
            f"{row['piece_s']} s",
            f"{row['times_real_time']:,.0f}"
            + ("" if row["times_real_time"] >= GOAL else " (missed)"),
            f"{row['mib']:.1f} MiB" + ("" if row["mib"] <= FLAT_MIB else " (missed)"),
        ]
        for row in results["rows"]
    ]
    words = (
        f"An hour of {CHANNELS} channels at {RATE} Hz, 9-64-32-9 neurons, one core. Goals: at "
        f"least {GOAL} times real time, and {FLAT_MIB} MiB. {results['machine']}."
    )
    return "\n".join(
        [*tables.markdown(["a piece", "times real time", "memory grew by"], rows), "", words]
    )


if __name__ == "__main__":
    main()
