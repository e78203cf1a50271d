"""What an engine gives back, and what it is given.

In:  a FIXED graph and its encoded input, samples first.
Out: spikes and membrane potentials of every population in the network's own time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from neurocompile.errors import BadInput
from neurocompile.ir.arrays import Array
from neurocompile.ir.fixed import BiasInput, SpikeInput
from neurocompile.ir.graph import Graph

MANTISSAS = (-4096, 4095)  # a bias register: 13 bits, signed


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


def check_encoded(graph: Graph, encoded: Encoded) -> None:
    """Refuse input that does not fit a FIXED graph, before any engine starts.

    Raises:
        BadInput: Naming the input, what was found and what is allowed.
    """
    if encoded.steps < 1:
        raise BadInput(f"{encoded.steps} steps are asked for, allowed is 1 or more.")
    for name, node in graph.of(SpikeInput, BiasInput):
        if name not in encoded.values:
            given = ", ".join(encoded.values) or "nothing"
            raise BadInput(f"the input '{name}' is not given; given is {given}.")
        spikes = isinstance(node, SpikeInput)
        low, high = (0, 1) if spikes else MANTISSAS
        values = np.asarray(encoded.values[name])
        lead = (encoded.samples, encoded.steps) if spikes else (encoded.samples,)
        if values.shape != (*lead, *node.shape):
            raise BadInput(
                f"the input '{name}' has shape {values.shape}, allowed is {(*lead, *node.shape)}: "
                f"{'samples, steps' if spikes else 'samples'}, then the shape of the layer."
            )
        if values.dtype.kind not in "biu":
            raise BadInput(f"the input '{name}' holds {values.dtype}, allowed are whole numbers.")
        least, most = int(values.min(initial=high)), int(values.max(initial=low))
        if least < low or most > high:
            what = "an axon carries a spike or none" if spikes else "a mantissa has 13 bits"
            raise BadInput(
                f"the input '{name}' holds {least}..{most}, allowed is {low}..{high}: {what}."
            )
