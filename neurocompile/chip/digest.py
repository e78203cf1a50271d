"""A digest of everything that a target states, to notice that a target was edited.

In:  a chip.
Out: SHA-256, hex.
Titles of sources are left out: they decide nothing.
"""

from __future__ import annotations

import hashlib

from neurocompile.chip.record import Chip


def chip_digest(chip: Chip) -> str:
    """SHA-256 of every number of a chip with its unit, in any order of the file."""
    stated = [f"{key} = {quantity.value} {quantity.unit}" for key, quantity in chip.quantities()]
    stated += [f"barrier.{model}: {barrier.between}" for model, barrier in chip.barrier.items()]
    stated += [f"memory: {type(chip.memory).__name__}", f"nominal: {chip.nominal}", chip.name]
    return hashlib.sha256("\n".join(sorted(stated)).encode()).hexdigest()
