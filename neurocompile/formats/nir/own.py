"""What of our graphs NIR has no words for, kept in the metadata of NIR's nodes.

In:  a FLOAT graph to describe; or the tree of a NIRGraph with our metadata.
Out: metadata beside NIR's own fields; or the graph, with the same bits.
Metadata adds to what NIR's fields say and never stands against it: a graph that was read is
written again, and a file that differs from that is refused.
"""

from __future__ import annotations

import json
from dataclasses import MISSING, fields
from typing import Any

import numpy as np

from neurocompile.errors import BadInput
from neurocompile.formats.json_files import each_once
from neurocompile.formats.nir.flat import Tree
from neurocompile.ir.adapting import NEURONS
from neurocompile.ir.arrays import stored_fields
from neurocompile.ir.graph import Graph
from neurocompile.ir.nodes import (
    Add,
    AvgPool,
    BatchNorm,
    Conv,
    Delay,
    Identity,
    Input,
    Linear,
    Reshape,
    Sparse,
    SumPool,
)
from neurocompile.ir.settings import Settings
from neurocompile.ir.verify import verify

KEY = "neurocompile"  # in the metadata of the NIRGraph: one JSON text
FORMAT = "1.0"  # MAJOR.MINOR
IN_NIR = (Linear, Conv)  # their arrays are NIR's own
HELD: dict[str, Any] = {
    kind.__name__: kind
    for kind in (
        *(Input, Linear, Conv, BatchNorm, Sparse, SumPool, AvgPool, Reshape),
        *(Identity, Add, Delay, *NEURONS),
    )
}


def describe(graph: Graph) -> str:
    """Settings, nodes in their order, and edges, without arrays, as JSON."""
    nodes = {
        name: {"kind": type(node).__name__, **_plain(node)} for name, node in graph.nodes.items()
    }
    return json.dumps(
        {
            "format": FORMAT,
            "settings": graph.settings.to_dict(),
            "nodes": nodes,
            "edges": graph.edges,
        }
    )


def metadata(node: Any) -> dict[str, Any]:
    """The arrays of a node that NIR holds otherwise or not at all."""
    if isinstance(node, IN_NIR):
        return {}
    if isinstance(node, Sparse) and len(node.data) == len(node.indptr) - 1:
        return {"data": node.data}  # a factor for each value
    return {
        f.name: getattr(node, f.name)
        for f in fields(node)
        if isinstance(getattr(node, f.name), np.ndarray)
    }


def is_own(graph: Tree) -> bool:
    """Whether a NIRGraph carries our metadata."""
    return isinstance(graph.get("metadata"), dict) and KEY in graph["metadata"]


def restore(graph: Tree) -> Graph:
    """The graph that `describe` and `metadata` were written from; not yet compared with NIR's.

    Raises:
        BadInput: If the metadata are damaged, or of a version that is not read.
    """
    try:
        told = json.loads(graph["metadata"][KEY], object_pairs_hook=each_once)
        if str(told["format"]).split(".")[0] != FORMAT.split(".")[0]:
            raise BadInput(
                f"its metadata '{KEY}' have the format {str(told['format'])[:20]}, but this "
                f"version reads {FORMAT}. Write the file again with this version."
            )
        nodes = {
            name: _node(entry, graph["nodes"].get(name, {}))
            for name, entry in told["nodes"].items()
        }
        edges = tuple((a, b) for a, b in told["edges"])
        settings = Settings.from_dict(told["settings"])
    except (TypeError, ValueError, KeyError, AttributeError, RecursionError) as error:
        raise BadInput(
            f"its metadata '{KEY}' are damaged ({type(error).__name__}: {str(error)[:80]}). "
            "Write the file again, or remove the metadata to read it as any other NIR file."
        ) from None
    return verify(Graph(nodes, edges, settings), "float")


def check_equal(written: Tree, held: Tree, where: str = "") -> None:
    """Refuse a file whose NIR fields say something else than its metadata.

    Raises:
        BadInput: Naming the first field.
    """
    for key in sorted({*written, *held}):
        here = f"{where}{key}"
        a, b = written.get(key), held.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            check_equal(a, b, f"{here}/")
        elif key == KEY or (key == "metadata" and a in ({}, None)):
            continue  # what others wrote beside
        elif a is None or b is None or not _equal(a, b):
            raise BadInput(
                f"its metadata '{KEY}' do not fit its field '{here}': another program changed the "
                f"one or the other. Remove '{KEY}' from the graph's metadata to read the file as "
                "any other NIR file, and give dt= (--dt)."
            )


def _equal(a: Any, b: Any) -> bool:
    x, y = np.asarray(a), np.asarray(b)
    return x.dtype.kind not in "OV" and y.dtype.kind not in "OV" and np.array_equal(x, y)


def _plain(node: Any) -> dict[str, Any]:
    return {
        name: getattr(node, name)
        for name in stored_fields(node)
        if not isinstance(getattr(node, name), np.ndarray)
    }


def _node(entry: dict[str, Any], nir: Tree) -> Any:
    """One of our nodes: plain fields out of the JSON, arrays out of the NIR node."""
    kind = HELD[entry["kind"]]
    arrays = {**nir, **nir.get("metadata", {})}
    if kind is Sparse and "indices" not in arrays:
        each = np.arange(np.asarray(arrays["data"]).size + 1)
        arrays |= {"indices": each[:-1], "indptr": each}
    values = {}
    for field in fields(kind):
        if field.name in entry or field.name in arrays or field.default is MISSING:
            value = entry[field.name] if field.name in entry else arrays[field.name]
            values[field.name] = tuple(value) if isinstance(value, list) else value
    return kind(**values)
