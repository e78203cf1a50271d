"""Populations of a sigma-delta network with the chip's integers, to be trained.

In:  sums that arrive, whole numbers; a Delta, SigmaDelta or Sigma of a FIXED graph.
Out: payloads and potentials with the chip's bits, differentiable as those of the float layers are.
Biases are learned, and what is read of a readout; thresholds and exponents are not.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from neurocompile.engines.torch_ops import TorchOps
from neurocompile.errors import DoesNotFit, Unsupported
from neurocompile.ir.arrays import Array
from neurocompile.ir.registers import MANTISSAS, STATE_LIMIT
from neurocompile.ir.sigma_delta import Delta, Sigma, SigmaDelta
from neurocompile.nn.changes import backward
from neurocompile.nn.grid_steps import straight_through
from neurocompile.nn.step import Coding

CHANGES = (Delta, SigmaDelta, Sigma)


class ChangesSequence(torch.autograd.Function):
    """A population over all steps: payloads, message counts, and potentials.

    Gradients are those of `changes.MessageSequence` in chip units: a payload is taken for the
    change of the activation, less the bits that state_exp cuts off.
    """

    @staticmethod
    def forward(
        ctx: Any, arriving: Tensor, bias: Tensor, node: Any, name: str
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Run all steps.

        Args:
            ctx: Context of autograd.
            arriving: Weighted sums of payloads, (T, N, n).
            bias: Amount of the bias, (*shape) float64.
            node: Population, for its threshold, exponents and start.
            name: Its name, for messages.

        Raises:
            DoesNotFit: If a state leaves 24 bits.
        """
        sums = arriving.reshape(*arriving.shape[:2], *node.shape).double()
        registers = {
            r: torch.from_numpy(getattr(node, r).astype("float64")) for r in node.registers
        }
        p = node.constants_of(registers, bias)
        zero = torch.zeros_like(sums[0])
        state = node.start(p, zero + registers["v_init"], zero)
        sent, change, v, held = (torch.empty_like(sums) for _ in range(4))
        for t, now in enumerate(sums):
            after = node.step(TorchOps(), state, now, p)
            _refuse_wide(after.unclipped, name, t + 1)
            state = after.state
            sent[t], v[t] = after.out, state[0]
            if not isinstance(node, Sigma):
                held[t], change[t] = after.unclipped[-3], after.unclipped[-2]
        ctx.node = node
        ctx.save_for_backward(change, held)
        return sent, (sent != 0).sum(0).double(), v

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of the arriving sums and of the bias."""
        to_sent, to_counts, to_v = gradients
        change, held = ctx.saved_tensors
        node = ctx.node
        if isinstance(node, Sigma):
            to_sums = to_v.flip(0).cumsum(0).flip(0)
            return to_sums.flatten(2), None, None, None
        shift = node.spike_exp + node.state_exp
        threshold = torch.from_numpy(np.asarray(node.vth * 2.0**shift))
        coding = Coding(threshold, isinstance(node, SigmaDelta), 1.0, 1.0)
        if getattr(node, "activation", "relu") == "unit":
            held = torch.ones_like(held)
        cut = to_sent * 2.0**-node.state_exp
        to_sums, to_bias = backward(cut, to_counts, change, held, coding)
        if isinstance(node, Delta):
            to_sums = to_sums * 2.0**shift
        return to_sums.flatten(2), to_bias.sum(0), None, None


class GridChanges(nn.Module):
    """A population of a sigma-delta network, whose bias is rounded to its register when used.

    Attributes:
        fixed: Population as it was given.
        unit: Chip units of v per float unit.
        bias: Parameter in the population's shape, float units; of a readout what the host adds.
        gain: Parameter (), a factor on the potential that is read; 1 except for a readout.
        rates: Messages per step in the last forward pass, (N, *shape), differentiable; None for a
            readout.
    """

    def __init__(self, name: str, fixed: Any, depth: int):
        """Hold the registers.

        Args:
            name: Name of the population, for messages.
            fixed: Population to train.
            depth: Chip steps by which it lags behind the input.

        Raises:
            Unsupported: If it cumulates errors, or starts with messages that count as sent.
        """
        super().__init__()
        _check(name, fixed)
        self.name, self.fixed, self.depth = name, fixed, depth
        self.unit = 1 / float(fixed.scale.max())
        reads = isinstance(fixed, Sigma)
        start = fixed.offset if reads else fixed.bias / self.unit
        self.bias = nn.Parameter(torch.from_numpy(_full(start, fixed.shape)).float())
        self.bias.requires_grad_(not isinstance(fixed, Delta))
        self.gain = nn.Parameter(torch.ones(()))
        self.gain.requires_grad_(reads)
        self.bias_exp = np.asarray(_exponent(fixed, self._least()))
        self.rates: Tensor | None = None
        self.keep_in_range()

    def __getstate__(self) -> dict[str, Any]:
        """The state without the last activity, which belongs to a graph of gradients."""
        return {**self.__dict__, "rates": None}

    def mantissas(self) -> Tensor:
        """Whole bias mantissas, as the register holds them, float64."""
        if not isinstance(self.fixed, SigmaDelta):
            return torch.zeros(self.fixed.shape, dtype=torch.float64)
        exact = self.bias.double() * (self.unit / self._step())
        low, high = self._bounds()
        return straight_through(exact, exact.detach().round().clamp(low, high))

    def forward(
        self, arriving: Tensor, steps: int, mantissas: Tensor | None = None, keep: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Run all steps; arguments as of `GridPopulation.forward`, of which two have no use here.

        Returns:
            Payloads, (T, N, *shape) float64, and potentials in chip units of v.
        """
        bias = self.mantissas() * self._step()
        sent, counts, v = ChangesSequence.apply(arriving, bias, self.fixed, self.name)
        self.rates = None if isinstance(self.fixed, Sigma) else (counts / len(sent)).float()
        return sent, v

    def membrane(self, v: Tensor) -> Tensor:
        """Chip units of v converted to units of the float network, float64."""
        read = v * (self.gain.double() / self.unit)
        reads = isinstance(self.fixed, Sigma)
        return read + (self.bias.double() if reads else torch.from_numpy(self.fixed.offset.copy()))

    def integers(self) -> Any:
        """The population as the chip holds it."""
        gain = float(self.gain.detach())
        held = self.bias.detach().double().numpy()
        if isinstance(self.fixed, Delta):
            return self.fixed
        if isinstance(self.fixed, Sigma):
            return replace(self.fixed, scale=self.fixed.scale * gain, offset=held)
        mantissa = self.mantissas().detach().numpy()
        offset = mantissa * self._step() / self.unit
        return replace(self.fixed, bias_mant=mantissa, bias_exp=self.bias_exp, offset=offset)

    @torch.no_grad()
    def keep_in_range(self) -> None:
        """Bring the shadows of a bias between the ends of what it may be."""
        if isinstance(self.fixed, SigmaDelta):
            low, high = (end * self._step() / self.unit for end in self._bounds())
            self.bias.clamp_(low, high)

    def _step(self) -> float:
        return float(1 << int(self.bias_exp))

    def _least(self) -> float:
        """The smallest change that is sent, chip units of v; of several thresholds the smallest."""
        if not isinstance(self.fixed, SigmaDelta):
            return float(STATE_LIMIT)
        return float(self.fixed.vth.min()) * 2.0 ** (self.fixed.spike_exp + self.fixed.state_exp)

    def _bounds(self) -> tuple[float, float]:
        """Smallest and largest mantissa; a deep layer's bias must not be sent before step 1."""
        low, high = (float(end) for end in MANTISSAS)
        if not self.depth:
            return low, high
        most = np.ceil(self._least() / self._step()) - 1
        rectified = self.fixed.activation == "relu"
        return (low if rectified else max(low, -most)), min(high, most)


def _check(name: str, fixed: Any) -> None:
    """Refuse what no gradient here is known of."""
    if getattr(fixed, "cum_error", False):
        raise Unsupported(
            f"layer '{name}' cumulates errors (cum_error), which cannot be trained on the grid. "
            "Use cum_error = False."
        )
    if np.any(fixed.v_init) or np.any(getattr(fixed, "act_init", 0)):
        raise Unsupported(
            f"layer '{name}': messages of a bias count as sent before step 1 (v_init, act_init), "
            "and would not follow the weights while they are trained. Use biases below the "
            "threshold, or train the float network and export it."
        )


def _exponent(fixed: Any, least: float) -> int:
    """The bias exponent as given; where no neuron has a bias yet, one that reaches `least`."""
    if not isinstance(fixed, SigmaDelta) or fixed.bias.any():
        return int(fixed.bias_exp)
    return next((e for e in range(7) if least <= MANTISSAS[1] << e), 7)


def _full(values: Array, shape: tuple[int, ...]) -> Array:
    return np.array(np.broadcast_to(values, shape), dtype=np.float64)


def _refuse_wide(states: tuple[Any, ...], name: str, step: int) -> None:
    """Refuse a state beyond 24 bits, where a run of the chip's integers stops."""
    for state in states:
        if state.numel() and (largest := float(state.abs().max())) >= STATE_LIMIT:
            raise DoesNotFit(
                f"layer '{name}', step {step}: a state reaches {largest:.0f}, but it must stay "
                f"below {STATE_LIMIT}. Train at a lower rate, or start from coarser scales."
            )
