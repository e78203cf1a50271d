"""Bits of synapse memory by nengo-loihi's own count, in its own blocks.

In:  `nengo_loihi_bits.py FILE`, one core per line as JSON: its neurons and its synapses, each with
     its kind, the width of a weight, the longest wait and every axon's list.
Out: one line of JSON per core: the bits of each synapse, and what nengo-loihi's validation says.
Nothing of neurocompile is imported.
"""

import json
import sys

import numpy as np
from nengo_loihi.block import LoihiBlock, Synapse, SynapseConfig
from nengo_loihi.builder.validate import validate_block

SPARSE, DENSE = 0, 3  # its numbers of compression: with and without an index
BASES = 256  # what its validation allows as a base


def main(path):
    """Count every core of a file."""
    with open(path) as lines:
        for line in lines:
            core = json.loads(line)
            block = LoihiBlock(core["neurons"])
            for told in core["synapses"]:
                block.add_synapse(made_of(told))
            try:
                validate_block(block)
                said = ""
            except Exception as error:
                said = f"{type(error).__name__}: {error}"
            bits = [synapse.bits() for synapse in block.synapses]
            sys.stdout.write(json.dumps({"bits": bits, "refused": said}) + "\n")


def made_of(told):
    """One synapse; lists of a convolution are shared as in split_blocks.py."""
    made = Synapse(len(told["lists"]))
    shared = told["kind"] == "conv"
    follow = all(to == list(range(to[0], to[0] + len(to))) for to, _ in told["lists"])
    dense = told["kind"] == "dense" and follow and all(to[0] < BASES for to, _ in told["lists"])
    keys, weights, indices, number, bases = {}, [], [], [], []
    for to, values in told["lists"]:
        base = to[0] % BASES if shared else to[0] if dense else 0
        index = tuple(n - base for n in to)
        key = (index, tuple(values)) if shared else len(keys)
        if key not in keys:
            keys[key] = len(weights)
            weights.append(np.array([values], dtype=np.float32))
            indices.append(np.array([index], dtype=np.int32))
        number.append(keys[key])
        bases.append(base)
    made.set_population_weights(weights, indices, np.array(number), np.array(bases), pop_type=32)
    widths = SynapseConfig.WEIGHT_BITS_MAP
    made.format(
        compression=DENSE if dense else SPARSE,
        weight_bits=next(code for code, width in enumerate(widths) if width >= told["bits"]),
        delay_bits=int(told["wait"]).bit_length(),
    )
    return made


if __name__ == "__main__":
    main(sys.argv[1])
