"""Read a network back from the ONNX file that `onnx_write` made.

In:  a file of ours, possibly damaged or hostile.
Out: the graph that was written, bit for bit, or one BadInput sentence.
The graph is rebuilt from metadata and tensors, and then written again: what that gives must
be what the file executes, node by node. Nothing outside the file is opened.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError
from onnx import AttributeProto, ModelProto, NodeProto, TensorProto

from neurocompile.errors import BadInput
from neurocompile.exchange.onnx_draft import every_node
from neurocompile.exchange.onnx_fields import decode
from neurocompile.exchange.onnx_ops import DOMAIN, DOMAIN_VERSION, TYPES
from neurocompile.exchange.onnx_write import (
    FORMAT,
    FORMAT_KEY,
    GRAPH_KEY,
    LARGEST_FILE,
    SETTINGS_KEY,
    STAGE_KEY,
    written,
)
from neurocompile.ir.arrays import Array
from neurocompile.ir.graph import Graph
from neurocompile.ir.settings import Settings
from neurocompile.ir.verify import Stage, verify

REBUILD = "Rebuild it with: neurocompile export MODEL --target NAME --out DIR"
NOT_TEXT = f"a name or metadata entry is not text, so it is damaged. {REBUILD}."
_DTYPES: dict[int, Any] = {elem_type: dtype.newbyteorder("<") for dtype, elem_type in TYPES.items()}


def load_onnx(path: str | Path) -> Graph:
    """The graph in an ONNX file of ours.

    Raises:
        BadInput: Whatever is wrong with the file; the message names the file and the node.
    """
    return from_onnx(parse(read_bytes(path), str(path)), str(path))


def read_bytes(path: str | Path) -> bytes:
    """The bytes of a file that is small enough to be an ONNX file."""
    try:
        size = Path(path).stat().st_size
        if size > LARGEST_FILE:
            raise BadInput(
                f"{path}: the file has {size} bytes, but an ONNX file holds up to {LARGEST_FILE}. "
                f"It is something else. {REBUILD}."
            )
        return Path(path).read_bytes()
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror}. Check the path.") from None


def parse(data: bytes, file: str) -> ModelProto:
    """The protobuf message in these bytes."""
    model = ModelProto()
    try:
        model.ParseFromString(data)
    except DecodeError:
        raise BadInput(f"{file}: this is no ONNX file, or it is cut off. {REBUILD}.") from None
    return model


def from_onnx(model: ModelProto, file: str = "this ONNX model") -> Graph:
    """The graph that an ONNX model of ours was written from.

    Args:
        model: Made by `to_onnx`; read, never executed.
        file: Names the model in messages.

    Raises:
        BadInput: If it is not ours, of another version, damaged, or edited so that what it
            executes is not what its metadata describes.
    """
    try:
        return _read(model)
    except BadInput as error:
        raise BadInput(f"{file}: {error}") from None
    except UnicodeDecodeError:  # what some versions of protobuf raise at damaged text
        raise BadInput(f"{file}: {NOT_TEXT}") from None
    except RecursionError:
        raise BadInput(f"{file}: its metadata is nested too deep. {REBUILD}.") from None


def _read(model: ModelProto) -> Graph:
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    if not all(isinstance(text, str) for pair in metadata.items() for text in pair):
        raise BadInput(NOT_TEXT)  # where others give bytes
    newer = _check_version(metadata, model)
    arrays = dict(_arrays(model))
    try:
        described = json.loads(metadata[GRAPH_KEY])
        settings = json.loads(metadata[SETTINGS_KEY])
    except KeyError as error:
        raise BadInput(f"the metadata entry {error} is missing. {REBUILD}.") from None
    except (ValueError, RecursionError):
        raise BadInput(f"its metadata is not JSON, so it is damaged. {REBUILD}.") from None
    if not isinstance(described, dict) or not isinstance(settings, dict):
        raise BadInput(f"its metadata describes no graph, so it is damaged. {REBUILD}.")
    nodes = _nodes(described.get("nodes"), arrays, newer)
    graph = Graph(nodes, _edges(described.get("edges")), Settings.from_dict(settings))
    found = metadata.get(STAGE_KEY)
    stage: Stage = "fixed" if graph.fixed else "float"
    if found != stage:
        raise BadInput(f"its stage is {str(found)[:40]!r}, but its nodes say otherwise. {REBUILD}.")
    _check_same(model, written(verify(graph, stage)))
    return graph


def _check_version(metadata: Mapping[str, str], model: ModelProto) -> bool:
    """Refuse files that are not ours or of another MAJOR; says whether the MINOR is newer."""
    text = metadata.get(FORMAT_KEY)
    if text is None:
        raise BadInput(
            f"it has no metadata entry '{FORMAT_KEY}', so neurocompile did not write it. {REBUILD}."
        )
    ours = ".".join(map(str, FORMAT))
    major, _, minor = text.partition(".")
    if not (_is_number(major) and _is_number(minor)):
        raise BadInput(f"its format is {text[:40]!r}, allowed is MAJOR.MINOR. {REBUILD}.")
    if int(major) > FORMAT[0]:
        raise BadInput(
            f"its format is {text}, but this neurocompile reads {ours}. Update neurocompile."
        )
    if int(major) < FORMAT[0]:
        raise BadInput(f"its format is {text}, but this neurocompile reads {ours}. {REBUILD}.")
    for opset in model.opset_import:
        if opset.domain == DOMAIN and opset.version != DOMAIN_VERSION:
            raise BadInput(
                f"it needs version {opset.version} of the domain {DOMAIN}, but this neurocompile "
                f"has version {DOMAIN_VERSION}. Use the neurocompile that wrote it."
            )
    for node in model.graph.node:
        if node.domain not in ("", DOMAIN):
            raise BadInput(
                f"node '{node.name}' is a {node.op_type} of the domain '{node.domain}', allowed "
                f"are standard ONNX and {DOMAIN}. {REBUILD}."
            )
    return int(minor) > FORMAT[1]


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 6


def _arrays(model: ModelProto) -> Iterator[tuple[str, Array]]:
    """Every array of the file: initializers, and the tensors that our own nodes carry."""
    for initializer in model.graph.initializer:
        yield initializer.name, _array(initializer, initializer.name)
    for node in every_node(model.graph.node):
        if node.domain == DOMAIN:
            for attribute in node.attribute:
                if attribute.type == AttributeProto.TENSOR:
                    name = f"{node.name}.{attribute.name}"
                    yield name, _array(attribute.t, name)


def _array(tensor: TensorProto, name: str) -> Array:
    """The values of a tensor, after checking that it has as many bytes as it declares."""
    if tensor.data_location == TensorProto.EXTERNAL or len(tensor.external_data):
        raise BadInput(
            f"the tensor '{name[:80]}' keeps its data in another file, which is not opened. "
            "Save the model with its data inside."
        )
    dtype = _DTYPES.get(tensor.data_type)
    if dtype is None:
        raise BadInput(f"the tensor '{name[:80]}' has the unknown type {tensor.data_type}.")
    shape = tuple(tensor.dims)
    count = 1
    for n in shape:  # of Python integers, which do not overflow
        count *= n
    declared = count * dtype.itemsize
    if len(shape) > 8 or min(shape, default=0) < 0 or declared != len(tensor.raw_data):
        raise BadInput(
            f"the tensor '{name[:80]}' of shape {shape[:8]} would have {declared} bytes, but "
            f"{len(tensor.raw_data)} are there. The file is damaged. {REBUILD}."
        )
    return np.frombuffer(tensor.raw_data, dtype).reshape(shape)


def _nodes(entries: Any, arrays: Mapping[str, Array], newer: bool) -> dict[str, Any]:
    if not isinstance(entries, list) or not entries:
        raise BadInput(f"its metadata lists no nodes. {REBUILD}.")
    nodes: dict[str, Any] = {}
    for entry in entries:
        name = entry.get("name") if isinstance(entry, dict) else None
        if not isinstance(name, str) or name in nodes:
            raise BadInput(f"a node has no name, or the name of another: {str(name)[:40]!r}.")
        # A damaged float in place of an integer register is refused by `_check_same`.
        with np.errstate(invalid="ignore", over="ignore"):
            nodes[name] = decode(entry, arrays, f"node '{name[:80]}'", newer)
    return nodes


def _edges(pairs: Any) -> tuple[tuple[str, str], ...]:
    good = isinstance(pairs, list) and all(
        isinstance(pair, list) and len(pair) == 2 and all(isinstance(end, str) for end in pair)
        for pair in pairs
    )
    if not good:
        raise BadInput(f"the edges in its metadata are not pairs of names. {REBUILD}.")
    return tuple((a, b) for a, b in pairs)


def _check_same(model: ModelProto, ours: ModelProto) -> None:
    """Refuse a model that executes anything but what its metadata describes."""
    for found, expected in zip_longest(model.graph.node, ours.graph.node):
        if found != expected:
            raise BadInput(
                f"it holds {_node(found)} where its metadata describes {_node(expected)}. The file "
                f"was changed after neurocompile wrote it. {REBUILD}."
            )
    parts = {
        "tensors": (model.graph.initializer, ours.graph.initializer),
        "inputs and outputs": ([model.graph], [ours.graph]),
        "functions": (model.functions, ours.functions),
        "imports": (model.opset_import, ours.opset_import),
        "IR version numbers": ([model.ir_version], [ours.ir_version]),
    }
    for part, (found_parts, expected_parts) in parts.items():
        if list(found_parts) != list(expected_parts):
            raise BadInput(
                f"its {part} do not match its metadata. The file was changed after neurocompile "
                f"wrote it. {REBUILD}."
            )


def _node(node: NodeProto | None) -> str:
    return f"node '{node.name[:80]}' ({node.op_type[:40]})" if node is not None else "no node"
