"""Faults of a sensor, a weight memory or a core.

In:  images in [0, 1], or a FIXED graph; a random generator.
Out: the same with faults in it, as new arrays and graphs.
With the same generator, a stronger fault includes every weaker one of the same draw.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from neurocompile.ir.arrays import Array
from neurocompile.ir.fixed import BiasInput, CubaLIF, Synapse
from neurocompile.ir.graph import Graph
from neurocompile.ir.linear import matrix, sparse_op
from neurocompile.ir.registers import Grid
from neurocompile.ir.verify import verify
from neurocompile.place.placed import Placed


def noisy(images: Array, sd: float, random: np.random.Generator) -> Array:
    """Images (n, ...) with Gaussian noise on each pixel, cut to [0, 1], the sensor's range."""
    return np.clip(images + sd * random.standard_normal(images.shape), 0, 1).astype(images.dtype)


def stuck(images: Array, share: float, value: float, random: np.random.Generator) -> Array:
    """Images (n, ...) in which a share of the pixels, the same in all, reads one value."""
    faulty = images.reshape(len(images), -1).copy()
    pixels = faulty.shape[1]
    faulty[:, random.permutation(pixels)[: round(share * pixels)]] = value
    return faulty.reshape(images.shape)


def flipped(graph: Graph, probability: float, random: np.random.Generator) -> Graph:
    """A FIXED graph in which stored weights lost a bit.

    A weight of b bits is a word of two's complement, its value over the step of the grid. Each
    word is hit with the probability; one of its bits, all alike, is turned over then. A kernel is
    stored once: what hits it shows wherever it is used.
    """
    changed = {}
    for name, synapse in graph.of(Synapse):
        weights = synapse.op.weights
        hit = random.random(weights.shape) < probability
        bit = random.integers(0, synapse.bits, weights.shape)
        values = np.where(hit, turned(weights, bit, synapse.bits), weights)
        op = synapse.op.with_weights(values.astype(weights.dtype))
        changed[name] = replace(synapse, op=op)
    return verify(graph.with_nodes(**changed), "fixed")


def turned(weights: Array, bit: Array, bits: int) -> Array:
    """Weights of the b-bit grid with one bit of each word turned over; bit 0 is the smallest."""
    step, words = Grid(bits).step, 1 << bits
    word = (weights.astype(np.int64) // step % words) ^ np.left_shift(1, bit)
    return np.where(word >= words // 2, word - words, word) * step


def on_cores(placed: Placed, count: int, random: np.random.Generator) -> dict[str, Array]:
    """By population, the neurons on some cores that are drawn."""
    drawn = random.permutation(len(placed.cores))[:count]
    found = {name: np.flatnonzero(np.isin(at, drawn)) for name, at in placed.core_of.items()}
    return {name: neurons for name, neurons in found.items() if neurons.size}


def silenced(graph: Graph, neurons: Mapping[str, Array]) -> Graph:
    """A FIXED graph in which some neurons do nothing: no spike leaves them, a readout stays at 0.

    Nothing arrives at them, from synapse, bias or host, and they start at 0, so that they never
    reach a threshold.

    Args:
        graph: The network.
        neurons: By population, (n,) which of its neurons, in C order.
    """
    changed: dict[str, object] = {}
    for name, which in neurons.items():
        node: CubaLIF = graph.nodes[name]
        lost = np.zeros(node.shape, dtype=bool)
        lost.ravel()[which] = True
        changed[name] = replace(
            node,
            bias_mant=np.where(lost, 0, node.bias_mant),
            v_init=np.where(lost, 0, node.v_init),
        )
        for before in graph.before(name):
            changed[before] = _without(graph.nodes[before], lost)
    return verify(graph.with_nodes(**changed), "fixed")


def _without(node: Synapse | BiasInput, lost: Array) -> Synapse | BiasInput:
    """What leads to a population, with nothing for the neurons that are lost (shape, bool)."""
    if isinstance(node, BiasInput):
        return replace(node, scale=np.where(lost, 0.0, node.scale))
    weights = matrix(node.op, node.in_shape)
    weights.data[np.repeat(lost.ravel(), np.diff(weights.indptr))] = 0
    return replace(node, op=sparse_op(weights, node.in_shape, node.out_shape, None))
