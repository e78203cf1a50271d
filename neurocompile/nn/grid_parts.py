"""Synapses and populations that hold float shadows of the integers with which they run.

In:  nodes of a FIXED graph.
Out: modules over all steps; `integers()` is the node with the current integers of each.
A shadow stays within its register's range, so that its gradient always leads somewhere.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from neurocompile.ir.arrays import Array
from neurocompile.ir.fixed import ChipNeuron, CubaLIF, Synapse
from neurocompile.ir.registers import (
    ALIGN_BITS,
    BIAS_EXPONENTS,
    MANTISSAS,
    REGISTERS,
    STATE_LIMIT,
    UNITY,
    WEIGHT_RANGE,
    Grid,
)
from neurocompile.nn.grid_remember import RememberingPopulation
from neurocompile.nn.grid_steps import PopulationSequence, Slope, straight_through, synaptic_sum

ALIGN = 1 << ALIGN_BITS
WEIGHT_UNIT = float(WEIGHT_RANGE)  # grid units per unit of a shadow weight


class GridSynapse(nn.Module):
    """A synapse whose weights are rounded to the chip's grid whenever it is used.

    Attributes:
        fixed: Synapse as it was given.
        weight: Parameter in the shape of its weights; 1 means 256 on the grid.
    """

    def __init__(self, fixed: Synapse, exact: Array | None = None):
        """Hold the weights.

        Args:
            fixed: Synapse whose `bits` determine the grid.
            exact: Its weights before they were rounded; if None, its own weights.
        """
        super().__init__()
        self.fixed = fixed
        self.grid = Grid(fixed.bits)
        values = fixed.op.weights if exact is None else exact
        self.weight = nn.Parameter(torch.from_numpy(values / WEIGHT_UNIT).float())
        self.keep_in_range()

    def weights(self) -> Tensor:
        """Whole weights, as the chip stores them."""
        step = self.grid.step
        exact = self.weight * WEIGHT_UNIT
        return straight_through(exact, ((exact / step).round() * step).clamp(*self.grid.used))

    def forward(self, spikes: Tensor) -> Tensor:
        """Spikes (T, N, *source) -> the sums that arrive, (T, N, n_target)."""
        return synaptic_sum(self.fixed, self.weights(), spikes)

    def integers(self) -> Synapse:
        """The synapse as the chip stores it."""
        weights = self.weights().detach().numpy().astype(np.int16)
        return replace(self.fixed, op=self.fixed.op.with_weights(weights))

    @torch.no_grad()
    def keep_in_range(self) -> None:
        """Bring the shadows between the ends of the grid."""
        low, high = self.grid.used
        self.weight.clamp_(low / WEIGHT_UNIT, high / WEIGHT_UNIT)


class GridPopulation(nn.Module):
    """Neurons whose bias and threshold are rounded to their registers whenever they are used.

    Attributes:
        fixed: Population as it was given.
        unit: Value of a shadow of 1 in chip units of v: the largest threshold as given; for a
            readout, the float unit of its potential.
        bias: Parameter in the population's shape, in `unit`.
        threshold: Parameter in `unit`: one value, one per channel or one per neuron, as given;
            that of a readout is not trained.
        gain: Parameter (), a factor on the potential that is read; 1 except for a readout.
        rates: Spikes per step in the last forward pass, (N, *shape), differentiable; None for a
            readout, and for a population to which the host writes, which depend on no parameter.
    """

    def __init__(self, name: str, fixed: Any, depth: int, *, written: bool = False):
        """Hold the registers.

        Args:
            name: Name of the population, for messages.
            fixed: Population to train.
            depth: Chip steps by which it lags behind the input.
            written: Whether the host writes its biases; the population is then not trained.
        """
        super().__init__()
        self.fixed: Any = fixed  # one of `grid.TRAINED`
        self.depth, self.written = depth, written
        self.register = threshold_name(fixed)
        self.largest = REGISTERS[self.register][1]
        top = float(fixed.threshold.max()) * ALIGN
        width = _number(fixed.threshold * (ALIGN / 2))  # half the threshold, as in the float layers
        self.unit = 1 / float(fixed.scale.max()) if fixed.readout else top
        loses_all = bool((self.fixed.dv == UNITY).any())
        forgets = depth > 0 and loses_all  # then only bias = v_init starts
        self.learns_bias = not written and not forgets
        self.bias_exp = _exponent(fixed, self.unit) if self.learns_bias else fixed.bias_exp
        self.step = _number(np.left_shift(1, self.bias_exp))  # of a bias, chip units of v
        self.bias = nn.Parameter(_shadow(np.broadcast_to(fixed.bias, fixed.shape) / self.unit))
        self.threshold = nn.Parameter(_shadow(_by_channel(fixed.threshold) * ALIGN / self.unit))
        self.gain = nn.Parameter(torch.ones(()))
        self.bias.requires_grad_(self.learns_bias)
        self.threshold.requires_grad_(not written and not fixed.readout)
        self.gain.requires_grad_(fixed.readout)
        self.slope = Slope(name, width, 0.5)
        self.rates: Tensor | None = None
        self.keep_in_range()

    def __getstate__(self) -> dict[str, Any]:
        """The state without the last activity, which belongs to a graph of gradients."""
        return {**self.__dict__, "rates": None}

    def registers(self) -> tuple[Tensor, Tensor]:
        """Whole bias mantissas and thresholds, as the registers hold them, float64."""
        vth = self.threshold.double() * (self.unit / ALIGN)
        whole = vth.detach().round().clamp(0, self.largest)
        mantissa = self.bias.double() * (self.unit / self.step)
        low, high = self._mantissas(whole)
        bounded = torch.minimum(torch.maximum(mantissa.detach().round(), low), high)
        return straight_through(mantissa, bounded), straight_through(vth, whole)

    def forward(
        self,
        arriving: Tensor | None,
        steps: int,
        mantissas: Tensor | None = None,
        keep: bool = False,
    ) -> tuple[Tensor, Tensor]:
        """Run all steps.

        Args:
            arriving: Weighted sums of spikes, (T, N, n), or None.
            steps: Number of steps, T.
            mantissas: Mantissas that the host writes, (N, *shape), or None.
            keep: Whether to keep the potentials of neurons that spike, too.

        Returns:
            Spikes, (T, N, *shape), and potentials after the reset where they are kept, in chip
            units of v.
        """
        own, vth = self.registers()
        mantissa = own if mantissas is None else mantissas
        plain = isinstance(self.fixed, CubaLIF)
        sequence: Any = PopulationSequence if plain else RememberingPopulation
        spikes, v = sequence.apply(
            arriving, mantissa * self.step, vth, steps, self.fixed, self.slope, keep
        )
        learns = not self.written and not self.fixed.readout
        self.rates = spikes.mean(0) if learns else None
        return spikes, v

    def membrane(self, v: Tensor) -> Tensor:
        """Chip units of v converted to membrane units of the float network, float64."""
        scale, offset = (_number(number) for number in (self.fixed.scale, self.fixed.offset))
        return v * (scale * self.gain.double()) + offset

    def integers(self) -> ChipNeuron:
        """The population as the chip holds it."""
        mantissa, vth = (number.detach().to(torch.int64).numpy() for number in self.registers())
        if self.written:
            same: ChipNeuron = self.fixed
            return same
        made: ChipNeuron = replace(
            self.fixed,
            bias_mant=mantissa,
            bias_exp=self.bias_exp,
            **{self.register: np.broadcast_to(vth, self.fixed.shape) if vth.ndim else vth},
            scale=self.fixed.scale * float(self.gain.detach()),
        )
        return made

    @torch.no_grad()
    def keep_in_range(self) -> None:
        """Bring the shadows within the ranges of their registers."""
        self.threshold.clamp_(0, self.largest * ALIGN / self.unit)
        whole = (self.threshold.double() * (self.unit / ALIGN)).round()
        low, high = (end * (self.step / self.unit) for end in self._mantissas(whole))
        self.bias.copy_(torch.minimum(torch.maximum(self.bias, low), high))

    def _mantissas(self, vth: Tensor) -> tuple[Tensor, Tensor]:
        """Smallest and largest bias mantissa for which the lead-in has a start.

        d input-free steps lead to v_init from v_init r^d - bias (r + ... + r^d), with
        r = 4096 / (4096 - dv): see `ir.time`. No step may end above the threshold, and the start
        must be within 24 bits. 2 chip units per step are reserved for rounding.
        """
        vth = vth + torch.zeros(self.fixed.shape)
        _, top = MANTISSAS
        low, high = torch.full_like(vth, -top), torch.full_like(vth, top)
        if not self.learns_bias:
            return low, high
        grows = UNITY / (UNITY - _number(self.fixed.dv))
        start, total = torch.zeros_like(vth) + _number(self.fixed.v_init), 0.0
        for step in range(1, self.depth + 1):
            start, total = start * grows, (total + 1) * grows
            most = vth * ALIGN if step < self.depth else float(STATE_LIMIT)
            low = torch.maximum(low, (start - most + 2 * step) / total / self.step)
        if self.depth:
            high = torch.minimum(high, (start + STATE_LIMIT - 2 * step) / total / self.step)
        return low.ceil(), high.floor()


def threshold_name(node: ChipNeuron) -> str:
    """Name of the register with the threshold of a neuron that has not spiked."""
    return "vth" if "vth" in node.registers else "theta_0"


def _exponent(fixed: ChipNeuron, unit: float) -> Array:
    """The bias exponent as given; where no neuron has a bias yet, one that reaches unit / 4."""
    if fixed.bias.any():
        return fixed.bias_exp
    _, top = BIAS_EXPONENTS
    return np.asarray(next((e for e in range(top) if unit / 4 <= MANTISSAS[1] << e), top))


def _by_channel(values: Array) -> Array:
    """One value per channel, (C, 1, ...), where all neurons of a channel have the same value."""
    first = values[(slice(None), *(slice(1),) * (values.ndim - 1))] if values.ndim else values
    return first if bool((values == first).all()) else values


def _shadow(values: Any) -> Tensor:
    return torch.from_numpy(np.array(values)).float()


def _number(values: Array) -> Any:
    return torch.from_numpy(values.astype(np.float64)) if values.ndim else float(values)
