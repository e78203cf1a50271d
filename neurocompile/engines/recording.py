"""What an engine gives back, and what it is given.

In:  a FIXED graph and its encoded input, samples first.
Out: spikes and membrane potentials of every population in the network's own time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from neurocompile.ir.arrays import Array


@dataclass(frozen=True, eq=False)
class Encoded:
    """The input of a FIXED graph for some samples.

    Attributes:
        values: By input node: SpikeInput (n, steps, *shape) uint8 of 0 and 1; BiasInput
            (n, *shape) int16, the whole 13-bit mantissa that the host writes for a sample.
        steps: Steps each sample runs for.
    """

    values: Mapping[str, Array]
    steps: int

    @property
    def samples(self) -> int:
        """How many samples there are."""
        return int(next(iter(self.values.values())).shape[0])


@dataclass(frozen=True, eq=False)
class Recording:
    """What every population did, step by step.

    Attributes:
        spikes: By population (SpikeInput and CubaLIF): (n, steps, *shape) uint8.
        membrane: By CubaLIF: (n, steps, *shape) int32, after the reset.
        activity: By population, the energy.counts.Activity that the fixed engine counts on its
            way; None from the others.
    """

    spikes: Mapping[str, Array]
    membrane: Mapping[str, Array]
    activity: Mapping[str, Any] | None = None
