"""The nodes of a graph as JSON-ready values: names, kinds, shapes, and parameters in short.

In:  a FLOAT or FIXED graph.
Out: a row per node; arrays are described by shape and range.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np

from neurocompile.ir.fixed import Synapse
from neurocompile.ir.graph import Graph
from neurocompile.ir.shapes import shapes


def node_rows(graph: Graph) -> list[dict[str, Any]]:
    """A row per node, in the order of the graph."""
    shape = {} if graph.fixed else shapes(graph)
    return [
        {
            "name": name,
            "kind": type(node.op).__name__ + " synapse"
            if isinstance(node, Synapse)
            else type(node).__name__,
            "shape": list(shape.get(name) or _fixed_shape(node)),
            "parameters": _parameters(node),
        }
        for name, node in graph.nodes.items()
    ]


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
