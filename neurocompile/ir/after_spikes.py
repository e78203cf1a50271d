"""Neurons of our own that remember their spikes: refractory period, adaptive threshold.

In:  integers that the chip stores.
Out: frozen nodes of a FIXED graph. Lava has no stock fixed-point process of them: Loihi 1's
     compartments have the refractory period, and the adaptive neuron is a program for Loihi 2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import numpy as np

from neurocompile.ir.arrays import Array
from neurocompile.ir.fixed import (
    FixedStep,
    Membrane,
    charged,
    integrates_in_32_bits,
    joined,
    most_after,
    wraps_at_most_once,
)
from neurocompile.ir.nodes import Shape
from neurocompile.ir.registers import ALIGN_BITS, STATE_LIMIT, UNITY


class RefractoryConstants(NamedTuple):
    """Constants that a step of `RefractoryLIF` reads, in the number type of one `ops`."""

    keep_u: Any
    keep_v: Any
    bias: Any
    threshold: Any
    hold: Any


@dataclass(frozen=True, eq=False)
class RefractoryLIF(Membrane):
    """A population of LIF neurons with a refractory period, in integers.

    In a step, a is the weighted sum of spikes and / cuts the fraction off:
    u <- u (4096 - (du + 1)) / 4096 + a 2^6, brought once by 2^24 into (-2^23, 2^23];
    where wait > 0, v <- 0 and wait <- wait - 1; elsewhere
    v <- v (4096 - dv) / 4096 + u + bias_mant 2^bias_exp, saturating at +-(2^23 - 1);
    a spike where v > vth 2^6; then v <- 0 and wait <- refractory - 1.

    Every array has the shape () for one value per population, or `shape` for one per neuron.

    Source: nengo-loihi, nengo_loihi/emulator/interface.py (CompartmentState.update): a compartment
    of Loihi 1 is held at 0 in the refractory - 1 steps after a spike. lava-nc 0.10.0,
    lava/proc/lif/models.py (PyLifRefractoryModelFloat) does the same with
    refractory_period = refractory - 1, in float only.

    Attributes:
        shape: Shape of the population.
        du: -1..4095; 4095 keeps no current, -1 keeps all of it.
        dv: 0..4096; parts in 4096 of v that are lost per step.
        vth: Threshold, 17 bits.
        refractory: Steps from a spike to the first that may spike again, 1..63.
        bias_mant: Mantissa of the bias, 13 bits, signed.
        bias_exp: Exponent of the bias, 0..7.
        v_init: Value of v before the network's step 1.
        readout: Whether this is a readout, in which a spike is an error.
        scale, offset: float value of a potential = integer * scale + offset.
    """

    shape: Shape
    du: Array
    dv: Array
    vth: Array
    refractory: Array
    bias_mant: Array
    bias_exp: Array
    v_init: Array
    readout: bool = False
    scale: Array = field(default_factory=lambda: np.array(1.0))
    offset: Array = field(default_factory=lambda: np.array(0.0))

    registers: ClassVar[tuple[str, ...]] = (
        *("du", "dv", "vth", "refractory"),
        *("bias_mant", "bias_exp", "v_init"),
    )
    state_names: ClassVar[tuple[str, ...]] = ("u", "v", "wait")
    parts: ClassVar[tuple[str, ...]] = ("keep_u", "keep_v")
    Constants: ClassVar[type[Any]] = RefractoryConstants

    @property
    def threshold(self) -> Array:
        """The threshold register."""
        return self.vth

    @property
    def decays(self) -> Array:
        """Decay registers and refractory period as one number: a core configures them together."""
        return joined(self.du + 1, self.dv, self.refractory)

    @classmethod
    def constants_of(cls, registers: Mapping[str, Any], bias: Any) -> RefractoryConstants:
        """The constants that a step reads."""
        return RefractoryConstants(
            keep_u=UNITY - (registers["du"] + 1),
            keep_v=UNITY - registers["dv"],
            bias=bias,
            threshold=registers["vth"] * (1 << ALIGN_BITS),
            hold=registers["refractory"] - 1,
        )

    def step(self, ops: Any, state: tuple[Any, ...], a: Any, p: RefractoryConstants) -> FixedStep:
        """One step; a is the weighted sum of the spikes that arrive."""
        u, v, wait = state
        u, v, current, potential = charged(ops, u, v, a, p)
        held = wait > 0
        v = ops.where(held, 0, v)
        spikes = v > p.threshold  # none where v is held, for no threshold is below 0
        wait = ops.where(spikes, p.hold, ops.where(held, wait - 1, wait))
        return FixedStep((u, ops.where(spikes, 0, v), wait), spikes, current, potential)

    def level(
        self, ops: Any, before: tuple[Any, ...], after: FixedStep, p: RefractoryConstants
    ) -> Any:
        """The potential above which a neuron spiked in a step; out of reach where it was held."""
        return ops.where(before[2] > 0, 2 * STATE_LIMIT, p.threshold)

    def fits_32_bits(self) -> bool:
        """Whether no number of a step leaves 32 bits if the current does not."""
        return integrates_in_32_bits(self, self.constants().threshold)

    def stays_in_range(self, arriving: int, steps: int) -> bool:
        """Whether no current can reach where one wrap is not enough."""
        return wraps_at_most_once(self, arriving)


class RisingConstants(NamedTuple):
    """Constants that a step of `AdaptiveLIF` reads, in the number type of one `ops`."""

    keep_u: Any
    keep_v: Any
    keep_theta: Any
    bias: Any
    base: Any
    rise: Any


@dataclass(frozen=True, eq=False)
class AdaptiveLIF(Membrane):
    """A population of LIF neurons whose threshold rises with every spike, in integers.

    In a step, a is the weighted sum of spikes and / cuts the fraction off:
    u <- u (4096 - (du + 1)) / 4096 + a 2^6, brought once by 2^24 into (-2^23, 2^23];
    v <- v (4096 - dv) / 4096 + u + bias_mant 2^bias_exp, saturating at +-(2^23 - 1);
    theta <- (theta - theta_0 2^6) (4096 - dtheta) / 4096 + theta_0 2^6;
    a spike where v > theta;  then there v <- 0, theta <- theta + theta_step 2^6.

    `ATRLIF` differs: a spike leaves v, and takes 2 theta off what is compared. theta beyond
    24 bits is refused.

    Every array has the shape () for one value per population, or `shape` for one per neuron.

    Attributes:
        shape: Shape of the population.
        du: -1..4095; 4095 keeps no current, -1 keeps all of it.
        dv, dtheta: 0..4096; parts in 4096 that v and theta's excess lose per step.
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
    theta_0: Array
    theta_step: Array
    bias_mant: Array
    bias_exp: Array
    v_init: Array
    readout: bool = False
    scale: Array = field(default_factory=lambda: np.array(1.0))
    offset: Array = field(default_factory=lambda: np.array(0.0))

    registers: ClassVar[tuple[str, ...]] = (
        *("du", "dv", "dtheta", "theta_0", "theta_step"),
        *("bias_mant", "bias_exp", "v_init"),
    )
    state_names: ClassVar[tuple[str, ...]] = ("u", "v", "theta")
    rest: ClassVar[Mapping[str, str]] = {"theta": "base"}
    cure: ClassVar[str] = "Lower the threshold's step, or let it decay faster."
    parts: ClassVar[tuple[str, ...]] = ("keep_u", "keep_v", "keep_theta")
    Constants: ClassVar[type[Any]] = RisingConstants

    @property
    def threshold(self) -> Array:
        """The threshold register of a neuron that has not spiked."""
        return self.theta_0

    @property
    def decays(self) -> Array:
        """All decay registers as one number."""
        return joined(self.du + 1, self.dv, self.dtheta)

    @classmethod
    def constants_of(cls, registers: Mapping[str, Any], bias: Any) -> RisingConstants:
        """The constants that a step reads."""
        return RisingConstants(
            keep_u=UNITY - (registers["du"] + 1),
            keep_v=UNITY - registers["dv"],
            keep_theta=UNITY - registers["dtheta"],
            bias=bias,
            base=registers["theta_0"] * (1 << ALIGN_BITS),
            rise=registers["theta_step"] * (1 << ALIGN_BITS),
        )

    def step(self, ops: Any, state: tuple[Any, ...], a: Any, p: RisingConstants) -> FixedStep:
        """One step; a is the weighted sum of the spikes that arrive."""
        u, v, theta = state
        u, v, current, potential = charged(ops, u, v, a, p)
        theta = ops.decay(theta - p.base, p.keep_theta) + p.base
        spikes = v > theta
        v, theta = ops.where(spikes, 0, v), ops.where(spikes, theta + p.rise, theta)
        return FixedStep((u, v, theta), spikes, current, potential, (theta,))

    def stays_in_range(self, arriving: int, steps: int) -> bool:
        """Whether no current needs a second wrap, and a spike in every step keeps theta below."""
        p = self.constants()
        theta = int(np.max(p.base)) + most_after(p.rise, p.keep_theta, steps)
        return theta < STATE_LIMIT and wraps_at_most_once(self, arriving)

    def level(self, ops: Any, before: tuple[Any, ...], after: FixedStep, p: RisingConstants) -> Any:
        """The potential above which a neuron spiked in a step: theta before it rose."""
        return after.state[2] - p.rise * after.out
