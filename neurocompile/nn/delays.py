"""Layers that delay values by whole steps: fixed ones, and ones that training moves.

In:  values of every step, (T, N, ...), time first.
Out: the same values later, (T, N, ...): moved by whole steps, as the exported network moves them;
     in the training of a learned delay spread over several.

Source of the method: Hammouamri, Khalfaoui-Hassani and Masquelier, "Learning Delays in Spiking
Neural Networks using Dilated Convolutions with Learnable Spacings" (2023, arXiv 2306.17670): a
delay is the position of a Gaussian along time, whose width shrinks while the network is trained,
until it is one step. There each synapse has one; here each value that enters, as an axon has it.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from neurocompile.errors import BadInput
from neurocompile.ir.registers import MOST_AXON_DELAY
from neurocompile.ir.schema import is_whole

FINAL_WIDTH = 0.3  # steps: the step at the middle of such a Gaussian gets 0.99 of it


class LearnedDelay(nn.Module):
    """Holds each value back by its own delay, 0 to `most` steps.

    In training, out[t] = sum_k g_k x[t - k], with g_k proportional to
    exp(-((k - delay) / width)^2 / 2) and of the sum 1. In evaluation, out[t] = x[t - round(delay)].
    Before the first step all is 0.

    Args:
        shape: Shape of the values of a sample and step, of which each gets a delay.
        most: Longest delay, steps, 1..62.
        seed: Seed of the delays before training, which are anywhere from 0 to `most`.

    Attributes:
        delay: (*shape), the delays in steps; what is below 0 or above `most` counts as that.
        width: Width of the Gaussian, steps; `narrow` sets it.
    """

    def __init__(self, shape: tuple[int, ...] | int, most: int = 15, *, seed: int = 0):
        super().__init__()
        if not is_whole(most) or not 1 <= most <= MOST_AXON_DELAY:
            raise BadInput(
                f"LearnedDelay: most = {most!r} steps, but an axon delays by a whole number of "
                f"steps, 1..{MOST_AXON_DELAY}. Use a number in that range."
            )
        axes = tuple(shape) if isinstance(shape, Iterable) else (shape,)
        if not axes or not all(is_whole(n) and n >= 1 for n in axes):
            raise BadInput(
                f"LearnedDelay: shape = {shape!r}, allowed are whole numbers of 1 or more. Give "
                "the shape of the values of a sample and step."
            )
        self.shape = tuple(map(int, axes))
        self.most = int(most)
        random = torch.Generator().manual_seed(seed)
        self.delay = nn.Parameter(most * torch.rand(self.shape, generator=random))
        self.width = self.first_width

    @property
    def first_width(self) -> float:
        """Width with which a training begins: from the middle, it sees every delay."""
        return self.most / 2

    def narrow(self, progress: float) -> None:
        """Set the width for a part of the training that is done, 0 to 1; it shrinks evenly."""
        self.width = self.first_width * (FINAL_WIDTH / self.first_width) ** progress

    def whole(self) -> Tensor:
        """The delays in whole steps, (*shape) int64, as in evaluation and on the chip.

        Raises:
            BadInput: If a delay is NaN.
        """
        lost = int(self.delay.isnan().sum())
        if lost:
            raise BadInput(
                f"LearnedDelay: its delay is NaN in {lost} of {self.delay.numel()} places. Take "
                "the delays from before the loss diverged."
            )
        return self.delay.detach().clamp(0, self.most).round().long()

    def forward(self, x: Tensor) -> Tensor:
        """Delay values of every step, (T, N, *shape)."""
        if self.training:
            with torch.no_grad():  # as in the paper, so that none leaves where it has a gradient
                self.delay.clamp_(0, self.most)
            parts = self._spread()
        else:
            whole = self.whole()
            parts = torch.stack([whole == k for k in range(self.most + 1)]).to(x)
        total = parts[0] * x
        for k in range(1, min(self.most + 1, len(x))):
            total = total + nn.functional.pad(parts[k] * x[:-k], (0, 0) * (x.dim() - 1) + (k, 0))
        return total

    def _spread(self) -> Tensor:
        """Parts of a value by the steps that they wait, (most + 1, *shape), which add up to 1."""
        k = torch.arange(self.most + 1, dtype=self.delay.dtype, device=self.delay.device)
        distance = k.view(-1, *(1,) * len(self.shape)) - self.delay
        return torch.softmax(-((distance / self.width) ** 2) / 2, 0)

    def extra_repr(self) -> str:
        """Text that `print(model)` shows for the layer."""
        return f"{self.shape}, most={self.most}"


class Delay(nn.Module):
    """Holds values back by fixed whole steps: out[t] = x[t - steps], and 0 before.

    It takes all steps at once, as norse.torch.LIF and the layers here do.

    Args:
        steps: Steps of every value, 0..62; or those of each value, of the shape of a sample.

    Raises:
        BadInput: If they are no whole numbers from 0 to what an axon holds.
    """

    steps: Tensor

    def __init__(self, steps: int | Tensor):
        super().__init__()
        given = torch.as_tensor(steps)
        whole = given.to(torch.int64)
        outside = (whole != given) | (whole < 0) | (whole > MOST_AXON_DELAY)
        if given.dtype == torch.bool or given.numel() == 0 or bool(outside.any()):
            found = given[outside].flatten()[0].item() if bool(outside.any()) else steps
            raise BadInput(
                f"Delay: steps = {found}, but an axon delays by 0..{MOST_AXON_DELAY} whole steps. "
                "Use a number in that range, or a tensor of them, one for each value of a sample."
            )
        self.register_buffer("steps", whole)

    @property
    def shape(self) -> tuple[int, ...] | None:
        """Shape of the samples that it takes; None where all values wait alike."""
        return tuple(self.steps.shape) if self.steps.dim() else None

    def whole(self) -> Tensor:
        """The delays in whole steps, () or (*shape) int64."""
        return self.steps

    def forward(self, x: Tensor) -> Tensor:
        """Delay values of every step, (T, N, ...)."""
        return sum((_later(x * (self.steps == k), int(k)) for k in self.steps.unique()), 0 * x)

    def extra_repr(self) -> str:
        """Text that `print(model)` shows for the layer."""
        return str(int(self.steps)) if self.shape is None else f"{self.shape}"


WAITING = (Delay, LearnedDelay)  # layers that only move values in time


def _later(x: Tensor, steps: int) -> Tensor:
    """Values (T, ...) some steps later, with zeros before."""
    kept = x[: max(0, len(x) - steps)]
    return nn.functional.pad(kept, (0, 0) * (x.dim() - 1) + (len(x) - len(kept), 0))


def narrow_delays(model: nn.Module, progress: float) -> None:
    """Narrow every LearnedDelay of a model for a part of the training that is done, 0 to 1.

    `train` does it before every epoch; a training of your own has to.
    """
    for layer in model.modules():
        if isinstance(layer, LearnedDelay):
            layer.narrow(progress)
