"""Run a network from its ONNX file in stock onnxruntime on the CPU.

In:  a graph or the file itself, and encoded input.
Out: recording of every population, in the network's own time: proof of what the file computes.
Needs only numpy, onnx and onnxruntime. No code of ours runs inside onnxruntime.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from neurocompile.data.inputs import Encoded, check_encoded
from neurocompile.engines.in_range import require_in_range
from neurocompile.engines.recording import Recording
from neurocompile.errors import BadInput, NotInstalled
from neurocompile.formats.load_onnx import from_onnx, parse, read_bytes
from neurocompile.formats.onnx.write import to_bytes
from neurocompile.formats.scratch import uninterrupted
from neurocompile.ir.arrays import Array
from neurocompile.ir.fixed import BiasInput, ChipNeuron, SpikeInput
from neurocompile.ir.graph import Graph
from neurocompile.ir.nodes import Input
from neurocompile.ir.payloads import payload_type

# Values (samples x steps x neurons of the largest layer) in one call of onnxruntime. About ten
# int64 copies of a layer exist at the same time, so a call takes less than about 1 GB.
VALUES_AT_ONCE = 1 << 23


def run(graph: Graph, encoded: Encoded) -> Recording:
    """Run a FIXED graph through its ONNX file.

    Raises:
        BadInput: If the graph cannot be written, or the input does not fit it.
        DoesNotFit: If a register is left, as in the engine `fixed`; see `in_range`.
        NotInstalled: Without onnxruntime.
    """
    return _run(graph, to_bytes(graph), encoded)


def run_file(file: str | Path | bytes, encoded: Encoded) -> Recording:
    """Run a FIXED network from its ONNX file, given as a path or as bytes; these are executed.

    Raises:
        BadInput: If the file is not ours or is damaged, or the input does not fit it.
        DoesNotFit: If a register is left, as in the engine `fixed`; see `in_range`.
        NotInstalled: Without onnxruntime.
    """
    data = file if isinstance(file, bytes) else read_bytes(file)
    name = "this ONNX model" if isinstance(file, bytes) else str(file)
    return _run(from_onnx(parse(data, name), name), data, encoded)


def run_float(graph: Graph, inputs: Array) -> dict[str, Array]:
    """Run a FLOAT graph through its ONNX file, in float32.

    Args:
        graph: FLOAT graph with one Input.
        inputs: (n, steps, *shape) real numbers.

    Returns:
        By output of the file, such as "lif1.spikes" and "lif1.membrane",
        (n, steps, *shape) float32.
    """
    names = [name for name, _ in graph.of(Input)]
    if graph.fixed or len(names) != 1:
        raise BadInput(f"run_float takes a FLOAT graph with one Input; this one has {len(names)}.")
    (name,) = names
    shape = graph.nodes[name].shape
    values = np.asarray(inputs)
    if values.ndim < 2 or values.shape[2:] != shape:
        raise BadInput(
            f"the input '{name}' has shape {values.shape}, but must have (samples, steps, "
            f"{', '.join(map(str, shape))})."
        )
    feeds = {name: values.astype(np.float32)}
    return _execute(to_bytes(graph), feeds, values.shape[0], values.shape[1])


def _run(graph: Graph, data: bytes, encoded: Encoded) -> Recording:
    if not graph.fixed:
        raise BadInput("this network is a FLOAT graph. Export it first, or use run_float.")
    check_encoded(graph, encoded)
    feeds = {name: _feed(name, node, encoded) for name, node in graph.of(SpikeInput, BiasInput)}
    outputs = _execute(data, feeds, encoded.samples, encoded.steps)
    inputs = {name: feeds[name] for name, _ in graph.of(SpikeInput)}
    populations = [name for name, _ in graph.of(ChipNeuron)]
    recording = Recording(
        spikes=inputs | {name: outputs[f"{name}.spikes"] for name in populations},
        membrane={name: outputs[f"{name}.membrane"] for name in populations},
    )
    require_in_range(graph, encoded, recording)
    return recording


def _feed(name: str, node: Any, encoded: Encoded) -> Array:
    """The values of one input, samples and steps first."""
    values = np.asarray(encoded.values[name])
    if isinstance(node, SpikeInput):
        return values.astype(payload_type(node))
    return np.repeat(values.astype(np.int32)[:, None], encoded.steps, axis=1)


def _execute(data: bytes, feeds: Mapping[str, Array], n: int, steps: int) -> dict[str, Array]:
    """Every output of the file for n samples, in as many calls as memory requires."""
    session = _session(data)
    declared = session.get_outputs()
    shapes = {o.name: tuple(o.shape[2:]) for o in declared}
    largest = max(
        prod(shape) for shape in [*shapes.values(), *(f.shape[2:] for f in feeds.values())]
    )
    batch = max(1, VALUES_AT_ONCE // max(1, steps * largest))
    types = {o.name: _DTYPES[o.type] for o in declared}
    outputs = {o: np.empty((n, steps, *shapes[o]), types[o]) for o in shapes}
    if steps == 0:
        return outputs
    for start in range(0, n, batch):
        part = slice(start, start + batch)
        results = session.run(list(outputs), {name: feed[part] for name, feed in feeds.items()})
        for name, result in zip(outputs, results, strict=True):
            outputs[name][part] = result
    return outputs


_DTYPES = {"tensor(uint8)": np.uint8, "tensor(int32)": np.int32, "tensor(float)": np.float32}


def _session(data: bytes) -> Any:
    try:
        with uninterrupted():  # or a signal would read as a package that is not there
            import onnxruntime
    except ImportError:
        raise NotInstalled(
            "the onnx engine needs onnxruntime. Install it with: pip install onnxruntime"
        ) from None
    return onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
