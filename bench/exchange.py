"""Write the benchmark's network to files for contestants that do not use neurocompile.

In:  the shipped checkpoint and its compiled integers; samples.
Out: a folder: network.json and network.npz (floats, integers, matrices, input), and
     whole.onnx and encoder.onnx for our own engines.
The encoder half starts at the spikes of the input neurons and ends at the latent layer.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from neurocompile.compiler import compile_graph
from neurocompile.data.inputs import encode
from neurocompile.data.samples import load_data, load_training_data
from neurocompile.engines import fixed
from neurocompile.formats.onnx.write import to_bytes
from neurocompile.frontend import load
from neurocompile.ir.arrays import Array
from neurocompile.ir.fixed import CubaLIF, SpikeInput, Synapse
from neurocompile.ir.graph import Graph
from neurocompile.ir.linear import matrix
from neurocompile.ir.nodes import Conv, ConvTranspose, Linear, Sparse

KINDS: dict[type, str] = {Conv: "conv", ConvTranspose: "transposed", Linear: "dense"}


@dataclass(frozen=True)
class Written:
    """The exchanged network.

    Attributes:
        folder: Folder of its files.
        latent: (samples,) spikes of the latent layer in our engine.
    """

    folder: Path
    latent: Array


def write(model: Path, folder: Path, samples: int) -> Written:
    """Compile the shipped network and write it with encoded samples."""
    folder.mkdir(parents=True, exist_ok=True)
    trained = load(model)
    settings = trained.settings
    calibration = load_training_data(settings.data)
    compiled = compile_graph(trained, "loihi-sim", calibration=calibration).fixed_graph
    data = load_data(settings.data, samples=samples)
    encoded = encode(compiled, data, 0, samples, settings.steps, 0)
    ran = fixed.run(compiled, encoded, spikes=("pixels", "latent"), membrane=())
    spikes = ran.recording.spikes
    half = encoder_half(compiled)
    (folder / "whole.onnx").write_bytes(to_bytes(compiled))
    (folder / "encoder.onnx").write_bytes(to_bytes(half))
    arrays: dict[str, Any] = {
        "samples": (data.values * settings.encoder.gain).astype(np.float32),
        "mantissas": next(iter(encoded.values.values())),
        "pixels": spikes["pixels"].reshape(samples, settings.steps, -1),
    }
    layers = [
        _layer(trained, compiled, name, synapse, arrays) for name, synapse in compiled.of(Synapse)
    ]
    description = {"steps": settings.steps, "layers": layers, "input": _input(trained, compiled)}
    (folder / "network.json").write_text(json.dumps(description, indent=1))
    np.savez(folder / "network.npz", **arrays)
    return Written(folder, spikes["latent"].reshape(samples, -1).sum(axis=1))


def encoder_half(graph: Graph) -> Graph:
    """The part from the spikes of the input neurons to the latent layer."""
    names = list(graph.nodes)
    kept = names[names.index("pixels") : names.index("latent") + 1]
    nodes = {name: graph.nodes[name] for name in kept}
    nodes["pixels"] = SpikeInput(graph.nodes["pixels"].shape)
    edges = tuple(edge for edge in graph.edges if edge[0] in nodes and edge[1] in nodes)
    return Graph(nodes, edges, graph.settings)


def _layer(
    trained: Graph, compiled: Graph, name: str, synapse: Synapse, arrays: dict[str, Any]
) -> dict[str, Any]:
    """One synapse and the neurons after it; its arrays are added to the others."""
    (neurons,) = compiled.after(name)
    node: CubaLIF = compiled.nodes[neurons]
    trained_op, op = trained.nodes[name], synapse.op
    assert not isinstance(op, Sparse)
    sums = matrix(op, synapse.in_shape).tocsr()
    arrays |= {
        f"{name}/weight": trained_op.weight.astype(np.float32),
        f"{name}/offset": trained_op.bias.astype(np.float32),
        f"{name}/integers": op.weight.astype(np.int32),
        f"{name}/data": sums.data.astype(np.int32),
        f"{name}/indices": sums.indices.astype(np.int32),
        f"{name}/indptr": sums.indptr.astype(np.int64),
        f"{name}/mantissas": np.broadcast_to(node.bias_mant, node.shape).ravel().astype(np.int32),
        f"{name}/bias": np.broadcast_to(node.bias, node.shape).ravel().astype(np.int64),
    }
    return {
        "name": name,
        "neurons": neurons,
        "kind": KINDS[type(op)],
        "stride": list(getattr(op, "stride", ())),
        "padding": list(getattr(op, "padding", ())),
        "in_shape": list(synapse.in_shape),
        "shape": list(node.shape),
        "weight_exp": synapse.weight_exp,
        "dv": int(node.dv),
        "vth": int(node.vth),
        "bias_exp": int(node.bias_exp),
        **_leak(trained, neurons),
    }


def _input(trained: Graph, compiled: Graph) -> dict[str, Any]:
    """The input neurons."""
    node: CubaLIF = compiled.nodes["pixels"]
    registers = {name: int(getattr(node, name)) for name in ("dv", "vth", "bias_exp")}
    return {**registers, **_leak(trained, "pixels")}


def _leak(trained: Graph, name: str) -> dict[str, Any]:
    """The constants of a float layer, as plain numbers; rest and reset are 0."""
    node: Any = trained.nodes[name]
    threshold = float(node.v_th) if node.spiking else None
    return {
        "tau_mem_inv": float(node.tau_mem_inv),
        "dt": trained.settings.dt,
        "threshold": threshold,
    }
