"""One digest for a whole graph: equal exactly where `same` holds.

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
    sha256 = hashlib.sha256()
    sha256.update(json.dumps([graph.edges, graph.settings.to_dict()], sort_keys=True).encode())
    for name, node in graph.nodes.items():
        sha256.update(f"\0{name}\0{type(node).__name__}".encode())
        _add(sha256, node)
    return sha256.hexdigest()


def _add(sha256: Any, node: Any) -> None:
    for name in stored_fields(node):
        value = getattr(node, name)
        sha256.update(f"\0{name}\0".encode())
        if isinstance(value, np.ndarray):
            sha256.update(f"{value.dtype.str}{value.shape}".encode())
            sha256.update(value.tobytes())
        elif hasattr(value, "__dataclass_fields__"):
            sha256.update(type(value).__name__.encode())
            _add(sha256, value)
        else:
            sha256.update(repr(value).encode())
