"""Make one synapse of everything linear that stands between two neurons.

In:  FLOAT graph: chains of Linear, Conv, ConvTranspose, pools, upsampling and reshapes.
Out: FLOAT graph: between two neurons one weighted node, with reshapes at most around it.
A chain that is one weighted node already keeps its kind (and so its kernel); any other is
multiplied out into one Sparse. Neurons that follow each other directly get weights of 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from neurocompile.errors import Unsupported
from neurocompile.ir.arrays import Array
from neurocompile.ir.graph import Edge, Graph
from neurocompile.ir.linear import full_bias, matrix, sparse_op
from neurocompile.ir.neurons import NEURONS
from neurocompile.ir.nodes import LINEAR_OPS, Identity, Input, Reshape, Shape, size
from neurocompile.ir.shapes import out_shape, shapes

WEIGHTED = ("Linear", "Conv", "ConvTranspose", "Sparse")


@dataclass(frozen=True)
class Chain:
    """What stands before a neuron, back to the neuron or input it comes from.

    Attributes:
        origin: Name of the neuron or input.
        names: Linear nodes from the origin on.
    """

    origin: str
    names: tuple[str, ...]


def chain_before(graph: Graph, neuron: str) -> Chain:
    """The linear nodes between a neuron and the one before it, in order."""
    names: list[str] = []
    (name,) = graph.before(neuron)
    while isinstance(graph.nodes[name], LINEAR_OPS):
        names.insert(0, name)
        (name,) = graph.before(name)
    return Chain(name, tuple(names))


def compose_synapses(graph: Graph) -> Graph:
    """Leave exactly one weighted node on every path between two neurons.

    Raises:
        Unsupported: If the graph ends in a synapse: a chip reads neurons, not sums.
    """
    shape = shapes(graph)
    for name in graph.outputs():
        if isinstance(graph.nodes[name], LINEAR_OPS):
            raise Unsupported(
                f"layer '{name}' ({type(graph.nodes[name]).__name__}) is the last one, but a chip "
                "reads neurons. Add a readout behind it: norse.torch.LIBoxCell or LICell."
            )
    nodes: dict[str, Any] = dict(graph.of(Input))
    edges: list[Edge] = []
    for name, neuron in graph.of(*NEURONS):
        found = chain_before(graph, name)
        current = found.origin
        for link, node in _composed(graph, found, name, shape):
            link = link if link not in nodes else f"{link}@{name}"
            nodes[link] = node
            edges.append((current, link))
            current = link
        nodes[name] = neuron
        edges.append((current, name))
    return Graph(nodes, tuple(edges), graph.settings)


def _composed(
    graph: Graph, found: Chain, neuron: str, shape: dict[str, Shape]
) -> list[tuple[str, Any]]:
    """The nodes to stand between a neuron and its origin."""
    links = [(n, graph.nodes[n]) for n in found.names]
    working = [(n, op) for n, op in links if not isinstance(op, Reshape | Identity)]
    if len(working) == 1 and type(working[0][1]).__name__ in WEIGHTED:
        return links
    origin = graph.nodes[found.origin]
    if not working:
        if isinstance(origin, Input) and graph.settings.encoder.kind == "current":
            return links
        eye = sp.csr_array(sp.eye_array(size(shape[found.origin]), format="csr"))
        name = f"{found.origin}_to_{neuron}"
        return [(name, sparse_op(eye, shape[found.origin], shape[neuron], None))]
    total, bias = _multiply(links, shape[found.origin])
    name = "+".join(n for n, _ in working)
    return [(name, sparse_op(total, shape[found.origin], shape[neuron], bias))]


def _multiply(links: list[tuple[str, Any]], before: Shape) -> tuple[sp.csr_array, Array | None]:
    """The matrix and bias of a chain of linear nodes."""
    total = sp.csr_array(sp.eye_array(size(before), format="csr"))
    bias: Array | None = None
    for _, op in links:
        step = matrix(op, before).astype(np.float64)
        own = full_bias(op, before)
        total = sp.csr_array(step @ total)
        if bias is not None:
            bias = step @ bias
        if own is not None:
            bias = own.astype(np.float64) if bias is None else bias + own
        before = out_shape(op, before)
    return total, bias
