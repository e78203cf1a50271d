"""Seeded random networks of both vocabularies, small enough to run in a test.

In:  a seed.
Out: a sound graph; over some tens of seeds every node kind and parameter occurs.
`fixed_graph`, `float_graph` and `changing_float_graph` are without loops; `looped_fixed_graph` and
`joined_float_graph` have loops, paths of unequal length, joins and delays; `adaptive_graph` has
neurons of Loihi 2, `after_spikes_graph` those of our own, `graded_graph` some whose spikes carry
payloads or that resonate.
"""

from dataclasses import replace

import numpy as np
from random_parts import (
    GRADED,
    WRITTEN,
    adaptive,
    delta_encoder,
    float_map,
    integer_weights,
    izhikevich_resonator,
    neuron,
    population,
    refractory,
    resonator,
    rising,
    settings,
    sigma_delta,
    synapse,
)

from neurocompile.errors import DoesNotFit, Unsupported
from neurocompile.ir.fixed import AlwaysOn, BiasInput, CubaLIF, SpikeInput, Synapse
from neurocompile.ir.graph import Graph, chain
from neurocompile.ir.linear import connections, out_shape, sparse_op
from neurocompile.ir.neurons import LIFBox, SigmaReadout
from neurocompile.ir.nodes import Add, Concat, Conv, Delay, Input, Linear, size
from neurocompile.ir.payloads import graded, largest_payload, largest_row
from neurocompile.ir.registers import WEIGHT_EXPONENTS, Grid
from neurocompile.ir.time import depths, lead_in

SHAPES = [(7,), (2, 6), (2, 5, 6), (6, 4, 4)]
MOST_ARRIVES = 1 << 15  # through one synapse; eight of them stay below one wrap of the current


def fixed_graph(seed):
    """A chain of one to three populations, some with an always-on axon or written biases."""
    rng = np.random.default_rng(seed)
    shape = SHAPES[int(rng.integers(4))]
    nodes, edges = {}, []
    if rng.random() < 0.3:
        host = None
        in_shape = shape
        if rng.random() < 0.5:
            host, in_shape = (
                Linear(rng.normal(size=(size(shape), 4)), rng.normal(size=size(shape))),
                (4,),
            )
        nodes["in"] = BiasInput(in_shape, shape, scale=rng.normal(size=shape), host=host)
        nodes["first"] = population(rng, shape)
        edges.append(("in", "first"))
        last = "first"
    else:
        nodes["in"] = SpikeInput(shape)
        last = "in"
    for depth in range(int(rng.integers(1, 4))):
        name = f"syn{depth}"
        nodes[name] = synapse(rng, nodes[last].shape)
        edges.append((last, name))
        target = nodes[name].out_shape
        into = [name]
        if rng.random() < 0.4:
            values, bits = integer_weights(rng)
            flat = (size(target),)
            nodes[f"on{depth}"] = AlwaysOn()
            late = depth % 2  # the host starts it a step later
            nodes[f"bias{depth}"] = Synapse(Linear(values(*flat, 1)), (1,), flat, -2, bits, late)
            edges.append((f"on{depth}", f"bias{depth}"))
            into.append(f"bias{depth}")
        if rng.random() < 0.3:  # a residual path
            values, bits = integer_weights(rng)
            weight = values(size(target), size(nodes[last].shape))
            wide, narrow = weight.shape[1:], weight.shape[:1]
            nodes[f"skip{depth}"] = Synapse(Linear(weight), wide, narrow, bits=bits)
            edges.append((last, f"skip{depth}"))
            into.append(f"skip{depth}")
        last = f"pop{depth}"
        nodes[last] = population(rng, target)
        edges.extend((before, last) for before in into)
    return Graph(nodes, tuple(edges), settings(rng))


def looped_fixed_graph(seed):
    """One to three populations that feed themselves and each other, within what a chip keeps up.

    Self loops, loops over two and three, skips of unequal depth, delays, always-on axons,
    written biases. Every lead-in exists, no population is a readout, and no current needs
    more than one wrap, so that every engine takes it. Each graph has at least one loop.
    """
    rng = np.random.default_rng(seed)
    shape = SHAPES[int(rng.integers(4))]
    graph = Graph({"in": SpikeInput(shape)}, (), settings(rng))
    layers = ["in"]
    if rng.random() < 0.25:
        graph = Graph({"in": BiasInput(shape, shape, scale=1.5)}, (), graph.settings)
        graph = _grown(graph, {"pop0": _silent(shape)}, ("in", "pop0"))
        layers = ["pop0"]
    for i in range(len(layers), len(layers) + int(rng.integers(1, 4))):
        syn, pop = f"syn{i}", f"pop{i}"
        node = _bounded(_hasty(synapse(rng, graph.nodes[layers[-1]].shape), rng))
        edges = [(layers[-1], syn), (syn, pop)]
        graph = _grown(graph, {syn: node, pop: _silent(node.out_shape)}, *edges)
        if rng.random() < 0.4:
            axon = _joining(rng, (1,), node.out_shape)
            nodes = {f"on{i}": AlwaysOn(), f"bias{i}": axon}
            graph = _linked(graph, nodes, f"on{i}", f"bias{i}", pop)
        if len(layers) > 1 and rng.random() < 0.5:
            source = layers[int(rng.integers(len(layers) - 1))]
            skip = _joining(rng, graph.nodes[source].shape, node.out_shape, [0, 0, 1, 3])
            graph = _linked(graph, {f"skip{i}": skip}, source, f"skip{i}", pop)
        layers.append(pop)
    neurons = [name for name, _ in graph.of(CubaLIF)]
    for i, source in enumerate(neurons):
        target = neurons[int(rng.integers(max(i, 1)))]
        least = 1 + i - neurons.index(target)
        for name, into in ((f"self{i}", source), (f"back{i}", target)):
            if rng.random() < 0.4 and name != f"back{len(neurons) - 1}":
                continue
            shapes = graph.nodes[source].shape, graph.nodes[into].shape
            node = _joining(rng, *shapes, [1, least, least + 1] if into != source else [1, 2, 3])
            graph = _closed(graph, name, node, source, into, least)
    return _with_registers(graph, rng)


def _closed(graph, name, node, source, target, least):
    """A loop closed by a synapse; one too fast for a chip gets as many steps as it needs.

    So does one that makes a population late whose biases the host writes: the host would have
    to know its lead-in.
    """
    fast = _linked(graph, {name: node}, source, name, target)
    written = [after for name, _ in graph.of(BiasInput) for after in graph.after(name)]
    try:
        depth = depths(fast)
        if not any(depth[population] for population in written):
            return fast
    except Unsupported:
        pass
    return fast.with_nodes(**{name: Synapse(**{**vars(node), "delay": least})})


def _with_registers(graph, rng):
    """Random registers in every population; without bias and v(0) where none lead in."""
    for name, node in graph.of(CubaLIF):
        for _ in range(20):
            drawn = CubaLIF(**{**vars(population(rng, node.shape)), "readout": False})
            try:
                lead_in(graph.with_nodes(**{name: drawn}))
            except DoesNotFit:
                continue
            graph = graph.with_nodes(**{name: drawn})
            break
    return graph


def _grown(graph, nodes, *edges):
    return Graph({**graph.nodes, **nodes}, (*graph.edges, *edges), graph.settings)


def _linked(graph, nodes, source, synapse_name, target):
    """A synapse, before its target in the order where it feeds forward, else after it."""
    edges = (source, synapse_name), (synapse_name, target)
    if nodes[synapse_name].delay and source not in ("in", *nodes):
        return _grown(graph, nodes, *edges)
    rest = {n: node for n, node in graph.nodes.items() if n != target}
    moved = Graph({**rest, **nodes, target: graph.nodes[target]}, graph.edges, graph.settings)
    return _grown(moved, {}, *edges)


def _silent(shape):
    """A population that stays at 0."""
    return CubaLIF(shape, du=4095, dv=0, vth=100, bias_mant=0, bias_exp=0, v_init=0)


def _hasty(node, rng):
    """The synapse with a short delay, so that loops come around within a short run."""
    return Synapse(**{**vars(node), "delay": int(rng.choice([0, 0, 0, 1, 2]))})


def _bounded(node):
    """The synapse with an exponent at which few currents wrap, and none twice."""
    most = int(abs(connections(node)).sum(axis=1).max())
    exponent = node.weight_exp
    while most * 2.0**exponent > MOST_ARRIVES:
        exponent -= 1
    return Synapse(**{**vars(node), "weight_exp": exponent})


def _joining(rng, source, target, delays=(0,)):
    """A synapse between two given shapes: dense, sparse, or a convolution where they are equal."""
    values, bits = integer_weights(rng)
    delay = int(rng.choice(delays))
    if source == target and len(source) > 1 and rng.random() < 0.5:
        axes = len(source) - 1
        weight, one = values(source[0], source[0], *(3,) * axes), (1,) * axes
        op = Conv(weight, None, one, one, one, 1)
        return _bounded(Synapse(op, source, target, int(rng.integers(-3, 6)), bits, delay))
    weight = values(size(target), size(source))
    in_shape, out = (size(source),), (size(target),)
    op = Linear(weight)
    if rng.random() < 0.4:
        op = sparse_op(weight * (rng.random(weight.shape) < 0.3), in_shape, out, None)
    return _bounded(Synapse(op, in_shape, out, int(rng.integers(-3, 6)), bits, delay))


def adaptive_graph(seed):
    """Adaptive neurons, some in a loop, before adaptive or plain ones; some with written biases."""
    rng = np.random.default_rng(seed)
    before, middle, last = ((int(n),) for n in rng.integers(1, 9, 3))
    plain = population(rng, last)
    plain = CubaLIF(**{**vars(plain), "bias_mant": 0, "v_init": 0, "readout": False})
    written = rng.random() < 0.3
    nodes = {"in": BiasInput(middle, middle, 40.0) if written else SpikeInput(before)}
    nodes |= {"a": adaptive(rng, middle), "b": adaptive(rng, last) if rng.random() < 0.6 else plain}
    return _pair(rng, nodes)


def after_spikes_graph(seed):
    """Two populations with a refractory period or a rising threshold, as in `adaptive_graph`."""
    rng = np.random.default_rng(seed)
    before, middle, last = ((int(n),) for n in rng.integers(2, 9, 3))
    kinds = (refractory, rising)
    first, second = (kinds[seed % 2], kinds[int(rng.integers(2))])
    written = rng.random() < 0.3
    nodes = {"in": BiasInput(middle, middle, 40.0) if written else SpikeInput(before)}
    return _pair(rng, nodes | {"a": first(rng, middle), "b": second(rng, last)})


def _pair(rng, nodes):
    """An input, a population "a" that may feed itself, and a population "b"."""
    before, middle, last = (nodes[name].shape for name in ("in", "a", "b"))
    written = isinstance(nodes["in"], BiasInput)
    links = [] if written else [("in", before, "a", middle, 0)]
    links.append(("a", middle, "b", last, 0))
    if rng.random() < 0.4:
        links.append(("a", middle, "a", middle, 1))
    edges = [("in", "a")] if written else []
    for source, wide, target, narrow, delay in links:
        values, bits = integer_weights(rng)
        weight = Linear(values(*narrow, *wide))
        name, exponent = f"{source}_{target}", int(rng.integers(-2, 3))
        nodes[name] = Synapse(weight, wide, narrow, exponent, bits, delay)
        edges += [(source, name), (name, target)]
    order = ["in", "in_a", "a", "a_a", "a_b", "b"]
    ordered = {name: nodes[name] for name in order if name in nodes}
    return Graph(ordered, tuple(edges), settings(rng))


def graded_graph(seed):
    """A network of `fixed_graph` or `looped_fixed_graph`, many of its neurons newer than LIF."""
    return member_graph(seed, (*GRADED, resonator, izhikevich_resonator))


def member_graph(seed, kinds):
    """A network of `fixed_graph` or `looped_fixed_graph`, most of its neurons drawn by `kinds`.

    Weights after payloads are small enough that few networks are refused.
    """
    rng = np.random.default_rng(seed)
    graph = looped_fixed_graph(seed) if rng.random() < 0.5 else fixed_graph(seed)
    for name, node in graph.of(CubaLIF):
        written = isinstance(graph.nodes[graph.before(name)[0]], BiasInput)
        able = [kind for kind in kinds if not written or kind in WRITTEN]
        if able and rng.random() < 0.7:
            drawn = able[int(rng.integers(len(able)))](rng, node.shape)
            graph = graph.with_nodes(**{name: replace(drawn, readout=False)})
        else:
            graph = graph.with_nodes(**{name: replace(node, readout=False)})
    for name, node in graph.of(SpikeInput):
        if rng.random() < 0.4:
            graph = graph.with_nodes(**{name: SpikeInput(node.shape, payload_bits=6)})
    for name, link in graph.of(Synapse):
        (source,), (target,) = graph.before(name), graph.after(name)
        if largest_payload(graph.nodes[source]) > 1:
            graph = graph.with_nodes(**{name: _calm(link, rng.uniform(0.1, 2))})
        elif not graph.nodes[target].wraps:
            graph = graph.with_nodes(**{name: _bounded(link)})
    return _complex(graph, rng)


def _calm(node, gain):
    """The synapse with weights and an exponent at which no sum is larger than `gain` payloads."""
    row, exponent = largest_row(node), node.weight_exp
    while row * 2.0**exponent > gain and exponent > WEIGHT_EXPONENTS[0]:
        exponent -= 1
    while row * 2.0**exponent > gain and row:
        node = halved(node)
        row = largest_row(node)
    return replace(node, weight_exp=exponent)


def halved(node):
    """The synapse with about half of each weight, on its grid; small ones become 0."""
    step = Grid(node.bits).step
    weights = (node.op.weights // (2 * step) * step).astype(node.op.weights.dtype)
    less = np.where(weights < 0, weights + step, weights)
    return replace(node, op=node.op.with_weights(less))


def _complex(graph, rng):
    """Each synapse onto neurons that resonate led into a part; beside many, one into the other."""
    for name, link in list(graph.of(Synapse)):
        parts = graph.nodes[graph.after(name)[0]].inputs
        if len(parts) == 1:
            continue
        into, other = parts if rng.random() < 0.5 else parts[::-1]
        graph = graph.with_nodes(**{name: replace(link, into=into)})
        always = isinstance(graph.nodes[graph.before(name)[0]], AlwaysOn)  # leads to one synapse
        if not always and rng.random() < 0.6:
            weights = link.op.weights
            shuffled = weights.ravel()[rng.permutation(weights.size)].reshape(weights.shape)
            twin = replace(link, op=link.op.with_weights(shuffled), into=other)
            nodes = {}
            for each, node in graph.nodes.items():
                nodes[each] = node
                if each == name:
                    nodes[f"{name}_twin"] = twin
            ends = (graph.before(name)[0], f"{name}_twin"), (f"{name}_twin", graph.after(name)[0])
            graph = Graph(nodes, (*graph.edges, *ends), graph.settings)
    return graph


def fixed_input(graph, seed, n=3, steps=25):
    """Input by node: spikes, or bias mantissas of a sample."""
    rng = np.random.default_rng(seed)
    values = {}
    for name, node in graph.of(SpikeInput):
        values[name] = (rng.random((n, steps, *node.shape)) < 0.5).astype(np.uint8)
        if graded(node):
            values[name] = values[name] * rng.integers(-32, 32, values[name].shape)
    for name, node in graph.of(BiasInput):
        values[name] = rng.integers(-4096, 4096, (n, *node.shape)).astype(np.int16)
    return values, steps


# --- FLOAT ---------------------------------------------------------------------------------


def float_graph(seed):
    """A chain of maps and neurons."""
    rng = np.random.default_rng(seed)
    shape = SHAPES[int(rng.integers(4))]
    nodes = {"in": Input(shape)}
    for depth in range(int(rng.integers(1, 6))):
        op = float_map(rng, shape)
        nodes[f"map{depth}"] = op
        shape = out_shape(op, shape)
        if rng.random() < 0.7:
            nodes[f"neurons{depth}"] = neuron(rng, shape)
    return chain(nodes, settings(rng))


def joined_float_graph(seed):
    """Maps and neurons with joins, delays and loops; every loop passes a neuron."""
    rng = np.random.default_rng(seed)
    shape = SHAPES[int(rng.integers(4))]
    nodes, edges, last = {"in": Input(shape)}, [], "in"

    def put(name, node, *sources):
        nodes[name] = node
        edges.extend((source, name) for source in sources)
        return name

    for i in range(int(rng.integers(1, 4))):
        op = float_map(rng, shape)
        shape = out_shape(op, shape)
        last = put(f"map{i}", op, last)
        draw = rng.random()
        if draw < 0.5:
            late = put(f"delay{i}", Delay(int(rng.choice([1, 2, 40]))), last)
            sources = (last, late) if draw < 0.4 else (late, last)
            last = put(f"join{i}", Add() if draw < 0.25 else Concat(), *sources)
            shape = shape if draw < 0.25 else (2 * shape[0], *shape[1:])
        into = last if rng.random() < 0.5 else put(f"sum{i}", Add(), last)
        cell = neuron(rng, shape)
        last = put(f"cell{i}", cell, into)
        if into != f"sum{i}":
            continue
        weight = rng.normal(size=(shape[-1], shape[-1])) / 2
        back = put(f"weight{i}", Linear(weight.astype(rng.choice(["float32", "float64"]))), last)
        if rng.random() < 0.5 and not isinstance(cell, LIFBox):  # a loop over two neurons
            back = put(f"other{i}", neuron(rng, shape), back)
        back = put(f"back{i}", Delay(int(rng.integers(1, 4))), back)
        edges.append((back, into))
        if rng.random() < 0.3:  # a map of the loop that is heard outside it
            last = put(f"heard{i}", Add(), last, back)
    return Graph(nodes, tuple(edges), settings(rng))


def changing_float_graph(seed):
    """A chain of maps and neurons that send changes, with a readout."""
    rng = np.random.default_rng(seed)
    shape = SHAPES[int(rng.integers(4))]
    nodes = {"in": Input(shape), "changes": delta_encoder(rng, shape)}
    for depth in range(int(rng.integers(1, 4))):
        op = float_map(rng, shape)
        nodes[f"map{depth}"] = op
        shape = out_shape(op, shape)
        nodes[f"neurons{depth}"] = sigma_delta(rng, shape)
    bias = rng.normal(size=shape if rng.random() < 0.5 else ())
    return chain({**nodes, "out": SigmaReadout(np.asarray(bias))}, settings(rng))


MAKERS = (
    *(fixed_graph, looped_fixed_graph, adaptive_graph, graded_graph),
    *(after_spikes_graph, float_graph, joined_float_graph, changing_float_graph),
)
