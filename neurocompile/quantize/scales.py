"""Choose the value of one chip unit of a population's membrane potential.

In:  everything that acts on one population (weights, biases, threshold) in float64; the ranges
     that calibration observed.
Out: one scale for the population, shared by its weights, biases and threshold.
It is the finest scale with which every register keeps its width and every state its 24 bits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from neurocompile.chip.record import Chip
from neurocompile.errors import DoesNotFit
from neurocompile.ir.registers import ALIGN_BITS, STATE_LIMIT, THRESHOLD_BITS, Grid

# Factor by which states may exceed the values seen in calibration before they wrap or saturate;
# a readout's |v| stays below 2^22 on calibration data, which is the same factor.
HEADROOM = 2.0


@dataclass(frozen=True)
class Demand:
    """Range that a population needs in its registers, in float membrane units.

    Attributes:
        name: Name of the layer, for messages.
        weight_high, weight_low: Largest and smallest weight, times the membrane leak;
            both 0 if no synapse arrives.
        threshold: Largest threshold above the level that is 0 on the chip, or rise of one; 0 for a
            readout.
        bias: Largest |bias| per step, including what the host writes.
        current_peak: Largest |weighted input + synaptic current|, times the membrane leak.
        potential_peak: Largest |v| before a reset, from the level that is 0 on the chip, or
            largest value of what its spikes leave.
        threshold_bits: Width of the neuron's threshold register, where the chip's is not less.
        threshold_is: What its user calls `threshold`, for messages.
    """

    name: str
    weight_high: float
    weight_low: float
    threshold: float
    bias: float
    current_peak: float
    potential_peak: float
    threshold_bits: int = THRESHOLD_BITS
    threshold_is: str = "threshold"


@dataclass(frozen=True)
class Scale:
    """Chip units of v per float membrane unit, and the exponent of the weights.

    Attributes:
        unit: Chip units of v per float unit.
        weight_exp: A weight w on the grid adds w * 2^weight_exp * 2^6 chip units.
    """

    unit: float
    weight_exp: int


def choose_scale(demand: Demand, chip: Chip, bits: int, *, rounds: bool = True) -> Scale:
    """The finest scale that fits.

    With synapses, the largest weight takes the whole grid, and the exponent is the largest
    that fits. Without synapses, the unit itself is the largest that fits.

    Args:
        demand: What the layer needs.
        chip: Target chip.
        bits: Width of the weights.
        rounds: Whether an exponent may round sums; not where sources have delays of their own
            (see `Synapse.late`). If only a lower one would fit, the weights take part of the grid.

    Raises:
        DoesNotFit: If no exponent of the chip fits; the message names what is too large.
    """
    limits = limits_of(demand, chip)
    largest_unit = min(limits.values())
    if demand.weight_high <= 0 and demand.weight_low >= 0:
        return Scale(largest_unit if np.isfinite(largest_unit) else 1.0, 0)
    grid = grid_unit(demand.weight_low, demand.weight_high, bits)
    low, high = exponents(chip)
    for exponent in range(high, low - 1, -1):
        unit = grid * 2.0 ** (exponent + ALIGN_BITS)
        if exponent < 0 and not rounds:
            return Scale(largest_unit, 0)
        if unit <= largest_unit:
            return Scale(unit, exponent)
    tightest = min(limits, key=lambda what: limits[what])
    raise DoesNotFit(
        f"layer '{demand.name}': the {tightest} is too large relative to its weights. With the "
        f"largest weight on the {bits}-bit grid it would need a weight exponent below {low}, but "
        f"the chip has {low}..{high}. Raise the weights, or lower the {tightest}."
    )


def limits_of(demand: Demand, chip: Chip) -> dict[str, float]:
    """By what limits it, the largest chip units of v per float unit."""
    bits = min(chip.formats.threshold_bits.value, demand.threshold_bits)
    return {
        demand.threshold_is: room(((1 << bits) - 1) << ALIGN_BITS, demand.threshold),
        "bias": room(largest_bias(chip), demand.bias),
        "synaptic current": room(STATE_LIMIT / HEADROOM, demand.current_peak),
        "membrane potential": room(STATE_LIMIT / HEADROOM, demand.potential_peak),
    }


def smallest_exponent(values: np.ndarray, chip: Chip, bits: int, *, node: str) -> int:
    """The smallest weight exponent whose grid covers all values, given in chip units of v."""
    low, high = exponents(chip)
    _, top = Grid(bits).used
    largest = float(np.max(np.abs(values))) / (1 << ALIGN_BITS)
    for exponent in range(low, high + 1):
        if largest <= top * 2.0**exponent:
            return exponent
    raise DoesNotFit(
        f"layer '{node}': a bias before its synaptic current becomes a weight of {largest:.0f}, "
        f"but an axon carries up to {top << high}. Lower the bias relative to the weights."
    )


def exponents(chip: Chip) -> tuple[int, int]:
    """Smallest and largest weight exponent of a chip."""
    return chip.formats.weight_exp_min.value, chip.formats.weight_exp_max.value


def grid_unit(lowest: float, highest: float, bits: int) -> float:
    """Grid units per float unit such that the largest weight of either sign just fits."""
    bottom, top = Grid(bits).used
    high = top / highest if highest > 0 else np.inf
    low = bottom / lowest if lowest < 0 else np.inf
    return float(min(high, low))


def largest_bias(chip: Chip) -> int:
    """The largest bias of a chip, with one step of its mantissa left for rounding."""
    top = (1 << (chip.formats.bias_mant_bits.value - 1)) - 1
    return (top - 1) << chip.formats.bias_exp_max.value  # one step is reserved for rounding


def room(limit: float, demand: float) -> float:
    """The factor by which a demand may grow to a limit."""
    return limit / demand if demand > 0 else np.inf
