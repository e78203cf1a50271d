"""A network that ends in a synapse, a pool or a flatten, with neurons at its end.

In:  a graph as it was traced, whose last node may be no neuron.
Out: the same with a readout at its end whose potential is what the network gives out; what only
     reshapes the last neurons comes before them.
Only neurons stand on a chip. A readout that forgets all of its potential in every step holds the
input of that step and nothing else: v <- v + 1 ((0 - v) + in) = in.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np

from neurocompile.ir.arrays import Array
from neurocompile.ir.graph import Graph
from neurocompile.ir.neurons import LIBox, Neuron
from neurocompile.ir.nodes import Identity, Reshape, Shape
from neurocompile.ir.settings import Assumption


def with_readout(graph: Graph) -> Graph:
    """The graph, which ends in a neuron; one without any neurons is left as it is."""
    (last,) = graph.outputs()
    if next(graph.of(Neuron), None) is None or isinstance(graph.nodes[last], Neuron):
        return graph
    if _gives_out_neurons(graph, last):
        return _neurons_last(graph, last)
    dt = graph.settings.dt
    readout = LIBox(tau_mem_inv=np.asarray(1 / dt), v_leak=np.asarray(0.0))
    name, count = "readout", 1
    while name in graph.nodes:
        count += 1
        name = f"readout_{count}"
    kind = type(graph.nodes[last]).__name__
    said = Assumption(
        "readout",
        f"the network ends in layer '{last}' ({kind}), and only neurons stand on a chip: the "
        f"potential of a readout '{name}' is its output in each step, and adds nothing.",
    )
    settings = replace(graph.settings, assumed=(*graph.settings.assumed, said))
    nodes = {**graph.nodes, name: readout}
    return Graph(nodes, (*graph.edges, (last, name)), settings)


def _gives_out_neurons(graph: Graph, name: str) -> bool:
    """Whether a node gives out what neurons do, at most in another shape."""
    while isinstance(graph.nodes[name], Reshape | Identity):
        name = graph.before(name)[0]
    return isinstance(graph.nodes[name], Neuron)


def _neurons_last(graph: Graph, last: str) -> Graph:
    """The graph with its last reshape before the last neurons, where they go nowhere else."""
    node = graph.nodes[last]
    (before,) = graph.before(last)
    if isinstance(graph.nodes[before], Reshape | Identity):
        graph = _neurons_last(graph, before)
        (before,) = graph.before(last)
    neuron: Any = graph.nodes[before]
    if not isinstance(neuron, Neuron) or graph.after(before) != (last,):
        return graph
    sources = graph.before(before)
    if isinstance(node, Reshape):
        neuron = _reshaped(neuron, node.shape)
    nodes = {n: v for n, v in graph.nodes.items() if n not in (before, last)}
    edges = tuple(e for e in graph.edges if before not in e)
    edges = (*edges, *((source, last) for source in sources), (last, before))
    return Graph({**nodes, last: node, before: neuron}, edges, graph.settings)


def _reshaped(neuron: Any, shape: Shape) -> Any:
    """Neurons in another shape, each with its own parameters."""
    held: dict[str, Array] = {
        f.name: getattr(neuron, f.name)
        for f in fields(neuron)
        if isinstance(getattr(neuron, f.name), np.ndarray)
    }
    return replace(neuron, **{name: v.reshape(shape) for name, v in held.items() if v.ndim})
