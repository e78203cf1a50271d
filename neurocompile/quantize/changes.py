"""Choose the integers of a sigma-delta network: units, exponents and payloads of its layers.

In:  simplified FLOAT graph, what arrives at each layer, calibrated ranges, the chip's formats.
Out: by layer the chip units of its sum, its exponents, and the payload per unit that it sends.

A sum v has 24 bits, and payloads P per unit of the layer before it; a weight w is w G on the grid:
    U = P G 2^e   chip units of v per float unit, e the exponent of the weights
    P = U / 2^state_exp   payload per float unit that a layer sends
A weight exponent below 0 rounds each arrival down by part of a chip unit of v, and state_exp rounds
each message down by part of a payload. Nothing later makes up for that, so payloads are as fine as
the layers after them can take, with the smallest state_exp.
Where sources have delays of their own, no sum may be rounded (see `Synapse.late`): the exponent is
0 or more, so payloads and weights share the bits of the sum. Payloads give way first, then both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, log2
from typing import Any

import numpy as np

from neurocompile.chip.record import Chip
from neurocompile.errors import DoesNotFit
from neurocompile.ir.fixed import ChipNeuron
from neurocompile.ir.graph import Graph
from neurocompile.ir.linear import matrix
from neurocompile.ir.neurons import DeltaEncoder, Neuron, SigmaDeltaReLU, SigmaReadout
from neurocompile.ir.nodes import Input
from neurocompile.ir.registers import PAYLOAD_WIDTHS, STATE_LIMIT
from neurocompile.ir.sigma_delta import EXPONENTS, THRESHOLDS, Delta, Sigma, SigmaDelta
from neurocompile.quantize.choices import WeightChoice, reach
from neurocompile.quantize.incoming import Arrival, Incoming
from neurocompile.quantize.ranges import Ranges
from neurocompile.quantize.registers import bias_registers
from neurocompile.quantize.scales import HEADROOM, exponents, grid_unit, largest_bias, room

# Parts of the smallest threshold that a value from outside is resolved to. A finer one would take
# more bits and change little: its rounding is not added up.
RESOLUTION = 1 << 10


ON_CHIP: Mapping[type[Neuron], type[ChipNeuron]] = {
    DeltaEncoder: Delta,
    SigmaDeltaReLU: SigmaDelta,
    SigmaReadout: Sigma,
}
CHIP_CHANGES = tuple(ON_CHIP.values())

LAVA_SUM = 1 << 31  # Lava adds weights times payloads in 32 bits, before it shifts the sum

ALIKE_BITS = 7
ALIKE = 1 << ALIKE_BITS  # a weight of every grid: with the exponent -7 it is 1


@dataclass(frozen=True)
class Link:
    """A synapse into a layer of a sigma-delta network.

    Attributes:
        grid: Grid units per float unit of the weights.
        exponent: Exponent of the weights.
    """

    grid: float
    exponent: int


@dataclass(frozen=True)
class Unit:
    """What a layer of a sigma-delta network holds and sends.

    Attributes:
        unit: Chip units of v per float unit.
        state_exp: Bits by which a change is shifted before it is sent.
        payload: Payload per float unit that is sent.
        links: Weights of each synapse before it, in the order of the arrivals.
    """

    unit: float
    state_exp: int
    payload: float
    links: tuple[Link, ...]


class Units:
    """Units of all layers: what each can take, from the last one back, then from the first one on.

    Attributes:
        limits: By sender, the largest payload per unit that the layers after it can take.
        layers: By layer of a sigma-delta network, its units.
        inputs: By input with a value in each step, payload per unit.
    """

    def __init__(
        self,
        graph: Graph,
        layers: Mapping[str, Incoming],
        others: Mapping[str, float],
        ranges: Ranges,
        choices: Mapping[str, WeightChoice],
        chip: Chip,
    ) -> None:
        """Choose them.

        Args:
            graph: Simplified FLOAT graph.
            layers: The layers of a sigma-delta network, sources first.
            others: By sender, the largest payload per unit that other neurons after it can take.
            ranges: Calibrated ranges.
            choices: Choice by layer.
            chip: Target chip.
        """
        self.ranges, self.choices, self.chip = ranges, choices, chip
        self.biases = {name: incoming.bias for name, incoming in layers.items()}
        self.thresholds = smallest_thresholds(layers)
        self.limits = dict(others)
        for incoming in reversed(list(layers.values())):
            self._limit(incoming)
        self.inputs = {}
        if graph.settings.encoder.kind == "sequence":
            self.inputs = {n: self._of_input(n, layers) for n, _ in graph.of(Input)}
        self.layers: dict[str, Unit] = {}
        for name, incoming in layers.items():
            self.layers[name] = self._unit(incoming)

    def payload(self, origin: str) -> float:
        """Payload per unit that a population sends; 1 where it sends spikes."""
        if origin in self.layers:
            return self.layers[origin].payload
        return self.inputs.get(origin, 1.0)

    def _limit(self, incoming: Incoming) -> None:
        """Lower what the senders before a layer may send to what it can take."""
        most = self._largest_unit(incoming)
        for arrival in incoming.arrivals:
            fitted, lowest = self._grid(incoming, arrival)
            limit = most / (fitted * 2.0**lowest)
            if arrival.sources_differ:
                bits = self.choices[incoming.name].bits
                limit /= part_of_grid(limit * self.thresholds.get(arrival.origin, np.inf), bits)
            row = float(abs(matrix(arrival.op, arrival.in_shape)).sum(axis=1).max()) * fitted
            limit = min(limit, room(LAVA_SUM / HEADROOM, row * self._peak(arrival.origin)))
            self.limits[arrival.origin] = min(self.limits.get(arrival.origin, np.inf), limit)

    def _peak(self, origin: str) -> float:
        """The largest |value| of which a sender sends the changes, or sends itself."""
        if origin not in self.ranges.potential:
            return self.ranges.input
        bias = _largest(self.biases.get(origin))
        return self.ranges.potential[origin] + bias

    def _largest_unit(self, incoming: Incoming) -> float:
        """The largest chip units of v per float unit that the layer and those after it take."""
        peak, bias = self.ranges.potential[incoming.name], _largest(incoming.bias)
        if isinstance(incoming.neuron, SigmaReadout):
            return room(STATE_LIMIT / HEADROOM, peak)
        most = room(STATE_LIMIT / HEADROOM, max(peak + bias, _largest(incoming.numbers.v_th)))
        after = self.limits.get(incoming.name, np.inf)
        if isinstance(incoming.neuron, DeltaEncoder):
            return min(most, after, room(THRESHOLDS[1], _largest(incoming.numbers.v_th)))
        return min(most, room(largest_bias(self.chip), bias), after * 2.0 ** EXPONENTS[1])

    def _grid(self, incoming: Incoming, arrival: Arrival) -> tuple[float, int]:
        """The finest grid units per float unit of a synapse, and the smallest exponent for them.

        Weights that are all alike take a power of two: shifting their sum loses no bit. Where
        sources differ in their delays, that holds if no other synapse has a say in the unit.
        """
        assert arrival.op is not None, "compose_synapses makes a synapse"
        choice, weights = self.choices[incoming.name], arrival.op.weights
        lowest, _ = exponents(self.chip)
        sizes = np.unique(np.abs(weights[weights != 0]))
        exact = not arrival.sources_differ
        if len(sizes) <= (1 if exact or len(incoming.arrivals) == 1 else 0):
            return ALIKE / float(sizes[0] if len(sizes) else 1), max(lowest, -ALIKE_BITS)
        low, high = reach([weights], [arrival.op], [None], choice)
        return grid_unit(low, high, choice.bits), lowest if exact else max(lowest, 0)

    def _of_input(self, name: str, layers: Mapping[str, Incoming]) -> float:
        """Payload per unit of an input with a value in each step."""
        largest = self.ranges.input or 1.0
        after = [i for i in layers.values() if any(a.origin == name for a in i.arrivals)]
        encoders = [i for i in after if isinstance(i.neuron, DeltaEncoder)]
        smallest = min((float(np.min(i.numbers.v_th)) for i in encoders), default=largest / 4)
        widest = (1 << (PAYLOAD_WIDTHS[1] - 1)) - 1
        fits = room(widest / HEADROOM, largest)
        return min(RESOLUTION / smallest, fits, self.limits.get(name, np.inf))

    def _unit(self, incoming: Incoming) -> Unit:
        """The finest unit that fits a layer, and what it sends."""
        most, name = self._largest_unit(incoming), incoming.name
        _, highest = exponents(self.chip)
        units, finest = [], []
        for arrival in incoming.arrivals:
            fitted, lowest = self._grid(incoming, arrival)
            finest.append((fitted, lowest))
            least = self.payload(arrival.origin) * fitted
            exponent = highest
            if isinstance(incoming.neuron, DeltaEncoder) and lowest == -ALIKE_BITS:
                exponent = lowest  # its sums are payloads already
            while exponent > lowest and least * 2.0**exponent > most:
                exponent -= 1
            in_part = arrival.sources_differ and lowest >= 0  # of the grid, if nothing else fits
            units.append(min(least * 2.0**exponent, most if in_part else np.inf))
        unit = min(units)
        if unit > most * (1 + 1e-9):
            raise DoesNotFit(
                f"layer '{name}': with the largest weight on the grid its sum would reach "
                f"{unit / most * STATE_LIMIT / HEADROOM:.3g}, but a state holds "
                f"{STATE_LIMIT / HEADROOM:.0f} with headroom. Raise the weights before it, or "
                "lower its bias."
            )
        links = []
        for arrival, (fitted, lowest) in zip(incoming.arrivals, finest, strict=True):
            payload = self.payload(arrival.origin)
            exponent = max(lowest, ceil(log2(unit / (payload * fitted)) - 1e-9))
            links.append(Link(unit / (payload * 2.0**exponent), exponent))
        after, state_exp = self.limits.get(name, np.inf), 0
        while state_exp < EXPONENTS[1] and unit / 2.0**state_exp > after:
            state_exp += 1
        return Unit(unit, state_exp, unit / 2.0**state_exp, tuple(links))


def smallest_thresholds(layers: Mapping[str, Incoming]) -> dict[str, float]:
    """The smallest change that each layer of a sigma-delta network sends, float units."""
    return {n: float(np.min(i.numbers.v_th)) for n, i in layers.items() if i.neuron.spiking}


def part_of_grid(payloads: float, bits: int) -> float:
    """The part of the grid that weights take where no exponent may round their sums.

    What weights and payloads have together is then fixed. Weights have the whole grid as long as
    that leaves the smallest change at least as many payload units; else both lose as much.

    Args:
        payloads: Payload of the smallest change beside weights on the whole grid.
        bits: Width of the weights.

    Returns:
        Above 0, at most 1.
    """
    return float(min(1.0, (payloads / (1 << (bits - 1))) ** 0.5))


def chip_kind(neuron: Neuron) -> type[ChipNeuron] | None:
    """The chip's neuron that a layer of a sigma-delta network becomes; None for other layers."""
    return ON_CHIP.get(type(neuron))


def payload_bits(payload: float, largest: float) -> int:
    """Bits of the payloads of an input, sign included, with headroom.

    Args:
        payload: Payload per unit.
        largest: Largest |value| in calibration.
    """
    low, high = PAYLOAD_WIDTHS
    return next(
        (b for b in range(low, high) if largest * payload * HEADROOM <= (1 << (b - 1)) - 1), high
    )


def population(incoming: Incoming, unit: Unit, chip: Chip) -> ChipNeuron:
    """The registers of a layer of a sigma-delta network."""
    name, scale = incoming.name, np.asarray(1 / unit.unit)
    bias = np.zeros(incoming.shape)
    if incoming.bias is not None:
        bias = incoming.bias.reshape(incoming.shape)
    if isinstance(incoming.neuron, SigmaReadout):
        return Sigma(shape=incoming.shape, scale=scale, offset=bias)
    threshold = np.asarray(incoming.numbers.v_th) * unit.unit
    exponent = unit.state_exp
    while float(np.max(threshold)) / 2.0**exponent > THRESHOLDS[1]:
        exponent += 1  # the exponent of a threshold is spike_exp + state_exp
    vth = np.rint(threshold / 2.0**exponent)
    if np.any(vth < THRESHOLDS[0]):
        raise DoesNotFit(
            f"layer '{name}': its threshold, {float(np.min(incoming.numbers.v_th)):.4g}, becomes "
            "0, allowed are 1 and more. Train with a larger threshold, or with smaller weights "
            "after it."
        )
    if isinstance(incoming.neuron, DeltaEncoder):
        return Delta(shape=incoming.shape, vth=vth, scale=scale)
    mantissa, bias_exp = bias_registers(
        bias * unit.unit if np.any(bias) else np.zeros(()),
        chip.formats.bias_mant_bits.value,
        chip.formats.bias_exp_max.value,
        node=name,
        smallest_exponent=chip.formats.bias_exp_min.value,
    )
    return SigmaDelta(
        shape=incoming.shape,
        vth=vth,
        spike_exp=exponent - unit.state_exp,
        state_exp=unit.state_exp,
        bias_mant=mantissa,
        bias_exp=np.asarray(bias_exp),
        scale=scale,
        offset=bias,
    )


def _largest(values: Any) -> float:
    """The largest magnitude; 0 of nothing."""
    return 0.0 if values is None else float(np.max(np.abs(values)))
