"""Read a network back from the ONNX model that `onnx.write` made.

In:  a model of ours, possibly damaged or hostile.
Out: the graph that was written, bit for bit, or one BadInput sentence.
The graph is rebuilt from metadata and tensors, and then written again: the result must be what
the model executes, node by node.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import zip_longest
from typing import Any

import numpy as np
from onnx import AttributeProto, ModelProto, NodeProto

from neurocompile.errors import BadInput
from neurocompile.formats.json_files import each_once
from neurocompile.formats.onnx.draft import every_node
from neurocompile.formats.onnx.fields import decode
from neurocompile.formats.onnx.ops import DOMAIN, DOMAIN_VERSION
from neurocompile.formats.onnx.tensors import ByteRange, Stored, stored
from neurocompile.formats.onnx.write import (
    FORMAT,
    FORMAT_KEY,
    GRAPH_KEY,
    SETTINGS_KEY,
    STAGE_KEY,
    without_values,
)
from neurocompile.ir.graph import Graph
from neurocompile.ir.settings import Settings
from neurocompile.ir.verify import Stage, verify

REBUILD = "Rebuild it with: neurocompile export MODEL --target NAME --out DIR"
NOT_TEXT = f"a name or metadata entry is not text, so it is damaged. {REBUILD}."


def read_own(
    model: ModelProto,
    metadata: Mapping[str, str],
    in_file: Mapping[int, ByteRange],
    dt: float | None,
) -> Graph:
    """The graph that a model of ours was written from.

    Args:
        model: Model, which is read and never executed.
        metadata: Metadata of the model, by key.
        in_file: Positions of the bytes that were left in the file, by number of the initializer.
        dt: Length of a step in seconds, or None; a file of ours holds it.

    Raises:
        BadInput: If it is of another version, damaged, or edited so that what it executes is
            not what its metadata describes.
    """
    newer = _check_version(metadata, model)
    arrays = dict(_arrays(model, in_file))
    try:
        described = json.loads(metadata[GRAPH_KEY], object_pairs_hook=each_once)
        settings = json.loads(metadata[SETTINGS_KEY], object_pairs_hook=each_once)
    except KeyError as error:
        raise BadInput(f"the metadata entry {error} is missing. {REBUILD}.") from None
    except (ValueError, RecursionError) as error:
        why = str(error)[:80]
        raise BadInput(f"its metadata is damaged ({why}). {REBUILD}.") from None
    if not isinstance(described, dict) or not isinstance(settings, dict):
        raise BadInput(f"its metadata describes no graph, so it is damaged. {REBUILD}.")
    nodes = _nodes(described.get("nodes"), dict(arrays), newer)
    graph = Graph(nodes, _edges(described.get("edges")), Settings.from_dict(settings))
    declared = metadata.get(STAGE_KEY)
    stage: Stage = "fixed" if graph.fixed else "float"
    if declared != stage:
        raise BadInput(
            f"its stage is {str(declared)[:40]!r}, but its nodes are {stage}. {REBUILD}."
        )
    if dt is not None and dt != graph.settings.dt:
        assumed = graph.settings.assumes("dt")
        raise BadInput(
            f"its step is {graph.settings.dt} s, but {dt} s was given. "
            + (
                "Give dt= (--dt) where the model is read from which it was written, and export it "
                "again."
                if assumed
                else "Leave out dt= (--dt)."
            )
        )
    apart = {name: arrays[name] for n in in_file if (name := model.graph.initializer[n].name)}
    _check_same(model, verify(graph, stage), apart)
    return graph


def _check_version(metadata: Mapping[str, str], model: ModelProto) -> bool:
    """Refuse files that are not ours or of another MAJOR, and return whether the MINOR is newer."""
    text = metadata.get(FORMAT_KEY)
    if text is None:
        raise BadInput(
            f"it has metadata of neurocompile but no entry '{FORMAT_KEY}', so it is damaged. "
            f"{REBUILD}."
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


def _arrays(model: ModelProto, in_file: Mapping[int, ByteRange]) -> Iterator[tuple[str, Stored]]:
    """Every array of the file, with its name: initializers, and tensors that our nodes carry."""
    for number, initializer in enumerate(model.graph.initializer):
        yield initializer.name, stored(initializer, initializer.name, in_file.get(number))
    for node in every_node(model.graph.node):
        if node.domain == DOMAIN:
            for attribute in node.attribute:
                if attribute.type == AttributeProto.TENSOR:
                    name = f"{node.name}.{attribute.name}"
                    yield name, stored(attribute.t, name)


def _nodes(entries: Any, arrays: dict[str, Stored], newer: bool) -> dict[str, Any]:
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


def _check_same(model: ModelProto, graph: Graph, apart: Mapping[str, Stored]) -> None:
    """Refuse a model that executes anything but what its metadata describes.

    Args:
        model: Model as it was read.
        graph: Graph that its metadata describes; written again, it must equal the model.
        apart: Initializers that are still in the file, compared in pieces.
    """
    ours, values = without_values(graph, apart)
    for node, expected in zip_longest(model.graph.node, ours.graph.node):
        if node != expected:
            raise BadInput(
                f"it holds {_node(node)} where its metadata describes {_node(expected)}. The file "
                f"was changed after neurocompile wrote it. {REBUILD}."
            )
    same = all(
        np.array_equal(a.view(np.uint8), b.view(np.uint8))
        for name, tensor in apart.items()
        for a, b in zip_longest(tensor.chunks(), values[name], fillvalue=np.zeros(0))
    )
    parts = {
        "tensors": ([same, *model.graph.initializer], [True, *ours.graph.initializer]),
        "inputs and outputs": ([model.graph], [ours.graph]),
        "functions": (model.functions, ours.functions),
        "imports": (model.opset_import, ours.opset_import),
        "IR version numbers": ([model.ir_version], [ours.ir_version]),
    }
    for part, (read_parts, expected_parts) in parts.items():
        if list(read_parts) != list(expected_parts):
            raise BadInput(
                f"its {part} do not match its metadata. The file was changed after neurocompile "
                f"wrote it. {REBUILD}."
            )


def _node(node: NodeProto | None) -> str:
    return f"node '{node.name[:80]}' ({node.op_type[:40]})" if node is not None else "no node"
