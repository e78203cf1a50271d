"""Seeded random FLOAT networks that NIR can hold: every node kind it has words for, and loops."""

import numpy as np
from random_parts import WITHOUT_MEMORY, neuron, settings

from neurocompile.formats.nir.primitives import diagonal
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
    SumPool,
    size,
)
from neurocompile.ir.shapes import out_shape


def nir_graph(seed, *, subtract=True):
    """Two to five layers; some with residual, delayed and recurrent paths."""
    rng = np.random.default_rng(seed)
    shape = [(7,), (2, 6), (2, 5, 6), (4, 8, 8)][int(rng.integers(4))]
    nodes, edges, last = {"in": Input(shape)}, [], "in"

    def put(name, node, *sources):
        nodes[name] = node
        edges.extend((source, name) for source in sources)
        return name

    def cell(shape):
        while not subtract:
            found = neuron(rng, shape, WITHOUT_MEMORY)
            if getattr(found, "reset", "zero") == "zero":
                return found
        return neuron(rng, shape, WITHOUT_MEMORY)

    for i in range(int(rng.integers(2, 6))):
        op = held_map(rng, shape)
        shape = out_shape(op, shape)
        last = put(f"map.{i}", op, last)
        if rng.random() < 0.3:
            late = put(f"delay{i}", Delay(int(rng.choice([1, 2, 40]))), last)
            last = late if rng.random() < 0.4 else put(f"skip{i}", Add(), last, late)
        loop = rng.random() < 0.4
        into = put(f"sum{i}", Add(), last) if loop else last
        last = put(f"cell{i}", cell(shape), into)
        if not loop:
            continue
        back, steps = last, int(rng.integers(1, 4))
        if rng.random() < 0.5:  # the delay behind the neuron, or behind the map
            back = put(f"back{i}", Delay(steps), back)
        if rng.random() < 0.8:
            back = put(f"weight{i}", square_map(rng, shape), back)
        if rng.random() < 0.3 and f"back{i}" not in nodes:
            back = put(f"other{i}", cell(shape), back)
        if f"back{i}" not in nodes:
            back = put(f"back{i}", Delay(steps), back)
            if rng.random() < 0.3:
                last = put(f"heard{i}", Add(), last, back)
        edges.append((back, into))
    # what leads backwards must come out of a Delay: a map in a loop stands before its sum
    order = [n for n in nodes if not _early(n, nodes, edges)]
    for name in [n for n in nodes if n not in order]:
        order.insert(order.index(f"sum{name.removeprefix('weight')}"), name)
    return Graph({n: nodes[n] for n in order}, tuple(edges), settings(rng))


def _early(name, nodes, edges):
    number = name.removeprefix("weight")
    return name.startswith("weight") and (f"back{number}", name) in edges


def held_map(rng, shape):
    """A linear map that NIR has a primitive for."""
    dtype = rng.choice(["float32", "float64"])

    def values(*s):
        return rng.normal(size=s).astype(dtype)

    draw = rng.random()
    if draw < 0.1:
        return Identity()
    if draw < 0.2:
        return BatchNorm(values(shape[0]))
    if draw < 0.3:
        return diagonal(values(*shape), shape)
    if len(shape) == 1:
        weight = values(int(rng.integers(2, 9)), *shape)
        return Linear(weight, values(weight.shape[0]) if rng.random() < 0.5 else None)
    if draw < 0.5:
        start = int(rng.integers(len(shape) - 1))
        end = int(rng.integers(start + 1, len(shape)))
        joined = (*shape[:start], size(shape[start : end + 1]), *shape[end + 1 :])
        return Reshape(joined)
    if draw < 0.7 and len(shape) == 3 and min(shape[1:]) >= 4:
        pads = (1, 1) if rng.random() < 0.5 else (0, 0)
        if draw < 0.6:
            return SumPool((2, 3), (2, 1), pads)
        return AvgPool((2, 2), (2, 2), pads, count_include_pad=bool(any(pads)))
    axes = len(shape) - 1
    groups = int(rng.choice([g for g in (1, 2, 4) if shape[0] % g == 0]))
    kernel = tuple(int(k) for k in rng.integers(1, min(4, min(shape[1:]) + 1), axes))
    weight = values(2 * groups, shape[0] // groups, *kernel)
    bias = values(2 * groups) if rng.random() < 0.5 else None
    stride = tuple(int(n) for n in rng.integers(1, 3, axes))
    return Conv(weight, bias, stride, tuple(k // 2 for k in kernel), (1,) * axes, groups)


def square_map(rng, shape):
    """A map from a layer to itself."""
    if len(shape) == 1:
        return Linear(rng.normal(size=(*shape, *shape)) / 2)
    return diagonal(rng.normal(size=shape), shape)
