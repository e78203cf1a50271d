"""What both paths of the fixed engine share: their result, their errors, their order.

In:  a FIXED graph and its encoded input.
Out: a FixedRun; the populations in an order in which a batch can pass through them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from neurocompile.data.inputs import Encoded
from neurocompile.engines.fixed.state import Carried
from neurocompile.engines.recording import Activity, Recording
from neurocompile.errors import DoesNotFit
from neurocompile.ir.arrays import Array
from neurocompile.ir.fixed import POPULATIONS, ChipNeuron
from neurocompile.ir.graph import Graph
from neurocompile.ir.order import Group, components
from neurocompile.ir.payloads import payload_type
from neurocompile.ir.registers import CURRENT_WRAP_LIMIT, STATE_LIMIT

EXACT_FLOAT32 = 1 << 24  # float32 holds every integer up to this
EXACT_FLOAT64 = 1 << 53


@dataclass(frozen=True, eq=False)
class FixedRun:
    """Result of running a batch.

    Attributes:
        recording: Spikes and potentials of the requested layers.
        activity: Activity by population, summed over samples and steps.
        state: State at the end, from which another run goes on; None if it was not asked for.
    """

    recording: Recording
    activity: dict[str, Activity]
    state: Carried | None = None


def schedule(graph: Graph) -> list[Group]:
    """The populations in an order of execution; those of one loop together."""
    populations = {name for name, _ in graph.of(*POPULATIONS)}
    groups = (
        (tuple(n for n in names if n in populations), loop) for names, loop in components(graph)
    )
    return [Group(names, loop) for names, loop in groups if names]


def spikes_in(graph: Graph, name: str, encoded: Encoded) -> Array:
    """What an input sends, (n, steps, *shape): uint8 bits or int32 payloads."""
    number = payload_type(graph.nodes[name])
    return np.ascontiguousarray(np.asarray(encoded.values[name]).astype(number, copy=False))


def beyond_one_wrap(name: str, step: int, current: int) -> DoesNotFit:
    """The error for a current that one wrap does not bring back into 24 bits."""
    return DoesNotFit(
        f"layer '{name}', step {step}: the synaptic current reaches {current} before its 24-bit "
        f"wrap, but one wrap brings only currents up to {CURRENT_WRAP_LIMIT - 1} back into "
        "range. Lower the weights or the exponent of the synapses before this layer."
    )


def refuse_beyond(name: str, node: ChipNeuron, step: int, largest: Sequence[float]) -> None:
    """Raise DoesNotFit if a state that nothing clips leaves 24 bits.

    Args:
        name, node, step: Layer, and step of the network's own time.
        largest: Largest size of each such state.
    """
    worst = max(largest, default=0)
    if worst >= STATE_LIMIT:
        raise DoesNotFit(
            f"layer '{name}', step {step}: a state that the chip does not clip reaches "
            f"{int(worst)}, but its register holds up to {STATE_LIMIT - 1}. {node.cure}"
        )


def readout_spiked(name: str, times: int) -> DoesNotFit:
    """The error for a readout that reached the top of its register."""
    return DoesNotFit(
        f"readout '{name}' reached its threshold, the top of 24 bits, {times} times. Calibrate on "
        "data like these, or lower the weights before it."
    )
