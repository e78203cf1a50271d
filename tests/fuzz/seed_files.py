"""Small sound files of every kind that neurocompile reads, as bytes: what mutants are made of.

In:  nothing.
Out: files by kind; a kind that this version cannot load yet is left out.
`LOADERS` reads each kind by the function that a user calls, and gives what it makes of it.
"""

import dataclasses
import tempfile
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import nir
import norse.torch as norse
import numpy as np
import random_graphs
import sdnn_files
import torch
from plain_files import TIMED, neurons, node, plain

import neurocompile
from neurocompile.chip.read import load_chip
from neurocompile.errors import Unsupported
from neurocompile.formats.artifact import MANIFEST, read_artifact, write_artifact
from neurocompile.formats.netx.write import to_bytes as net_bytes
from neurocompile.formats.nir.write import write_nir
from neurocompile.formats.onnx.write import to_bytes
from neurocompile.formats.onnx_plain.read import with_functions
from neurocompile.ir.fixed import CubaLIF, SpikeInput, Synapse
from neurocompile.ir.graph import Graph, chain
from neurocompile.ir.nodes import Linear
from neurocompile.ir.verify import verify

# Where each kind stands in the folder that a mutant gets.
NAMES = {
    "pt": "net.pt",
    "float": "float.onnx",
    "fixed": "fixed.onnx",
    "plain": "plain.onnx",
    "target": "target.toml",
    "manifest": MANIFEST,
    "nir": "net.nir",
    "net": "net.net",
}
HDF5 = ("nir", "net")  # each is read in a child process, which takes 0.3 s
ROOT = Path(__file__).parents[2]


def _model(path: Path) -> Any:
    graph = neurocompile.load(path)
    assert isinstance(graph, Graph)
    return verify(graph, "fixed" if graph.fixed else "float")


def _artifact(path: Path) -> Any:
    artifact = read_artifact(path.parent)
    return [artifact.file(name) for name in artifact.manifest["files"]]


LOADERS: dict[str, Callable[[Path], Any]] = {
    **dict.fromkeys(NAMES, _model),
    "target": lambda path: load_chip(path.parent),
    "manifest": _artifact,
}


def load(kind: str, path: Path) -> Any:
    """What a user gets of a file; a graph is verified once more."""
    return LOADERS[kind](path)


@cache
def seeds() -> dict[str, tuple[bytes, ...]]:
    """Sound files of each kind that loads."""
    found = {
        "pt": (_checkpoint(norse.LIFCell()), _checkpoint(norse.LIFBoxCell())),
        "float": tuple(to_bytes(random_graphs.joined_float_graph(seed)) for seed in (1, 4, 6, 8)),
        "fixed": tuple(to_bytes(random_graphs.looped_fixed_graph(seed)) for seed in (0, 3))
        + tuple(to_bytes(random_graphs.fixed_graph(seed)) for seed in (2, 11)),
        "plain": (_plain(False), _plain(True)),
        "target": tuple(
            (ROOT / "targets" / name / "target.toml").read_bytes()
            for name in ("ideal", "loihi-sim")
        ),
        "manifest": (_manifest(),),
        "nir": (_in_file(_write_nir), _in_file(_write_own_nir, ".nir")),
        "net": (_in_file(_write_net), _own_net(), *_sigma_delta_nets()),
    }
    return {kind: files for kind, files in found.items() if kind not in HDF5 or _loads(kind, files)}


def _loads(kind: str, files: tuple[bytes, ...]) -> bool:
    """Whether this version reads a kind; a seed that a reader refuses is a mistake here."""
    with tempfile.TemporaryDirectory() as folder:
        for content in files:
            path = Path(folder) / NAMES[kind]
            path.write_bytes(content)
            try:
                load(kind, path)
            except Unsupported as error:
                if "not in this version" in str(error):
                    return False
                raise
    return True


def _checkpoint(cell: torch.nn.Module) -> bytes:
    model = norse.SequentialState(
        torch.nn.Conv2d(1, 2, 3), cell, torch.nn.Flatten(), torch.nn.Linear(8, 3), norse.LICell()
    )
    return _in_file(lambda path: neurocompile.save(model, path, torch.zeros(1, 1, 4, 4)), ".pt")


def _manifest() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        run = {"source": "digits", "samples": 20, "steps": 8, "seed": 0}
        artifact = write_artifact(
            Path(folder) / "out", {"report.json": b"{}\n"}, {"target": "ideal", "data": run}
        )
        return (artifact.path / MANIFEST).read_bytes()


def _plain(whole: bool) -> bytes:
    rng = np.random.default_rng(0)
    nodes = [
        node("Reshape", ["x", "fold"], "images"),
        node("Conv", ["images", "kernel"], "conv", pads=[1, 1]),
        node("AveragePool", ["conv"], "pool", kernel_shape=[2], strides=[2]),
        node("Shape", ["x"], "batch_steps", start=0, end=2),
        node("Concat", ["batch_steps", "image"], "unfold", axis=0),
        node("Reshape", ["pool", "unfold"], "currents"),
        neurons("currents", "spikes"),
        node("Add", ["spikes", "spikes"], "twice"),
        node("Reshape", ["twice", "flat"], "flatten"),
        node("MatMul", ["flatten", "weight"], "fc"),
        node("Add", ["fc", "bias"], "readout"),
        neurons("readout", "potential", "LIBox"),
    ]
    model = plain(
        nodes,
        [*TIMED, 1, 6],
        ["potential"],
        settings='{"steps": 20, "encoder": {"kind": "bernoulli", "gain": 0.5}}',
        kernel=rng.normal(size=(2, 1, 3)).astype(np.float32),
        fold=np.array([-1, 1, 6]),
        image=np.array([2, 3]),
        flat=np.array([0, 0, -1]),
        weight=rng.normal(size=(6, 2)),
        bias=np.float32([1, 2]),
    )
    return bytes((with_functions(model) if whole else model).SerializeToString(deterministic=True))


def _in_file(write: Callable[[Path], Any], suffix: str = ".h5") -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"file{suffix}"
        write(path)
        return path.read_bytes()


def _write_nir(path: Path) -> None:
    rng = np.random.default_rng(0)

    def of(n: int, **numbers: float) -> dict[str, Any]:
        return {name: np.full(n, number, np.float32) for name, number in numbers.items()}

    lif = of(3, tau=0.02, r=1.0, v_leak=0.0, v_threshold=1.0)
    if "v_reset" in {f.name for f in dataclasses.fields(nir.LIF)}:
        lif |= of(3, v_reset=0.0)
    nodes = {
        "input": nir.Input(input_type={"input": np.array([4])}),
        "fc": nir.Affine(rng.normal(size=(3, 4)).astype(np.float32), np.zeros(3, np.float32)),
        "lif": nir.LIF(**lif),
        "out": nir.Linear(rng.normal(size=(2, 3)).astype(np.float32)),
        "li": nir.LI(**of(2, tau=0.02, r=1.0, v_leak=0.0)),
        "output": nir.Output(output_type={"output": np.array([2])}),
    }
    names = list(nodes)
    graph = nir.NIRGraph(nodes=nodes, edges=list(pairwise(names)))
    graph.metadata["dt"] = 1e-3
    nir.write(path, graph)


def _write_own_nir(path: Path) -> None:
    """As `neurocompile` exports it: with what NIR has no place for beside it."""
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder) / NAMES["pt"]
        checkpoint.write_bytes(_checkpoint(norse.LIFCell()))
        write_nir(neurocompile.load(checkpoint), path)


def _own_net() -> bytes:
    weight = 2 * np.random.default_rng(0).integers(-20, 20, (5, 4)).astype(np.int16)
    cells = CubaLIF((5,), du=4095, dv=400, vth=64 * 80, bias_mant=0, bias_exp=6, v_init=0)
    synapse = Synapse(Linear(weight), (4,), (5,), weight_exp=0)
    return net_bytes(chain({"in": SpikeInput((4,)), "syn": synapse, "pop": cells}))


def _sigma_delta_nets() -> tuple[bytes, bytes]:
    """A file of sigma-delta layers as slayer exports them, and ours of the same network."""
    with tempfile.TemporaryDirectory() as folder:
        path = sdnn_files.write(Path(folder) / NAMES["net"], sdnn_files.layers(0))
        return path.read_bytes(), net_bytes(neurocompile.load(path))


def _write_net(path: Path) -> None:
    """Two dense layers of CUBA neurons, as lava-dl's slayer exports them."""
    rng = np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        for number, (n_in, n_out) in enumerate(((4, 5), (5, 3))):
            layer = file.create_group(f"layer/{number}")
            layer["type"] = np.array([b"dense"], "S10")
            layer["shape"] = np.array([n_out])
            layer["inFeatures"], layer["outFeatures"] = n_in, n_out
            layer["weight"] = 2.0 * rng.integers(-20, 20, (n_out, n_in)).astype(np.float32)
            layer["neuron/type"] = "CUBA"
            values = {"iDecay": 4096, "vDecay": 400, "vThMant": 80, "refDelay": 1}
            for name, value in values.items():
                layer[f"neuron/{name}"] = value
            layer["neuron/gradedSpike"] = False
