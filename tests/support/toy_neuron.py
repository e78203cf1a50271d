"""A neuron of the chip that the package does not have: one class, and one rule for Lava.

Importing this module makes it a member of the family, as if it stood in ir/chip_neurons.py and in
engines/lava/lower.py; so it is imported first, in a process of its own. `sitecustomize` does so in
the child process of Lava.
"""

from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import numpy as np

from neurocompile.ir import chip_neurons
from neurocompile.ir.arrays import Array
from neurocompile.ir.fixed import ChipNeuron, FixedStep
from neurocompile.ir.nodes import Shape
from neurocompile.ir.registers import ALIGN_BITS, KEEPS_NO_CURRENT, STATE_LIMIT


class ToyConstants(NamedTuple):
    """What a step reads."""

    bias: Any
    threshold: Any


@dataclass(frozen=True, eq=False)
class Toy(ChipNeuron):
    """A neuron that adds up what arrives and loses nothing: v <- v + a 2^6 + bias.

    v saturates at +-(2^23 - 1); a spike where v > vth 2^6, then v <- 0.
    """

    shape: Shape
    vth: Array
    bias_mant: Array
    bias_exp: Array
    v_init: Array
    readout: bool = False
    scale: Array = field(default_factory=lambda: np.array(1.0))
    offset: Array = field(default_factory=lambda: np.array(0.0))

    registers: ClassVar[tuple[str, ...]] = ("vth", "bias_mant", "bias_exp", "v_init")
    state_names: ClassVar[tuple[str, ...]] = ("v",)
    parts: ClassVar[tuple[str, ...]] = ()
    wraps: ClassVar[bool] = False
    cure: ClassVar[str] = "Lower the weights before it."
    Constants: ClassVar[type[Any]] = ToyConstants

    @property
    def threshold(self) -> Array:
        """The threshold register."""
        return self.vth

    @property
    def decays(self) -> Array:
        """It has none."""
        return np.zeros((), np.int64)

    @classmethod
    def constants_of(cls, registers: Any, bias: Any) -> ToyConstants:
        """The constants that a step reads."""
        return ToyConstants(bias, registers["vth"] * (1 << ALIGN_BITS))

    def step(self, ops: Any, state: tuple[Any, ...], a: Any, p: ToyConstants) -> FixedStep:
        """One step; a is the weighted sum of the spikes that arrive."""
        arrived = a * (1 << ALIGN_BITS)
        potential = state[0] + arrived + p.bias
        v = ops.clip(potential, 1 - STATE_LIMIT, STATE_LIMIT - 1)
        spikes = v > p.threshold
        v = ops.where(spikes, 0, v)
        return FixedStep((v,), spikes, potential=potential, unclipped=(arrived,))

    def level(self, ops: Any, before: tuple[Any, ...], after: FixedStep, p: ToyConstants) -> Any:
        """The potential above which a neuron spiked in a step."""
        return p.threshold

    def step_back(self, v: Array) -> Array | None:
        """The potential from which a step without input leads to v."""
        return v - self.bias


def rule(network: Any, population: Any, common: dict[str, Any]) -> Any:
    """Lava's LIF that keeps no current and loses no potential."""
    from lava.proc.lif.process import LIF

    vth = network._registers(population, "vth")
    return LIF(du=KEEPS_NO_CURRENT, dv=0, **vth, **common)


chip_neurons.CHIP_NEURONS += (Toy,)
