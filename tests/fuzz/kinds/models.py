"""Models and targets: small sound files of every format that a network comes in.

In:  nothing.
Out: kinds.
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
from fuzz.kinds.kind import Kind
from plain_files import TIMED, neurons, node, plain

import neurocompile
from neurocompile.chip.read import load_chip
from neurocompile.formats.netx.write import to_bytes as net_bytes
from neurocompile.formats.nir.write import write_nir
from neurocompile.formats.onnx.write import to_bytes
from neurocompile.formats.onnx_plain.read import with_functions
from neurocompile.ir.fixed import CubaLIF, SpikeInput, Synapse
from neurocompile.ir.graph import Graph, chain
from neurocompile.ir.nodes import Linear
from neurocompile.ir.verify import verify

ROOT = Path(__file__).parents[3]
IN_A_CHILD = 0.2  # weight of kinds that a child process reads


def _model(name: str, seeds: Callable[[], tuple[bytes, ...]], weight: float = 1.0) -> Kind:
    """A kind of model: one file, whose graph is verified once more."""

    def read(folder: Path) -> Any:
        graph = neurocompile.load(folder / name)
        assert isinstance(graph, Graph)
        return verify(graph, "fixed" if graph.fixed else "float")

    return Kind(
        Path(name).stem,
        cache(lambda: tuple({name: content} for content in seeds())),
        read,
        lambda folder: ["inspect", str(folder / name), "--target", "ideal"],
        weight=weight,
    )


def _checkpoints() -> tuple[bytes, ...]:
    return _checkpoint(norse.LIFCell()), _checkpoint(norse.LIFBoxCell())


def _neighbours() -> tuple[bytes, ...]:
    """Checkpoints of models of snnTorch, SpikingJelly, Sinabs and slayer."""
    import random_sinabs
    import random_slayer
    import random_snntorch
    import random_spikingjelly

    found = []
    for seed in (0, 1):
        model, x = random_snntorch.Maker(seed).network()
        found.append((model, torch.zeros(1, *x.shape[1:])))
        model, x, over_time = random_spikingjelly.Maker(seed).network()
        found.append((model, torch.zeros(*((2, 1) if over_time else (1,)), *x.shape[1:])))
        model, x, squeezed = random_sinabs.Maker(seed).network()
        found.append((model, torch.zeros(*((1,) if squeezed else (1, 2)), *x.shape[1:])))
    model, x = random_slayer.make(0)
    found.append((model, torch.zeros(1, *x.shape[1:], random_slayer.STEPS)))
    return tuple(_saved(model, example) for model, example in found)


def _saved(model: torch.nn.Module, example: torch.Tensor) -> bytes:
    return _in_file(lambda path: neurocompile.save(model, path, example), ".pt")


def _targets() -> tuple[dict[str, bytes], ...]:
    names = ("ideal", "loihi-sim", "loihi2-sim")
    return tuple(
        {"target.toml": (ROOT / "targets" / name / "target.toml").read_bytes()} for name in names
    )


def _checkpoint(cell: torch.nn.Module) -> bytes:
    model = norse.SequentialState(
        torch.nn.Conv2d(1, 2, 3), cell, torch.nn.Flatten(), torch.nn.Linear(8, 3), norse.LICell()
    )
    return _saved(model, torch.zeros(1, 1, 4, 4))


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


def _nir_of_others() -> tuple[bytes, ...]:
    """Files that the neighbours wrote."""
    folder = ROOT / "tests/support/files"
    names = ("norse_box", "snntorch_rleaky", "spikingjelly_conv")
    return tuple((folder / f"{name}.nir").read_bytes() for name in names)


def _write_own_nir(path: Path) -> None:
    """As `neurocompile` exports it: with what NIR has no place for beside it."""
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder) / "net.pt"
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
        path = sdnn_files.write(Path(folder) / "net.net", sdnn_files.layers(0))
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


MODELS = (
    _model("norse.pt", _checkpoints),
    _model("neighbours.pt", _neighbours),
    _model(
        "float.onnx",
        lambda: tuple(to_bytes(random_graphs.joined_float_graph(seed)) for seed in (1, 4, 6, 8)),
    ),
    _model(
        "fixed.onnx",
        lambda: tuple(
            to_bytes(make(seed))
            for make, seed in (
                *((random_graphs.looped_fixed_graph, seed) for seed in (0, 3)),
                *((random_graphs.fixed_graph, seed) for seed in (2, 11)),
                *((random_graphs.graded_graph, seed) for seed in (1, 5)),
            )
        ),
    ),
    _model("plain.onnx", lambda: (_plain(False), _plain(True))),
    _model(
        "nir.nir",
        lambda: (_in_file(_write_nir), _in_file(_write_own_nir, ".nir"), *_nir_of_others()),
        IN_A_CHILD,
    ),
    _model(
        "slayer.net", lambda: (_in_file(_write_net), _own_net(), *_sigma_delta_nets()), IN_A_CHILD
    ),
    Kind(
        "target",
        cache(_targets),
        load_chip,
        lambda folder: ["targets", str(folder)],
    ),
)
