"""Synapse memory of a core of Loihi 1, list by list: written from the rule, by loops.

In:  a FIXED graph; what a core holds.
Out: bits. Nothing of neurocompile.place is used: this is the second count beside its own.
"""

import numpy as np
import scipy.sparse as sp
from place_networks import neurons, weights

from neurocompile.ir.fixed import AlwaysOn, CubaLIF, SpikeInput, Synapse
from neurocompile.ir.graph import Graph
from neurocompile.ir.linear import connections, out_shape, sparse_op
from neurocompile.ir.nodes import Conv, ConvTranspose, Linear, size

WEIGHT_BITS = (1, 2, 3, 4, 5, 6, 8)
INDEX_BITS = (0, 6, 7, 8, 9, 10, 11, 12)


def bits_by_core(placed):
    """Bits of synapse memory of each core."""
    waits = longest_waits(placed.graph)
    return [bits_on(placed.graph, core.held, waits) for core in placed.cores]


def bits_on(graph, held, waits):
    """Bits of all lists on a core that holds these neurons, in this order."""
    start, bits = 0, 0
    for population, numbers in held.items():
        for name in graph.before(population):
            if isinstance(graph.nodes[name], Synapse):
                bits += _bits_of(graph.nodes[name], numbers, start, waits[name])
        start += len(numbers)
    return bits


def _bits_of(synapse, numbers, start, wait):
    """Bits of one synapse's lists onto neurons that begin at `start` of the core."""
    lists = lists_of(synapse, numbers, start)
    if not lists:
        return 0
    based, stored = "conv" in kind_of(synapse), set()
    entries, most = [], 0
    for neurons_, values in lists:
        base = neurons_[0] % 256 if based else 0
        indices = tuple(n - base for n in neurons_)
        most = max(most, indices[-1])
        if not based or (indices, values) not in stored:
            entries.append(len(indices))
        stored.add((indices, values))
    follow = all(ns == list(range(ns[0], ns[0] + len(ns))) and ns[0] < 256 for ns, _ in lists)
    index = 0 if kind_of(synapse) == "dense" and follow else _width(most, INDEX_BITS)
    one = index + next(w for w in WEIGHT_BITS if w >= synapse.bits) + _width(wait, range(8))
    return sum(_words(min(64, n - at), one) for n in entries for at in range(0, n, 64))


def lists_of(synapse, numbers, start):
    """Of each source with synapses on these neurons, their numbers on the core and the weights."""
    rows = sp.csr_array(connections(synapse))
    lists = {}
    for place, number in enumerate(numbers.tolist()):
        for at in range(rows.indptr[number], rows.indptr[number + 1]):
            neurons_, values = lists.setdefault(int(rows.indices[at]), ([], []))
            neurons_.append(start + place)
            values.append(int(rows.data[at]))
    return [(neurons_, tuple(values)) for neurons_, values in lists.values()]


def kind_of(synapse):
    return {Linear: "dense", Conv: "conv", ConvTranspose: "conv"}.get(type(synapse.op), "sparse")


def _width(number, widths):
    """The narrowest field that holds a number."""
    return next(width for width in widths if number < 2**width)


def _words(synapses, one):
    """Bits of an entry with its header of 4 + 6, in whole words of 64."""
    return -(-(4 + 6 + synapses * one) // 64) * 64


def longest_waits(graph):
    """By synapse, the steps that its spikes wait at most, from the longest path to each layer."""
    late = {name: 0 for name, node in graph.nodes.items() if not isinstance(node, Synapse)}
    ends = {n: (graph.before(n)[0], graph.after(n)[0], s) for n, s in graph.of(Synapse)}
    for _ in late:
        for source, target, synapse in ends.values():
            late[target] = max(late[target], late[source] + 1 - synapse.delay)
    waits = {}
    for name, (source, target, synapse) in ends.items():
        more = 0 if synapse.late is None else int(synapse.late.max())
        always = isinstance(graph.nodes[source], AlwaysOn)
        waits[name] = 0 if always else late[target] - late[source] - 1 + synapse.delay + more
    return waits


def crowded_network(seed):
    """Layers of every kind of list, wide and narrow, with delays, that share cores."""
    rng = np.random.default_rng(seed)

    def synapse(op, shape, after, late=False):
        more = {"late": rng.integers(0, rng.integers(1, 12), size(after))} if late else {}
        bits, delay = int(rng.integers(2, 9)), int(rng.choice([0, 0, 1, 3, 9]))
        return Synapse(op, shape, after, int(rng.integers(-2, 3)), bits, delay, **more)

    def few(sources, targets, share):
        full = weights(rng, targets, sources) * (rng.random((targets, sources)) < share)
        return sparse_op(sp.csr_array(full), (sources,), (targets,), None)

    shape = (int(rng.integers(1, 4)), *rng.integers(4, 12, 2).tolist())
    conv = Conv(2 * rng.integers(0, 2, (rng.integers(1, 9), shape[0], 3, 3)), None,
                (1, 1), (1, 1), (1, 1), 1)  # fmt: skip
    inner = out_shape(conv, shape)
    back = ConvTranspose(2 * rng.integers(0, 2, (inner[0], 2, 2, 2)), None,
                         (1, 2), (0, 0), (0, 0), (1, 1), 1)  # fmt: skip
    outer = out_shape(back, inner)
    wide, out = int(rng.integers(5, 500)), int(rng.integers(1, 40))
    nodes = {
        "in": SpikeInput(shape),
        "s1": synapse(conv, shape, inner), "conv": neurons(*inner),
        "s2": synapse(back, inner, outer), "back": neurons(*outer),
        "s3": synapse(Linear(weights(rng, wide, size(inner))), (size(inner),), (wide,), late=True),
        "wide": neurons(wide),
        "s4": synapse(few(size(outer), wide, 0.1), (size(outer),), (wide,)),
        "s5": synapse(Linear(weights(rng, out, wide)), (wide,), (out,)), "out": neurons(out),
        "s6": synapse(few(size(shape), out, 0.3), (size(shape),), (out,)),
        # one matrix for each row of the places: lists with gaps, or that start high on the core
        "s7": synapse(Linear(weights(rng, outer[-1], inner[-1])), inner, (*inner[:-1], outer[-1])),
        "rows": neurons(*inner[:-1], outer[-1]),
    }  # fmt: skip
    edges = [("in", "s1"), ("s1", "conv"), ("conv", "s2"), ("s2", "back"), ("conv", "s3")]
    edges += [("s3", "wide"), ("back", "s4"), ("s4", "wide"), ("wide", "s5"), ("s5", "out")]
    edges += [("in", "s6"), ("s6", "out"), ("conv", "s7"), ("s7", "rows")]
    assert all(isinstance(nodes[name], CubaLIF) for name in ("conv", "back", "wide", "out", "rows"))
    return Graph(nodes, tuple(edges)), rng
