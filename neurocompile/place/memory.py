"""How many bits of synapse memory the synapses onto one core take.

In:  the block of a connection matrix that ends on a core; how the chip stores lists.
Out: bits.
An axon owns one list of its synapses on the core: a weight for each, where spikes wait a delay,
and an index. The index is the number of the neuron on the core minus the base of the list, which
is below 256 (`shared_bases`):

- Shared lists (convolutions) are stored once for all axons that differ only in their base. A list
  whose first neuron is number n has the base n % 256, so its indices go from 256 * (n // 256) up.
- Sparse lists have the base 0: an index is the number of the neuron on the core.
- Dense lists hold no index: their neurons follow the base one by one. Where a list has a gap, or
  starts at neuron 256 or higher, which no base reaches, the lists are stored as sparse ones.

Every stored synapse counts, also with weight 0. All lists of a synapse have fields of one width:
that of its longest wait and that of its largest index on the core.

Source: nengo-loihi, nengo_loihi/block.py (SynapseConfig.bits_per_axon, Synapse.bits, idx_bits),
builder/split_blocks.py (set_new_synapse_weights) and builder/validate.py (validate_synapse).
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


def lists(synapse: Synapse, block: Columns, memory: Memory, wait: int = 0, base: int = 0) -> Lists:
    """The lists of a synapse on a core.

    Args:
        synapse: Synapse node.
        block: (neurons on the core, source neurons), indices sorted; each column is an axon.
        memory: Rules by which the chip stores lists.
        wait: Longest wait of its spikes on the chip, in steps.
        base: Number that the first of these neurons has on the core.

    Returns:
        Bits and layout; a block without synapses takes 0 bits.
    """
    lengths = np.diff(block.indptr)
    used = np.flatnonzero(lengths)
    lengths = lengths[used]
    starts = block.indptr[:-1][used]
    first = block.indices[starts] + base
    last = block.indices[starts + lengths - 1] + base
    if format_of(synapse) == "conv":
        window = first // memory.shared_bases.value
        top = int(np.max(window * memory.shared_bases.value + last - first, initial=0))
        lengths = lengths[_distinct(block, starts, first - base, window)]
        return priced(synapse, lengths, top, memory, wait)
    reach = reach_of(first, last, lengths)
    return priced(synapse, lengths, top_index(synapse, reach, memory), memory, wait)


class Reach(NamedTuple):
    """Where the lists of a dense or sparse synapse lie on a core.

    Attributes:
        first: Highest number of a neuron with which a list starts.
        last: Highest number of a neuron in any list.
        gaps: Whether some list skips a neuron.
    """

    first: int
    last: int
    gaps: bool


def reach_of(first: Array, last: Array, lengths: Array) -> Reach:
    """Where lists with these first and last neurons and these lengths lie."""
    gaps = bool(np.any(last - first >= lengths))
    return Reach(int(first.max(initial=0)), int(last.max(initial=0)), gaps)


def top_index(synapse: Synapse, reach: Reach, memory: Memory) -> int | None:
    """The largest index in the lists of a dense or sparse synapse, None if they hold no index."""
    if format_of(synapse) == "sparse" or reach.gaps or reach.first >= memory.shared_bases.value:
        return reach.last
    return None


def priced(synapse: Synapse, lengths: Array, top: int | None, memory: Memory, wait: int) -> Lists:
    """Lists of these lengths; `top` is the largest index in them, None if they hold no index."""
    weight = _wide_enough(synapse.bits, memory.weight_widths.value)
    delay = _wide_enough(wait.bit_length(), (0, *memory.delay_widths.value))
    index = 0 if top is None else _wide_enough(top.bit_length(), (0, *memory.index_widths.value))
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


def least_bits(synapse: Synapse, lengths: Array, memory: Memory, wait: int) -> int:
    """Smallest number of bits that lists with these numbers of synapses take, however cut.

    Not for kernels, whose lists are shared. A sparse list is counted as if it held one index less
    than synapses: a piece of it that reaches only the first neuron of a core needs no index. To
    cut off more such pieces saves nothing, as each of them has a header of its own.
    """
    width = _wide_enough(synapse.bits, memory.weight_widths.value)
    width += _wide_enough(wait.bit_length(), (0, *memory.delay_widths.value))
    header, entry = memory.entry_header_bits.value, memory.entry_synapses.value
    # with a wider index than this, more pieces would save something; on Loihi 1 it is 6 of 9
    index = min(memory.index_widths.value[0], header - -(-header // entry))
    index = index if format_of(synapse) == "sparse" else 0
    headers = -(-lengths.astype(np.int64) // entry)
    return int((lengths * width + np.maximum(lengths - 1, 0) * index + headers * header).sum())
