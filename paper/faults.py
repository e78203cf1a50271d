"""Faults of a sensor, and of a weight memory whose words fail independently of each other.

In:  images in [0, 1], a FIXED graph, or a torch module; a random generator.
Out: the same with faults in it, as new arrays, graphs and modules.
With the same generator, a stronger fault includes every weaker one of the same draw.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import numpy as np
import torch
from torch import nn

from neurocompile.faults.neurons import on_cores, silenced
from neurocompile.faults.places import apart
from neurocompile.faults.weights import flipped_words, turned
from neurocompile.ir.arrays import Array
from neurocompile.ir.fixed import Synapse
from neurocompile.ir.graph import Graph
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
    stored once: what hits it shows wherever it is used. The number of words that are hit differs
    between draws, unlike that of `neurocompile faults`.
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


def without_cores(placed: Placed, count: int, random: np.random.Generator) -> Graph:
    """The network of a chip on which some cores, that are drawn, are silent."""
    drawn = random.permutation(len(placed.cores))[:count]
    return verify(silenced(placed.graph, on_cores(placed, drawn)), "fixed")


def flipped_words_of(
    module: nn.Module, share: float, bits: int, random: np.random.Generator
) -> nn.Module:
    """A module whose weights are words of so many bits, with one bit of some words turned over.

    The largest weight of a layer is the largest word, 2**(bits - 1) - 1 steps; weights are rounded
    to the nearest word, ties to even. Of all n words, those of biases left out, round(share x n)
    are hit, as `neurocompile faults` hits the weights of a chip. A share of 0 only rounds.
    """
    faulty = deepcopy(module)
    weights = {name: w.data for name, w in faulty.named_parameters() if w.dim() > 1}
    sizes = {name: weight.numel() for name, weight in weights.items()}
    places = sum(sizes.values())
    order, luck = random.permutation(places), random.random(places)
    hit = order[: round(share * places)]
    found = apart(sizes, hit, luck[hit])
    for name, weight in weights.items():
        values = weight.double().numpy().ravel()
        step = np.abs(values).max() / (2 ** (bits - 1) - 1) or 1.0  # a layer of zeros stays so
        words = np.rint(values / step).astype(np.int64)
        at, chance = found.get(name, (np.empty(0, int), np.empty(0)))
        mask = np.left_shift(1, (chance * bits).astype(np.int64))
        words[at] = flipped_words(words[at], mask, bits)
        weight.copy_(torch.tensor(words * step).reshape(weight.shape))
    return faulty
