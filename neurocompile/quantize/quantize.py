"""FLOAT graph -> FIXED graph: the integers that the chip stores.

In:  simplified FLOAT graph (one weighted node per branch to a neuron); the ranges and moments
     that calibration observed; the chip's register formats.
Out: FIXED graph: the neurons' and synapses' names, integer parameters, and the scale and
     offset that convert a potential back: float value = integer * scale + offset.

A Norse step v' = v + l ((v_leak - v) + i) is the chip's v' = v (1 - l) + l i + l v_leak. So
weights are multiplied by the leak l, and potentials are counted from v_reset, so that the chip's
reset to 0 is Norse's reset. Without a leak, v' = v + i is the chip's step already. A bias goes to
the bias register of a neuron without synaptic current. It becomes an axon that spikes in every
step if the neuron has a synaptic current, or if no initial potential can balance it in the steps
before a deep layer's first input. The layers of a sigma-delta network have units and payloads of
their own, which `changes` chooses for all of them together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from neurocompile.chip.record import Chip
from neurocompile.data.inputs import input_shape
from neurocompile.errors import DoesNotFit, Refusals, Unsupported, a_or_an
from neurocompile.ir.fixed import AlwaysOn, BiasInput, ChipNeuron, SpikeInput, Synapse
from neurocompile.ir.graph import Edge, Graph
from neurocompile.ir.linear import matrix
from neurocompile.ir.neurons import Neuron, has_current
from neurocompile.ir.nodes import Input, Linear, Shape, Weighted, size
from neurocompile.ir.registers import ALIGN_BITS, MOST_AXON_DELAY, Grid, lost_on_average
from neurocompile.ir.shapes import shapes
from neurocompile.ir.time import without_lead_in
from neurocompile.quantize.changes import (
    CHIP_CHANGES,
    Units,
    part_of_grid,
    payload_bits,
    population,
    smallest_thresholds,
)
from neurocompile.quantize.choices import WeightChoice, finer, reach
from neurocompile.quantize.incoming import (
    CHANGES,
    RANDOM_SPIKES,
    WITHOUT_CURRENT,
    Arrival,
    Incoming,
    order_of,
    read_incoming,
)
from neurocompile.quantize.moments import Moments
from neurocompile.quantize.of_neurons import decays, own_registers, threshold_bits
from neurocompile.quantize.ranges import Ranges
from neurocompile.quantize.registers import bias_registers
from neurocompile.quantize.rounding import Rounded, round_weights, spread
from neurocompile.quantize.scales import (
    HEADROOM,
    Demand,
    Scale,
    choose_scale,
    exponents,
    grid_unit,
    limits_of,
    smallest_exponent,
)
from neurocompile.quantize.starts import started_changes

Memo = dict[tuple[Any, ...], Rounded]  # by synapse, grid units per float unit, and choice


def quantize(
    graph: Graph,
    chip: Chip,
    ranges: Ranges,
    bits: int = 8,
    moments: Moments | None = None,
    choices: Mapping[str, WeightChoice] | None = None,
    memo: Memo | None = None,
) -> Graph:
    """Choose every integer of a network.

    Args:
        graph: Simplified FLOAT graph.
        chip: Target chip; only its formats are read.
        ranges: Ranges from `observe` (calibration data) or `bound` (only the weights).
        bits: Width of the weights, 2..8.
        moments: Moments from a `MomentWatch`; without them each weight is rounded to nearest.
        choices: Choices by neuron layer that differ from the default.
        memo: Roundings of earlier calls for the same graph and moments; new ones are added.

    Raises:
        DoesNotFit: If parameters do not fit their registers; the message names each layer and
            range.
        Unsupported: If the chip has no neuron of this kind, a loop has fewer steps of delay than
            synapses, or biases make a layer send early to one that leaks.
    """
    request = _Request(
        chip, ranges, bits, moments or {}, choices or {}, {} if memo is None else memo
    )
    fixed = _quantized(graph, request)
    early = without_lead_in(fixed)  # refuses a loop that is too fast for the chip
    changes = {name for name, _ in fixed.of(*CHIP_CHANGES)}
    if early - changes:
        # An axon starts with the network, so no bias drives a deep layer before its first input.
        by_axon = _quantized(graph, request, early - changes)
        fixed = by_axon if without_lead_in(by_axon) < early else fixed
    return started_changes(fixed, graph) if early & changes else fixed


@dataclass(frozen=True, eq=False)
class _Request:
    """The arguments of `quantize`."""

    chip: Chip
    ranges: Ranges
    bits: int
    moments: Moments
    choices: Mapping[str, WeightChoice]
    memo: Memo

    def rounded(
        self, arrival: Arrival, op: Weighted, unit: float, choice: WeightChoice, lost: float = 0.0
    ) -> Rounded:
        """The weights of a synapse on the grid, with `unit` grid units per float unit.

        They make up for what is `lost` from their sum in each step.
        """
        key = (arrival.link, unit, choice, lost)
        if key not in self.memo:
            values, moments = op.weights * unit, self.moments.get(str(arrival.link))
            bits, correct = choice.bits, choice.correct_bias
            self.memo[key] = round_weights(op, values, moments, bits, correct, lost)
        return self.memo[key]

    def choice(self, layer: str) -> WeightChoice:
        """The choice for a neuron layer."""
        return self.choices.get(layer, WeightChoice(self.bits))


def _quantized(graph: Graph, request: _Request, by_axon: frozenset[str] = frozenset()) -> Graph:
    """The FIXED graph in which the biases of the named layers have their own axons."""
    shape = shapes(graph)
    nodes: dict[str, Any] = {}
    edges: list[Edge] = []
    backwards: dict[str, dict[str, Synapse]] = {}  # by origin, to be put in after it
    refusals = Refusals()
    layers: dict[str, Incoming] = {}
    for name, _ in graph.of(Neuron):
        with refusals.gather():
            layers[name] = read_incoming(graph, name, shape, name in by_axon)
    refusals.answer()
    units = _units(graph, layers, request)
    for name, node in graph.nodes.items():
        if isinstance(node, Neuron):
            with refusals.gather():
                incoming = _with_payloads(layers[name], units)
                make = _changing if isinstance(node, CHANGES) else _leaking
                made, synapses, chains = make(incoming, graph, request, units)
                for first in chains:
                    nodes.update(first)
                    edges += zip(first, [*list(first)[1:], name], strict=True)
                for arrival, synapse in zip(incoming.arrivals, synapses, strict=True):
                    link = str(arrival.link)
                    edges += [(arrival.origin, link), (link, name)]
                    if arrival.origin in nodes:
                        nodes[link] = synapse
                    else:
                        backwards.setdefault(arrival.origin, {})[link] = synapse
                nodes[name] = made
                nodes.update(backwards.pop(name, {}))
        elif isinstance(node, Input) and graph.settings.encoder.kind != "current":
            nodes[name] = _entry(name, node, units, request.ranges)
    refusals.answer()
    settings = graph.settings
    for payload in units.inputs.values():  # the gain of integers is payload per unit of x
        gain = settings.encoder.gain * payload
        settings = replace(settings, encoder=replace(settings.encoder, gain=gain))
    return Graph(nodes, tuple(edges), settings)


Made = tuple[ChipNeuron, list[Synapse], list[dict[str, Any]]]  # with the chains of its sources


def _leaking(incoming: Incoming, graph: Graph, request: _Request, units: Units) -> Made:
    """A layer whose step is Loihi's LIF, its synapses and other sources."""
    choice, chip = request.choice(incoming.name), request.chip
    _check_supported(incoming, chip)
    if choice.per_channel and incoming.host is None:
        ops = [incoming.gained(op) for op in _ops(incoming)]
        incoming = replace(incoming, finer=finer(ops, incoming.shape, chip))
    rounds = not any(arrival.sources_differ for arrival in incoming.arrivals)
    scale = choose_scale(_demand(incoming, request, choice), chip, choice.bits, rounds=rounds)
    synapses, incoming = _synapses(incoming, request, scale, choice)
    population = _population(incoming, request.ranges, chip, scale)
    return population, synapses, _sources(incoming, population, scale, chip, graph, choice.bits)


def _changing(incoming: Incoming, graph: Graph, request: _Request, units: Units) -> Made:
    """A layer of a sigma-delta network and its synapses."""
    unit, choice = units.layers[incoming.name], request.choice(incoming.name)
    choice = replace(choice, correct_bias=choice.correct_bias and incoming.bias is not None)
    synapses = []
    correction = np.zeros(size(incoming.shape))
    for arrival, op, link in zip(incoming.arrivals, _ops(incoming), unit.links, strict=True):
        rounded = request.rounded(arrival, op, link.grid, choice)
        correction += spread(op, rounded.bias, correction.size) / link.grid
        synapses.append(_synapse(arrival, op, rounded, link.exponent, choice.bits))
    if incoming.bias is not None and choice.correct_bias:
        incoming = replace(incoming, bias=incoming.bias + correction)
    return population(incoming, unit, request.chip), synapses, []


def _units(graph: Graph, layers: Mapping[str, Incoming], request: _Request) -> Units:
    """Units and payloads of the layers of a sigma-delta network, if there are any.

    Raises:
        Unsupported: If such layers form a loop.
    """
    ours = {n: layers[n] for n in order_of(graph) if isinstance(graph.nodes[n], CHANGES)}
    others: dict[str, float] = {}
    lowest, _ = exponents(request.chip)
    graded = {n for n, i in ours.items() if i.neuron.spiking}
    graded |= (
        {n for n, _ in graph.of(Input)} if graph.settings.encoder.kind == "sequence" else set()
    )
    thresholds = smallest_thresholds(ours)
    for name, incoming in layers.items():
        if name in ours or not graded & {a.origin for a in incoming.arrivals}:
            continue
        choice = request.choice(name)
        demand = _demand(incoming, request, choice)
        largest = min(limits_of(demand, request.chip).values())
        grid = grid_unit(demand.weight_low, demand.weight_high, choice.bits)
        rounds = not any(arrival.sources_differ for arrival in incoming.arrivals)
        for arrival in incoming.arrivals:
            limit = largest / (grid * 2.0 ** ((lowest if rounds else 0) + ALIGN_BITS))
            if not rounds:
                change = thresholds.get(arrival.origin, np.inf)
                limit /= part_of_grid(limit * change, choice.bits)
            others[arrival.origin] = min(others.get(arrival.origin, np.inf), limit)
    choices = {name: request.choice(name) for name in ours}
    return Units(graph, ours, others, request.ranges, choices, request.chip)


def _with_payloads(incoming: Incoming, units: Units) -> Incoming:
    """A layer that knows what payloads its sources send."""
    arrivals = tuple(replace(a, payload=units.payload(a.origin)) for a in incoming.arrivals)
    return replace(incoming, arrivals=arrivals)


def _entry(name: str, node: Input, units: Units, ranges: Ranges) -> SpikeInput:
    """The axons of an input: bits, or payloads where it has a value in each step."""
    if name not in units.inputs:
        return SpikeInput(node.shape)
    return SpikeInput(node.shape, payload_bits(units.inputs[name], ranges.input))


def _check_supported(incoming: Incoming, chip: Chip) -> None:
    """Refuse what no scale makes fit."""
    refusals = Refusals()
    with refusals.gather():
        decays(incoming)
    refusals.errors += _unsupported(incoming, chip)
    refusals.answer()


def _unsupported(incoming: Incoming, chip: Chip) -> Iterator[Unsupported | DoesNotFit]:
    """What no neuron or axon of the chip does."""
    kind, allowed = incoming.on_chip.__name__, chip.formats.neurons.value
    if kind not in allowed:
        yield DoesNotFit(
            f"layer '{incoming.name}' ({type(incoming.neuron).__name__}): on a chip it is "
            f"{a_or_an(kind)}, but {chip.name} has {', '.join(allowed)}. Choose a target with it "
            "(loihi2-sim), or train the network with other neurons."
        )
    drop = incoming.numbers.v_drop
    if incoming.neuron.reset == "subtract" and drop is not None:
        yield Unsupported(
            f"layer '{incoming.name}': a spike subtracts {float(np.max(drop)):.4g} from its "
            f"potential, but a chip's neuron subtracts its threshold, "
            f"{float(np.max(incoming.numbers.v_th)):.4g}. Run simplify before: a synapse takes the "
            "rest."
        )
    if incoming.host is not None and has_current(incoming.neuron):
        yield Unsupported(
            f"layer '{incoming.name}' has a synaptic current, but real-valued input enters "
            "through bias registers, which act on the membrane. Make the first layer one of "
            f"{WITHOUT_CURRENT}, or {RANDOM_SPIKES}"
        )
    for arrival in incoming.arrivals:
        delay = arrival.longest_delay + incoming.extra_delay
        if delay > MOST_AXON_DELAY:
            yield DoesNotFit(
                f"layer '{incoming.name}': spikes of '{arrival.origin}' are delayed by {delay} "
                f"steps, but an axon delays by at most {MOST_AXON_DELAY}. Use a shorter delay."
            )


def _host_peak(incoming: Incoming, ranges: Ranges) -> float:
    """Largest bias that the host may write to a register, float membrane units per step.

    Values outside of the observed range are refused when they come, but a sum of values within it
    may be larger than those seen: it has the headroom of a state, where it can grow so far.
    """
    if incoming.host is None:
        return 0.0
    host = incoming.host
    if host.op is None:
        return float(np.max(incoming.gain)) * ranges.input
    largest = float(np.abs(matrix(host.op, host.in_shape)).sum(axis=1).max()) * ranges.input
    if not incoming.arrivals:  # the observed range would include spikes, with either sign
        largest = min(largest, HEADROOM * ranges.current[incoming.name])
    return float(np.max(incoming.gain)) * largest


def _demand(incoming: Incoming, request: _Request, choice: WeightChoice) -> Demand:
    """The range that the layer needs in its registers."""
    ranges = request.ranges
    ops = [incoming.gained(op) for op in _ops(incoming)]
    moments = [request.moments.get(str(a.link)) for a in incoming.arrivals]
    weights = [op.weights / a.payload for op, a in zip(ops, incoming.arrivals, strict=True)]
    low, high = reach(weights, ops, moments, choice)
    above = incoming.threshold if incoming.neuron.spiking else np.zeros(1)
    gain = float(np.max(incoming.gain)) if ops else 0.0
    threshold, rise = float(np.max(above)), float(np.max(incoming.rise))
    return Demand(
        name=incoming.name,
        weight_high=high,
        weight_low=low,
        threshold=max(threshold, rise),
        threshold_is="threshold" if threshold >= rise else "rise of the threshold (beta)",
        bias=float(np.max(np.abs(incoming.register_bias()))) + _host_peak(incoming, ranges),
        current_peak=gain * ranges.current[incoming.name],
        potential_peak=float(np.max(incoming.finer)) * ranges.potential[incoming.name],
        threshold_bits=threshold_bits(incoming.on_chip, request.chip),
    )


def _population(incoming: Incoming, ranges: Ranges, chip: Chip, scale: Scale) -> ChipNeuron:
    """The registers of a layer."""
    refusals = Refusals()
    own: dict[str, Any] = {}
    mantissa, exponent = np.zeros((), np.int64), 0
    with refusals.gather():
        own = own_registers(incoming, chip, scale.unit)
    with refusals.gather():
        mantissa, exponent = bias_registers(
            incoming.register_bias() * scale.unit,
            chip.formats.bias_mant_bits.value,
            chip.formats.bias_exp_max.value,
            node=incoming.name,
            written=_host_peak(incoming, ranges) * scale.unit,
            smallest_exponent=chip.formats.bias_exp_min.value,
        )
    refusals.answer()
    return incoming.on_chip(  # type: ignore[call-arg]
        shape=incoming.shape,
        **decays(incoming),
        **own,
        bias_mant=mantissa,
        bias_exp=np.asarray(exponent),
        v_init=np.rint(incoming.start * scale.unit),
        readout=not incoming.neuron.spiking,
        scale=np.asarray(1 / (scale.unit * incoming.finer)),
        offset=incoming.level,
    )


def _ops(incoming: Incoming) -> list[Weighted]:
    """The incoming synapses, all of which share the population's scale."""
    assert all(a.op is not None for a in incoming.arrivals), "compose_synapses makes a synapse"
    return [a.op for a in incoming.arrivals if a.op is not None]


def _sources(
    incoming: Incoming, population: ChipNeuron, scale: Scale, chip: Chip, graph: Graph, bits: int
) -> list[dict[str, Any]]:
    """Chains of nodes that start at a source: the host's currents, or the axon of a bias."""
    chains: list[dict[str, Any]] = []
    if incoming.host is not None:
        host = incoming.host
        exponent = float(1 << int(population.bias_exp))
        unit = scale.unit / exponent * graph.settings.encoder.gain
        sample = input_shape(graph)
        written = BiasInput(host.in_shape, incoming.shape, incoming.gain * unit, host.op)
        if sample != host.in_shape:
            written = replace(written, sample_shape=sample)
        chains.append({host.origin: written})
    if incoming.bias is not None and incoming.by_axon:
        gain = np.broadcast_to(incoming.gain, incoming.shape).ravel()
        weight = (incoming.bias * gain)[:, None]
        name = f"{incoming.name}_bias"
        least = smallest_exponent(weight * scale.unit, chip, bits, node=incoming.name)
        synapse = _on_grid(Linear(weight), ((1,), (gain.size,)), scale, bits, least)
        synapse = replace(synapse, delay=incoming.extra_delay)
        chains.append({f"{name}_axon": AlwaysOn(), name: synapse})
    return chains


def _synapses(
    incoming: Incoming, request: _Request, scale: Scale, choice: WeightChoice
) -> tuple[list[Synapse], Incoming]:
    """The synapses of a layer, and the layer with a bias that compensates their rounding.

    A layer without a bias gets none, because a neuron with a bias is updated in every step.
    """
    synapses = []
    choice = replace(choice, correct_bias=choice.correct_bias and incoming.bias is not None)
    correction = np.zeros(size(incoming.shape))
    for arrival, op in zip(incoming.arrivals, _ops(incoming), strict=True):
        gained = incoming.gained(op)
        unit = scale.unit / 2.0 ** (scale.weight_exp + ALIGN_BITS) / arrival.payload
        makes_up = choice.correct_sums and arrival.payload == 1  # of payloads the signs differ
        step = Grid(choice.bits).step
        lost = lost_on_average(scale.weight_exp, step) if makes_up else 0.0
        rounded = request.rounded(arrival, gained, unit, choice, lost)
        correction += spread(op, rounded.bias, correction.size) / unit
        synapses.append(_synapse(arrival, op, rounded, scale.weight_exp, choice.bits))
        synapses[-1] = replace(synapses[-1], delay=arrival.delay + incoming.extra_delay)
    if incoming.bias is None or not choice.correct_bias:
        return synapses, incoming
    gain = np.broadcast_to(incoming.gain, incoming.shape).ravel()
    return synapses, replace(incoming, bias=incoming.bias + correction / gain)


def _synapse(arrival: Arrival, op: Weighted, rounded: Rounded, exponent: int, bits: int) -> Synapse:
    """A synapse with its weights on the grid."""
    shapes = (arrival.in_shape, arrival.out_shape)
    return Synapse(
        op.with_weights(rounded.values), *shapes, exponent, bits, arrival.delay, arrival.late
    )


def _on_grid(
    op: Any, shapes: tuple[Shape, Shape], scale: Scale, bits: int, exponent: int
) -> Synapse:
    """A synapse with its weights rounded to the chip's grid."""
    values = op.weights * (scale.unit / 2.0 ** (exponent + ALIGN_BITS))
    return Synapse(op.with_weights(Grid(bits).nearest(values)), *shapes, exponent, bits)
