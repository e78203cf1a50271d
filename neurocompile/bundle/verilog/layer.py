"""One layer as integers for a circuit: what arrives, its weights, its constants, its step.

In:  a FIXED graph and the name of a population.
Out: a CircuitLayer. Neurons and sources are in the C order of their shapes; the sources of several
     synapses follow one another.
A source is a line of one bit. Delays, loops and axons that are always on lie outside the module:
whoever drives a line decides when.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from neurocompile.bundle.verilog.expressions import NARROW, WIDE, VerilogOps, Wires
from neurocompile.engines.fixed.plan import plan_of
from neurocompile.errors import BadInput, DoesNotFit
from neurocompile.ir.arrays import Array
from neurocompile.ir.fixed import AlwaysOn, BiasInput, ChipNeuron, Synapse
from neurocompile.ir.graph import Graph
from neurocompile.ir.linear import connections
from neurocompile.ir.nodes import size
from neurocompile.ir.payloads import graded
from neurocompile.ir.registers import CURRENT_WRAP_LIMIT, STATE_LIMIT

STATE_WIDTH = 25  # bits: a wrapped current reaches 2^23 itself, one more than 24 bits hold
MOST_ENTRIES = 1 << 22  # stored weights: more than the block RAM of any FPGA
SUM_WIDTH = 40  # bits of the widest sum that leaves the wires of a step their room


@dataclass(frozen=True)
class Line:
    """Where a run of lines comes from.

    Attributes:
        synapse: Name of the synapse.
        source: Name of the population before it.
        delay: Steps from a spike of the source to its arrival.
        always: Whether it is an axon that is always on, from step `delay` on.
        count: Number of lines.
    """

    synapse: str
    source: str
    delay: int
    always: bool
    count: int


@dataclass(frozen=True, eq=False)
class CircuitLayer:
    """A layer, ready to be written.

    Attributes:
        name: Name of the population.
        node: Its node.
        lines: What arrives, in the order of the lines.
        first: (lines + 1,) index of each line's first stored weight.
        targets, weights: Of every stored weight, line by line: (n,) int64.
        dense: Whether every line reaches every neuron, so that targets need not be stored.
        left, right: Left shift of a sum of weights, then its right shift, which rounds down.
        sum_width: Bits of a sum.
        constants: (n,) constants that differ from neuron to neuron, by name, in their order.
        starts: By state, (n,) where it begins; those that begin at 0 are not named.
        statements: Wires of a step, from `total`, the states and the constants.
        after: By state, the wire that holds it after the step.
        spike: Wire that is not 0 where the neuron spikes.
        faults: Conditions under which a number leaves its register.
    """

    name: str
    node: ChipNeuron
    lines: tuple[Line, ...]
    first: Array
    targets: Array
    weights: Array
    dense: bool
    left: int
    right: int
    sum_width: int
    constants: dict[str, Array]
    starts: dict[str, Array]
    statements: tuple[str, ...]
    after: dict[str, str]
    spike: str
    faults: tuple[str, ...]

    @property
    def neurons(self) -> int:
        """Number of neurons."""
        return size(self.node.shape)

    @property
    def sources(self) -> int:
        """Number of lines."""
        return sum(line.count for line in self.lines)


def width_of(values: Array) -> int:
    """Bits of a signed number that holds all of these."""
    low, high = int(values.min()), int(values.max())
    return max(max(high, 0).bit_length(), max(-1 - low, 0).bit_length()) + 1


def circuit_layer(graph: Graph, name: str | None) -> CircuitLayer:
    """A layer of a network; without a name, the only one that can be a module.

    Raises:
        BadInput: If there is no such layer, or a module cannot hold it; says why.
        DoesNotFit: If it has more weights than a circuit holds.
    """
    layers = [n for n, _ in graph.of(ChipNeuron)]
    refused = {n: _why_not(graph, n) for n in layers}
    if name is None:
        fitting = [n for n in layers if not refused[n]]
        if len(fitting) != 1:
            raise BadInput(_choose(fitting, refused))
        name = fitting[0]
    if name not in refused:
        raise BadInput(f"there is no layer '{name}'. The layers are {_listed(layers)} (--layer).")
    if refused[name]:
        raise BadInput(
            f"layer '{name}': {refused[name]}. A module of Verilog takes and sends spikes of one "
            "bit. Take another layer (--layer), or a program in C (--to c), which holds them all."
        )
    return _made(graph, name)


def _why_not(graph: Graph, name: str) -> str:
    """Why a layer cannot be a module; "" if it can."""
    node = graph.nodes[name]
    if graded(node):
        return f"its neurons ({type(node).__name__}) send payloads"
    if len(node.inputs) > 1:
        return f"its neurons ({type(node).__name__}) have {len(node.inputs)} inputs"
    rounded = 0
    for before in graph.before(name):
        synapse = graph.nodes[before]
        if isinstance(synapse, BiasInput):
            return f"the host writes its biases ('{before}')"
        (source,) = graph.before(before)
        if graded(graph.nodes[source]):
            return f"'{source}' sends it payloads"
        if synapse.late_of != "nothing":
            return f"the delays of '{before}' differ inside the synapse"
        rounded += synapse.weight_exp < 0
    if not graph.before(name):
        return "nothing leads to it"
    if rounded and len(graph.before(name)) > 1:
        return "several synapses lead to it, and the exponent of one of them is negative"
    return ""


def _choose(fitting: list[str], refused: dict[str, str]) -> str:
    """What to say where no layer was named, and not just one can be a module."""
    if fitting:
        return f"a module holds one layer. Choose one of {_listed(fitting)} (--layer NAME)."
    reasons = "; ".join(f"'{name}': {why}" for name, why in list(refused.items())[:5])
    return (
        f"no layer of this network can be a module of Verilog: {reasons}. Make a program in C "
        "(--to c), which holds all of them."
    )


def _listed(names: list[str], most: int = 10) -> str:
    text = ", ".join(f"'{name}'" for name in names[:most])
    return text + (f" and {len(names) - most} more" if len(names) > most else "")


def _made(graph: Graph, name: str) -> CircuitLayer:
    node, ready = graph.nodes[name], plan_of(graph).populations[name]
    lines, columns, right = [], [], 0
    for before in graph.before(name):
        synapse: Synapse = graph.nodes[before]
        (source,) = graph.before(before)
        always = isinstance(graph.nodes[source], AlwaysOn)
        matrix = connections(replace(synapse, late=None)).tocsc()
        matrix.sort_indices()
        count = matrix.shape[1]
        lines.append(Line(before, source, synapse.delay, always, count))
        right = max(right, -synapse.weight_exp)
        columns.append((matrix, max(synapse.weight_exp, 0)))
    entries = sum(matrix.nnz for matrix, _ in columns)
    if not 0 < entries <= MOST_ENTRIES:
        raise DoesNotFit(
            f"layer '{name}': {entries:,} weights lead to it, but a module holds 1 to "
            f"{MOST_ENTRIES:,}. Take another layer (--layer), or a program in C (--to c)."
        )
    targets = np.concatenate([matrix.indices for matrix, _ in columns]).astype(np.int64)
    weights = np.concatenate([matrix.data.astype(np.int64) << up for matrix, up in columns])
    lengths = np.concatenate([np.diff(matrix.indptr) for matrix, _ in columns])
    common = int(np.bitwise_or.reduce(weights))
    left = (common & -common).bit_length() - 1 if common else 0
    most = np.zeros(size(node.shape), np.int64)
    np.add.at(most, targets, np.abs(weights >> left))
    sum_width = int(most.max()).bit_length() + 1
    if sum_width + left > SUM_WIDTH:
        raise DoesNotFit(
            f"layer '{name}': a sum of its weights can take {sum_width + left} bits, but at most "
            f"{SUM_WIDTH} leave its step exact. Take another layer (--layer)."
        )
    return CircuitLayer(
        name,
        node,
        tuple(lines),
        np.concatenate([[0], np.cumsum(lengths)]),
        targets,
        weights >> left,
        bool(np.all(lengths == size(node.shape))),
        left,
        right,
        sum_width,
        *_step(node, ready.variant.wraps, ready.variant.wide),
    )


def _step(node: ChipNeuron, wraps: bool, wide: bool) -> tuple[Any, ...]:
    """Constants, starts, and the step of a neuron, replayed."""
    body, count = Wires(str(WIDE if wide else NARROW)), size(node.shape)

    def flat(values: Any) -> Array:
        return np.broadcast_to(values, node.shape).astype(np.int64).ravel()

    constants: dict[str, Array] = {}
    given: dict[str, Any] = {}
    for part, values in node.constants()._asdict().items():
        own = flat(values)
        if np.all(own == own[0]):
            given[part] = int(own[0])
        else:
            constants[part] = own
            given[part] = body.define(f"p_{part}")
    if isinstance(given["bias"], int):
        given["bias"] = body.define(body.literal(given["bias"]))
    before = tuple(body.define(f"s_{state}") for state in node.state_names)
    total, ops = body.define("total"), VerilogOps(wraps)
    after = node.step(ops, before, node.arriving([total]), node.Constants(**given))
    faults = tuple(_faults(node, body, wraps, after))
    ends = [after.out.name, *(x.name for x in after.state), *faults]
    begun = node.start(node.constants(), node.v_init, np.zeros(count, np.int64))
    starts = {n: flat(x) for n, x in zip(node.state_names, begun, strict=True) if np.any(x)}
    return (
        constants,
        starts,
        tuple(body.statements(ends)),
        {n: x.name for n, x in zip(node.state_names, after.state, strict=True)},
        after.out.name,
        faults,
    )


def _faults(node: ChipNeuron, body: Wires, wraps: bool, after: Any) -> Iterator[str]:
    """Conditions under which the engine stops: as in the C program."""

    def beyond(x: str, limit: int) -> str:
        most = body.literal(limit)
        return f"({x} >= {most}) || ({x} <= -{most})"

    if wraps:
        yield beyond(after.current.name, CURRENT_WRAP_LIMIT)
    for x in after.unclipped:
        if hasattr(x, "name"):
            yield beyond(x.name, STATE_LIMIT)
    if node.readout:
        yield f"{after.out.name} != 0"


def arrivals(layer: CircuitLayer, sent: dict[str, Array], samples: int, steps: int) -> Array:
    """(samples, steps, lines) bits: what is on the lines in each step.

    Args:
        layer: The layer.
        sent: By population, (samples, steps, *shape) spikes.
        samples, steps: Extent of the recording.
    """
    found = []
    for line in layer.lines:
        bits = np.zeros((samples, steps, line.count), np.uint8)
        if line.delay < steps:
            if line.always:
                bits[:, max(line.delay, 0) :] = 1
            else:
                spikes = np.asarray(sent[line.source]).reshape(samples, steps, -1)
                bits[:, line.delay :] = spikes[:, : steps - line.delay]
        found.append(bits)
    return np.concatenate(found, axis=2)
