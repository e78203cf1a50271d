"""FLOAT graph -> FIXED graph: the integers that the chip stores.

In:  simplified FLOAT graph (one weighted node between two neurons); the ranges that
     calibration saw; the chip's register formats.
Out: FIXED graph: the neurons' and synapses' names, integer parameters, and the scale and
     offset that read a potential back: float value = integer * scale + offset.

A Norse step v' = v + l ((v_leak - v) + i) is the chip's v' = v (1 - l) + l i + l v_leak, so
weights take the leak l with them, and potentials count from v_reset, to which the chip's
reset to 0 then corresponds. A bias joins the bias register of a neuron without synaptic
current; before a neuron with one it becomes an axon that spikes in every step.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from neurocompile.chip import Chip
from neurocompile.errors import DoesNotFit, Unsupported
from neurocompile.ir.fixed import ALIGN_BITS, AlwaysOn, BiasInput, CubaLIF, SpikeInput, Synapse
from neurocompile.ir.graph import Edge, Graph
from neurocompile.ir.neurons import NEURONS, has_current
from neurocompile.ir.nodes import Input, Linear, Shape
from neurocompile.ir.shapes import shapes
from neurocompile.quantize.incoming import Incoming, read_incoming, weights_of, with_weights
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
        Unsupported: If the chip has no neuron of this kind.
    """
    shape = shapes(graph)
    nodes: dict[str, Any] = {}
    edges: list[Edge] = []
    for name, node in graph.nodes.items():
        if isinstance(node, NEURONS):
            incoming = read_incoming(graph, name, shape)
            _check_supported(incoming, chip)
            scale = choose_scale(_demand(incoming, ranges), chip, bits)
            population = _population(incoming, ranges, chip, scale)
            before = (
                _bias_input(incoming, population, scale, graph.settings.encoder.gain)
                if incoming.by_host
                else _synapses(incoming, scale, chip, bits)
            )
            for chain in before:
                nodes.update(chain)
                edges += zip(chain, [*list(chain)[1:], name], strict=True)
            if not incoming.by_host:
                edges.append((incoming.origin, str(incoming.link)))
            nodes[name] = population
        elif isinstance(node, Input) and graph.settings.encoder.kind != "current":
            nodes[name] = SpikeInput(node.shape)
    return Graph(nodes, tuple(edges), graph.settings)


def _check_supported(incoming: Incoming, chip: Chip) -> None:
    reset = getattr(incoming.neuron, "reset", "zero")
    if reset not in chip.formats.resets.value:
        raise DoesNotFit(
            f"layer '{incoming.name}': a spike resets it by '{reset}', but {chip.name} has "
            f"{', '.join(chip.formats.resets.value)}. Train with Norse's reset_value, or take a "
            "target that has this reset."
        )
    if incoming.by_host and has_current(incoming.neuron):
        raise Unsupported(
            f"layer '{incoming.name}' has a synaptic current, but real-valued input enters "
            "through bias registers, which act on the membrane. Use LIFBox as the first layer, "
            "or the Bernoulli encoder."
        )


def _host_peak(incoming: Incoming, ranges: Ranges) -> float:
    """Largest bias that the host writes into a register, float membrane units a step."""
    if not incoming.by_host:
        return 0.0
    largest = ranges.input if incoming.op is None else ranges.current[incoming.name]
    return float(np.max(incoming.leak)) * largest


def _demand(incoming: Incoming, ranges: Ranges) -> Demand:
    """What the layer asks of its registers."""
    op = None if incoming.by_host else incoming.leaked_op()
    weights = np.zeros(1) if op is None else weights_of(op)
    above = incoming.numbers["v_th"] - incoming.level if incoming.neuron.spiking else np.zeros(1)
    leak = 0.0 if op is None else float(np.max(incoming.leak))
    return Demand(
        name=incoming.name,
        weight_high=float(weights.max(initial=0.0)),
        weight_low=float(weights.min(initial=0.0)),
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


def _bias_input(
    incoming: Incoming, population: CubaLIF, scale: Scale, gain: float
) -> list[dict[str, Any]]:
    """The host's part: currents, or a first synapse, into bias registers."""
    unit = scale.unit / float(1 << int(population.bias_exp)) * gain
    node = BiasInput(incoming.in_shape, incoming.shape, incoming.leak * unit, incoming.op)
    return [{incoming.origin: node}]


def _synapses(incoming: Incoming, scale: Scale, chip: Chip, bits: int) -> list[dict[str, Any]]:
    """The synapse from the origin, and the always-on axon of a bias that needs one."""
    op = incoming.leaked_op()
    assert op is not None, "compose_synapses left no synapse"
    outer = (incoming.in_shape, incoming.out_shape)
    synapse = _on_grid(op, outer, scale, bits, scale.weight_exp)
    found: list[dict[str, Any]] = [{str(incoming.link): synapse}]
    if incoming.bias is not None and not incoming.current_joins_bias:
        leak = np.broadcast_to(incoming.leak, incoming.shape).ravel()
        weight = (incoming.bias * leak)[:, None]
        name = f"{incoming.name}_bias"
        exponent = smallest_exponent(weight * scale.unit, chip, bits, node=incoming.name)
        synapse = _on_grid(Linear(weight), ((1,), (leak.size,)), scale, bits, exponent)
        found.append({f"{name}_axon": AlwaysOn(), name: synapse})
    return found


def _on_grid(
    op: Any, shapes: tuple[Shape, Shape], scale: Scale, bits: int, exponent: int
) -> Synapse:
    """A synapse with its weights rounded to the chip's grid."""
    values = weights_of(op) * (scale.unit / 2.0 ** (exponent + ALIGN_BITS))
    return Synapse(with_weights(op, to_grid(values, bits)), *shapes, exponent, bits)
