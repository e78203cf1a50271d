"""Hand the state of a run's blocks over to the next piece of a recording.

In:  the state of every block, in the engine's order.
Out: a Carried: potentials and other states, what was sent and has not arrived yet; in C order.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from neurocompile.engines.fixed.plan import FixedPlan, holding
from neurocompile.engines.fixed.running import State
from neurocompile.engines.fixed.state import Carried
from neurocompile.ir.arrays import Array
from neurocompile.ir.digest import graph_digest
from neurocompile.ir.graph import Graph
from neurocompile.ir.payloads import graded
from neurocompile.ir.registers import BIT, STATE_LIMIT, Bounds


class Handover:
    """Takes the state of a run's blocks from one piece to the next; blocks write apart.

    Args:
        graph, plan: The network.
        samples: Number of samples.
        before: The state to begin from; None: the initial one.
    """

    def __init__(self, graph: Graph, plan: FixedPlan, samples: int, before: Carried | None) -> None:
        if before is not None:
            before.check(graph, samples)
        self.network = graph_digest(graph)
        self.steps = 0 if before is None else before.steps
        self.before = None if before is None else before.values
        held = arrays_of(graph, plan, samples)
        self.after = {each.name: np.zeros(each.shape, each.number) for each in held}

    def give(self, first: int, last: int, plan: FixedPlan, state: State) -> None:
        """Put the state to begin from into a block of the samples [first, last)."""
        if self.before is not None:
            for name, held, order in _held(plan, state):
                held[:] = self.before[name][first:last][..., order]

    def take(self, first: int, last: int, plan: FixedPlan, state: State) -> None:
        """Keep the state at the end of a block of the samples [first, last)."""
        for name, held, order in _held(plan, state):
            self.after[name][first:last][..., order] = held

    def carried(self, steps: int) -> Carried:
        """The state after all blocks took their `steps`."""
        return Carried(self.network, self.steps + steps, self.after)


class Held(NamedTuple):
    """What an array of a Carried can be.

    Attributes:
        name: Its name.
        shape, number: Its shape and type.
        bounds: Smallest and largest number that a run leaves in it. The engine relies on them: it
            looks for no number beyond them, and may then write beyond its memory.
    """

    name: str
    shape: tuple[int, ...]
    number: Any
    bounds: Bounds


def arrays_of(graph: Graph, plan: FixedPlan, samples: int) -> Iterator[Held]:
    """Every array of a Carried."""
    for name, order in plan.order.items():
        node, shape = graph.nodes[name], (samples, plan.history[name], len(order))
        payload = node.payload if graded(node) else BIT
        yield Held(f"sent/{name}", shape, plan.sends[name], payload)
    for name, ready in plan.populations.items():
        neurons = len(plan.order[name])
        for state in ready.kind.state_names:
            bounds = (-STATE_LIMIT, STATE_LIMIT)
            yield Held(f"state/{name}/{state}", (samples, neurons), np.int64, bounds)
        for link in ready.links:
            if (shapes := link.keeps(samples, neurons)) is not None:
                most = int(np.iinfo(shapes[2]).max) if shapes[2] == np.uint64 else 1
                sums = (-link.bound, link.bound)
                yield Held(f"sums/{link.name}", shapes[0], holding(link.bound), sums)
                yield Held(f"reached/{link.name}", *shapes[1:], (0, most))


def _held(plan: FixedPlan, state: State) -> Iterator[tuple[str, Array, Array]]:
    """Name, array and order of all that a block holds between two steps."""
    for name, order in plan.order.items():
        yield f"sent/{name}", state.fired[name][:, : plan.history[name]], order
    for name, ready in plan.populations.items():
        order = plan.order[name]
        for each, values in zip(ready.kind.state_names, state.states[name], strict=True):
            yield f"state/{name}/{each}", values, order
        for link in ready.links:
            if link.name in state.kept:
                yield f"sums/{link.name}", state.kept[link.name], order
                yield f"reached/{link.name}", state.marked[link.name], order
