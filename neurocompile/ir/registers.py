"""What the chip's registers and its synapse memory can hold: the one table of FIXED limits.

In:  nothing; for a grid, the width of a weight.
Out: bounds, both ends included, and the nearest weights of a grid.
The tighter limits of a target are in its target.toml. Those of a file format or an engine are in
its own module, under a name that says so.

Source: lava-nc 0.10.0, lava/proc/lif/models.py (PyLifModelBitAcc) and
lava/utils/weightutils.py; checked against Lava's processes in tests/engines.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from neurocompile.ir.arrays import Array

Bounds = tuple[int, int]  # smallest and largest value, both included

BIT: Bounds = (0, 1)  # what an axon carries unless its neuron sends payloads
NONE: Bounds = (0, 0)  # of a register that a neuron does not have
PAYLOAD_WIDTHS: Bounds = (2, 24)  # bits of what an input sends beyond 0 and 1, sign included

STATE_BITS = 24
STATE_LIMIT = 1 << (STATE_BITS - 1)  # u lives in (-2^23, 2^23], v in [-(2^23 - 1), 2^23 - 1]
CURRENT_WRAP_LIMIT = 3 * STATE_LIMIT  # beyond it Lava's single wrap no longer lands in range
ALIGN_BITS = 6  # weights and thresholds are aligned 6 bits above the biases

DECAY_BITS = 12
UNITY = 1 << DECAY_BITS  # decays are parts in 4096 of a state
KEEPS_NO_CURRENT = UNITY - 1  # du of neurons without synaptic current

THRESHOLD_BITS = 17
LARGEST_THRESHOLD = (1 << THRESHOLD_BITS) - 1
MANTISSA_BITS = 13  # mantissa of a bias, signed
MANTISSAS: Bounds = (-(1 << (MANTISSA_BITS - 1)), (1 << (MANTISSA_BITS - 1)) - 1)
BIAS_EXPONENTS: Bounds = (0, 7)
THRESHOLDS: Bounds = (1, LARGEST_THRESHOLD)  # of neurons to which 0 means nothing
EXPONENTS: Bounds = (0, 7)  # of states and payloads
TURNS: Bounds = (-UNITY, UNITY)  # sine and cosine of a turn, times a decay
SMALL_THRESHOLDS: Bounds = (0, (1 << 12) - 1)  # those of an adaptive neuron
REFRACTORY_PERIODS: Bounds = (1, 63)  # steps; nengo-loihi, CompartmentConfig.REFRACT_DELAY_MAX
REGISTERS: dict[str, Bounds] = {  # fields of a neuron
    "du": (-1, KEEPS_NO_CURRENT),
    "dv": (0, UNITY),
    "dtheta": (0, UNITY),
    "dr": (0, UNITY),
    "sin_decay": TURNS,
    "cos_decay": TURNS,
    "refractory": REFRACTORY_PERIODS,
    "vth": (0, LARGEST_THRESHOLD),
    "vth_hi": (0, LARGEST_THRESHOLD),
    "vth_lo": (-LARGEST_THRESHOLD, 0),
    "theta_0": SMALL_THRESHOLDS,
    "theta_step": SMALL_THRESHOLDS,
    "bias_mant": MANTISSAS,
    "bias_exp": BIAS_EXPONENTS,
    "v_init": (1 - STATE_LIMIT, STATE_LIMIT - 1),
    "act_init": (1 - STATE_LIMIT, STATE_LIMIT - 1),
}

WEIGHT_WIDTHS: Bounds = (2, 8)  # bits
WEIGHT_EXPONENTS: Bounds = (-8, 7)
MOST_AXON_DELAY = 62  # steps, in addition to the one that every synapse takes
WEIGHT_RANGE = 256  # the lowest weight of every grid is -256


@dataclass(frozen=True)
class Grid:
    """The weights that synapse memory holds at a given width: two's complement, aligned at the top.

    Attributes:
        bits: Width of a weight, within WEIGHT_WIDTHS.
    """

    bits: int

    @property
    def step(self) -> int:
        """Distance between neighbouring weights: 2 at 8 bits, 128 at 2."""
        return 1 << (WEIGHT_WIDTHS[1] + 1 - self.bits)

    @property
    def stored(self) -> Bounds:
        """Smallest and largest weight that memory holds: -256..254 at 8 bits."""
        return -WEIGHT_RANGE, WEIGHT_RANGE - self.step

    @property
    def used(self) -> Bounds:
        """Smallest and largest weight that is used: two bits are ternary, -128, 0 and 128."""
        low, high = self.stored
        return (-high if self.bits == WEIGHT_WIDTHS[0] else low), high

    def nearest(self, values: Array) -> Array:
        """The nearest used weights, int16; ties go to even, values beyond the ends to the ends.

        Args:
            values: Weights of any shape, in units of a weight at exponent 0.
        """
        return np.clip(np.rint(values / self.step) * self.step, *self.used).astype(np.int16)


def lost_on_average(exponent: int, step: int) -> float:
    """What a negative exponent cuts off a sum of weights on average, in units of a weight.

    The sum is rounded down to a multiple of 2^-exponent. All remainders count as equally likely.

    Args:
        exponent: Weight exponent.
        step: What all weights, and so their sums, are multiples of: the grid's step, or more.
    """
    return max(2.0**-exponent - step, 0.0) / 2
