"""Measure what delays cost the fixed engine: one dense layer, with them and without, in turns.

In:  this machine.
Out: bench/delays.json, and a table in docs/benchmarks.md.
Each run counts with its processor time, and the fastest of all turns: other work only adds time.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import table as tables
import torch

from neurocompile.data.inputs import Encoded
from neurocompile.engines import fixed
from neurocompile.engines.fixed.plan import plan_of
from neurocompile.ir.fixed import CubaLIF, SpikeInput, Synapse
from neurocompile.ir.graph import Graph, chain
from neurocompile.ir.nodes import Linear

HERE = Path(__file__).parent
NEURONS, SAMPLES, STEPS, LONGEST = 1024, 2, 500, 62
RATES = (0.02, 0.05, 0.2, 0.5)
TURNS, SLOW_TURNS = 15, 3  # a delay for each weight takes long enough to be timed
GOAL = 1.5


def main() -> None:
    """Measure each kind of delay at each rate, and write both files."""
    torch.set_num_threads(1)
    layers = networks()
    memory = {kind: held_bytes(graph) for kind, graph in layers.items()}
    rows: list[dict[str, Any]] = []
    for rate in RATES:
        spikes = np.random.default_rng(1).random((SAMPLES, STEPS, NEURONS)) < rate
        seconds = fastest(layers, Encoded({"in": spikes.astype(np.uint8)}, STEPS))
        rows.append({"rate": rate, "ms": {kind: 1e3 * s for kind, s in seconds.items()}})
    results = {"machine": tables.machine(), "memory": memory, "rows": rows}
    (HERE / "delays.json").write_text(json.dumps(results, indent=2) + "\n")
    tables.put(markdown(results), "delays")


def networks() -> dict[str, Graph]:
    """The same layer by what has delays of its own."""
    rng = np.random.default_rng(0)
    weight = (rng.integers(-64, 64, (NEURONS, NEURONS)) * 2).astype(np.int16)
    shapes = {"none": None, "all": (), "source": (1, NEURONS), "target": (NEURONS,)}
    made = {}
    for kind, shape in {**shapes, "weight": (NEURONS, NEURONS)}.items():
        late = rng.integers(0, LONGEST + 1, shape) if shape else None
        delay = LONGEST if kind == "all" else 0
        synapse = Synapse(Linear(weight), (NEURONS,), (NEURONS,), delay=delay, late=late)
        neurons = CubaLIF((NEURONS,), 4095, 300, 4000, 0, 0, 0)
        made[kind] = chain({"in": SpikeInput((NEURONS,)), "s": synapse, "a": neurons})
    return made


def fastest(layers: dict[str, Graph], encoded: Encoded) -> dict[str, float]:
    """Seconds of each layer's fastest turn."""
    best = dict.fromkeys(layers, float("inf"))
    for turn in range(TURNS):
        for kind, graph in layers.items():
            if kind != "weight" or turn < SLOW_TURNS:
                started = time.process_time()
                fixed.run(graph, encoded, spikes=(), membrane=())
                best[kind] = min(best[kind], time.process_time() - started)
    return best


def held_bytes(graph: Graph) -> int:
    """Bytes of the weights and delays in a graph and in the compiled engine's plan."""
    synapse = graph.nodes["s"]
    arrays = {id(a): a for a in (synapse.op.weights, synapse.late) if a is not None}
    (link,) = plan_of(graph).populations["a"].links
    for part in (link.table, link.late, link.late and link.late.weights):
        arrays |= {id(a): a for a in vars(part or object).values() if isinstance(a, np.ndarray)}
    return sum(a.nbytes for a in arrays.values())


def markdown(results: dict[str, Any]) -> str:
    """The table of docs/benchmarks.md."""
    kinds = list(results["memory"])
    head = ["neurons that spike in a step", "without delays"]
    head += [f"one for {'all' if kind == 'all' else f'each {kind}'}" for kind in kinds[1:]]
    rows = []
    for row in results["rows"]:
        plain = row["ms"]["none"]
        ratios = [row["ms"][kind] / plain for kind in kinds[1:]]
        cells = [f"{tables.number(r)}{'' if r <= GOAL else ' (missed)'}" for r in ratios]
        rows.append([f"{row['rate']:.0%}".replace("%", " %"), f"{tables.number(plain)} ms", *cells])
    plain = results["memory"]["none"]
    ratios = [tables.number(results["memory"][kind] / plain) for kind in kinds[1:]]
    rows.append(["memory", f"{tables.number(plain / 2**20)} MiB", *ratios])
    words = (
        f"Dense, {NEURONS:,} x {NEURONS:,}, {SAMPLES} samples of {STEPS} steps, one core. Times "
        f"and memory with delays are in units of those without; the goal is at most {GOAL}. "
        f"{results['machine']}."
    )
    return "\n".join([*tables.markdown(head, rows), "", words])


if __name__ == "__main__":
    main()
