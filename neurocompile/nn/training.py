"""Train a spiking autoencoder or classifier on images, with restarts, and measure it.

In:  a model, images (n, C, H, W) in [0, 1], labels for a classifier, a plan.
Out: the trained model in place; figures of every epoch; a state file after every epoch.
Everything random follows the plan's seed and the epoch, so a restart repeats the same run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from neurocompile.errors import BadInput
from neurocompile.formats.checkpoint.write import save_whole
from neurocompile.nn.activity import (
    BURSTING_RATE,
    LayerActivity,
    driven,
    reachable,
    spike_counts,
    summarize,
)
from neurocompile.nn.delays import narrow_delays
from neurocompile.nn.network import SpikingNetwork
from neurocompile.nn.regularization import Regularization, regularization_loss

CLIPPING: dict[str, Callable[..., Any]] = {
    "norm": nn.utils.clip_grad_norm_,
    "value": nn.utils.clip_grad_value_,
}


@dataclass(frozen=True)
class TrainingPlan:
    """How to train.

    Attributes:
        epochs: Number of passes over the images.
        batch: Number of images per step.
        learning_rate: Peak of Adam's one-cycle rate, or its constant rate.
        shift: Largest random shift of an image in each direction, pixels.
        clip: Largest norm of the gradient, or largest absolute value of each of its numbers.
        weight_noise: Largest random shift of a parameter in every step, as a share of the largest
            of its tensor. It keeps potentials away from the threshold, so that the rounding of
            weights changes little; half a step of 8 bits is 0.004.
        regularization: Weights of the penalties, which are added to the squared error per image.
        seed: Seed of the order of the images and of their shifts.
        schedule: Course of the rate, "one-cycle" or "constant".
        clip_by: What `clip` limits, "norm" or "value".
    """

    epochs: int = 50
    batch: int = 32
    learning_rate: float = 4e-3
    shift: int = 0
    clip: float = 50.0
    weight_noise: float = 0.0
    regularization: Regularization = field(default_factory=Regularization)
    seed: int = 0
    schedule: Literal["one-cycle", "constant"] = "one-cycle"
    clip_by: Literal["norm", "value"] = "norm"

    def __post_init__(self) -> None:
        for name, choices in (("schedule", ("one-cycle", "constant")), ("clip_by", CLIPPING)):
            if getattr(self, name) not in choices:
                found, use = getattr(self, name), " or ".join(map(repr, choices))
                raise BadInput(f"TrainingPlan: {name} {found!r} is unknown. Use {use}.")


@dataclass(frozen=True)
class Epoch:
    """Figures of one epoch, over its training batches.

    Attributes:
        number: Number of the epoch, from 1.
        error: Mean squared error per pixel; of a classifier, the share of wrong answers.
        layers: Activity by layer; "dead" and "unreachable" refer to this epoch.
    """

    number: int
    error: float
    layers: dict[str, LayerActivity]


@dataclass
class Running:
    """Figures of the running epoch, for a progress bar.

    Attributes:
        epoch: Number of the epoch, from 1.
        done: Number of images of this epoch so far.
        error: Error of `Epoch`, summed over the images so far.
        totals: Spikes per step of every neuron, summed over the images so far, by layer.
    """

    epoch: int
    done: int = 0
    error: float = 0.0
    totals: dict[str, Tensor] = field(default_factory=dict)

    @property
    def mean_error(self) -> float:
        """Error so far, as in `Epoch`."""
        return self.error / max(self.done, 1)

    @property
    def silent(self) -> float:
        """Share of all neurons that have not spiked yet in this epoch, reachable or not."""
        return self._share(lambda total: total == 0)

    @property
    def bursting(self) -> float:
        """Share of all neurons whose mean rate is above `BURSTING_RATE` so far."""
        return self._share(lambda total: total > BURSTING_RATE * self.done)

    def _share(self, which: Callable[[Tensor], Tensor]) -> float:
        """Share of the neurons that `which` selects by their totals."""
        selected = sum(int(which(total).sum()) for total in self.totals.values())
        return selected / max(sum(total.numel() for total in self.totals.values()), 1)


def train(
    model: SpikingNetwork,
    images: Tensor,
    plan: TrainingPlan,
    *,
    labels: Tensor | None = None,
    state: Path | None = None,
    on_batch: Callable[[Running], None] = lambda running: None,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
) -> list[Epoch]:
    """Train in place.

    The lower end of the rate band applies only to neurons that were reachable in the previous
    epoch, so neurons without input are not pushed to spike.

    Args:
        model: Network whose decoder reconstructs its input, or gives a score for each class.
        images: Images in [0, 1], (n, C, H, W).
        plan: Settings of the training.
        labels: Class of each image, (n,) int64; the loss is then the cross-entropy of the scores
            in place of the squared error per image.
        state: File from which to resume if it exists; it is written after every epoch.
        on_batch: Function called after every step.
        on_epoch: Function called after every epoch.

    Returns:
        Figures of the epochs trained in this call.

    Raises:
        BadInput: If the state file is from another model or plan, or the loss is not a number.
    """
    steps = -(-len(images) // plan.batch)
    optimizer = torch.optim.Adam(model.parameters(), lr=plan.learning_rate, fused=True)
    schedule = _schedule(plan, optimizer, plan.epochs * steps)
    first = 0
    reach: dict[str, Tensor] = {}
    if state is not None and state.exists():
        first, reach = _restore(state, plan, model, optimizer, schedule)
    inputs = driven(model, images)
    model.train()
    history = []
    for number in range(first + 1, plan.epochs + 1):
        narrow_delays(model, (number - 1) / max(1, plan.epochs - 1))
        random = torch.Generator().manual_seed(plan.seed * 1_000_003 + number)
        running = Running(number)
        for chosen in torch.randperm(len(images), generator=random).split(plan.batch):
            x = shifted(images[chosen], plan.shift, random)
            with moved(model, plan.weight_noise, random):
                lost, error = _lost(model(x), x, None if labels is None else labels[chosen])
                penalty = regularization_loss(model, plan.regularization, reach)
                loss = lost / len(x) + penalty
                optimizer.zero_grad()
                loss.backward()
            if not torch.isfinite(loss):
                raise BadInput(f"the loss became {float(loss)} in epoch {number}. Lower the rate.")
            CLIPPING[plan.clip_by](model.parameters(), plan.clip)
            optimizer.step()
            schedule.step()
            running.done += len(x)
            running.error += error
            for name, counts in spike_counts(model).items():
                running.totals[name] = running.totals.get(name, 0) + counts
            on_batch(running)
        reach = reachable(model, running.totals, inputs)
        layers = summarize(running.totals, reach, len(images))
        history.append(Epoch(number, running.error / len(images), layers))
        if state is not None:
            _keep(state, plan, model, optimizer, schedule, number, reach)
        on_epoch(history[-1])
    return history


def _lost(result: Tensor, x: Tensor, labels: Tensor | None) -> tuple[Tensor, float]:
    """The loss of a batch, and its error as in `Running`, both summed over the images."""
    if labels is None:
        squared = (result - x).square().sum()
        return squared, float(squared.detach()) / x[0].numel()
    wrong = result.argmax(1) != labels
    return cross_entropy(result, labels, reduction="sum"), float(wrong.sum())


def accuracy(model: nn.Module, images: Tensor, labels: Tensor, *, batch: int = 100) -> float:
    """Share of images whose largest score is that of their label, in eval mode.

    Args:
        model: Network that takes images and the index of the first one; its mode is restored.
        images: (n, C, H, W).
        labels: (n,).
        batch: Number of images at a time.
    """
    mode, right = model.training, 0
    model.eval()
    try:
        with torch.no_grad():
            for start in range(0, len(images), batch):
                found = model(images[start : start + batch], start).argmax(1)
                right += int((found == labels[start : start + batch]).sum())
    finally:
        model.train(mode)
    return right / len(images)


def _schedule(plan: TrainingPlan, optimizer: Any, updates: int) -> Any:
    """The course of the rate over all updates."""
    if plan.schedule == "constant":
        return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda update: 1.0)
    return torch.optim.lr_scheduler.OneCycleLR(optimizer, plan.learning_rate, total_steps=updates)


def reconstruction_error(model: nn.Module, images: Tensor, *, batch: int = 100) -> float:
    """Mean squared error per pixel of a network that takes images and the index of the first one.

    The network runs in eval mode; its mode is restored.
    """
    mode, total = model.training, 0.0
    model.eval()
    try:
        with torch.no_grad():
            for start in range(0, len(images), batch):
                x = images[start : start + batch]
                total += float((model(x, start) - x).double().square().sum())
    finally:
        model.train(mode)
    return total / images.numel()


def shifted(images: Tensor, limit: int, random: torch.Generator) -> Tensor:
    """Images (n, C, H, W) shifted at random by up to `limit` pixels; the edges fill with zeros."""
    if limit == 0:
        return images
    height, width = images.shape[-2:]
    padded = torch.nn.functional.pad(images, (limit,) * 4)
    moves = torch.randint(0, 2 * limit + 1, (len(images), 2), generator=random).tolist()
    return torch.stack(
        [one[:, y : y + height, x : x + width] for one, (y, x) in zip(padded, moves, strict=True)]
    )


@contextmanager
def moved(model: torch.nn.Module, share: float, random: torch.Generator) -> Iterator[None]:
    """In the block, move parameters at random by up to `share` of the largest of their tensor."""
    originals = [p.detach().clone() for p in model.parameters()] if share else []
    with torch.no_grad():
        for p in model.parameters() if share else ():
            noise = torch.rand(p.shape, generator=random).to(p).mul_(2).sub_(1)
            p.add_(noise, alpha=float(share * p.abs().max()))
    try:
        yield
    finally:
        with torch.no_grad():
            for p, before in zip(model.parameters(), originals, strict=False):
                p.copy_(before)


def _keep(
    path: Path,
    plan: TrainingPlan,
    model: SpikingNetwork,
    optimizer: Any,
    schedule: Any,
    epoch: int,
    reach: dict[str, Tensor],
) -> None:
    """Write the state, completely or not at all."""
    parts = {
        "plan": asdict(plan),
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "schedule": schedule.state_dict(),
        "epoch": epoch,
        "draws": model.draws,
        "reachable": reach,
    }
    save_whole(parts, path)


def _restore(
    path: Path, plan: TrainingPlan, model: SpikingNetwork, optimizer: Any, schedule: Any
) -> tuple[int, dict[str, Tensor]]:
    """Resume from a state file; return the number of epochs done and the last reachable neurons."""
    try:
        parts = torch.load(path, weights_only=True)
        planned = parts["plan"]
        model.load_state_dict(parts["model"])
        optimizer.load_state_dict(parts["optimizer"])
        schedule.load_state_dict(parts["schedule"])
        model.draws = parts["draws"]
    except Exception as error:
        raise BadInput(
            f"{path}: this is not the state of this training ({error}). Start without it."
        ) from error
    if planned != asdict(plan):
        changed = [key for key, value in asdict(plan).items() if planned.get(key) != value]
        raise BadInput(
            f"{path}: the training used another {', '.join(changed)}. "
            "Use the same plan, or start without it."
        )
    return int(parts["epoch"]), parts["reachable"]
