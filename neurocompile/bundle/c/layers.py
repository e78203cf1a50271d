"""What a C program keeps of each population: its names, its order, what it sends.

In:  a FIXED graph and its FixedPlan, which orders the neurons and proves the widths of numbers.
Out: a Layer for each population.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from neurocompile.bundle.c.tables import c_type, smallest
from neurocompile.bundle.names import identifiers
from neurocompile.engines.fixed.plan import FixedPlan
from neurocompile.ir.arrays import Array
from neurocompile.ir.fixed import AlwaysOn, BiasInput, ChipNeuron, SpikeInput
from neurocompile.ir.graph import Graph
from neurocompile.ir.nodes import size
from neurocompile.ir.payloads import graded
from neurocompile.ir.registers import BIT, MANTISSAS


@dataclass(frozen=True, eq=False)
class Layer:
    """A population or input of a C program.

    Attributes:
        name: Name in the graph.
        id: Name as an identifier.
        node: Its node.
        order: (n,) C index of the neuron at each place.
        channels: Number of neighbours in this order that are channels of one position; 1 if the
            neurons are in C order.
        slots: Steps of what it sends that are kept.
        sends: Type of what it sends.
        rate: Messages per neuron and step that were measured; 0 if nothing was run.
    """

    name: str
    id: str
    node: Any
    order: Array
    channels: int
    slots: int
    sends: str
    rate: float

    @property
    def neurons(self) -> int:
        """Number of neurons."""
        return len(self.order)

    @property
    def places(self) -> int:
        """Number of positions that have the same channels."""
        return self.neurons // self.channels

    @property
    def graded(self) -> bool:
        """Whether it sends payloads."""
        return graded(self.node)

    def sent(self, delay: int = 0) -> str:
        """The array that it sent `delay` steps ago, as an expression."""
        if self.slots == 1:
            return "input" if isinstance(self.node, SpikeInput) else f"s->sent_{self.id}"
        at = f"s->at_{self.id}"
        if delay:
            at = f"nc_back({at}, {delay}U, {self.slots}U)"
        return f"s->sent_{self.id}[{at}]"


def layers_of(graph: Graph, plan: FixedPlan, rates: dict[str, float]) -> dict[str, Layer]:
    """Every population and input of a graph, by name."""
    ids = identifiers(graph.nodes)
    found = {}
    for name, node in graph.of(SpikeInput, BiasInput, AlwaysOn, ChipNeuron):
        order = plan.order.get(name, np.arange(size(node.shape)))
        places = int(order[1]) if len(order) > 1 else 1
        found[name] = Layer(
            name,
            ids[name],
            node,
            order,
            1 if places == 1 else len(order) // places,
            plan.history.get(name, 0) + 1,
            sent_type(node),
            rates.get(name, 0.0),
        )
    return found


def sent_type(node: Any) -> str:
    """Type of what a population sends, or of what the host writes for one neuron."""
    if isinstance(node, BiasInput):
        return c_type(smallest(np.array(MANTISSAS)))
    return c_type(smallest(np.array(node.payload if graded(node) else BIT)))
