"""Faults of synapse memory: bits of stored weights.

In:  a FIXED graph; numbers of the words that are hit.
Out: the graph with other weights.
Words are numbered through all synapses, in the order of the graph. A kernel is stored once: what
hits it shows wherever it is used.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from neurocompile.faults.places import apart
from neurocompile.ir.arrays import Array
from neurocompile.ir.fixed import Synapse
from neurocompile.ir.graph import Graph
from neurocompile.ir.registers import Grid


def words(graph: Graph) -> dict[str, int]:
    """By synapse, how many weights are stored."""
    return {name: synapse.op.weights.size for name, synapse in graph.of(Synapse)}


def flipped(graph: Graph, hit: Array, luck: Array) -> Graph:
    """A graph in which each word that is hit has one bit turned over.

    Args:
        graph: FIXED graph.
        hit: (n,) numbers of the words.
        luck: (n,) in [0, 1), which bit of the word: each is as likely.
    """
    changed = {}
    for name, (at, chance) in apart(words(graph), hit, luck).items():
        synapse: Synapse = graph.nodes[name]
        bit = (chance * synapse.bits).astype(np.int64)
        stored = synapse.op.weights.ravel()[at]
        changed[name] = _with(synapse, at, turned(stored, bit, synapse.bits))
    return graph.with_nodes(**changed)


def stuck(graph: Graph, hit: Array) -> Graph:
    """A graph in which the words that are hit (n,) read 0."""
    found = apart(words(graph), hit, hit)
    return graph.with_nodes(
        **{name: _with(graph.nodes[name], at, np.zeros(1)) for name, (at, _) in found.items()}
    )


def turned(weights: Array, bit: Array, bits: int) -> Array:
    """Weights of the b-bit grid with one bit of each word turned over; bit 0 is the smallest."""
    step = Grid(bits).step
    return flipped_words(weights.astype(np.int64) // step, np.left_shift(1, bit), bits) * step


def flipped_words(numbers: Array, mask: Array, bits: int) -> Array:
    """Numbers in two's complement of so many bits with the bits of a mask turned over."""
    words = 1 << bits
    word = (numbers % words) ^ mask
    return np.where(word >= words // 2, word - words, word)


def _with(synapse: Synapse, at: Array, values: Array) -> Synapse:
    """A synapse with other weights at some places, counted in C order."""
    weights = synapse.op.weights.copy()
    weights.reshape(-1)[at] = values
    return replace(synapse, op=synapse.op.with_weights(weights))
