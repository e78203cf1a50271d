"""Measure placement: time and memory of a large network, and cores against the lower bound.

In:  a fixed network of 100 convolutions, 1 million neurons and 100 million synapses that this
     program makes; the shipped networks.
Out: bench/placement.json and the tables of docs/placement.md.
The large network is made and placed in its own process, on at most two cores. Its seconds are those
of `place` only, its memory is that of the whole process.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, get_args

import numpy as np
import table as tables

from neurocompile.chip.read import load_chip
from neurocompile.compiler import compile_graph
from neurocompile.frontend import load
from neurocompile.ir.fixed import CubaLIF, SpikeInput, Synapse
from neurocompile.ir.graph import Graph, chain
from neurocompile.ir.nodes import Conv
from neurocompile.place import least_cores, place
from neurocompile.place.objective import Objective
from neurocompile.place.placed import Placed

HERE = Path(__file__).parent
MODELS = HERE.parent / "examples" / "models"
PAGE = HERE.parent / "docs" / "placement.md"
LAYERS, CHANNELS, SIDE = 100, 12, 29  # 1,009,200 neurons, 104,040,000 synapses
MOST_S, MOST_GB, MOST_TIMES, CORES = 60.0, 4.0, 1.1, 2


def main() -> None:
    """Place everything, write and show it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", action="store_true", help="place the large network here")
    if parser.parse_args().large:
        print(json.dumps(large()))  # noqa: T201
        return
    command = [sys.executable, __file__, "--large"]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    results = {
        "machine": tables.machine(),
        "python": platform.python_version(),
        "packages": tables.versions("neurocompile", "numpy"),
        "large": json.loads(done.stdout),
        "shipped": [shipped(path) for path in sorted(MODELS.iterdir())],
    }
    (HERE / "placement.json").write_text(json.dumps(results, indent=2) + "\n")
    shown = markdown(results)
    tables.put(shown, "placement", PAGE)
    print(shown)  # noqa: T201


def large() -> dict[str, Any]:
    """Make the large network and place it."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    chip, graph = load_chip("loihi-sim"), network()
    begun, busy = time.perf_counter(), time.process_time()
    placed = place(graph, chip)
    seconds, busy = time.perf_counter() - begun, time.process_time() - busy
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    synapses = sum(int(route.fan.synapses.sum()) for route in placed.routes.values())
    return {
        "layers": LAYERS,
        "neurons": sum(cores.size for cores in placed.core_of.values()),
        "synapses": synapses,
        "seconds": seconds,
        "cpu_seconds": busy,
        "peak_gb": peak,
        "cores_used": len(placed.cores),
        "least_cores": max(least_cores(graph, chip).values()),
        "met": seconds <= MOST_S and peak <= MOST_GB,
    }


def network() -> Graph:
    """Convolutions of 3 x 3 with random weights, one after another."""
    shape = (CHANNELS, SIDE, SIDE)
    draw = np.random.default_rng(0)
    nodes: dict[str, Any] = {"input": SpikeInput(shape)}
    for k in range(1, LAYERS + 1):
        weight = (2 * draw.integers(-128, 128, (CHANNELS, CHANNELS, 3, 3))).astype(np.int16)
        conv = Conv(weight, None, (1, 1), (1, 1), (1, 1), 1)
        nodes[f"conv{k}"] = Synapse(conv, shape, shape)
        numbers = {"du": 4095, "dv": 410, "vth": 1000, "bias_mant": 0, "bias_exp": 0, "v_init": 0}
        registers: dict[str, Any] = {name: np.array(number) for name, number in numbers.items()}
        nodes[f"lif{k}"] = CubaLIF(shape, **registers)
    return chain(nodes)


def shipped(path: Path) -> dict[str, Any]:
    """A shipped network placed for each objective."""
    chip = load_chip("loihi-sim")
    # Scales from the weights: a calibration changes numbers, not what a core must hold.
    graph = compile_graph(load(path), chip).fixed_graph
    least = max(least_cores(graph, chip).values())
    wanted = [few for few in get_args(Objective) if few != "halves"]  # which compares nothing
    by_objective = {few: place(graph, chip, few) for few in wanted}
    return {
        "model": path.name,
        "least_cores": least,
        "by_objective": {few: figures(placed) for few, placed in by_objective.items()},
        "met": len(by_objective["both"].cores) <= MOST_TIMES * least,
    }


def figures(placed: Placed) -> dict[str, int]:
    """Number of cores, and of messages and hops if every neuron spikes once."""
    routes = [route for route in placed.routes.values() if not route.host]
    hops = [axis for r in routes for axis in (r.hops_east_west, r.hops_north_south)]
    return {
        "cores": len(placed.cores),
        "messages": sum(int(route.destinations.sum()) for route in placed.routes.values()),
        "hops": sum(int(each.sum()) for each in hops if each is not None),
    }


def markdown(results: dict[str, Any]) -> str:
    """The tables of the page."""
    big = results["large"]
    rows = [
        ["time", f"{big['seconds']:.0f} s ({big['cpu_seconds']:.0f} s of one core)", "60 s"],
        ["peak memory of the process", f"{big['peak_gb']:.2f} GB", "4 GB"],
        ["cores", f"{big['cores_used']:,}", f"at least {big['least_cores']:,} by counting"],
    ]
    head = [f"{big['layers']} layers, {big['neurons']:,} neurons, {big['synapses']:,} synapses"]
    lines = tables.markdown([*head, "measured", "limit"], rows)
    lines += ["", *tables.markdown(
        ["network", "at least", "fewest of", "cores", "messages", "hops"],
        [
            [row["model"], str(row["least_cores"]), few, *(f"{n:,}" for n in one.values())]
            for row in results["shipped"]
            for few, one in row["by_objective"].items()
        ],
    )]  # fmt: skip
    where = f"{results['machine']}, Python {results['python']}"
    return "\n".join([*lines, "", f"{where}; {tables.listed(results['packages'])}"])


if __name__ == "__main__":
    main()
