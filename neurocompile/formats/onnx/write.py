"""Write a network as an ONNX file that stock onnxruntime executes.

In:  a FLOAT or FIXED graph.
Out: a ModelProto; the same graph gives the same bytes.
Every array is stored once: as an initializer where the file computes with it, as a tensor
attribute of its layer's node where only a reader needs it. The rest is JSON in the metadata;
`read.py` rebuilds the graph from it and checks the nodes against it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from onnx import ModelProto, helper

from neurocompile.errors import BadInput
from neurocompile.formats.onnx.check import check
from neurocompile.formats.onnx.draft import Draft
from neurocompile.formats.onnx.layers import write_layer
from neurocompile.formats.onnx.loops import write_loop
from neurocompile.formats.onnx.neurons import (
    ONE_STEP,
    fixed_function,
    fixed_op,
    fixed_step_function,
    float_function,
    float_step_function,
    pass_on_function,
)
from neurocompile.formats.onnx.ops import (
    DOMAIN,
    DOMAIN_VERSION,
    IR_VERSION,
    OPSET,
)
from neurocompile.ir.arrays import Array
from neurocompile.ir.fixed import BiasInput, ChipNeuron
from neurocompile.ir.graph import Graph
from neurocompile.ir.neurons import Neuron
from neurocompile.ir.order import components
from neurocompile.ir.settings import Settings
from neurocompile.ir.verify import verify

FORMAT = (1, 1)  # MAJOR.MINOR: a minor only adds metadata, a major changes what is executed
LARGEST_FILE = 2**31 - 1  # bytes; the limit of protobuf
FORMAT_KEY, STAGE_KEY, GRAPH_KEY, SETTINGS_KEY = (
    f"neurocompile.{key}" for key in ("format", "stage", "graph", "settings")
)


def save_onnx(graph: Graph, path: str | Path) -> None:
    """Write a graph to an ONNX file.

    Raises:
        BadInput: As in `to_onnx`, or if the file cannot be written or would exceed 2 GB.
    """
    data = to_bytes(graph)
    try:
        Path(path).write_bytes(data)
    except OSError as error:
        raise BadInput(f"{path} cannot be written: {error.strerror}.") from None


def to_bytes(graph: Graph) -> bytes:
    """The ONNX file of a graph, the same bytes for the same graph."""
    model = to_onnx(graph)
    if model.ByteSize() > LARGEST_FILE:
        raise BadInput(
            f"the ONNX file would have {model.ByteSize()} bytes, but an ONNX file holds up to "
            f"{LARGEST_FILE}. Use a smaller network."
        )
    return bytes(model.SerializeToString(deterministic=True))


def to_onnx(graph: Graph) -> ModelProto:
    """A graph as an ONNX model.

    Its input is `<input>`. For FLOAT it is (batch, steps, *shape) float32; for FIXED it holds
    uint8 spikes of 0 and 1, or int32 bias mantissas of a BiasInput. For FIXED its outputs are
    `<population>.spikes` uint8 and `<population>.membrane` int32 after the reset. For FLOAT
    they are the same in float32, and `<layer>.value` of a last layer that is not a neuron.

    Raises:
        BadInput: If the graph is not sound; the message names the layer.
        Unsupported: If it has no ONNX form.
    """
    return written(verify(graph, "fixed" if graph.fixed else "float"))


def written(graph: Graph) -> ModelProto:
    """`to_onnx` for a graph that has been verified already."""
    return without_values(graph, ())[0]


def without_values(
    graph: Graph, names: Iterable[str]
) -> tuple[ModelProto, dict[str, Iterator[Array]]]:
    """A model in which some initializers hold no values, and those values in pieces."""
    draft = Draft(graph, check(graph), names)
    for layers, loop in components(graph):
        if loop:
            write_loop(layers, draft)
        else:
            write_layer(graph.nodes[layers[0]], layers[0], draft)
    draft.refuse_collisions()
    entries = {entry["name"]: entry for entry in draft.entries}
    described = {"nodes": [entries[name] for name in graph.nodes], "edges": graph.edges}
    model = helper.make_model(
        helper.make_graph(
            draft.nodes,
            "network",
            draft.inputs,
            draft.outputs,
            list(draft.initializers.values()),
        ),
        functions=_functions(graph, draft),
        opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(DOMAIN, DOMAIN_VERSION)],
        ir_version=IR_VERSION,
        producer_name="neurocompile",
    )
    helper.set_model_props(
        model,
        {
            FORMAT_KEY: ".".join(map(str, FORMAT)),
            STAGE_KEY: "fixed" if graph.fixed else "float",
            GRAPH_KEY: json.dumps(described),
            SETTINGS_KEY: _settings_json(graph.settings),
        },
    )
    return model, draft.apart


def _functions(graph: Graph, draft: Draft) -> list[Any]:
    """One function per kind of neuron in the graph, in alphabetical order."""
    functions: dict[str, Any] = {}
    for name, neuron in graph.of(Neuron):
        make = float_step_function if name in draft.looped else float_function
        function = make(neuron)
        functions[function.name] = function
    for name, node in graph.of(ChipNeuron):
        looped, host_bias = name in draft.looped, draft.host_bias(name)
        op = fixed_op(node, host_bias) + (ONE_STEP if looped else "")
        make_fixed = fixed_step_function if looped else fixed_function
        functions[op] = make_fixed(node, host_bias, sorted(draft.carried[op]))
    if any(graph.of(BiasInput)):
        carried = sorted(draft.carried["BiasInput"])
        functions["BiasInput"] = pass_on_function("BiasInput", carried)
    return [functions[name] for name in sorted(functions)]


def _settings_json(settings: Settings) -> str:
    """Settings as JSON that reads back to equal settings.

    Raises:
        BadInput: If the training summary holds what JSON cannot hold.
    """
    try:
        text = json.dumps(settings.to_dict(), sort_keys=True, allow_nan=False)
        if Settings.from_dict(json.loads(text)) == settings:
            return text
    except (TypeError, ValueError, RecursionError):
        pass
    raise BadInput(
        "the settings do not survive JSON. Use finite numbers, text, lists and dictionaries with "
        "text keys in settings.training."
    )
