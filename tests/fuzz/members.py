"""`make fuzz-members`: every neuron of a chip, engine against engine, on random networks.

In:  `members.py [KIND ...]`, classes of neurons, all by default; `--packs`, `--graphs`,
     `--engines`.
Out: a table: networks, values compared, values that differ, networks refused; exit 1 where one
     differs.
A pack is 100 small networks in one graph (random_packs.py), with registers at their ends; a graph
is one of `random_graphs.member_graph`, with convolutions, loops, delays and written biases. What
the engine `fixed` computes is compared with each engine, every spike and every potential.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1] / "support")]

import random_parts  # noqa: E402
from random_graphs import fixed_input, member_graph  # noqa: E402
from random_packs import NETWORKS, pack  # noqa: E402

from neurocompile.data.inputs import Encoded  # noqa: E402
from neurocompile.engines.agree import run_engine  # noqa: E402
from neurocompile.errors import NeurocompileError  # noqa: E402
from neurocompile.ir.chip_neurons import CHIP_NEURONS  # noqa: E402
from neurocompile.ir.time import lead_in  # noqa: E402
from neurocompile.ir.verify import verify  # noqa: E402

Network = tuple[int, Any, Any]  # networks in it, graph, input


def main(arguments: list[str]) -> int:
    """Compare; 1 if a value differs."""
    parser = argparse.ArgumentParser()
    parser.add_argument("kinds", nargs="*", metavar="KIND")
    parser.add_argument("--packs", type=int, default=100)
    parser.add_argument("--graphs", type=int, default=300)
    parser.add_argument("--engines", default="onnx,lava")
    options = parser.parse_args(arguments)
    kinds = [k for k in CHIP_NEURONS if not options.kinds or k.__name__ in options.kinds]
    head = ("neuron", "networks", "engine", "compared", "values", "messages", "differ", "refused")
    line(*head, "seconds")
    differing = 0
    for kind in kinds:
        for what, networks in (
            ("packed", packs(kind, options.packs)),
            ("graphs", graphs(kind, options.graphs)),
        ):
            differing += compared(kind, what, networks, options.engines.split(","))
    return int(differing > 0)


def compared(kind: Any, what: str, networks: Iterator[Network | None], engines: list[str]) -> int:
    """Run all networks on every engine, print a row for each; the number of values that differ."""
    found = {engine: Counter[str]() for engine in engines}
    started, seconds = time.perf_counter(), Counter[str]()
    for network in networks:
        ours = None
        if network is not None:
            count, graph, encoded = network
            ours = attempt("fixed", graph, encoded)
        for engine, row in found.items():
            begun = time.perf_counter()
            theirs = None if ours is None else attempt(engine, graph, encoded)
            seconds[engine] += time.perf_counter() - begun  # type: ignore[assignment]
            if theirs is None:
                row["refused"] += 1
                continue
            row["networks"] += count
            for name, potentials in theirs.membrane.items():
                sent = theirs.spikes[name]
                row["values"] += potentials.size + sent.size
                row["messages"] += int(np.count_nonzero(sent))
                row["differ"] += int((sent != ours.spikes[name]).sum())
                row["differ"] += int((potentials != ours.membrane[name]).sum())
    for engine, row in found.items():
        counts = (row[key] for key in ("networks", "values", "messages", "differ", "refused"))
        line(kind.__name__, what, engine, *counts, f"{seconds[engine]:.0f}")
    sys.stderr.write(f"{kind.__name__} {what}: {time.perf_counter() - started:.0f} s\n")
    return sum(row["differ"] for row in found.values())


def attempt(engine: str, graph: Any, encoded: Encoded) -> Any:
    """What an engine computes; None where it refuses the network by design."""
    try:
        lead_in(graph)
        return run_engine(engine, graph, encoded)
    except NeurocompileError:
        return None


def packs(kind: Any, count: int) -> Iterator[Network | None]:
    """Packs of networks, each with its input; None for one that no exponent lets run."""
    for seed in range(count):
        found = pack(kind, seed)
        yield None if found is None else (NETWORKS, *found)


def graphs(kind: Any, count: int) -> Iterator[Network]:
    """Single networks, each with its input."""
    draw = random_parts.DRAWN[kind]
    for seed in range(count):
        graph = verify(member_graph(seed, (draw,)), "fixed")
        yield 1, graph, Encoded(*fixed_input(graph, seed, n=1))


def line(*cells: Any) -> None:
    """A row of the table."""
    widths = (11, 8, 6, 8, 11, 10, 6, 7, 7)
    sys.stdout.write("  ".join(f"{c!s:>{w}}" for c, w in zip(cells, widths, strict=True)) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
