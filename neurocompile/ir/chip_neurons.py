"""Lava's neurons of Loihi 2 beside the LIF: each a class with its registers and its step.

In:  integers that the chip stores.
Out: frozen nodes of a FIXED graph. `CHIP_NEURONS` lists the whole family.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import numpy as np

from neurocompile.ir.after_spikes import AdaptiveLIF, RefractoryLIF
from neurocompile.ir.arrays import Array
from neurocompile.ir.fixed import (
    ChipNeuron,
    CubaLIF,
    FixedStep,
    Membrane,
    charged,
    integrates_in_32_bits,
    joined,
    most_after,
    wraps_at_most_once,
)
from neurocompile.ir.nodes import Shape
from neurocompile.ir.registers import (
    ALIGN_BITS,
    LARGEST_THRESHOLD,
    STATE_LIMIT,
    UNITY,
    Bounds,
)
from neurocompile.ir.resonators import RF, RF_IZ
from neurocompile.ir.sigma_delta import Delta, Sigma, SigmaDelta


class AdaptiveConstants(NamedTuple):
    """Constants that a step of `ATRLIF` reads, in the number type of one `ops`."""

    keep_u: Any
    keep_v: Any
    keep_theta: Any
    keep_r: Any
    bias: Any
    base: Any
    rise: Any


@dataclass(frozen=True, eq=False)
class ATRLIF(Membrane):
    """A population of LIF neurons with adaptive threshold and refractory state, in integers.

    In a step, a is the weighted sum of spikes and / cuts the fraction off:
    u <- u (4096 - (du + 1)) / 4096 + a 2^6, brought once by 2^24 into (-2^23, 2^23];
    v <- v (4096 - dv) / 4096 + u + bias_mant 2^bias_exp, saturating at +-(2^23 - 1);
    theta <- (theta - theta_0 2^6) (4096 - dtheta) / 4096 + theta_0 2^6;
    r <- r (4096 - dr) / 4096;  a spike where v - r >= theta;  then there
    r <- r + 2 theta, theta <- theta + theta_step 2^6. A spike leaves v as it is.

    Lava neither clips nor wraps theta and r: beyond 24 bits they are refused here.

    Every array has the shape () for one value per population, or `shape` for one per neuron.

    Source: lava-nc 0.10.0, lava/proc/atrlif/models.py (PyATRLIFModelFixed). It multiplies each
    decay by 4096, so its decays are fractions, here du / 4096 and so on.

    Attributes:
        shape: Shape of the population.
        du: -1..4095; 4095 keeps no current, -1 keeps all of it.
        dv, dtheta, dr: 0..4096; parts in 4096 that v, theta's excess and r lose per step.
        theta_0: Threshold of a neuron that has not spiked, 12 bits.
        theta_step: Amount that a spike adds to the threshold, 12 bits.
        bias_mant: Mantissa of the bias, 13 bits, signed.
        bias_exp: Exponent of the bias, 0..7.
        v_init: Value of v before the network's step 1.
        readout: Whether this is a readout, in which a spike is an error.
        scale, offset: float value of a potential = integer * scale + offset.
    """

    shape: Shape
    du: Array
    dv: Array
    dtheta: Array
    dr: Array
    theta_0: Array
    theta_step: Array
    bias_mant: Array
    bias_exp: Array
    v_init: Array
    readout: bool = False
    scale: Array = field(default_factory=lambda: np.array(1.0))
    offset: Array = field(default_factory=lambda: np.array(0.0))

    registers: ClassVar[tuple[str, ...]] = (
        *("du", "dv", "dtheta", "dr", "theta_0", "theta_step"),
        *("bias_mant", "bias_exp", "v_init"),
    )
    state_names: ClassVar[tuple[str, ...]] = ("u", "v", "theta", "r")
    rest: ClassVar[Mapping[str, str]] = {"theta": "base"}
    cure: ClassVar[str] = "Lower the threshold and its step, or let them decay faster."
    parts: ClassVar[tuple[str, ...]] = ("keep_u", "keep_v", "keep_theta", "keep_r")
    Constants: ClassVar[type[Any]] = AdaptiveConstants

    @property
    def threshold(self) -> Array:
        """The threshold register of a neuron that has not spiked."""
        return self.theta_0

    @property
    def decays(self) -> Array:
        """All decay registers as one number."""
        return joined(self.du + 1, self.dv, self.dtheta, self.dr)

    @classmethod
    def constants_of(cls, registers: Mapping[str, Any], bias: Any) -> AdaptiveConstants:
        """The constants that a step reads."""
        return AdaptiveConstants(
            keep_u=UNITY - (registers["du"] + 1),
            keep_v=UNITY - registers["dv"],
            keep_theta=UNITY - registers["dtheta"],
            keep_r=UNITY - registers["dr"],
            bias=bias,
            base=registers["theta_0"] * (1 << ALIGN_BITS),
            rise=registers["theta_step"] * (1 << ALIGN_BITS),
        )

    def step(self, ops: Any, state: tuple[Any, ...], a: Any, p: AdaptiveConstants) -> FixedStep:
        """One step; a is the weighted sum of the spikes that arrive."""
        u, v, theta, r = state
        u, v, current, potential = charged(ops, u, v, a, p)
        theta = ops.decay(theta - p.base, p.keep_theta) + p.base
        r = ops.decay(r, p.keep_r)
        spikes = (v - r) > (theta - 1)
        r, theta = ops.where(spikes, r + theta * 2, r), ops.where(spikes, theta + p.rise, theta)
        return FixedStep((u, v, theta, r), spikes, current, potential, (theta, r))

    def stays_in_range(self, arriving: int, steps: int) -> bool:
        """Whether no current needs a second wrap, and a spike in every step keeps theta and r."""
        p = self.constants()
        theta = int(np.max(p.base)) + most_after(p.rise, p.keep_theta, steps)
        r = most_after(np.full((), 2 * theta), p.keep_r, steps)
        return max(theta, r) < STATE_LIMIT and wraps_at_most_once(self, arriving)

    def level(
        self, ops: Any, before: tuple[Any, ...], after: FixedStep, p: AdaptiveConstants
    ) -> Any:
        """The potential above which a neuron spiked in a step: theta and r before they rose."""
        theta = after.state[2] - p.rise * after.out
        return theta - 1 + after.state[3] - theta * 2 * after.out


class TernaryConstants(NamedTuple):
    """Constants that a step of `TernaryLIF` reads, in the number type of one `ops`."""

    keep_u: Any
    keep_v: Any
    bias: Any
    high: Any
    low: Any


@dataclass(frozen=True, eq=False)
class TernaryLIF(Membrane):
    """A population of LIF neurons whose spikes carry 1 or -1, in integers.

    In a step, a is the sum of weights times payloads and / cuts the fraction off:
    u <- u (4096 - (du + 1)) / 4096 + a 2^6, brought once by 2^24 into (-2^23, 2^23];
    v <- v (4096 - dv) / 4096 + u + bias_mant 2^bias_exp, saturating at +-(2^23 - 1);
    a spike of 1 where v > vth_hi 2^6, of -1 where v < vth_lo 2^6; then v <- 0.

    Every array has the shape () for one value per population, or `shape` for one per neuron.

    Source: lava-nc 0.10.0, lava/proc/lif/models.py (PyTernLifModelFixed).

    Attributes:
        shape: Shape of the population.
        du: -1..4095; 4095 keeps no current, -1 keeps all of it.
        dv: 0..4096; parts in 4096 of v that are lost per step.
        vth_hi: Upper threshold, 17 bits.
        vth_lo: Lower threshold, 17 bits, negative or 0.
        bias_mant: Mantissa of the bias, 13 bits, signed.
        bias_exp: Exponent of the bias, 0..7.
        v_init: Value of v before the network's step 1.
        readout: Whether this is a readout, in which a spike is an error.
        scale, offset: float value of a potential = integer * scale + offset.
    """

    shape: Shape
    du: Array
    dv: Array
    vth_hi: Array
    vth_lo: Array
    bias_mant: Array
    bias_exp: Array
    v_init: Array
    readout: bool = False
    scale: Array = field(default_factory=lambda: np.array(1.0))
    offset: Array = field(default_factory=lambda: np.array(0.0))

    registers: ClassVar[tuple[str, ...]] = (
        *("du", "dv", "vth_hi", "vth_lo"),
        *("bias_mant", "bias_exp", "v_init"),
    )
    state_names: ClassVar[tuple[str, ...]] = ("u", "v")
    parts: ClassVar[tuple[str, ...]] = ("keep_u", "keep_v")
    payload: ClassVar[Bounds] = (-1, 1)
    Constants: ClassVar[type[Any]] = TernaryConstants

    @property
    def threshold(self) -> Array:
        """Both threshold registers as one number."""
        return np.asarray(self.vth_hi * (LARGEST_THRESHOLD + 1) - self.vth_lo)

    @classmethod
    def constants_of(cls, registers: Mapping[str, Any], bias: Any) -> TernaryConstants:
        """The constants that a step reads."""
        return TernaryConstants(
            keep_u=UNITY - (registers["du"] + 1),
            keep_v=UNITY - registers["dv"],
            bias=bias,
            high=registers["vth_hi"] * (1 << ALIGN_BITS),
            low=registers["vth_lo"] * (1 << ALIGN_BITS),
        )

    def step(self, ops: Any, state: tuple[Any, ...], a: Any, p: TernaryConstants) -> FixedStep:
        """One step; a is the sum of weights times payloads that arrive."""
        u, v = state
        u, v, current, potential = charged(ops, u, v, a, p)
        above, below = v > p.high, (p.low - v) > 0
        out = ops.where(above, 1, ops.where(below, -1, v * 0))
        after = ops.where(above, 0, ops.where(below, 0, v))
        return FixedStep((u, after), out, current, potential)

    def fits_32_bits(self) -> bool:
        """Whether no number of a step leaves 32 bits if the current does not."""
        p = self.constants()
        return integrates_in_32_bits(self, p.high, p.low)

    def stays_in_range(self, arriving: int, steps: int) -> bool:
        """Whether no current can reach where one wrap is not enough."""
        return wraps_at_most_once(self, arriving)


CHIP_NEURONS: tuple[type[ChipNeuron], ...] = (
    *(CubaLIF, RefractoryLIF, AdaptiveLIF, ATRLIF, TernaryLIF),
    *(Sigma, Delta, SigmaDelta),
    *(RF, RF_IZ),
)
