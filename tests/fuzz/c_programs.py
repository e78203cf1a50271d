"""`make fuzz-c N=500`: random networks as C programs, against the engine `fixed`.

In:  `c_programs.py [--networks N] [--first SEED] [--compilers gcc,clang] [--sanitize]`; a compiler
     for another machine with its emulator, arm-linux-gnueabihf-gcc@qemu-arm.
Out: a table by kind of network: networks, values compared, networks that differ, networks refused;
     exit 1 where one differs. The folder of one that differs stays, and is named.
Networks come from every FIXED maker of `random_graphs`, also with delays that differ inside their
synapses, and from `random_packs`, whose registers lie at their ends.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections import Counter
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1] / "support")]

from c_networks import equal_values, make, networks, put  # noqa: E402

from neurocompile.errors import DoesNotFit  # noqa: E402

FOLDER = Path(__file__).parents[2] / "build" / "fuzz-c"
HEADS = ("networks", "values", "differ", "refused")


def main(arguments: list[str]) -> int:
    """Compare; 1 if a network differs."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--networks", type=int, default=500)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--compilers", default="gcc,clang")
    parser.add_argument("--sanitize", action="store_true")
    options = parser.parse_args(arguments)
    compilers = [c for c in options.compilers.split(",") if all(map(shutil.which, c.split("@")))]
    if not compilers:
        sys.exit(f"none of {options.compilers} is here. Install one: apt-get install gcc.")
    goal = "sanitize" if options.sanitize else "check OPTIMIZE=-O1"
    rows: dict[str, Counter[str]] = {}
    begun = time.perf_counter()
    for number, network in enumerate(networks(options.first, options.networks)):
        if network is None:
            rows.setdefault("(no pack drawn)", Counter())["refused"] += 1
            continue
        kind, seed, graph, encoded = network
        row, folder = rows.setdefault(kind, Counter()), FOLDER / f"{seed}"
        shutil.rmtree(folder, ignore_errors=True)
        try:
            put(graph, encoded, folder)
        except DoesNotFit:  # refused by the engine by design
            row["refused"] += 1
            continue
        done = make(folder, goal, compilers[number % len(compilers)])
        row["networks"] += 1
        row["values"] += equal_values(done)
        if equal_values(done):
            shutil.rmtree(folder, ignore_errors=True)
        else:
            row["differ"] += 1
            sys.stdout.write(f"{kind} {seed}, in {folder}: {done.stdout}{done.stderr}\n")
    report(rows, compilers, time.perf_counter() - begun)
    return int(any(row["differ"] for row in rows.values()))


def report(rows: dict[str, Counter[str]], compilers: list[str], seconds: float) -> None:
    """Print the table."""
    total: Counter[str] = Counter()
    for row in rows.values():
        total.update(row)
    sys.stdout.write(f"{'kind':<22}" + "".join(f"{head:>12}" for head in HEADS) + "\n")
    for kind, row in [*sorted(rows.items()), ("all", total)]:
        sys.stdout.write(f"{kind:<22}" + "".join(f"{row[head]:>12,}" for head in HEADS) + "\n")
    sys.stdout.write(f"{', '.join(compilers)}, {seconds:.0f} s\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
