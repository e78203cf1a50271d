"""Bits of synapse memory of whole cores, counted by nengo-loihi itself and by us.

In:  `memory_bits.py PYTHON`, the interpreter of build/peers/nengo-loihi; `--update` to write;
     `--networks N`, how many random networks are placed (500).
Out: a table; memory_bits.json, nengo-loihi's bits on cores that are filled by hand; exit 1 where a
     core differs, or where nengo-loihi refuses a core on which we placed something.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from list_count import crowded_network, kind_of, lists_of, longest_waits
from place_networks import limited, neurons

from neurocompile.chip.read import load_chip
from neurocompile.compiler import compile_graph
from neurocompile.frontend import load
from neurocompile.ir.arrays import Array
from neurocompile.ir.entries import rows_of
from neurocompile.ir.fixed import SpikeInput, Synapse
from neurocompile.ir.graph import Graph, chain
from neurocompile.ir.nodes import Conv, Linear, size
from neurocompile.place import place
from neurocompile.place.memory import lists

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
KEPT = HERE / "memory_bits.json"
PEER = ROOT / "bench" / "peers" / "nengo_loihi_bits.py"
SHIPPED = ("mnist_autoencoder.pt", "mnist_autoencoder_4bit.pt")

Held = Mapping[str, Array]


def main() -> int:
    """Count everything; 0 where all agree."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("python")
    parser.add_argument("--update", action="store_true")
    parser.add_argument("--networks", type=int, default=500)
    given = parser.parse_args()
    filled = list(by_hand().items())
    kept = dict(zip((n for n, _ in filled), counted(given.python, (c for _, c in filled)),
                    strict=True))  # fmt: skip
    wrong = [n for n, (graph, held) in filled if ours(graph, held) != sum(kept[n]["bits"])]
    placed = list(on_cores(given.networks))
    answers = counted(given.python, (core for core, _ in placed))
    differ = [at for at, (answer, (_, used)) in enumerate(zip(answers, placed, strict=True))
              if sum(answer["bits"]) != used]  # fmt: skip
    refused = [answer["refused"] for answer in answers if answer["refused"]]
    sys.stdout.write(
        f"{len(filled)} cores by hand: {len(wrong)} differ\n"
        f"{len(placed)} cores of {given.networks + len(SHIPPED)} placed networks: "
        f"{len(differ)} differ, {len(refused)} refused by nengo-loihi\n"
    )
    sys.stdout.write("".join(f"REFUSED: {said}\n" for said in dict.fromkeys(refused)))
    if given.update:
        rows = {name: sum(row["bits"]) for name, row in kept.items()}
        KEPT.write_text(json.dumps(rows, indent=1) + "\n")
        sys.stdout.write(f"written: {KEPT}\n")
    return 1 if wrong or differ or refused else 0


def by_hand() -> dict[str, tuple[Graph, Held]]:
    """Cores that are filled by hand: in this order, these neurons of these populations."""
    cases: dict[str, tuple[Graph, Held]] = {"a convolution from neuron 768 on": high_convolution()}
    for seed in range(12):
        graph, rng = crowded_network(1000 + seed)
        names = rng.permutation(["conv", "back", "wide", "out", "rows"]).tolist()
        held, room = {}, 1024
        for name in names:
            count = size(graph.nodes[name].shape)
            first = int(rng.integers(0, count))
            held[name] = np.arange(first, min(count, first + room))
            room -= held[name].size
        cases[f"random {seed}"] = graph, {n: of for n, of in held.items() if of.size}
    return cases


def high_convolution() -> tuple[Graph, Held]:
    """124 channels of 4 x 4 onto 8; 48 channels of them; a dense layer: 1,091,072 bits."""
    rng = np.random.default_rng(0)

    def weights(*shape: int) -> Array:
        return 2 * rng.integers(-128, 128, shape)

    wide = Conv(weights(8, 124, 3, 3), None, (1, 1), (1, 1), (1, 1), 1)
    many = Conv(weights(48, 8, 1, 1), None, (1, 1), (0, 0), (1, 1), 1)
    nodes = {
        "in": SpikeInput((124, 4, 4)),
        "s1": Synapse(wide, (124, 4, 4), (8, 4, 4)), "wide": neurons(8, 4, 4),
        "s2": Synapse(many, (8, 4, 4), (48, 4, 4)), "many": neurons(48, 4, 4),
        "s3": Synapse(Linear(weights(15, 768)), (768,), (15,)), "out": neurons(15),
    }  # fmt: skip
    held = {"out": np.arange(15), "many": np.arange(768), "wide": np.arange(128)}
    return chain(nodes), held


def on_cores(networks: int) -> Iterator[tuple[tuple[Graph, Held], int | None]]:
    """Cores of placed networks, random and shipped, each with the bits that placement counts."""
    loihi = load_chip("loihi-sim")
    graphs = [compile_graph(load(ROOT / "examples/models" / m), loihi).fixed_graph for m in SHIPPED]
    for graph in graphs:
        yield from _cores_of(graph, loihi)
    for graph, rng in map(crowded_network, range(networks)):
        yield from _cores_of(graph, limited(neurons_per_core=int(rng.integers(300, 1025))))


def _cores_of(graph: Graph, chip: Any) -> Iterator[tuple[tuple[Graph, Held], int | None]]:
    for core in place(graph, chip).cores:
        yield (graph, core.held), core.use["synapse_memory"]


def counted(python: str, cores: Iterable[tuple[Graph, Held]]) -> list[dict[str, Any]]:
    """What nengo-loihi says of each core."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "cores.jsonl"
        with file.open("w") as out:
            for graph, held in cores:
                out.write(json.dumps(told(graph, held)) + "\n")
        command = [python, str(PEER), str(file)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def told(graph: Graph, held: Held) -> dict[str, Any]:
    """A core as nengo-loihi is told of it: each axon's list, in numbers of neurons on the core."""
    waits, start, synapses = longest_waits(graph), 0, []
    for population, numbers in held.items():
        for name in graph.before(population):
            node = graph.nodes[name]
            if isinstance(node, Synapse):
                found = lists_of(node, numbers, start)
                synapses += [
                    {"kind": kind_of(node), "bits": node.bits, "wait": waits[name], "lists": found}
                ] if found else []  # fmt: skip
        start += len(numbers)
    return {"neurons": start, "synapses": synapses}


def ours(graph: Graph, held: Held) -> int:
    """The bits that placement counts for such a core."""
    waits, start, bits = longest_waits(graph), 0, 0
    memory = load_chip("loihi-sim").memory
    assert memory is not None
    for population, numbers in held.items():
        for name in graph.before(population):
            node = graph.nodes[name]
            if isinstance(node, Synapse):
                block = rows_of(node).take(numbers).columns(0, len(numbers))
                bits += lists(node, block, memory, waits[name], start).bits
        start += len(numbers)
    return bits


if __name__ == "__main__":
    sys.exit(main())
