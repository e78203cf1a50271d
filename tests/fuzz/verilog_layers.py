"""`make fuzz-verilog N=100`: layers of random networks as Verilog, against the engine `fixed`.

In:  `verilog_layers.py [--networks N] [--first SEED] [--simulator iverilog|verilator]`.
Out: layers that were simulated, by neuron, and values compared; exit 1 where one differs, or took
     other clocks than the bundle says. The folder of such a layer stays, and is named.
The networks are those of `make fuzz-c`. Layers that a module cannot hold are counted.
"""

import argparse
import shutil
import sys
from collections import Counter
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1] / "support")]

from verilog_layers import CLOCKS, equal_values, layers, simulated  # noqa: E402

FOLDER = Path(__file__).parents[2] / "build" / "fuzz-verilog"


def main(arguments):
    """Compare; 1 if a layer differs."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--networks", type=int, default=100)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--simulator", default="iverilog")
    options = parser.parse_args(arguments)
    if shutil.which(options.simulator) is None:
        sys.exit(f"{options.simulator} is not here: apt-get install {options.simulator}.")
    found, values, refused, wrong = Counter(), 0, 0, 0
    for kind, seed, name, made in layers(options.first, options.networks):
        if isinstance(made, str):
            refused += 1
            continue
        folder = FOLDER / f"{seed}-{name}"
        shutil.rmtree(folder, ignore_errors=True)
        done = simulated(made, folder, options.simulator)
        equal, clocks = equal_values(done), CLOCKS.search(done.stdout)
        found[type(made.layer.node).__name__] += 1
        values += equal
        if equal and int(clocks[1]) == made.sizes["clocks_most"]:
            shutil.rmtree(folder)
        else:
            wrong += 1
            sys.stdout.write(f"{kind} {seed} {name}, in {folder}: {done.stdout}{done.stderr}\n")
    for neuron, count in sorted(found.items()):
        sys.stdout.write(f"{neuron:<16}{count:>8,}\n")
    sys.stdout.write(
        f"{found.total():,} layers, {values:,} values, {wrong} layers differ, "
        f"{refused:,} cannot be modules\n"
    )
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
