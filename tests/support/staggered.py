"""Random delays that differ inside synapses, and an independent model of what they mean.

In:  a graph of `random_graphs`, a seed.
Out: the same graph with such delays; what arrives at a neuron, computed step by step.
"""

from dataclasses import replace

import numpy as np

from neurocompile.ir.fixed import AlwaysOn, Synapse, rounds
from neurocompile.ir.linear import connections
from neurocompile.ir.nodes import Delay, Linear, size
from neurocompile.ir.registers import MOST_AXON_DELAY
from neurocompile.ir.shapes import shapes
from neurocompile.ir.verify import verify

FORMS = ("target", "source", "weight")


def staggered(graph, seed, most=7, forms=FORMS):
    """The graph in which each synapse of a population has delays of one of these forms."""
    rng = np.random.default_rng([seed, 4])
    nodes = {}
    for name, node in graph.of(Synapse):
        if not isinstance(graph.nodes[graph.before(name)[0]], AlwaysOn):
            nodes[name] = late(node, rng, most, str(rng.choice(forms)))
    return verify(graph.with_nodes(**nodes), "fixed")


def staggered_float(graph, seed, most=5):
    """A FLOAT graph in which each value of a Delay waits its own number of steps."""
    rng = np.random.default_rng([seed, 5])
    shape, backwards = shapes(graph), {a for a, b in graph.edges if _leads_back(graph, a, b)}
    return graph.with_nodes(
        **{
            name: Delay(int(name in backwards), rng.integers(0, most + 1, shape[name]))
            for name, _ in graph.of(Delay)
        }
    )


def _leads_back(graph, a, b):
    names = list(graph.nodes)
    return names.index(a) >= names.index(b)


def late(synapse, rng, most, form):
    """A synapse with delays of a form; a form that its map has not becomes that of its sources."""
    sources, targets = size(synapse.in_shape), size(synapse.out_shape)
    dense = isinstance(synapse.op, Linear) and synapse.op.weight.shape == (targets, sources)
    shape = {"target": (targets,), "weight": (targets, sources)}.get(form, (1, sources))
    if form == "weight" and not dense:
        form, shape = "source", (1, sources)
    if form != "target" and rounds(synapse):
        synapse = replace(synapse, weight_exp=0)
    most = min(most, MOST_AXON_DELAY - synapse.delay)
    return replace(synapse, late=rng.integers(0, most + 1, shape))


def arriving(synapse, fired):
    """What arrives (steps, n_target) from spikes or payloads (steps, n_source), weight by weight.

    A weight times a payload of step t arrives in step t + delay + late of that weight; weights that
    arrive together are added before the exponent rounds down.
    """
    weights, steps = connections(synapse).toarray(), len(fired)
    wait = np.zeros(weights.shape, np.int64) + synapse.delay
    if synapse.late is not None:
        wait += synapse.late[:, None] if synapse.late.ndim == 1 else synapse.late
    sums = np.zeros((steps, len(weights)), np.int64)
    for t in range(steps):
        for j in range(len(weights)):
            at = t - wait[j]
            sent = np.where(at >= 0, fired[np.maximum(at, 0), np.arange(len(at))], 0)
            sums[t, j] = weights[j] @ sent.astype(np.int64)
    return np.floor(sums * 2.0**synapse.weight_exp).astype(np.int64)
