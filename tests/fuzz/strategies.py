"""Random FIXED networks with their input, over every node kind and parameter range of a chip.

In:  what hypothesis draws; it shrinks structure first, then styles, then seeds.
Out: a sound graph and its encoded input. Loops, skips of unequal depth, biases at every depth,
     starts that are not 0, currents, always-on axons, extreme registers and extreme input occur.
"""

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from hypothesis import strategies as st

from neurocompile.data.inputs import Encoded
from neurocompile.ir.fixed import AlwaysOn, BiasInput, CubaLIF, SpikeInput, Synapse
from neurocompile.ir.graph import Graph
from neurocompile.ir.linear import matrix, sparse_op
from neurocompile.ir.nodes import Conv, ConvTranspose, Linear, size
from neurocompile.ir.settings import Encoder, Settings
from neurocompile.ir.shapes import out_shape

# Input is in C order, so the channels of one position lie apart: a kernel behind several channels
# and few positions has spikes of one position next to each other, and not.
SHAPES = ((1,), (6,), (2, 5), (4, 2), (1, 4, 4), (2, 4, 3), (4, 1, 2), (5, 2, 3))
seeds = st.integers(0, 2**32 - 1)


class Case(NamedTuple):
    """A network and what runs through it."""

    graph: Graph
    encoded: Encoded


@st.composite
def cases(draw):
    """A network of one to four populations, and one or two samples of one to nine steps."""
    shape = draw(st.sampled_from(SHAPES))
    nodes, edges = {}, []
    by_host = draw(st.booleans()) and draw(st.booleans())
    if by_host:
        nodes["in"] = BiasInput(shape, shape, np.ones(()))
        nodes["p0"] = draw(populations(shape, deep=False))
        edges.append(("in", "p0"))
    else:
        nodes["in"] = SpikeInput(shape)
    sources = [("p0" if by_host else "in", shape)]
    for number in range(1, draw(st.integers(1, 3)) + 1):
        name = f"p{number}"
        first, *others = draw(st.lists(st.sampled_from(sources), min_size=1, max_size=2))
        synapse = draw(synapses(first[1]))
        target = synapse.out_shape
        into = [(first[0], f"{name}_s0", synapse)]
        for other, (source, before) in enumerate(others, start=1):
            into.append((source, f"{name}_s{other}", draw(joining(before, target))))
        if draw(st.booleans()):
            nodes[f"{name}_on"] = AlwaysOn()
            into.append((f"{name}_on", f"{name}_bias", draw(joining((1,), target, delays=(0, 0)))))
        for source, link, node in into:
            nodes[link] = node
            edges += [(source, link), (link, name)]
        nodes[name] = draw(populations(target, deep=True))
        sources.append((name, target))
        if draw(st.booleans()) and draw(st.booleans()):
            nodes, edges = draw(loops(nodes, edges, sources, first=0 if by_host else 1))
    encoded = draw(inputs(shape, by_host))
    kind = "current" if by_host else "spikes"
    return Case(
        Graph(nodes, tuple(edges), Settings(steps=encoded.steps, encoder=Encoder(kind))), encoded
    )


@st.composite
def loops(draw, nodes, edges, sources, first):
    """One more synapse, from the last population back to itself or to an earlier one."""
    name, shape = sources[-1]
    back, target = draw(st.sampled_from(sources[first:]))
    around = len(sources) - [n for n, _ in sources].index(back)  # synapses of the loop at most
    link = f"{name}_back"
    node = draw(joining(shape, target, delays=(around, around + 2)))
    return {**nodes, link: node}, [*edges, (name, link), (link, back)]


@st.composite
def populations(draw, shape, deep):
    """Registers in one of several styles; deep ones seldom start far from 0."""
    rng = np.random.default_rng(draw(seeds))
    each = draw(st.booleans())

    def register(low, high):
        return rng.integers(low, high + 1, shape if each else ())

    calm = {
        "du": 4095,
        "dv": register(100, 1000),
        "vth": register(1, 600),
        "bias_mant": register(-60, 60),
        "bias_exp": draw(st.integers(0, 4)),
        "v_init": 0 if deep else register(-3000, 3000),
    }
    style = draw(st.sampled_from(["calm", "current", "ends", "start", "saturating", "wrapping"]))
    styles = {
        "calm": {},
        "current": {"du": register(-1, 4095)},
        "ends": {
            "du": draw(st.sampled_from([-1, 0, 4094, 4095])),
            "dv": draw(st.sampled_from([0, 1, 4095, 4096])),
            "bias_mant": 0,
        },
        "start": {"v_init": register(-200, 200), "bias_exp": 0},
        "saturating": {"vth": 131071, "dv": 0, "bias_mant": register(-4096, 4095), "bias_exp": 7},
        "wrapping": {"du": -1, "vth": register(0, 131071), "bias_mant": 0},
    }
    reset = draw(st.sampled_from(["zero", "zero", "subtract"]))
    return CubaLIF(shape, **{**calm, **styles[style]}, reset=reset)


@st.composite
def synapses(draw, shape):
    """A synapse that takes this shape and makes a new one."""
    bits, weights = draw(grids())
    kind = draw(st.sampled_from(["dense", "conv", "conv", "transposed", "transposed", "sparse"]))
    axes = len(shape) - 1
    if kind == "dense" or axes == 0:
        op, inside = Linear(weights(draw(st.integers(1, 5)), size(shape))), (size(shape),)
    else:
        op, inside = draw(kernels(shape, weights, kind == "transposed")), shape
    after = out_shape(op, inside)
    if kind == "sparse":
        op = sparse_op(matrix(op, inside), inside, after, None)
    exponent = draw(st.sampled_from([0, 0, 0, 2, 7, -1, -8]))
    delay = draw(st.sampled_from([0, 0, 0, 1, 3]))
    return Synapse(op, inside, after, exponent, bits, delay)


@st.composite
def kernels(draw, shape, weights, transposed):
    """A convolution, or a transposed one, over one or two axes."""
    axes = len(shape) - 1
    rng = np.random.default_rng(draw(seeds))

    def each(low, high):
        return tuple(int(n) for n in rng.integers(low, high + 1, axes))

    kernel, stride = each(1, min(3, *shape[1:])), each(1, 2)
    padding = tuple(int(rng.integers(0, (k + 1) // 2)) for k in kernel)
    groups = shape[0] if draw(st.booleans()) and draw(st.booleans()) else 1
    ones = (1,) * axes
    if transposed:
        extra = tuple(int(rng.integers(0, s)) for s in stride)
        weight = weights(shape[0], 2, *kernel)
        return ConvTranspose(weight, None, stride, padding, extra, ones, groups)
    return Conv(
        weights(2 * groups, shape[0] // groups, *kernel), None, stride, padding, ones, groups
    )


@st.composite
def joining(draw, shape, target, delays=(0, 2)):
    """A dense or sparse synapse between two given shapes."""
    bits, weights = draw(grids())
    op = Linear(weights(size(target), size(shape)))
    inside, outside = (size(shape),), (size(target),)
    if draw(st.booleans()):
        m = matrix(op, inside).tocoo()
        kept = np.random.default_rng(draw(seeds)).random(m.nnz) < 0.7
        entries = (m.data[kept], (m.row[kept], m.col[kept]))
        op = sparse_op(sp.csr_array(sp.coo_array(entries, m.shape)), inside, outside, None)
    exponent = draw(st.sampled_from([0, 0, 1, -2]))
    return Synapse(op, inside, outside, exponent, bits, draw(st.integers(*delays)))


@st.composite
def grids(draw):
    """Bits of a weight, and a maker of weights on their grid in one of several styles."""
    bits = draw(st.sampled_from([8, 8, 6, 4, 2]))
    step = 1 << (9 - bits)
    low, high = (-1, 1) if bits == 2 else (-256 // step, 256 // step - 1)
    style = draw(st.sampled_from(["any", "any", "small", "negative", "zero", "extreme"]))
    low, high = {
        "any": (low, high),
        "small": (max(low, -8), min(high, 8)),
        "negative": (low, -1),
        "zero": (0, 0),
        "extreme": (high, high),
    }[style]
    rng = np.random.default_rng(draw(seeds))
    return bits, lambda *shape: (rng.integers(low, high + 1, shape) * step).astype(np.int16)


@st.composite
def inputs(draw, shape, by_host):
    """Empty, sparse, dense or full spikes; or any mantissas."""
    rng = np.random.default_rng(draw(seeds))
    samples, steps = draw(st.integers(1, 2)), draw(st.integers(1, 9))
    if by_host:
        values = rng.integers(-4096, 4096, (samples, *shape)).astype(np.int16)
    else:
        rate = draw(st.sampled_from([0.0, 0.2, 0.6, 1.0]))
        values = (rng.random((samples, steps, *shape)) < rate).astype(np.uint8)
    return Encoded({"in": values}, steps)
