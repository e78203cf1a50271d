"""A synapse on payloads: its map on each byte of them, as ONNX's integer maps take bytes only.

In:  a synapse, its source, and payloads int32 (batch, steps, *shape).
Out: the exact int64 sum of the weight mantissas times the payloads.
A payload is the sum of its bytes times 1, 256, ..., positive and negative ones apart.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from neurocompile.formats.onnx.linear import Emission, emit
from neurocompile.ir.fixed import ChipNeuron, SpikeInput, Synapse
from neurocompile.ir.payloads import largest_payload

BYTE_BITS = 8


def largest_byte(source: ChipNeuron | SpikeInput) -> int:
    """The largest byte of the payloads of a population; `check.py` bounds the sums with it."""
    return min((1 << BYTE_BITS) - 1, largest_payload(source))


def payload_sums(synapse: Synapse, source: ChipNeuron | SpikeInput, emission: Emission) -> str:
    """Append the map of a synapse on each byte of the payloads; the value of their sum, int64."""
    nodes = emission.nodes
    limits = [max(0, limit) for limit in (source.payload[1], -source.payload[0])]
    total = ""
    for sign, limit in zip((1, -1), limits, strict=True):
        size = nodes.add("Mul", emission.x, nodes.constant(sign, np.int32))
        size = nodes.add("Max", size, nodes.constant(0, np.int32))
        for low in range(0, limit.bit_length(), BYTE_BITS):
            part = size
            if low:
                part = nodes.add("Div", part, nodes.constant(1 << low, np.int32))
            if low + BYTE_BITS < limit.bit_length():
                part = nodes.add("Mod", part, nodes.constant(1 << BYTE_BITS, np.int32))
            byte = f"{emission.name}/byte{low // BYTE_BITS}{'+' if sign > 0 else '-'}"
            one = replace(
                emission, x=nodes.cast(part, np.uint8), name=byte if total else emission.name
            )
            y = nodes.cast(emit(synapse.op, one), np.int64)
            y = nodes.add("Mul", y, nodes.constant(sign << low, np.int64))
            total = nodes.add("Add", total, y) if total else y
    return total
