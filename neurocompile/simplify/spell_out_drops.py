"""Let every spike that subtracts subtract the threshold; what more it takes, spikes bring back.

In:  neurons whose spike subtracts another amount than their threshold.
Out: neurons that subtract it, and a synapse from each to itself that takes the rest in the step
     after the spike: the potential of every step is the same.

v <- v - v_drop at the spike is v <- v - v_th, and (v_drop - v_th) less a step later of what a
leak l has left of it: an input of -(1 - l) / l (v_drop - v_th), for input is multiplied by l. A
synaptic current would keep that input: what is left of it is taken out again one step later.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from neurocompile.ir.arrays import Array
from neurocompile.ir.graph import Graph
from neurocompile.ir.neurons import Neuron, step_parameters
from neurocompile.ir.nodes import Add, Delay, Identity, scaling
from neurocompile.ir.shapes import shapes

ALIKE = 1e-12  # relative: a threshold that is a float64 away from another is that one


def spell_out_drops(graph: Graph) -> Graph:
    """The graph without any `v_drop`."""
    if all(getattr(node, "v_drop", None) is None for _, node in graph.of(Neuron)):
        return graph
    nodes: dict[str, Any] = {}
    edges = list(graph.edges)
    shape = shapes(graph)
    for name, node in graph.nodes.items():
        factors = _factors(node, graph.settings.dt) if isinstance(node, Neuron) else ()
        backwards = {}
        if factors:
            (source,) = graph.before(name)
            edges.remove((source, name))
            total = f"{name}.drop_sum"
            edges += [(source, total), (total, name)]
            for steps, factor in enumerate(factors, start=1):
                late, weights = f"{name}.drop_late_{steps}", f"{name}.drop_{steps}"
                nodes[weights] = scaling(factor, shape[name]) or Identity()
                backwards[late] = Delay(steps)
                edges += [(name, late), (late, weights), (weights, total)]
            nodes[total] = Add()
        bare = isinstance(node, Neuron) and hasattr(node, "v_drop")
        nodes[name] = replace(node, v_drop=None) if bare else node
        nodes.update(backwards)
    return Graph(nodes, tuple(edges), graph.settings)


def _factors(neuron: Any, dt: float) -> tuple[Array, ...]:
    """What a spike's own synapse brings 1, 2, ... steps later; none where it has no use."""
    p = step_parameters(neuron, dt)
    drop, threshold, leak = p["v_drop"], p["v_th"], p["mem_leak"]
    if neuron.reset != "subtract" or drop is None or threshold is None:
        return ()
    if np.all(np.abs(drop - threshold) <= ALIKE * np.abs(drop)):
        return ()
    kept = np.ones(()) if leak is None else (1 - leak) / leak
    first = np.asarray(-kept * (drop - threshold))
    syn = p["syn_leak"]
    return (first,) if syn is None else (first, np.asarray(-(1 - syn) * first))
