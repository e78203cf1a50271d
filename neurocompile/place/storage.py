"""Which rule a chip stores synapses by: lists of Loihi 1 (`memory.py`), whole words (`words.py`).

In:  a map onto a block; the chip's layout of synapse memory.
Out: bits. This is the only place where the rule is chosen.
"""

from __future__ import annotations

from neurocompile.chip.record import Memory, Words
from neurocompile.ir.arrays import Array
from neurocompile.ir.fixed import Synapse
from neurocompile.place import memory, words
from neurocompile.place.boxes import Box
from neurocompile.place.maps import Listed
from neurocompile.place.memory import Lists


def stored(onto: Listed, block: Box, layout: Memory | Words, base: int) -> Lists:
    """The lists of a synapse onto a block whose first neuron has number `base` on its core."""
    if isinstance(layout, Words):
        return words.stored(onto, block, layout)
    return onto.stored(block, layout, base)


def addressable(layout: Memory | Words) -> int:
    """Number of neurons of a core that an index can address."""
    if isinstance(layout, Words):
        return int(2**layout.index_bits.value)
    return memory.addressable(layout)


def least_bits(synapse: Synapse, lengths: Array, layout: Memory | Words, wait: int) -> int:
    """Smallest number of bits of lists with these numbers of synapses, however cut; no kernels."""
    if isinstance(layout, Words):
        return words.least_bits(synapse, lengths, layout, wait)
    return memory.least_bits(synapse, lengths, layout, wait)
