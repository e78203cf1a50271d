"""Weights packed to their bits, in a form that loops over runs of them unpack quickly.

In:  the weights of a synapse in the order in which a program reads them.
Out: tables, and the exponent that their units add to that of the synapse.
A weight of b bits is w + 2^(b - 1), cut into planes of 4, 2 or 1 bits: 6 bits are 4 low and 2 high
ones. Plane of 2 bits: byte i holds the weights i, i + m, i + 2 m and i + 3 m, where m is the number
of bytes. So a run of weights is a run of bytes, all shifted and masked alike. 7 and 8 bits are
stored as int8.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from neurocompile.bundle.c.tables import Tables
from neurocompile.ir.arrays import Array

PLANES = {1: (1,), 2: (2,), 3: (2, 1), 4: (4,), 5: (4, 1), 6: (4, 2)}  # low bits first
BYTE = 8
MOST_EXPONENT = 7  # common powers of two that units take out of weights: -256 is -2 x 128


@dataclass(frozen=True)
class Plane:
    """A table with some bits of every weight.

    Attributes:
        table: Name of the table.
        bits: Bits of each weight in it: 8 for int8, otherwise 4, 2 or 1.
        fold: Number of its bytes.
        up: Factor of its bits in the weight.
        less: What to subtract, so that weights are signed.
    """

    table: str
    bits: int
    fold: int
    up: int = 1
    less: int = 0


@dataclass(frozen=True)
class Packed:
    """Weights of a synapse as tables.

    Attributes:
        planes: Tables, whose sum is the weight.
        unit: Exponent of a unit of them: a weight is the sum times 2^unit.
        bits: Bits of a weight.
        packed_bytes: Bytes that the weights would take without any gap.
    """

    planes: tuple[Plane, ...]
    unit: int
    bits: int
    packed_bytes: int

    @property
    def excess(self) -> int:
        """By how much a sum may be too large between two planes of a weight."""
        return 0 if len(self.planes) == 1 else 1 << self.planes[0].bits


def packed(tables: Tables, name: str, weights: Array) -> Packed:
    """Put weights into tables.

    Args:
        tables: Where to add them.
        name: Name of the synapse, as an identifier.
        weights: (n,) whole numbers, within -256..255.
    """
    flat = np.asarray(weights, np.int64).ravel()
    unit = _unit(flat)
    flat = flat >> unit
    bits = width(flat)
    count = -(-flat.size * bits // BYTE)
    if bits not in PLANES:
        number = np.int8 if bits <= BYTE else np.int16
        table = tables.add(f"w_{name}", flat, number)
        return Packed((Plane(table, 8 if bits <= BYTE else 16, flat.size),), unit, bits, count)
    planes, below, whole = [], 0, flat + (1 << (bits - 1))
    for part in PLANES[bits]:
        last = below + part == bits
        content = _folded((whole >> below) & ((1 << part) - 1), part)
        table = tables.add(f"w{part}_{name}", content, np.uint8)
        less = 1 << (bits - 1) if last else 0
        planes.append(Plane(table, part, max(content.size, 1), 1 << below, less))
        below += part
    return Packed(tuple(planes), unit, bits, count)


def width(values: Array) -> int:
    """Bits of the narrowest signed numbers that hold all values, 1 or more."""
    low, high = int(values.min(initial=0)), int(values.max(initial=0))
    return max((-low - 1).bit_length() if low < 0 else 0, high.bit_length()) + 1


def _unit(flat: Array) -> int:
    every = int(np.bitwise_or.reduce(flat)) if flat.size else 0
    exponent = 0
    while exponent < MOST_EXPONENT and every and not every & (1 << exponent):
        exponent += 1
    return exponent


def _folded(parts: Array, bits: int) -> Array:
    """Bytes, each of which holds 8 / bits numbers that are a fold apart."""
    each = BYTE // bits
    fold = -(-parts.size // each)
    filled = np.zeros((each, fold), np.int64)
    filled.ravel()[: parts.size] = parts
    shifts = np.arange(each)[:, None] * bits
    return np.asarray((filled << shifts).sum(axis=0), np.uint8)
