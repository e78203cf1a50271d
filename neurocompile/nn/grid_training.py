"""Fine-tune a network on the chip's grid.

In:  a `GridNetwork` whose decoder reconstructs its input, images (n, ...) in [0, 1], a plan.
Out: the network trained in place; the error of every epoch.
Everything random follows the plan's seed, so a run can be repeated.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import cos, isfinite, pi

import torch
from torch import Tensor

from neurocompile.errors import BadInput
from neurocompile.nn.grid import GridNetwork
from neurocompile.nn.training import shifted

WARM_UP = 50  # updates until the full rate: Adam's first steps are as large as any


@dataclass(frozen=True)
class GridPlan:
    """How to fine-tune.

    Attributes:
        epochs: Number of passes over the images.
        batch: Number of images per step.
        learning_rate: Peak of Adam's rate, which then falls as a cosine to 0; a shadow weight of
            1 is the end of the grid.
        shift: Largest random shift of an image in each direction, pixels.
        clip: Largest norm of the gradient.
        spike_price: Price of a spike per step and sample, added to the squared error per image.
        seed: Seed of the order of the images and of their shifts.
    """

    epochs: int = 10
    batch: int = 32
    learning_rate: float = 1e-3
    shift: int = 0
    clip: float = 50.0
    spike_price: float = 1e-3
    seed: int = 0

    def rate(self, step: int, steps: int) -> float:
        """Share of the learning rate in update `step`, counted from 0, of `steps` updates."""
        return min(1.0, (step + 1) / WARM_UP) * 0.5 * (1 + cos(pi * step / steps))


def fine_tune(
    model: GridNetwork,
    images: Tensor,
    plan: GridPlan,
    *,
    on_epoch: Callable[[int, float], None] = lambda epoch, error: None,
) -> list[float]:
    """Train in place; the chip could do every forward pass of the training.

    Args:
        model: Network to train.
        images: Images in [0, 1], (n, ...).
        plan: Settings of the training.
        on_epoch: Function called after every epoch with its number, from 1, and its error.

    Returns:
        Mean squared error per pixel of each epoch, over its batches.

    Raises:
        BadInput: If the loss is no longer a number.
        DoesNotFit: If a current leaves 24 bits, or the readout spikes.
    """
    learned = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(learned, lr=plan.learning_rate, betas=(0.9, 0.99))
    total = plan.epochs * -(-len(images) // plan.batch)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: plan.rate(step, total))
    model.train()
    history = []
    for epoch in range(1, plan.epochs + 1):
        random = torch.Generator().manual_seed(plan.seed * 1_000_003 + epoch)
        squares = 0.0
        for chosen in torch.randperm(len(images), generator=random).split(plan.batch):
            x = shifted(images[chosen], plan.shift, random)
            squared = (model(x) - x).square().sum()
            spikes = sum((rate.sum() for rate in model.rates().values()), torch.zeros(()))
            loss = (squared + plan.spike_price * spikes) / len(x)
            if not isfinite(value := float(loss.detach())):
                raise BadInput(f"the loss became {value} in epoch {epoch}. Lower the rate.")
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(learned, plan.clip)
            optimizer.step()
            schedule.step()
            model.keep_in_range()
            squares += float(squared.detach())
        history.append(squares / images.numel())
        on_epoch(epoch, history[-1])
    return history
