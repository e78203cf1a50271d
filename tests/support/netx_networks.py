"""Seeded random FIXED graphs that a `.net` file can hold, and input for them.

In:  a seed, or a seed and what the graph shall have.
Out: a sound graph of one to three layers; over some tens of seeds every layer kind, register,
     exponent, width, start and delay that a `.net` file has occurs.
"""

from contextlib import suppress

import numpy as np

from neurocompile.errors import Unsupported
from neurocompile.formats.netx.hold import hold
from neurocompile.ir.fixed import BiasInput, CubaLIF, SpikeInput, Synapse
from neurocompile.ir.graph import Graph
from neurocompile.ir.nodes import Conv, Linear, size
from neurocompile.ir.ops import NumpyOps
from neurocompile.ir.settings import Decoder, Encoder, Settings
from neurocompile.ir.shapes import out_shape

FEATURES = ("conv", "driven", "loop", "delays", "bias", "plain", "readout")


def held_network(seed, *features):
    """The first of the networks of a seed whose biases do not make it spike too early."""
    for again in range(100):
        graph = network(seed + (again << 32), *features)
        with suppress(Unsupported):
            hold(graph)
            return graph
    raise AssertionError(f"seed {seed} makes no network that a .net file can hold")


def network(seed, *features):
    """A graph that has these features, and without any named a draw of them."""
    rng = np.random.default_rng(seed)
    if not features:
        features = tuple(f for f in FEATURES if rng.random() < 0.3)
    conv, driven, loop, delays, bias, plain, readout = (f in features for f in FEATURES)
    shape = (2, 6, 5) if conv else [(7,), (2, 3), (1, 3, 4)][int(rng.integers(3))]
    nodes, edges, last = {}, [], "in"
    nodes["in"] = SpikeInput(shape)
    depth = 1
    if driven:
        nodes["in"] = BiasInput(shape, shape, scale=float(rng.integers(1, 100)))
        nodes["encoder"] = _population(rng, shape, written=True)
        edges.append(("in", "encoder"))
        last = "encoder"
    if conv:
        for i in range(int(rng.integers(1, 3))):
            op = _conv(rng, shape[0])
            made = out_shape(op, shape)
            synapse = _exponent(rng, op, shape, made)
            nodes[f"conv{i}"], nodes[f"p{i}"] = synapse, _population(rng, made, bias, plain, depth)
            edges += [(last, f"conv{i}"), (f"conv{i}", f"p{i}")]
            last, shape, depth = f"p{i}", made, depth + 1
    for i in range(2, 2 + int(rng.integers(1, 3))):
        name, n = f"p{i}", int(rng.integers(3, 12))
        made = (n,) if rng.random() < 0.7 else (n, 1, 1)
        for j, op in enumerate(_dense(rng, n, size(shape), delays)):
            delay = [0, 3, 62][j] if delays else 0
            synapse = _exponent(rng, op, (size(shape),), (n,), delay)
            nodes[f"{name}_s{j}"] = synapse
            edges += [(last, f"{name}_s{j}"), (f"{name}_s{j}", name)]
        nodes[name] = _population(rng, made, bias, plain, depth, quiet=loop or delays)
        if loop and not delays:
            back = _exponent(rng, Linear(_weights(rng, n, n)), (n,), (n,), 1)
            nodes[f"{name}_loop"] = back
            edges += [(name, f"{name}_loop"), (f"{name}_loop", name)]
        last, shape, depth = name, made, depth + 1
    if readout:
        nodes[last] = CubaLIF(**{**vars(nodes[last]), "vth": (1 << 17) - 1, "readout": True})
    encoder = Encoder("current", 0.5) if driven else Encoder("spikes")
    decoder = Decoder("last", offset=0.1) if readout else Decoder("rate")
    return Graph(nodes, tuple(edges), Settings(2e-3, 20, encoder, decoder, "digits", {"a": [1.5]}))


def given(seed, graph, steps=20):
    """Input: spikes, or the mantissas that the host writes."""
    rng = np.random.default_rng(seed)
    node = graph.nodes["in"]
    if isinstance(node, BiasInput):
        return rng.integers(0, 200, node.shape).astype(np.int16)
    return (rng.random((steps, *node.shape)) < 0.4).astype(np.uint8)


def _weights(rng, *shape):
    """Even weights of both signs; some small, so that an exponent fits."""
    top = int(rng.choice([7, 31, 126]))
    weight = 2 * rng.integers(-top, top + 1, shape)
    weight.flat[0], weight.flat[-1] = 2, -2 if weight.size > 1 else 2
    return weight.astype(np.int16)


def _conv(rng, channels):
    groups = int(rng.choice([1, channels]))
    weight = _weights(rng, 2 * groups, channels // groups, 3, 2)
    stride = (int(rng.integers(1, 3)), 1)
    return Conv(
        weight, None, stride, (1, int(rng.integers(2))), (1, int(rng.integers(1, 3))), groups
    )


def _dense(rng, rows, columns, delays):
    """One matrix, or three that share no synapse."""
    weight = _weights(rng, rows, columns)
    if not delays:
        return [Linear(weight)]
    group = rng.integers(0, 3, weight.shape)
    group.flat[:3] = [0, 1, 2]
    return [Linear(np.where(group == j, weight, 0)) for j in range(3)]


def _exponent(rng, op, before, made, delay=0):
    """The same weights in a random one of the forms that the chip has for them."""
    weight, exponent, bits = op.weight, 0, 8
    if rng.random() < 0.3 and np.abs(weight).max() < 64:
        weight, exponent = (weight << 1).astype(np.int8), -1
        if rng.random() < 0.5:
            bits = 7
    elif np.abs(weight).max() < 32:
        exponent = int(rng.integers(0, 3))
    shaped = Linear(weight) if isinstance(op, Linear) else Conv(**{**vars(op), "weight": weight})
    return Synapse(shaped, before, made, exponent, bits, delay)


def _population(rng, shape, bias=False, plain=False, depth=0, quiet=False, written=False):
    each = bool(rng.integers(2))

    def register(low, high):
        return rng.integers(low, high + 1, shape if each else ())

    exponent = int(rng.choice([0, 3, 6])) if bias else int(rng.integers(8))
    exponent = 6 if written else exponent
    most = 5 if quiet or plain else 200
    mantissa = register(-most, most) << (6 - exponent) if bias else 0
    node = CubaLIF(
        shape=shape,
        du=register(500, 4095) if rng.random() < 0.7 else 4095,
        dv=register(50, 800),
        vth=register(20, 90),
        bias_mant=np.clip(mantissa, -4096 >> exponent << exponent, 4095),
        bias_exp=np.full(shape, exponent) if rng.random() < 0.3 else exponent,
        v_init=0,
        scale=rng.normal(size=shape) if each else 0.1,
        offset=-0.3,
    )
    node = CubaLIF(**{**vars(node), "bias_mant": (np.asarray(node.bias) >> 6 << 6) >> exponent})
    if not plain or not bias:
        return node
    v = np.zeros(shape, dtype=np.int64)
    for _ in range(depth):  # what the bias alone leads to, with no spike on the way
        state = (np.zeros_like(v), v)
        v = node.step(NumpyOps(), state, np.zeros((), dtype=np.int64), node.constants()).state[1]
    return CubaLIF(**{**vars(node), "v_init": v})
