"""One number for a whole graph: equal exactly where `same` holds.

In:  a graph.
Out: SHA-256, hex, over names, edges, settings and every bit of every array.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np

from neurocompile.ir.arrays import stored_fields
from neurocompile.ir.graph import Graph


def graph_digest(graph: Graph) -> str:
    """SHA-256 of a graph, hex."""
    seen = hashlib.sha256()
    seen.update(json.dumps([graph.edges, graph.settings.to_dict()], sort_keys=True).encode())
    for name, node in graph.nodes.items():
        seen.update(f"\0{name}\0{type(node).__name__}".encode())
        _add(seen, node)
    return seen.hexdigest()


def _add(seen: Any, node: Any) -> None:
    for name in stored_fields(node):
        value = getattr(node, name)
        seen.update(f"\0{name}\0".encode())
        if isinstance(value, np.ndarray):
            seen.update(f"{value.dtype.str}{value.shape}".encode())
            seen.update(value.tobytes())
        elif hasattr(value, "__dataclass_fields__"):
            seen.update(type(value).__name__.encode())
            _add(seen, value)
        else:
            seen.update(repr(value).encode())
