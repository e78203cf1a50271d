"""Resonate-and-fire neurons of Loihi 2: a complex potential that turns and decays in each step.

In:  integers that the chip stores.
Out: frozen nodes of a FIXED graph, with the steps of Lava's stock processes.
A synapse leads into the real or the imaginary part of the sum that arrives (`Synapse.into`).

Source: lava-nc 0.10.0, lava/proc/rf/models.py (PyRFModelFixed), lava/proc/rf_iz/models.py
(PyRF_IZModelFixed) and lava/proc/rf/process.py; what they do is in docs/neurons.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import numpy as np

from neurocompile.ir.arrays import Array
from neurocompile.ir.fixed import ChipNeuron, FixedStep, Part
from neurocompile.ir.nodes import Shape
from neurocompile.ir.registers import (
    DECAY_BITS,
    EXPONENTS,
    NONE,
    STATE_LIMIT,
    THRESHOLDS,
    UNITY,
    Bounds,
)


class ResonatorConstants(NamedTuple):
    """Constants that a step of these neurons reads, in the number type of one `ops`."""

    sin: Any
    cos: Any
    bias: Any
    threshold: Any


class Turned(NamedTuple):
    """A potential after its turn and its input, clipped; before that; and what arrived, shifted."""

    real: Any
    imag: Any
    whole_real: Any
    whole_imag: Any
    brought: tuple[Any, ...]


def _zero() -> Array:
    return np.array(0)


@dataclass(frozen=True, eq=False)
class _Resonator(ChipNeuron):
    """What turns and decays in each step: the common part of `RF` and `RF_IZ`."""

    shape: Shape
    sin_decay: Array
    cos_decay: Array
    vth: Array
    state_exp: int = 0
    decay_bits: int = DECAY_BITS
    bias_mant: Array = field(default_factory=_zero)
    bias_exp: Array = field(default_factory=_zero)
    v_init: Array = field(default_factory=_zero)
    readout: bool = False
    scale: Array = field(default_factory=lambda: np.array(1.0))
    offset: Array = field(default_factory=lambda: np.array(0.0))

    registers: ClassVar[tuple[str, ...]] = (
        *("sin_decay", "cos_decay", "vth"),
        *("bias_mant", "bias_exp", "v_init"),
    )
    bounds: ClassVar[Mapping[str, Bounds]] = {
        **{"vth": THRESHOLDS, "state_exp": EXPONENTS, "decay_bits": (1, DECAY_BITS)},
        **{"bias_mant": NONE, "bias_exp": NONE, "v_init": NONE},
    }
    inputs: ClassVar[tuple[Part | None, ...]] = ("real", "imag")
    parts: ClassVar[tuple[str, ...]] = ()
    wraps: ClassVar[bool] = False
    cure: ClassVar[str] = "Lower the weights before it, or its state_exp."
    Constants: ClassVar[type[Any]] = ResonatorConstants

    @property
    def function(self) -> str:
        """Name of the step for files: the class and its words."""
        return f"{type(self).__name__}State{self.state_exp}Decay{self.decay_bits}"

    @property
    def threshold(self) -> Array:
        """The threshold register."""
        return self.vth

    @property
    def decays(self) -> Array:
        """Both decay registers as one number."""
        return np.asarray(self.sin_decay * (4 * UNITY) + self.cos_decay)

    @classmethod
    def constants_of(cls, registers: Mapping[str, Any], bias: Any) -> ResonatorConstants:
        """The constants that a step reads."""
        return ResonatorConstants(
            registers["sin_decay"], registers["cos_decay"], bias, registers["vth"]
        )

    def stays_in_range(self, arriving: int, steps: int) -> bool:
        """Whether what arrives, shifted, cannot leave 24 bits; the potential is clipped."""
        return arriving << self.state_exp < STATE_LIMIT

    def step_back(self, v: Array) -> Array | None:
        """The potential from which a step without input leads to v: 0 stays 0."""
        return None if np.any(v) else v

    def _turned(self, ops: Any, real: Any, imag: Any, a: Any, p: ResonatorConstants) -> Turned:
        """Turn and decay the potential, and add what arrives."""

        def of(part: Any, decay: Any) -> Any:
            return ops.divide_toward_zero(part * decay, self.decay_bits)

        brought = tuple(each * (1 << self.state_exp) for each in a)
        after_real = of(real, p.cos) - of(imag, p.sin) + brought[0]
        after_imag = of(real, p.sin) + of(imag, p.cos) + brought[1]
        limit = STATE_LIMIT - 1
        real, imag = (ops.clip(each, -limit, limit) for each in (after_real, after_imag))
        return Turned(real, imag, after_real, after_imag, brought)


@dataclass(frozen=True, eq=False)
class RF(_Resonator):
    """A population of resonate-and-fire neurons, in integers.

    In a step, a_real and a_imag are the sums of weights times payloads, and / cuts the fraction
    off each of the four products:
    v <- v cos_decay / 2^decay_bits - imag sin_decay / 2^decay_bits + a_real 2^state_exp;
    imag <- v sin_decay / 2^decay_bits + imag cos_decay / 2^decay_bits + a_imag 2^state_exp;
    both saturating at +-(2^23 - 1), v on the right is the one before the step;
    a spike where v >= vth 2^state_exp, imag >= 0, and imag was below 0 before the step.
    A spike changes no state.

    Every array has the shape () for one value per population, or `shape` for one per neuron.

    Attributes:
        shape: Shape of the population.
        sin_decay, cos_decay: -4096..4096; what a turn by 2 pi / period and a decay leave, in parts
            of 2^decay_bits.
        vth: Threshold of the real part, 17 bits, not 0.
        state_exp: Exponent of what arrives and of the threshold, 0..7.
        decay_bits: Bits of the fraction of the decays, 1..12.
        bias_mant, bias_exp, v_init: 0; Lava's process has none.
        readout: Whether this is a readout, in which a spike is an error.
        scale, offset: float value of a potential = integer * scale + offset.
    """

    state_names: ClassVar[tuple[str, ...]] = ("v", "imag")

    def step(self, ops: Any, state: tuple[Any, ...], a: Any, p: ResonatorConstants) -> FixedStep:
        """One step; a holds the sums of weights times payloads into both parts."""
        real, imag = state
        after = self._turned(ops, real, imag, a, p)
        rises = ops.where((imag * -1) > 0, 1, imag * 0)
        rises = ops.where(after.imag > -1, rises, 0)
        spikes = ops.where(after.real > p.threshold * (1 << self.state_exp) - 1, rises, 0)
        return FixedStep(
            (after.real, after.imag),
            spikes,
            potential=after.whole_real,
            unclipped=after.brought,
            clipped=(after.whole_imag,),
        )


@dataclass(frozen=True, eq=False)
class RF_IZ(_Resonator):  # noqa: N801 - Lava's name
    """A population of Izhikevich's resonate-and-fire neurons, in integers.

    In a step, a_real and a_imag are the sums of weights times payloads, and / cuts the fraction
    off each of the four products:
    real <- real cos_decay / 2^decay_bits - v sin_decay / 2^decay_bits + a_real 2^state_exp;
    v <- real sin_decay / 2^decay_bits + v cos_decay / 2^decay_bits + a_imag 2^state_exp;
    both saturating at +-(2^23 - 1), real on the right is the one before the step;
    a spike where v, the imaginary part, is >= vth 2^state_exp; then real <- 0 and
    v <- vth 2^state_exp - 1.

    Every array has the shape () for one value per population, or `shape` for one per neuron.

    Attributes:
        shape: Shape of the population.
        sin_decay, cos_decay: -4096..4096; what a turn by 2 pi / period and a decay leave, in parts
            of 2^decay_bits.
        vth: Threshold of the imaginary part, 17 bits, not 0.
        state_exp: Exponent of what arrives and of the threshold, 0..7.
        decay_bits: Bits of the fraction of the decays, 1..12.
        bias_mant, bias_exp, v_init: 0; Lava's process has none.
        readout: Whether this is a readout, in which a spike is an error.
        scale, offset: float value of a potential = integer * scale + offset.
    """

    state_names: ClassVar[tuple[str, ...]] = ("real", "v")

    def step(self, ops: Any, state: tuple[Any, ...], a: Any, p: ResonatorConstants) -> FixedStep:
        """One step; a holds the sums of weights times payloads into both parts."""
        real, imag = state
        after = self._turned(ops, real, imag, a, p)
        least = p.threshold * (1 << self.state_exp) - 1
        spikes = after.imag > least
        return FixedStep(
            (ops.where(spikes, 0, after.real), ops.where(spikes, least, after.imag)),
            spikes,
            potential=after.whole_imag,
            unclipped=after.brought,
            clipped=(after.whole_real,),
        )
