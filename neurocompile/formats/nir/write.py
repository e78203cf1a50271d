"""FLOAT graphs to NIR, for snnTorch, Norse, SpikingJelly, Sinabs, Rockpool, Nengo and others.

In:  a FLOAT graph.
Out: the tree of a NIR file, or the file. Every NIR reader finds the network in NIR's own fields;
what NIR has no words for (dt, steps, encoder, exact leaks) stands in metadata (`nir_own.py`).
What NIR cannot hold is refused by layer, never dropped. The same graph gives the same bytes.
"""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from neurocompile.errors import BadInput, NotInstalled, path_of
from neurocompile.formats.nir.flat import Tree
from neurocompile.formats.nir.own import KEY, describe, metadata
from neurocompile.formats.nir.rules import NodeContext, delay_primitive, primitive
from neurocompile.formats.nir.wiring import wire
from neurocompile.ir.checks import naming_layer
from neurocompile.ir.graph import Graph
from neurocompile.ir.shapes import shapes
from neurocompile.ir.verify import verify

NIR_VERSION = "1.0.8"  # whose vocabulary this is
COMPRESSED = 1 << 10  # values from which a dataset is worth compressing


def to_nir(graph: Graph, *, keep_subtract: bool = False) -> Tree:
    """The content of a NIR file: {"version": ..., "node": a NIRGraph} of dicts and arrays.

    nir.dict2NIRNode(tree["node"]) makes nir's own objects of it.

    Args:
        graph: FLOAT graph.
        keep_subtract: Write neurons that subtract their threshold, which NIR cannot say: they
            stay so for neurocompile; other programs reset them to v_reset.

    Raises:
        Unsupported: If NIR cannot hold a layer, or how layers are joined.
        BadInput: If the graph is no sound FLOAT graph.
    """
    if not isinstance(graph, Graph):
        raise BadInput(f"this is of the type {type(graph).__name__}. Give a graph from load.")
    if graph.fixed:
        raise BadInput(
            "NIR holds trained networks, not the integers of a chip. Give a FLOAT graph."
        )
    shape, wiring = shapes(verify(graph, "float")), wire(graph)
    dt = graph.settings.dt
    nodes: Tree = {}
    for name, node in wiring.nodes.items():
        with naming_layer(name, node):
            before = shape[graph.before(name)[0]] if graph.before(name) else ()
            nodes[name] = primitive(node, NodeContext(before, shape[name], dt, keep_subtract))
            nodes[name]["metadata"] = metadata(node)
    for name, (delay, ours) in wiring.delays.items():
        nodes[name] = delay_primitive(delay, shape[ours], dt)
        if delay.late is not None and name == ours:
            nodes[name]["metadata"] = metadata(delay)
    for name, end in wiring.outputs.items():
        nodes[name] = {"type": "Output", "shape": np.array(shape[end])}
    return {
        "version": NIR_VERSION,
        "node": {
            "type": "NIRGraph",
            "nodes": nodes,
            "edges": np.array(wiring.edges, dtype=np.str_).reshape(-1, 2),
            "metadata": {KEY: describe(graph)},
        },
    }


def write_nir(graph: Graph, path: str | Path, *, keep_subtract: bool = False) -> None:
    """Write a `.nir` file; see `to_nir`.

    Raises:
        NotInstalled: If h5py is absent.
    """
    path = path_of(path, "the file to write")
    tree = to_nir(graph, keep_subtract=keep_subtract)
    try:
        import h5py
    except ModuleNotFoundError:
        raise NotInstalled(
            "writing a NIR file needs the package 'h5py', which is not installed. "
            "Run: neurocompile doctor --install train"
        ) from None
    with h5py.File(path, "w") as file:
        _fill(h5py, file, tree)


def _fill(h5py: Any, group: Any, tree: Tree) -> None:
    for name, value in tree.items():
        if isinstance(value, dict):
            if value or name != "metadata":
                _fill(h5py, group.create_group(name), value)
        elif isinstance(value, str) or value.dtype.kind == "U":
            text = value if isinstance(value, str) else value.astype(object)
            group.create_dataset(name, data=text, dtype=h5py.string_dtype())
        else:
            packed = "gzip" if prod(value.shape) >= COMPRESSED else None
            group.create_dataset(name, data=value, compression=packed)
