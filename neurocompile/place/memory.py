"""How many bits of synapse memory the synapses onto one core take.

In:  the block of a connection matrix that ends on a core; how the chip stores lists.
Out: bits.
An axon owns one list of its synapses on the core. Dense lists hold only weights; sparse and
shared lists hold an index with each weight. Shared lists (convolutions) are stored once for all
axons that differ only in where their list starts. Every stored synapse counts, also with weight
0.

Source: nengo-loihi, nengo_loihi/block.py (SynapseConfig.bits_per_axon, Synapse.bits) and
builder/validate.py (validate_synapse).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from neurocompile.chip.record import Memory
from neurocompile.errors import DoesNotFit
from neurocompile.ir.arrays import Array
from neurocompile.ir.entries import Columns
from neurocompile.ir.fixed import Synapse
from neurocompile.ir.nodes import Conv, ConvTranspose, Linear


class Lists(NamedTuple):
    """The lists that one synapse keeps in the memory of one core.

    Attributes:
        bits: Number of bits of all lists together.
        layout: Format, exponent and widths, which a synapse configuration of the core holds.
    """

    bits: int
    layout: tuple[Any, ...]


def format_of(synapse: Synapse) -> str:
    """The format in synapse memory: dense, conv (shared kernels) or sparse."""
    if isinstance(synapse.op, Linear):
        return "dense"
    return "conv" if isinstance(synapse.op, Conv | ConvTranspose) else "sparse"


def lists(synapse: Synapse, block: Columns, memory: Memory, base: int = 0) -> Lists:
    """The lists of a synapse on a core.

    Args:
        synapse: Synapse node.
        block: (neurons on the core, source neurons), indices sorted; each column is an axon.
        memory: Rules by which the chip stores lists.
        base: Number that the first of these neurons has on the core.

    Returns:
        Bits and layout; a block without synapses takes 0 bits.
    """
    kind = format_of(synapse)
    lengths = np.diff(block.indptr)
    used = np.flatnonzero(lengths)
    lengths = lengths[used]
    starts = block.indptr[:-1][used]
    first = block.indices[starts] + base
    last = block.indices[starts + lengths - 1] + base
    top = None
    if kind == "conv":
        # Axons share a list only if their first neurons lie in one window of this many neurons.
        window = first // memory.shared_bases.value
        top = int(np.max(last - window * memory.shared_bases.value, initial=0))
        lengths = lengths[_distinct(block, starts, first - base, window)]
    elif kind == "sparse" or np.any(last - first + 1 != lengths):  # a gap needs an index
        top = int(np.max(last, initial=0))
    return priced(synapse, lengths, top, memory)


def priced(synapse: Synapse, lengths: Array, top: int | None, memory: Memory) -> Lists:
    """Lists of these lengths; `top` is the largest index in them, None if they hold no index."""
    weight = _wide_enough(synapse.bits, memory.weight_widths.value)
    delay = _wide_enough(synapse.longest_delay.bit_length(), (0, *memory.delay_widths.value))
    index = 0 if top is None else _wide_enough(top.bit_length(), memory.index_widths.value)
    bits = int(_list_bits(lengths, weight + index + delay, memory).sum())
    return Lists(bits, (format_of(synapse), synapse.weight_exp, weight, index, delay))


def addressable(memory: Memory) -> int:
    """Number of neurons of a core that the widest index can address."""
    return int(2 ** memory.index_widths.value[-1])


def _list_bits(lengths: Array, synapse_bits: int, memory: Memory) -> Array:
    """Bits of lists of these lengths: entries with a header, each rounded up to whole words."""
    full, rest = np.divmod(lengths.astype(np.int64), memory.entry_synapses.value)

    def entry(n: Any) -> Any:
        word = memory.word_bits.value
        return -(-(n * synapse_bits + memory.entry_header_bits.value) // word) * word

    return full * entry(memory.entry_synapses.value) + np.where(rest > 0, entry(rest), 0)


def _wide_enough(bits: int, widths: tuple[int, ...]) -> int:
    """The narrowest width that holds this many bits."""
    for width in widths:
        if width >= bits:
            return width
    raise DoesNotFit(
        f"a synapse needs a field of {bits} bits, but synapse memory has at most {widths[-1]}. "
        "Use fewer weight bits or a shorter delay."
    )


def _distinct(block: Columns, starts: Array, first: Array, window: Array) -> Array:
    """One axon of each group whose lists differ only in their start.

    Lists are compared by a sum of 64-bit hashes: the probability that two different lists among
    the 4,096 axons of a core have the same sum is below 1e-12.
    """
    if starts.size == 0:
        return starts
    lengths = np.diff(np.append(starts, block.indices.size))
    offset = block.indices.astype(np.int64) - np.repeat(first, lengths)
    words = mix(offset.astype(np.uint64) * np.uint64(1 << 32) + block.data.astype(np.uint64))
    sums = np.add.reduceat(words, starts) + mix(window.astype(np.uint64) << np.uint64(32))
    return np.unique(sums, return_index=True)[1]


def mix(words: Array) -> Array:
    """Hash 64-bit words with the finalizer of SplitMix64 (Steele et al., OOPSLA 2014)."""
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))


def least_bits(synapse: Synapse, lengths: Array, memory: Memory) -> int:
    """Smallest number of bits that lists with these numbers of synapses take, however cut.

    Not for kernels, whose lists are shared.
    """
    narrowest = memory.index_widths.value[0] if format_of(synapse) == "sparse" else 0
    width = _wide_enough(synapse.bits, memory.weight_widths.value) + narrowest
    width += _wide_enough(synapse.longest_delay.bit_length(), (0, *memory.delay_widths.value))
    headers = -(-lengths.astype(np.int64) // memory.entry_synapses.value)
    return int((lengths * width + headers * memory.entry_header_bits.value).sum())
