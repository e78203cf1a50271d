"""`make fuzz-c N=500`: random networks as C programs, against the engine `fixed`.

In:  `c_programs.py [--networks N] [--first SEED] [--compilers gcc,clang] [--sanitize]`.
Out: a table by kind of network: networks, values compared, networks that differ, networks refused;
     exit 1 where one differs. The folder of the first one that differs stays, and is named.
Networks come from every FIXED maker of `random_graphs` and from `random_packs`, whose registers
lie at their ends. Delays for each neuron and weight are drawn by `delayed`.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1] / "support")]

from random_graphs import (  # noqa: E402
    adaptive_graph,
    after_spikes_graph,
    fixed_graph,
    fixed_input,
    graded_graph,
    looped_fixed_graph,
)
from random_packs import pack  # noqa: E402

from neurocompile.bundle.c.folder import c_bundle  # noqa: E402
from neurocompile.bundle.vectors import vectors_of  # noqa: E402
from neurocompile.data.inputs import Encoded  # noqa: E402
from neurocompile.errors import DoesNotFit  # noqa: E402
from neurocompile.ir.chip_neurons import CHIP_NEURONS  # noqa: E402
from neurocompile.ir.fixed import AlwaysOn, ChipNeuron, Synapse, rounds  # noqa: E402
from neurocompile.ir.graph import Graph  # noqa: E402
from neurocompile.ir.nodes import Linear, size  # noqa: E402
from neurocompile.ir.verify import verify  # noqa: E402

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "build" / "fuzz-c"
EQUAL = re.compile(r"all (\d+) values equal")
RATES = (0.02, 0.2, 0.5, 1.0)
PACKS = 10  # one network of so many is a pack of 100
LATE = 4  # further steps of a delay


class Outcome(NamedTuple):
    """What a program said.

    Attributes:
        values: Number of values that are equal.
        said: What it printed, if not all are.
    """

    values: int
    said: str = ""


def networks(first: int, count: int) -> Iterator[tuple[str, int, Graph, Encoded] | None]:
    """Networks with their kind, seed and input; None where a pack cannot be drawn."""
    makers: tuple[Any, ...] = (
        *(fixed_graph, looped_fixed_graph, adaptive_graph, after_spikes_graph, graded_graph),
        *(delayed_fixed_graph, delayed_looped_graph, delayed_graded_graph),
    )
    for seed in range(first, first + count):
        if seed % PACKS == PACKS - 1:
            kind = CHIP_NEURONS[seed // PACKS % len(CHIP_NEURONS)]
            found = pack(kind, seed)
            yield None if found is None else (f"100 {kind.__name__}", seed, *found)
            continue
        make = makers[seed % len(makers)]
        graph = unread(verify(make(seed), "fixed"))
        yield make.__name__, seed, graph, input_of(graph, seed)


def input_of(graph: Graph, seed: int) -> Encoded:
    """Input with few or many spikes, so that layers go by events or as products."""
    values, steps = fixed_input(graph, seed)
    rng = np.random.default_rng([seed, 7])
    kept = rng.choice(RATES)
    drawn = {n: (v * (rng.random(v.shape) < kept)).astype(v.dtype) for n, v in values.items()}
    return Encoded(drawn, steps)


def unread(graph: Graph) -> Graph:
    """The same graph without readouts, in which a random spike is an error."""
    return graph.with_nodes(**{n: replace(v, readout=False) for n, v in graph.of(ChipNeuron)})


def delayed_fixed_graph(seed: int) -> Graph:
    """A network of `fixed_graph` with delays that differ inside synapses."""
    return delayed(fixed_graph(seed), seed)


def delayed_looped_graph(seed: int) -> Graph:
    """A network of `looped_fixed_graph` with delays that differ inside synapses."""
    return delayed(looped_fixed_graph(seed), seed)


def delayed_graded_graph(seed: int) -> Graph:
    """A network of `graded_graph` with delays that differ inside synapses."""
    return delayed(graded_graph(seed), seed)


def delayed(graph: Graph, seed: int) -> Graph:
    """The same graph; about half of its synapses have a delay of each target, source or weight."""
    rng = np.random.default_rng([seed, 11])
    for name, link in graph.of(Synapse):
        (before,) = graph.before(name)
        if isinstance(graph.nodes[before], AlwaysOn) or rng.random() < 0.5:
            continue
        sources, targets = size(link.in_shape), size(link.out_shape)
        forms = [(targets,)]
        if not rounds(link):
            forms.append((1, sources))
            if isinstance(link.op, Linear) and link.op.weight.shape[1] == sources:
                forms.append((targets, sources))
        late = rng.integers(0, LATE, forms[int(rng.integers(len(forms)))])
        graph = graph.with_nodes(**{name: replace(link, late=late)})
    return verify(graph, "fixed")


def compared(graph: Graph, encoded: Encoded, folder: Path, build: str) -> Outcome | None:
    """Write, build and check a network; None where the engine refuses it by design."""
    try:
        bundle = c_bundle(vectors_of(graph, encoded))
    except DoesNotFit:
        return None
    shutil.rmtree(folder, ignore_errors=True)
    for name, content in bundle.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    done = subprocess.run(build.split(), cwd=folder, capture_output=True, text=True)
    equal = EQUAL.search(done.stdout) if done.returncode == 0 else None
    return Outcome(int(equal[1])) if equal else Outcome(0, done.stdout + done.stderr)


def main(arguments: list[str]) -> int:
    """Compare; 1 if a network differs."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--networks", type=int, default=500)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--compilers", default="gcc,clang")
    parser.add_argument("--sanitize", action="store_true")
    options = parser.parse_args(arguments)
    compilers = [c for c in options.compilers.split(",") if shutil.which(c)]
    if not compilers:
        sys.exit(
            f"none of {options.compilers} is here. Install one, for example apt-get install gcc."
        )
    goal = "sanitize" if options.sanitize else "check OPTIMIZE=-O1"
    rows: dict[str, Counter[str]] = {}
    begun = time.perf_counter()
    for number, network in enumerate(networks(options.first, options.networks)):
        if network is None:
            rows.setdefault("(no pack drawn)", Counter())["refused"] += 1
            continue
        kind, seed, graph, encoded = network
        row = rows.setdefault(kind, Counter())
        build = f"make -s {goal} CC={compilers[number % len(compilers)]}"
        found = compared(graph, encoded, FOLDER / f"{kind.replace(' ', '-')}-{seed}", build)
        row["networks"] += found is not None
        row["refused"] += found is None
        row["values"] += found.values if found else 0
        row["differ"] += bool(found and found.said)
        folder = FOLDER / f"{kind.replace(' ', '-')}-{seed}"
        if found and found.said:
            sys.stdout.write(f"{folder}: {found.said}\n")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    report(rows, compilers, time.perf_counter() - begun)
    return int(any(row["differ"] for row in rows.values()))


def report(rows: dict[str, Counter[str]], compilers: list[str], seconds: float) -> None:
    """Print the table."""
    total: Counter[str] = Counter()
    heads = ("networks", "values", "differ", "refused")
    sys.stdout.write(f"{'kind':<22}" + "".join(f"{head:>12}" for head in heads) + "\n")
    for kind, row in sorted(rows.items()):
        total.update(row)
        sys.stdout.write(f"{kind:<22}" + "".join(f"{row[head]:>12,}" for head in heads) + "\n")
    sys.stdout.write(f"{'all':<22}" + "".join(f"{total[head]:>12,}" for head in heads) + "\n")
    sys.stdout.write(f"{', '.join(compilers)}, {seconds:.0f} s\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
