"""Measure the time and memory that loading 10 million weights takes, for each kind of file.

In:  files that this program makes in build/loading.
Out: a table and bench/loading.json: seconds and memory, each of a fresh process, compared with
     the limits of 3 s and 2.5 times the size of the file.
Memory is measured in two ways. The first is the peak of the process and of the child that reads
HDF5, less the same for a file of 9 weights, which is what the libraries take. The second is the
peak of only the process, less its memory after all imports. Both must keep to the limit. The time
does not include imports.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import platform
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import table as tables
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from neurocompile.errors import Unsupported
from neurocompile.frontend import load
from neurocompile.ir.fixed import CubaLIF, SpikeInput, Synapse
from neurocompile.ir.graph import Graph, chain
from neurocompile.ir.neurons import LIFBox
from neurocompile.ir.nodes import Input, Linear

HERE = Path(__file__).parent
FOLDER = HERE.parent / "build" / "loading"
SIDE, SMALL_SIDE = 3163, 3  # squared 10 million; squared 9
MOST_S, MOST_TIMES = 3.0, 2.5
ROUNDS = 3
POLL_S = 0.002
IMPORTS = {
    ".pt": ("neurocompile.formats.checkpoint.read",),
    ".onnx": ("neurocompile.formats.load_onnx",),
    ".nir": ("neurocompile.formats.nir.read", "h5py"),
    ".net": ("neurocompile.formats.netx.read", "h5py"),
}


def main() -> None:
    """Make every file, load each in its own processes, show and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--load", type=Path, help="load this file and print what it took")
    file = parser.parse_args().load
    if file:
        print(json.dumps(measured(file)))  # noqa: T201
        return
    FOLDER.mkdir(parents=True, exist_ok=True)
    rows = [row for name, make in MAKERS.items() if (row := figure(name, make))]
    results = {
        "machine": tables.machine(),
        "python": platform.python_version(),
        "packages": tables.versions("neurocompile", "torch", "numpy", "onnx", "h5py"),
        "weights": SIDE * SIDE,
        "files": rows,
    }
    (HERE / "loading.json").write_text(json.dumps(results, indent=2) + "\n")
    show(results)


def figure(name: str, make: Callable[[Path, int], None]) -> dict[str, Any] | None:
    """Seconds and memory for one kind of file; None if this version cannot load it."""
    path = FOLDER / name
    try:
        make(path, SMALL_SIDE)
        least = min(in_process(path)["bytes"] for _ in range(ROUNDS))
    except Unsupported:
        return None
    make(path, SIDE)
    runs = [in_process(path) for _ in range(ROUNDS)]
    size = path.stat().st_size
    path.unlink()
    seconds = min(run["seconds"] for run in runs)
    times = (max(run["bytes"] for run in runs) - least) / size
    alone = max(run["bytes_alone"] for run in runs) / size
    return {
        "file": name,
        "bytes": size,
        "seconds": seconds,
        "times_its_size": times,
        "times_its_size_alone": alone,
        "met": seconds <= MOST_S and max(times, alone) <= MOST_TIMES,
    }


def in_process(path: Path) -> dict[str, Any]:
    """Seconds and memory of loading a file in a fresh process."""
    command = [sys.executable, __file__, "--load", str(path)]
    done = subprocess.run(command, capture_output=True, text=True)
    if "not in this version" in done.stderr:
        raise Unsupported(path.suffix)
    if done.returncode:
        raise SystemExit(done.stderr)
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


def measured(path: Path) -> dict[str, Any]:
    """Load a file in this process and measure."""
    for module in IMPORTS[path.suffix]:
        if importlib.util.find_spec(module):
            importlib.import_module(module)
    before, watch = own_bytes(), Watch()
    with watch:
        begun = time.perf_counter()
        graph = load(path)
        seconds = time.perf_counter() - begun
    assert isinstance(graph, Graph)
    alone = watch.own_peak - before
    return {"seconds": seconds, "bytes": watch.peak - before, "bytes_alone": alone}


class Watch(threading.Thread):
    """The largest memory of this process and its children while it runs."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak = self.own_peak = 0
        self._end = threading.Event()

    def run(self) -> None:
        """Sample the memory repeatedly; the kernel keeps this process's own peak."""
        while not self._end.wait(POLL_S):
            self.peak = max(self.peak, own_bytes() + children_bytes())

    def __enter__(self) -> None:
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts from here
        self.start()

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self.join()
        self.own_peak = own_bytes("VmHWM")
        self.peak = max(self.peak, self.own_peak)


def own_bytes(what: str = "VmRSS") -> int:
    """Resident memory of this process, or its peak."""
    return _status("self", what)


def children_bytes() -> int:
    """Resident memory of the children of this process that are not shared with it."""
    children = Path("/proc/self/task").glob("*/children")
    return sum(_status(pid, "VmRSS") for file in children for pid in file.read_text().split())


def _status(pid: str, what: str) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0  # it ended between the two looks
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(what)), 0)


# --- Files ---------------------------------------------------------------------------------


def weights(side: int) -> np.ndarray:
    """(side, side) float32 normal numbers."""
    return np.random.default_rng(0).normal(size=(side, side)).astype(np.float32)


def float_graph(side: int) -> Graph:
    """One dense layer of neurons."""
    one = np.float32(1)
    lif = LIFBox(np.float32(100), np.float32(0), one, np.float32(0))
    return chain({"in": Input((side,)), "fc": Linear(weights(side)), "lif": lif})


def fixed_graph(side: int) -> Graph:
    """The same layer in a chip's integers."""
    whole = 2 * np.random.default_rng(0).integers(-128, 128, (side, side)).astype(np.int16)
    synapse = Synapse(Linear(whole), (side,), (side,))
    lif = CubaLIF((side,), du=4095, dv=400, vth=1000, bias_mant=0, bias_exp=0, v_init=0)
    return chain({"in": SpikeInput((side,)), "syn": synapse, "lif": lif})


def make_pt(path: Path, side: int) -> None:
    """A checkpoint by neurocompile.save."""
    import norse.torch as norse
    import torch

    from neurocompile.frontend.save import save

    model = norse.SequentialState(torch.nn.Linear(side, side, bias=False), norse.LIFBoxCell())
    save(model, path, torch.zeros(1, side))


def make_float_onnx(path: Path, side: int) -> None:
    """Our ONNX file of the float stage."""
    from neurocompile.formats.onnx.write import save_onnx

    save_onnx(float_graph(side), path)


def make_fixed_onnx(path: Path, side: int) -> None:
    """Our ONNX file of the fixed stage."""
    from neurocompile.formats.onnx.write import save_onnx

    save_onnx(fixed_graph(side), path)


def make_plain_onnx(path: Path, side: int) -> None:
    """The float stage without our metadata and functions: a plain file."""
    from neurocompile.formats.onnx.write import to_onnx

    model = to_onnx(float_graph(side))
    del model.metadata_props[:], model.functions[:]
    path.write_bytes(model.SerializeToString())


def make_nir(path: Path, side: int) -> None:
    """A dense layer of LIF neurons, written by NIR's own writer."""
    import nir

    def each(number: float) -> np.ndarray:
        return np.full(side, number, np.float32)

    nodes = {
        "input": nir.Input(input_type={"input": np.array([side])}),
        "fc": nir.Linear(weights(side)),
        "lif": nir.LIF(tau=each(0.02), r=each(1), v_leak=each(0), v_threshold=each(1)),
        "output": nir.Output(output_type={"output": np.array([side])}),
    }
    names = list(nodes)
    edges = list(pairwise(names))
    nir.write(path, nir.NIRGraph(nodes=nodes, edges=edges, metadata={"dt": 1e-3}))


def make_net(path: Path, side: int) -> None:
    """A dense layer of CUBA neurons, as lava-dl's slayer exports it."""
    import h5py

    whole = 2 * np.random.default_rng(0).integers(-128, 128, (side, side)).astype(np.float32)
    with h5py.File(path, "w") as file:
        layer = file.create_group("layer/0")
        layer["type"] = np.array([b"dense"], "S10")
        layer["shape"] = np.array([side])
        layer["inFeatures"] = layer["outFeatures"] = side
        layer["weight"] = whole
        layer["neuron/type"] = "CUBA"
        for name, value in {"iDecay": 4096, "vDecay": 400, "vThMant": 80, "refDelay": 1}.items():
            layer[f"neuron/{name}"] = value
        layer["neuron/gradedSpike"] = False


def make_own_net(path: Path, side: int) -> None:
    """The fixed stage as `neurocompile export` writes it."""
    from neurocompile.formats.netx.write import to_bytes

    path.write_bytes(to_bytes(fixed_graph(side)))


MAKERS: dict[str, Callable[[Path, int], None]] = {
    "checkpoint.pt": make_pt,
    "float.onnx": make_float_onnx,
    "fixed.onnx": make_fixed_onnx,
    "plain.onnx": make_plain_onnx,
    "network.nir": make_nir,
    "slayer.net": make_net,
    "network.net": make_own_net,
}


def show(results: dict[str, Any]) -> None:
    """The figures for a terminal."""
    shown = Table("file", "MB", "s", "times its size", "without child", "", box=SIMPLE_HEAD)
    for row in results["files"]:
        shown.add_row(
            row["file"],
            f"{row['bytes'] / 1e6:.0f}",
            f"{row['seconds']:.2f}",
            f"{row['times_its_size']:.2f}",
            f"{row['times_its_size_alone']:.2f}",
            "met" if row["met"] else "MISSED",
        )
    console = Console()
    console.print(shown)
    console.print(
        f"{results['weights']:,} weights; allowed are {MOST_S:g} s and {MOST_TIMES:g} times the "
        f"size. {results['machine']}, Python {results['python']}, "
        f"{tables.listed(results['packages'])}"
    )


if __name__ == "__main__":
    main()
