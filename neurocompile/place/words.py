"""How many bits of synapse memory the synapses onto one core take on Loihi 2.

In:  a map onto a block of neurons; the widths of a word, a header and an index.
Out: bits, whole words.

The rule is derived from what Intel's compiler printed of four networks, whose weights are public
(docs/crosschecks.md lists every figure that it was worked out from, and what they leave open):

- A synapse of a dense map takes a weight and an index. An axon's list onto the core is its header
  and its synapses, rounded up to words. Weights of 0 are stored.
- A convolution stores its kernel once on each core, wherever its block lies: a list of weights
  without index for each input channel and tap. The output channels on the core are split into
  powers of two (36 = 32 + 4), each a list with a header of its own, rounded up to words.
- A weight is as wide as the layer's largest one needs, once the power of two that divides all of
  them is taken out, sign included: one of `weight_widths`.

No network of those has delays, transposed convolutions or maps that are neither dense nor
convolutions. It is assumed that a delay adds its bits to a synapse, that a transposed convolution
is stored as a convolution is, and that other maps are stored as dense ones, without the synapses
that they do not have.
"""

from __future__ import annotations

from functools import lru_cache
from math import prod

import numpy as np

from neurocompile.chip.record import Words
from neurocompile.errors import DoesNotFit
from neurocompile.ir.arrays import Array
from neurocompile.ir.fixed import Synapse
from neurocompile.ir.nodes import Conv, ConvTranspose
from neurocompile.place.boxes import Box
from neurocompile.place.maps import Listed, Windows
from neurocompile.place.memory import Lists, format_of


def stored(onto: Listed, block: Box, words: Words) -> Lists:
    """The lists of a synapse onto a block."""
    synapse = onto.synapse
    weight, delay = _weight_width(synapse, words), onto.wait.bit_length()
    if isinstance(synapse.op, Conv | ConvTranspose):
        channels = block.box[0] if isinstance(onto, Windows) else (0, synapse.out_shape[0])
        bits = _kernel_bits(synapse, channels, weight + delay, words)
        return Lists(bits, ("conv", synapse.weight_exp, weight, 0, delay))
    index = words.index_bits.value
    lengths = onto.reach(block)
    bits = int(whole_words(lengths[lengths > 0], weight + index + delay, words).sum())
    return Lists(bits, (format_of(synapse), synapse.weight_exp, weight, index, delay))


def whole_words(synapses: Array, synapse_bits: int, words: Words) -> Array:
    """Bits of lists with these numbers of synapses, each with its header, in whole words."""
    word = words.word_bits.value
    bits = np.asarray(synapses, np.int64) * synapse_bits + words.header_bits.value
    return np.asarray(-(-bits // word) * word)


def powers_of_two(channels: int) -> list[int]:
    """The powers of two that add up to a number, the largest first: 36 is [32, 4]."""
    return [1 << k for k in reversed(range(channels.bit_length())) if channels >> k & 1]


@lru_cache(maxsize=64)  # asked for every block that is tried; networks have fewer layers
def weight_bits(synapse: Synapse) -> int:
    """Bits of the layer's largest weight, without the power of two that divides all, with sign."""
    weights = np.asarray(getattr(synapse.op, synapse.op.weight_field))
    low, high = int(weights.min(initial=0)), int(weights.max(initial=0))
    if low == high == 0:
        return 1
    together = int(np.bitwise_or.reduce(np.abs(weights), axis=None))
    shift = (together & -together).bit_length() - 1
    return max((high >> shift).bit_length(), (-(low >> shift) - 1).bit_length() if low else 0) + 1


def least_bits(synapse: Synapse, lengths: Array, words: Words, wait: int) -> int:
    """Smallest number of bits that lists with these numbers of synapses take, however cut."""
    weight = _weight_width(synapse, words)
    synapse_bits = weight + wait.bit_length() + words.index_bits.value
    return int((lengths * synapse_bits + (lengths > 0) * words.header_bits.value).sum())


def _weight_width(synapse: Synapse, words: Words) -> int:
    """The narrowest width that holds every weight of a layer."""
    needed, widths = weight_bits(synapse), words.weight_widths.value
    if needed > widths[-1]:
        raise DoesNotFit(
            f"a weight needs {needed} bits, but synapse memory has at most {widths[-1]}. "
            "Use fewer weight bits."
        )
    return next(w for w in widths if w >= needed)


def _kernel_bits(
    synapse: Synapse, channels: tuple[int, int], synapse_bits: int, words: Words
) -> int:
    """Bits of the kernel for a range of output channels."""
    op = synapse.op
    assert isinstance(op, Conv | ConvTranspose)
    ins, outs = synapse.in_shape[0] // op.groups, synapse.out_shape[0] // op.groups
    lists = ins * prod(op.weight.shape[2:])
    bits = 0
    for first in range(0, synapse.out_shape[0], outs):
        here = min(channels[1], first + outs) - max(channels[0], first)
        if here > 0:
            pieces = np.array(powers_of_two(here))
            bits += lists * int(whole_words(pieces, synapse_bits, words).sum())
    return bits
