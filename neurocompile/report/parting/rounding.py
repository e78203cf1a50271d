"""Every parameter of a network twice: exact as in the float network, and as the chip rounds it.

In:  FIXED graph, and the simplified FLOAT graph that it was made from.
Out: for each population the parameters of its step and its synapses, with the requested classes
     of parameters rounded and all others exact.
Both are in chip units of the membrane (float value = number x scale + offset), so that integers
stay whole in float64. Exact numbers come from the FLOAT graph and the scale, never from integers.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from neurocompile.errors import BadInput
from neurocompile.ir.arrays import Array
from neurocompile.ir.fixed import AlwaysOn, BiasInput, ChipNeuron, SpikeInput, Synapse
from neurocompile.ir.graph import Graph
from neurocompile.ir.nodes import Linear, Shape, size
from neurocompile.ir.registers import ALIGN_BITS, UNITY
from neurocompile.ir.shapes import shapes
from neurocompile.ir.sigma_delta import Delta, Sigma, SigmaDelta
from neurocompile.quantize.changes import CHIP_CHANGES
from neurocompile.quantize.incoming import Incoming, read_incoming
from neurocompile.quantize.of_neurons import refractory_register

JUST_BELOW = 1e-12  # part of a threshold: a change as large as it is sent
# What the chip rounds: parameters, and sums of weights where a weight exponent is negative; and
# what it counts as sent before step 1.
CLASSES = ("weight", "threshold", "bias", "decay", "sum", "start")


@dataclass(frozen=True, eq=False)
class RoundedSynapse:
    """One synapse as real numbers: what arrives is factor * op(spikes of `delay` steps ago).

    Attributes:
        source: Name of the population that sends the spikes.
        delay: Delay in steps of the network's own time.
        late: Further steps of each target or source, as in `Synapse`, or None. Networks with a
            delay for each weight come as integers, so that nothing is compared with them.
        in_shape: Input shape of the map.
        op: Linear map without bias.
        factor: () or shape of the target; chip units of v.
        rounds: Whether the sum that arrives is rounded down to a multiple of 2^6 chip units of v.
    """

    source: str
    delay: int
    late: Array | None
    in_shape: Shape
    op: Any
    factor: Array
    rounds: bool


@dataclass(frozen=True, eq=False)
class RoundedPopulation:
    """One population as real numbers.

    Attributes:
        node: The population, whose step is run.
        constants: Constants of its step: parts in 4096 kept, bias, threshold and so on; () or
            shape.
        start: () or shape, v before the first step.
        offset: () or shape, float value of a potential of 0.
        payload: Payload per unit that the float network sends; 1 where it sends spikes.
        synapses: The synapses into it.
        host: Name of the BiasInput that writes its bias, "" if there is none.
        written: Whether the host's writes are rounded to mantissas, and values to payloads.
    """

    node: Any
    constants: Any
    start: Array
    offset: Array
    payload: float
    synapses: tuple[RoundedSynapse, ...]
    host: str
    written: bool


def threshold_of(incoming: Incoming) -> Array:
    """The float threshold above the level that is 0 on the chip: () or shape, membrane units.

    That of a change is above a change of 0.
    """
    if incoming.neuron.graded:
        return np.asarray(incoming.numbers.v_th)
    return np.asarray(incoming.numbers.v_th - incoming.level)


def incomings(fixed: Graph, simple: Graph) -> dict[str, Incoming]:
    """The part of the FLOAT graph that became each population of the FIXED graph.

    Raises:
        BadInput: If one graph was not made from the other.
    """
    shape = shapes(simple)
    gain = fixed.settings.encoder.gain / simple.settings.encoder.gain
    incoming = {}
    for name, node in fixed.of(ChipNeuron):
        if name not in simple.nodes or shape[name] != node.shape:
            raise _strangers(f"layer '{name}'")
        by_axon = any(_by_axon(fixed, s) for s in fixed.before(name))
        found = read_incoming(simple, name, shape, by_axon)
        arrivals = (
            replace(a, payload=_payload(fixed.nodes.get(a.origin), gain)) for a in found.arrivals
        )
        incoming[name] = replace(found, arrivals=tuple(arrivals))
    return incoming


def _payload(node: Any, gain: float) -> float:
    """Payload per unit that the float network sends; 1 where a population sends spikes.

    Args:
        node: Population, or input.
        gain: Payload per unit of an input with a value in each step.
    """
    if isinstance(node, SpikeInput) and node.payload_bits:
        return gain
    if isinstance(node, Delta):
        return float(2.0**node.spike_exp / node.scale)
    if isinstance(node, SigmaDelta):
        return float(2.0**-node.state_exp / node.scale)
    return 1.0


def runs_of(fixed: Graph) -> dict[str, tuple[str, ...]]:
    """The classes to take from the chip in each run: one of `CLASSES` at a time, then "all".

    "sum" is left out where no weight exponent is negative, because no sum is rounded then; "start"
    where every population starts as in the float network.
    """
    absent = set()
    if all(synapse.weight_exp >= 0 for _, synapse in fixed.of(Synapse)):
        absent.add("sum")
    if not any(np.any(part) for _, node in fixed.of(*CHIP_CHANGES) for part in _early(node)):
        absent.add("start")
    classes = tuple(name for name in CLASSES if name not in absent)
    return {**{name: (name,) for name in classes}, "all": classes}


def rounded(
    fixed: Graph, incoming: Mapping[str, Incoming], classes: Collection[str]
) -> dict[str, RoundedPopulation]:
    """The populations with these classes of numbers rounded, by name in the graph's order.

    A bias is of class "bias" wherever it is stored: in a register, in the weight of an always-on
    axon, or in what the host writes. v before the first step belongs to the same class, and so do
    real values that enter as payloads. Of class "sum" is what a negative weight exponent cuts off.
    In a sigma-delta network, what a population has got and sent before step 1 is of class "start":
    nothing of it is rounding.

    Args:
        fixed: FIXED graph.
        incoming: Result of `incomings`.
        classes: Some of `CLASSES`.
    """
    populations = {}
    for name, node in fixed.of(ChipNeuron):
        before = fixed.before(name)
        changes = isinstance(node, CHIP_CHANGES)
        first = np.zeros(()) if changes else incoming[name].start / node.scale
        moved = ("start" if changes else "bias") in classes
        populations[name] = RoundedPopulation(
            node=node,
            constants=(_changes if changes else _constants)(node, incoming[name], classes),
            start=_of(node.v_init) if moved else first,
            offset=_of(node.offset) if "bias" in classes else _offset(node, incoming[name]),
            payload=_payload(node, 1.0),
            synapses=tuple(
                _rounded_synapse(fixed, s, node, incoming[name], classes)
                for s in before
                if isinstance(fixed.nodes[s], Synapse)
            ),
            host=next((s for s in before if isinstance(fixed.nodes[s], BiasInput)), ""),
            written="bias" in classes,
        )
    return populations


def _constants(node: Any, incoming: Incoming, classes: Collection[str]) -> Any:
    """The constants of the step; a readout has no threshold in the float network."""
    chip, numbers, values = node.constants(), incoming.numbers, {}
    leaks = {"keep_u": numbers.syn_leak, "keep_v": numbers.mem_leak}
    leaks |= {"keep_theta": numbers.adapt_leak, "keep_r": numbers.refrac_leak}
    for name in node.Constants._fields:
        if name == "bias":
            of, exact = "bias", incoming.register_bias() / node.scale
        elif name in leaks:
            none = 0.0 if name == "keep_u" else UNITY
            of, exact = "decay", none if leaks[name] is None else UNITY * (1 - leaks[name])
        elif not incoming.neuron.spiking:
            of, exact = "", np.inf
        elif name == "hold":
            of, exact = "threshold", refractory_register(incoming) - 1
        else:
            part = numbers.beta if name == "rise" else threshold_of(incoming)
            of, exact = "threshold", part / node.scale
        values[name] = _of(getattr(chip, name) if of in classes else exact)
    return node.Constants(**values)


def _changes(node: Any, incoming: Incoming, classes: Collection[str]) -> Any:
    """The constants of a neuron of a sigma-delta network; a readout has neither."""
    chip, unit = node.constants(), 1 / node.scale
    if isinstance(node, Sigma):
        return chip
    exact = np.zeros(()) if incoming.bias is None else incoming.bias.reshape(node.shape)
    steps = 2.0 ** (node.spike_exp + node.state_exp)
    least = chip.threshold * steps
    if "threshold" not in classes:
        least = incoming.numbers.v_th * unit
    # The step asks for more than the threshold less 1, which only for integers is the threshold.
    threshold = _of((least * (1 - JUST_BELOW) + 1) / steps)
    constants = chip._replace(bias=_of(exact * unit), threshold=threshold)
    if "bias" in classes:
        constants = constants._replace(bias=_of(chip.bias))
    if isinstance(node, SigmaDelta) and "start" not in classes:
        constants = constants._replace(first_act=np.zeros(()))
    return constants


def _early(node: Any) -> tuple[Array, ...]:
    """What a neuron of a sigma-delta network has got and sent before step 1; 0 in the float one."""
    return node.v_init, getattr(node, "act_init", np.zeros(()))


def _offset(node: Any, incoming: Incoming) -> Array:
    """The float value of a potential of 0, as it is in the float network."""
    if isinstance(node, CHIP_CHANGES):
        bias = np.zeros(()) if incoming.bias is None else incoming.bias.reshape(node.shape)
        return _of(bias)
    return _of(node.offset)


def _rounded_synapse(
    fixed: Graph, name: str, node: Any, incoming: Incoming, classes: Collection[str]
) -> RoundedSynapse:
    synapse: Synapse = fixed.nodes[name]
    (source,) = fixed.before(name)
    axon = _by_axon(fixed, name)
    op: Any = synapse.op
    factor = _of(2.0 ** (synapse.weight_exp + ALIGN_BITS))
    if ("bias" if axon else "weight") not in classes:
        factor = incoming.gain / node.scale
        if isinstance(node, CHIP_CHANGES):
            factor = factor * 2.0**ALIGN_BITS  # what arrives there has no alignment
        if axon:
            bias = np.zeros(size(node.shape)) if incoming.bias is None else incoming.bias
            op = Linear(bias[:, None])
        else:
            arrival = next((a for a in incoming.arrivals if a.link == name), None)
            if arrival is None:
                raise _strangers(f"synapse '{name}'")
            op, factor = arrival.op, factor / arrival.payload
    rounds = "sum" in classes and synapse.weight_exp < 0
    return RoundedSynapse(source, synapse.delay, synapse.late, synapse.in_shape, op, factor, rounds)


def _by_axon(fixed: Graph, name: str) -> bool:
    """Whether a node before a population carries its bias from an always-on axon."""
    return any(isinstance(fixed.nodes[source], AlwaysOn) for source in fixed.before(name))


def _of(values: Any) -> Array:
    return np.asarray(values, dtype=np.float64)


def _strangers(where: str) -> BadInput:
    return BadInput(
        f"float.onnx and fixed.onnx do not belong together: {where} of fixed.onnx is not in "
        "float.onnx. Export the model again."
    )
