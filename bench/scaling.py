"""How the fixed engine's cost grows: with neurons, synapses, steps and samples.

In:  random networks of one synapse and one population.
Out: seconds by size, the exponent of each growth, a plot; the memory of 100 million synapses.
Repetitions cycle through all sizes, and the best of each counts, since noise only adds time.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from neurocompile.data.inputs import Encoded
from neurocompile.engines import fixed
from neurocompile.ir.fixed import CubaLIF, SpikeInput, Synapse
from neurocompile.ir.graph import Graph, chain
from neurocompile.ir.nodes import Linear
from neurocompile.ir.settings import Settings

Act = Callable[[], Any]
ROUNDS = 3
STEPS, SAMPLES, RATE = 16, 16, 0.10
SMALLEST = 2  # sizes of a growth that its exponent leaves out
PATIENCE_S = 300.0  # for the child with 100 million synapses, which takes 60 s
SIDE = 10_000  # a side of the matrix of 100 million synapses
LIMIT_GB = 8.0
GROWTH: Mapping[str, Sequence[dict[str, int]]] = {
    "neurons": [{"sources": 16, "neurons": 1 << k, "samples": 4} for k in range(14, 20)],
    "synapses": [{"sources": 1 << k, "neurons": 2048} for k in range(9, 15)],
    "steps": [{"steps": 1 << k} for k in range(6, 12)],
    "samples": [{"samples": 1 << k} for k in range(6, 12)],
}


def layer(sources: int, neurons: int) -> Graph:
    """One dense synapse with a population after it; no neuron has a bias."""
    draw = np.random.default_rng(0)
    weight = (2 * draw.integers(-16, 17, size=(neurons, sources))).astype(np.int16)
    threshold = 64 * int(np.sqrt(sources) + 1)
    numbers = {"du": 4095, "dv": 410, "vth": threshold, "bias_mant": 0, "bias_exp": 0, "v_init": 0}
    registers: dict[str, Any] = {name: np.array(number) for name, number in numbers.items()}
    population = CubaLIF((neurons,), **registers)
    synapse = Synapse(Linear(weight), (sources,), (neurons,))
    return chain({"input": SpikeInput((sources,)), "synapse": synapse, "out": population})


def spikes(sources: int, steps: int, samples: int, rate: float) -> Encoded:
    """Random spikes at a given rate."""
    draw = np.random.default_rng(1)
    values = draw.random((samples, steps, sources), dtype=np.float32) < rate
    return Encoded({"input": values.astype(np.uint8)}, steps)


def ours(graph: Graph, encoded: Encoded) -> Act:
    """A run of our engine on the spikes, which only counts."""
    return lambda: fixed.run(graph, encoded, spikes=(), membrane=())


def best(acts: Mapping[Any, Act], rounds: int = ROUNDS) -> dict[Any, float]:
    """Best seconds of each action over some rounds, after one round to warm up."""
    seconds = dict.fromkeys(acts, np.inf)
    for number in range(rounds + 1):
        for name, act in acts.items():
            begun = time.perf_counter()
            act()
            if number:
                seconds[name] = min(seconds[name], time.perf_counter() - begun)
    return seconds


def growth(rounds: int = ROUNDS) -> dict[str, Any]:
    """Seconds by size in each direction, with the exponent."""
    growths = {}
    for what, sizes in GROWTH.items():
        acts: dict[Any, Act] = {}
        for size in sizes:
            full = {"sources": 1024, "neurons": 1024, "steps": STEPS, "samples": SAMPLES} | size
            graph = layer(full["sources"], full["neurons"])
            encoded = spikes(full["sources"], full["steps"], full["samples"], RATE)
            acts[_measure(what, full)] = ours(graph, encoded)
        seconds = best(acts, rounds)
        growths[what] = {
            "sizes": list(seconds),
            "seconds": list(seconds.values()),
            "exponent": exponent(list(seconds), list(seconds.values())),
        }
    return growths


def _measure(what: str, full: Mapping[str, int]) -> int:
    return full["sources"] * full["neurons"] if what == "synapses" else full[what]


def exponent(sizes: Sequence[float], seconds: Sequence[float]) -> float:
    """Slope of log(seconds) over log(size) without the smallest size, where fixed costs rule."""
    sizes, seconds = sizes[SMALLEST:], seconds[SMALLEST:]
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def plot(growths: Mapping[str, Any], path: Path) -> None:
    """Growth on logarithmic axes."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "neurocompile"  # the same file for the same figures
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(5, 3.6), layout="constrained")
    for what, series in growths.items():
        sizes, seconds = np.array(series["sizes"]), np.array(series["seconds"])
        label = f"{what}: exponent {series['exponent']:.2f}"
        axes.loglog(sizes / sizes[0], seconds / seconds[0], "o-", label=label)
    ends = np.array(axes.get_xlim())
    axes.loglog(ends, ends, "k:", linewidth=1, label="linear")
    axes.set(xlabel="times the smallest size", ylabel="times the smallest's seconds")
    axes.legend(fontsize=8)
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def hundred_million(side: int = SIDE) -> dict[str, Any]:
    """Compile and run side x side synapses in a child process; returns peak memory by stage."""
    command = [sys.executable, __file__, str(side)]
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, check=False, timeout=PATIENCE_S)
        ended, said = done.returncode, done.stdout
    except subprocess.TimeoutExpired as error:
        ended, said = None, error.stdout or b""
    stages = [json.loads(line) for line in said.decode().splitlines()]
    finished = ended == 0
    peak = max((stage["peak_gb"] for stage in stages), default=0.0)
    return {
        "synapses": side * side,
        "stages": stages,
        "peak_gb": peak,
        "finished": finished,
        "exit": ended,
        "met": finished and peak < LIMIT_GB,
    }


def _compile_and_run(side: int) -> None:
    """Run in the child: print seconds and peak memory after every stage."""
    from neurocompile.chip.read import load_chip
    from neurocompile.ir.nodes import Input
    from neurocompile.ir.verify import verify
    from neurocompile.place.placement import place
    from neurocompile.quantize.calibrate import calibrate
    from neurocompile.quantize.quantize import quantize
    from neurocompile.simplify import simplify

    begun = time.perf_counter()

    def stage(name: str) -> None:
        report = {"stage": name, "seconds": time.perf_counter() - begun, "peak_gb": _peak_gb()}
        print(json.dumps(report), flush=True)  # noqa: T201  the parent reads it

    chip = load_chip("ideal")
    stage("start")
    draw = np.random.default_rng(0)
    weight = draw.standard_normal((side, side), dtype=np.float32) / np.float32(np.sqrt(side))
    settings = Settings(steps=4)
    nodes = {"input": Input((side,)), "synapse": Linear(weight), "out": _lifbox()}
    del weight
    graph = verify(chain(nodes, settings), "float")
    del nodes
    stage("float network")
    simple = verify(simplify(graph), "float")
    quantized = verify(
        quantize(simple, chip, calibrate(simple, None, settings.steps, 0).ranges, 8), "fixed"
    )
    del graph, simple
    stage("quantized")
    place(quantized, chip)
    stage("placed")
    run = fixed.run(quantized, spikes(side, settings.steps, 2, 0.1), spikes=(), membrane=())
    stage(f"run, {int(run.activity['out'].spikes.sum())} spikes")


def _peak_gb() -> float:
    """Largest memory of this process so far, 1e9 bytes; getrusage would count its parent's too."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 / 1e9 for line in lines if line.startswith("VmHWM"))


def _lifbox() -> Any:
    from neurocompile.ir.neurons import LIFBox

    numbers = {"tau_mem_inv": 100.0, "v_leak": 0.0, "v_th": 0.1, "v_reset": 0.0}
    constants: dict[str, Any] = {name: np.array(number) for name, number in numbers.items()}
    return LIFBox(**constants)


if __name__ == "__main__":
    _compile_and_run(int(sys.argv[1]))
