"""Prepare a FIXED graph for the compiled path: orders, tables, registers, proofs of width.

In:  FIXED graph.
Out: a FixedPlan, kept as long as the graph, because an evaluation runs a graph many times.
Numbers are int32 if every number of a step provably fits, otherwise int64.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from neurocompile.engines.fixed.choice import PathChoice
from neurocompile.engines.fixed.dense import Dense
from neurocompile.engines.fixed.late import Ahead, Weave
from neurocompile.engines.fixed.result import EXACT_FLOAT64, schedule
from neurocompile.engines.fixed.step_source import Variant, step_function
from neurocompile.engines.fixed.tables import Table, channels_last, is_plain, narrow, table
from neurocompile.ir.arrays import Array
from neurocompile.ir.fixed import (
    POPULATIONS,
    BiasInput,
    ChipNeuron,
    Synapse,
)
from neurocompile.ir.graph import Graph
from neurocompile.ir.nodes import Conv, ConvTranspose, Sparse, size
from neurocompile.ir.ops import shift
from neurocompile.ir.order import Group, components
from neurocompile.ir.payloads import graded, largest_row, largest_sum, payload_type
from neurocompile.ir.registers import ALIGN_BITS, STATE_LIMIT, UNITY
from neurocompile.ir.schema import step_words


@dataclass(frozen=True, eq=False)
class Late:
    """Delays that differ inside a synapse, in the engine's order; one of these is not None.

    Attributes:
        sources: (n_source,) int64 further steps of each source.
        targets: (n_target,) int64 further steps of each target.
        weights: Weights with a delay each.
        longest: The largest number of further steps.
    """

    sources: Array | None
    targets: Array | None
    weights: Weave | Ahead | None
    longest: int


@dataclass(frozen=True, eq=False)
class Link:
    """A synapse, ready to run.

    Attributes:
        name: Name of the synapse.
        source: Name of the population where it starts.
        delay: Delay in steps.
        left, right: Left and right shift of its sums, from its exponent.
        row: Largest sum of |weights| onto a target neuron.
        bound: Largest |sum| that any spikes can cause, before the shifts.
        table: Table for events; None with a delay for each weight.
        dense: Product for many rows at once; None for a sparse map, or without a table.
        choice: Costs of the two, to choose the faster one.
        into: Number of the input of its target that it adds to.
        late: What has delays of its own, and its further steps; see `Late`.
    """

    name: str
    source: str
    delay: int
    left: int
    right: int
    row: int
    bound: int
    table: Table | None
    dense: Dense | None
    choice: PathChoice
    into: int
    late: Late | None

    def keeps(
        self, samples: int, targets: int
    ) -> tuple[tuple[int, ...], tuple[int, ...], Any] | None:
        """Shape of the sums it keeps from step to step; shape and type of its marks, or None."""
        late = self.late
        if late is None or late.sources is not None or isinstance(late.weights, Weave):
            return None
        if late.targets is not None:
            shape = (samples, late.longest, targets)
            return shape, shape, np.uint8
        return (samples, late.longest + 1, targets), (samples, targets), np.uint64


@dataclass(frozen=True, eq=False)
class Population:
    """A population of neurons, ready to run; arrays are in the engine's order.

    Attributes:
        links: Incoming synapses.
        written: Name of the BiasInput before it, or "".
        kind: Class of the neurons.
        p: Constants of a step, (n,) each.
        bias_exp: (n,) int64, exponents of written biases.
        v_init: (n,) potentials at the start of a sample.
        number: Type of state and registers.
        variant: Variant of its loop.
        sum_number: Type that holds the sum of all synapses.
    """

    links: tuple[Link, ...]
    written: str
    kind: type[ChipNeuron]
    p: Any
    bias_exp: Array
    v_init: Array
    number: Any
    variant: Variant
    sum_number: Any

    @property
    def inputs(self) -> int:
        """Number of sums that arrive in a step."""
        return len(self.kind.inputs)

    @cached_property
    def all_biased(self) -> bool:
        """Whether a bias updates every neuron in every step; unknown if the host writes it."""
        return bool(self.p.bias.all())

    @cached_property
    def advance(self) -> Any:
        """The compiled loop."""
        return step_function(self.variant)


@dataclass(frozen=True, eq=False)
class FixedPlan:
    """A graph, ready to run.

    Attributes:
        parts: Populations in order; those of a loop together.
        order: By population, the C index of the neuron at each position of the engine's order.
        history: By population, the longest delay of a synapse that starts there.
        sends: By population, the type of what it sends.
        populations: Populations of neurons by name.
    """

    parts: tuple[Group, ...]
    order: dict[str, Array]
    history: dict[str, int]
    sends: dict[str, np.dtype[Any]]
    populations: dict[str, Population] = field(default_factory=dict)


_plans: WeakKeyDictionary[Graph, FixedPlan] = WeakKeyDictionary()


def plan_of(graph: Graph) -> FixedPlan:
    """The plan of a graph, made only once."""
    if graph not in _plans:
        order = {name: _order(graph, name, node) for name, node in graph.of(*POPULATIONS)}
        history = {
            name: max((_longest(graph, s) for s in graph.after(name)), default=0) for name in order
        }
        sends = {name: np.dtype(payload_type(graph.nodes[name])) for name in order}
        plan = FixedPlan(tuple(schedule(graph)), order, history, sends)
        looped = {name for names, loop in components(graph) if loop for name in names}
        for name, node in graph.of(ChipNeuron):
            plan.populations[name] = _population(graph, name, node, order, name in looped)
        _plans[graph] = plan
    return _plans[graph]


def _order(graph: Graph, name: str, node: Any) -> Array:
    """Channels last if a kernel leads to or from a population; otherwise C order.

    Input stays in C order: reordering it would cost more than it gains.
    """
    around = [(before, "out_shape") for before in graph.before(name)]
    if isinstance(node, ChipNeuron):
        around += [(after, "in_shape") for after in graph.after(name)]
    for synapse, side in around:
        neighbour = graph.nodes[synapse]
        if isinstance(neighbour, Synapse) and isinstance(neighbour.op, Conv | ConvTranspose):
            return channels_last(getattr(neighbour, side))
    return np.arange(size(node.shape))


def _longest(graph: Graph, synapse: str) -> int:
    """Steps until a spike has arrived everywhere."""
    return int(graph.nodes[synapse].longest_delay)


def _population(
    graph: Graph, name: str, node: ChipNeuron, order: dict[str, Array], looped: bool
) -> Population:
    links, written, bound = [], "", 0
    for before in graph.before(name):
        synapse = graph.nodes[before]
        if isinstance(synapse, BiasInput):
            written = before
            continue
        (source,) = graph.before(before)
        largest = largest_sum(synapse, graph.nodes[source])
        exponent = synapse.weight_exp
        bound += shift(largest, exponent) + (exponent < 0)  # a negative sum is rounded away from 0
        links.append(_link(graph, before, largest, (order[source], order[name]), looped))
    place = order[name]

    def ordered(values: Any, number: Any) -> Array:
        return np.ascontiguousarray(
            np.broadcast_to(values, node.shape).ravel()[place].astype(number)
        )

    constants = node.constants()
    kept = node.wraps and np.any(constants.keep_u)
    reach = (bound << ALIGN_BITS) + (STATE_LIMIT if kept else 0)
    narrow = reach < 1 << 31 and node.fits_32_bits()
    number = np.int32 if narrow else np.int64
    variant = Variant(
        type(node),
        tuple(step_words(node).items()),
        not narrow,
        tuple(_kind(getattr(constants, part)) for part in node.parts),
        node.wraps and reach >= STATE_LIMIT,
        len(links) == len(node.inputs) == 1 and links[0].right > 0,
    )
    return Population(
        tuple(links),
        written,
        type(node),
        node.Constants(*(ordered(c, number) for c in constants)),
        ordered(node.bias_exp, np.int64),
        ordered(node.v_init, number),
        number,
        variant,
        np.int32 if bound < 1 << 31 else np.int64,
    )


def _link(graph: Graph, name: str, largest: int, ends: tuple[Array, Array], looped: bool) -> Link:
    """A synapse between populations in these orders; in a loop, it runs step by step."""
    synapse, (source,) = graph.nodes[name], graph.before(name)
    exponent = synapse.weight_exp
    made = late = product = None
    if synapse.late_of != "nothing":
        late = _late(synapse, ends, looped)
    if late is None or late.weights is None:
        made = table(synapse, *ends)
        if not isinstance(synapse.op, Sparse) and largest < EXACT_FLOAT64:
            row, signed = largest_row(synapse), graded(graph.nodes[source])
            product = Dense(synapse, *ends, made, row, signed=signed)
    return Link(
        name,
        source,
        synapse.delay,
        max(exponent, 0),
        max(-exponent, 0),
        largest_row(synapse),
        largest,
        made,
        product,
        PathChoice(made.operations, made.weights.size) if made else PathChoice(0, 0),
        graph.nodes[graph.after(name)[0]].inputs.index(synapse.into),
        late,
    )


def _late(synapse: Synapse, ends: tuple[Array, Array], looped: bool) -> Late:
    """The delays of a synapse whose sources, targets or weights differ in them."""
    late = synapse.late
    assert late is not None
    source, target = ends
    longest = int(late.max())
    match synapse.late_of:
        case "source":
            return Late(late[0, source].astype(np.int64), None, None, longest)
        case "target":
            return Late(None, late[target], None, longest)
    weights = narrow(synapse.op.weights)
    if not is_plain(target):
        weights, late = weights[target], late[target]
    if not is_plain(source):
        weights, late = weights[:, source], late[:, source]
    if looped:
        weights, late = np.ascontiguousarray(weights.T), np.ascontiguousarray(late.T)
        return Late(None, None, Ahead(weights, late, longest), longest)
    return Late(None, None, Weave(weights, late, longest), longest)


def _kind(keep: Array) -> str:
    """Kind of a register in a Variant."""
    if np.all(keep == 0):
        return "none"
    if np.all(keep == UNITY):
        return "all"
    return "same" if np.all(keep == keep.flat[0]) else "some"


def holding(largest: int) -> Any:
    """The smallest integer type for sums up to this magnitude."""
    if largest < 1 << 15:
        return np.int16
    return np.int32 if largest < 1 << 31 else np.int64
