"""Describe a model file or an exported directory: layers, shapes, parameters, settings.

In:  a path.
Out: JSON-ready values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from neurocompile.formats.artifact import read_artifact
from neurocompile.ir.fixed import Synapse
from neurocompile.ir.graph import Graph
from neurocompile.ir.shapes import shapes


def inspect_path(
    path: Path, *, allow_pickle: bool = False, load_options: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Every layer of a model, or of the integers that `export` wrote.

    Args:
        path: A model file or an exported directory.
        allow_pickle: Whether a pickled model may be read.
        load_options: Further options of `frontend.load`, for what another tool's file leaves open.

    Raises:
        BadInput: If the path is neither a model nor an export.
    """
    if path.is_dir():
        from neurocompile.formats.load_onnx import load_onnx

        artifact = read_artifact(path)
        return describe(load_onnx(artifact.file("fixed.onnx")))
    from neurocompile import frontend

    return describe(frontend.load(path, allow_pickle=allow_pickle, **(load_options or {})))


def describe(graph: Graph) -> dict[str, Any]:
    """A graph as JSON-ready values."""
    shape = {} if graph.fixed else shapes(graph)
    return {
        "stage": "fixed" if graph.fixed else "float",
        "settings": graph.settings.to_dict(),
        "layers": [
            {
                "name": name,
                "kind": type(node.op).__name__ + " synapse"
                if isinstance(node, Synapse)
                else type(node).__name__,
                "shape": list(shape.get(name) or _fixed_shape(node)),
                "parameters": _parameters(node),
            }
            for name, node in graph.nodes.items()
        ],
    }


def _fixed_shape(node: Any) -> tuple[int, ...]:
    return tuple(node.out_shape if isinstance(node, Synapse) else node.shape)


def _parameters(node: Any) -> dict[str, Any]:
    """Scalars as they are, arrays by their shape and range."""
    parameters: dict[str, Any] = {}
    for entry in fields(node):
        value = getattr(node, entry.name)
        if entry.name in ("shape", "out_shape") or value is None:
            continue
        if isinstance(value, np.ndarray):
            parameters[entry.name] = value.item() if value.ndim == 0 else _range(value)
        elif hasattr(value, "__dataclass_fields__"):
            parameters.update(_parameters(value))
        else:
            parameters[entry.name] = list(value) if isinstance(value, tuple) else value
    return parameters


def _range(value: np.ndarray) -> str:
    if not value.size:
        return f"{value.shape} empty"
    low, high = value.min().item(), value.max().item()
    text = f"{low:.4g}..{high:.4g}" if value.dtype.kind == "f" else f"{low}..{high}"
    return f"{tuple(value.shape)} {value.dtype} {text}"
