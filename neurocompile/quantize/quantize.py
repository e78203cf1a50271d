"""FLOAT graph -> FIXED graph: the integers that the chip stores.

In:  simplified FLOAT graph (one weighted node for each way to a neuron); the ranges that
     calibration saw; the chip's register formats.
Out: FIXED graph: the neurons' and synapses' names, integer parameters, and the scale and
     offset that read a potential back: float value = integer * scale + offset.

A Norse step v' = v + l ((v_leak - v) + i) is the chip's v' = v (1 - l) + l i + l v_leak, so
weights take the leak l with them, and potentials count from v_reset, to which the chip's
reset to 0 then corresponds. A bias joins the bias register of a neuron without synaptic
current; before a neuron with one it becomes an axon that spikes in every step.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from neurocompile.chip import Chip
from neurocompile.errors import DoesNotFit, Unsupported
from neurocompile.ir.fixed import ALIGN_BITS, AlwaysOn, BiasInput, CubaLIF, SpikeInput, Synapse
from neurocompile.ir.graph import Edge, Graph
from neurocompile.ir.linear import matrix
from neurocompile.ir.neurons import NEURONS, has_current
from neurocompile.ir.nodes import Input, Linear, Shape
from neurocompile.ir.shapes import shapes
from neurocompile.ir.time import depths
from neurocompile.ir.verify_fixed import MAX_DELAY
from neurocompile.quantize.incoming import (
    Arrival,
    Incoming,
    Weighted,
    read_incoming,
    weights_of,
    with_weights,
)
from neurocompile.quantize.ranges import Ranges
from neurocompile.quantize.registers import bias_registers, decay_register, threshold_register
from neurocompile.quantize.scales import (
    Demand,
    Scale,
    choose_scale,
    smallest_exponent,
    to_grid,
)


def quantize(graph: Graph, chip: Chip, ranges: Ranges, bits: int = 8) -> Graph:
    """Choose every integer of a network.

    Args:
        graph: Simplified FLOAT graph.
        chip: The target; only its formats are read.
        ranges: From `observe` (calibration data) or `bound` (weights alone).
        bits: Width of the weights, 2..8.

    Raises:
        DoesNotFit: If a parameter leaves its register; the message names layer and range.
        Unsupported: If the chip has no neuron of this kind, or a loop has fewer steps of delay
            than synapses.
    """
    shape = shapes(graph)
    nodes: dict[str, Any] = {}
    edges: list[Edge] = []
    backwards: dict[str, dict[str, Synapse]] = {}  # by origin, which stands before them
    for name, node in graph.nodes.items():
        if isinstance(node, NEURONS):
            incoming = read_incoming(graph, name, shape)
            _check_supported(incoming, chip)
            scale = choose_scale(_demand(incoming, ranges), chip, bits)
            population = _population(incoming, ranges, chip, scale)
            for first in _sources(incoming, population, scale, chip, graph, bits):
                nodes.update(first)
                edges += zip(first, [*list(first)[1:], name], strict=True)
            for arrival in incoming.arrivals:
                link, synapse = str(arrival.link), _synapse(incoming, arrival, scale, bits)
                edges += [(arrival.origin, link), (link, name)]
                if arrival.origin in nodes:
                    nodes[link] = synapse
                else:
                    backwards.setdefault(arrival.origin, {})[link] = synapse
            nodes[name] = population
            nodes.update(backwards.pop(name, {}))
        elif isinstance(node, Input) and graph.settings.encoder.kind != "current":
            nodes[name] = SpikeInput(node.shape)
    fixed = Graph(nodes, tuple(edges), graph.settings)
    depths(fixed)  # refuses a loop that the chip cannot keep up with
    return fixed


def _check_supported(incoming: Incoming, chip: Chip) -> None:
    reset = getattr(incoming.neuron, "reset", "zero")
    if reset not in chip.formats.resets.value:
        raise DoesNotFit(
            f"layer '{incoming.name}': a spike resets it by '{reset}', but {chip.name} has "
            f"{', '.join(chip.formats.resets.value)}. Train with Norse's reset_value, or take a "
            "target that has this reset."
        )
    if incoming.host is not None and has_current(incoming.neuron):
        raise Unsupported(
            f"layer '{incoming.name}' has a synaptic current, but real-valued input enters "
            "through bias registers, which act on the membrane. Use LIFBox as the first layer, "
            "or the Bernoulli encoder."
        )
    for arrival in incoming.arrivals:
        if arrival.delay > MAX_DELAY:
            raise DoesNotFit(
                f"layer '{incoming.name}': spikes of '{arrival.origin}' come {arrival.delay} steps "
                f"late, but an axon holds them back for up to {MAX_DELAY}. Use a shorter delay."
            )


def _host_peak(incoming: Incoming, ranges: Ranges) -> float:
    """Largest bias that the host writes into a register, float membrane units a step."""
    if incoming.host is None:
        return 0.0
    host = incoming.host
    if host.op is None:
        largest = ranges.input
    elif incoming.arrivals:  # what was seen includes spikes, which may have the other sign
        largest = float(np.abs(matrix(host.op, host.in_shape)).sum(axis=1).max()) * ranges.input
    else:
        largest = ranges.current[incoming.name]
    return float(np.max(incoming.leak)) * largest


def _demand(incoming: Incoming, ranges: Ranges) -> Demand:
    """What the layer asks of its registers."""
    ops = [incoming.leaked(op) for op in _ops(incoming)]
    highs = [float(weights_of(op).max(initial=0.0)) for op in ops]
    lows = [float(weights_of(op).min(initial=0.0)) for op in ops]
    above = incoming.numbers["v_th"] - incoming.level if incoming.neuron.spiking else np.zeros(1)
    leak = float(np.max(incoming.leak)) if ops else 0.0
    return Demand(
        name=incoming.name,
        weight_high=max(highs, default=0.0),
        weight_low=min(lows, default=0.0),
        threshold=float(np.max(above)),
        bias=float(np.max(np.abs(incoming.register_bias()))) + _host_peak(incoming, ranges),
        current_peak=leak * ranges.current[incoming.name],
        potential_peak=ranges.potential[incoming.name],
    )


def _population(incoming: Incoming, ranges: Ranges, chip: Chip, scale: Scale) -> CubaLIF:
    """The registers of a layer."""
    name, numbers, formats = incoming.name, incoming.numbers, chip.formats
    du: Any = 4095
    if has_current(incoming.neuron):
        du = decay_register(numbers["syn_leak"], incoming.dt, node=name, tau="tau_syn") - 1
    vth: Any = (1 << formats.threshold_bits.value) - 1
    if incoming.neuron.spiking:
        above = (numbers["v_th"] - incoming.level) * scale.unit
        vth = threshold_register(above, formats.threshold_bits.value, node=name)
    mantissa, exponent = bias_registers(
        incoming.register_bias() * scale.unit,
        formats.bias_mant_bits.value,
        formats.bias_exp_max.value,
        node=name,
        written=_host_peak(incoming, ranges) * scale.unit,
    )
    return CubaLIF(
        shape=incoming.shape,
        du=du,
        dv=decay_register(numbers["mem_leak"], incoming.dt, node=name, tau="tau_mem"),
        vth=vth,
        bias_mant=mantissa,
        bias_exp=np.asarray(exponent),
        v_init=np.rint((numbers["v_leak"] - incoming.level) * scale.unit),
        reset=getattr(incoming.neuron, "reset", "zero"),
        readout=not incoming.neuron.spiking,
        scale=np.asarray(1 / scale.unit),
        offset=incoming.level,
    )


def _ops(incoming: Incoming) -> list[Weighted]:
    """The synapses that arrive, all of which share the population's scale."""
    assert all(a.op is not None for a in incoming.arrivals), "compose_synapses left no synapse"
    return [a.op for a in incoming.arrivals if a.op is not None]


def _sources(
    incoming: Incoming, population: CubaLIF, scale: Scale, chip: Chip, graph: Graph, bits: int
) -> list[dict[str, Any]]:
    """What has no source itself: the host's currents, and the always-on axon of a bias."""
    found: list[dict[str, Any]] = []
    if incoming.host is not None:
        host = incoming.host
        exponent = float(1 << int(population.bias_exp))
        unit = scale.unit / exponent * graph.settings.encoder.gain
        written = BiasInput(host.in_shape, incoming.shape, incoming.leak * unit, host.op)
        found.append({host.origin: written})
    if incoming.bias is not None and not incoming.current_joins_bias:
        leak = np.broadcast_to(incoming.leak, incoming.shape).ravel()
        weight = (incoming.bias * leak)[:, None]
        name = f"{incoming.name}_bias"
        least = smallest_exponent(weight * scale.unit, chip, bits, node=incoming.name)
        synapse = _on_grid(Linear(weight), ((1,), (leak.size,)), scale, bits, least)
        found.append({f"{name}_axon": AlwaysOn(), name: synapse})
    return found


def _synapse(incoming: Incoming, arrival: Arrival, scale: Scale, bits: int) -> Synapse:
    """The synapse of one branch."""
    assert arrival.op is not None, "compose_synapses left no synapse"
    outer = (arrival.in_shape, arrival.out_shape)
    found = _on_grid(incoming.leaked(arrival.op), outer, scale, bits, scale.weight_exp)
    return replace(found, delay=arrival.delay)


def _on_grid(
    op: Any, shapes: tuple[Shape, Shape], scale: Scale, bits: int, exponent: int
) -> Synapse:
    """A synapse with its weights rounded to the chip's grid."""
    values = weights_of(op) * (scale.unit / 2.0 ** (exponent + ALIGN_BITS))
    return Synapse(with_weights(op, to_grid(values, bits)), *shapes, exponent, bits)
