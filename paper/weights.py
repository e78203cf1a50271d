"""Trained weights, stored by the question for which they were trained.

In:  a question, an untrained module, a function that trains it.
Out: the trained module; its weights in build/paper, which git ignores. Those of the best networks
     are in paper/checkpoints, for they take long; one is a link to a checkpoint that ships. Each
     network is trained by one process at a time. For an answer that is computed anew, all of them
     are passed over.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from neurocompile.formats.checkpoint.write import save_whole
from neurocompile.formats.whole import make_folder
from paper.study import CHECKPOINTS, WEIGHTS, Json, code_of, networks_anew

# The trainer of the networks that are kept: the name of a file holds that of any later one.
FIRST = "525a19aa67a0"
Module = TypeVar("Module", bound=nn.Module)


def fitted(kind: str, asked: Json, module: Module, fit: Callable[[Path], object]) -> Module:
    """Weights that are kept for this question go into the module, else it is trained now.

    Args:
        kind: Start of the file's name.
        asked: Everything that decides the weights, in JSON.
        module: Untrained.
        fit: Trains the module in place; it may keep its state in the file it is given and go on
            from there after an interruption.
    """
    from filelock import FileLock  # it comes with torch

    kept = kept_in() / f"{kind}{digest(asked)}.pt"
    if networks_anew() is None and (best := CHECKPOINTS / kept.name).exists():
        found = torch.load(best, weights_only=True)
        module.load_state_dict(found.get("state_dict", found))
        return module
    make_folder(kept.parent, kept)
    with FileLock(kept.with_suffix(".lock")):  # two workers may need one network
        if kept.exists():
            module.load_state_dict(torch.load(kept, weights_only=True))
            return module
        state = kept.with_suffix(".state")
        fit(state)
        save_whole(module.state_dict(), kept)
        state.unlink(missing_ok=True)
        return module


def kept_in() -> Path:
    """Where trained networks are looked for, and kept."""
    return networks_anew() or WEIGHTS


def digest(asked: Json) -> str:
    """Of a question and of the trainer that answers it, for the name of a file."""
    if (trainer := code_of("trainer")) != FIRST:
        asked = {"question": asked, "trainer": trainer}
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:16]


def descend(
    module: nn.Module,
    x: Tensor,
    loss: Callable[[Tensor, torch.Generator], Tensor],
    *,
    epochs: int,
    batch: int,
    learning_rate: float,
    seed: int,
) -> None:
    """Train a network without spikes as `neurocompile.nn.train` does: Adam, a one-cycle rate.

    Args:
        module: Trained in place.
        x: (n, ...) what it learns, in batches drawn by the seed.
        loss: Of a batch; with the generator that draws the batches.
        epochs, batch, learning_rate, seed: As of `neurocompile.nn.TrainingPlan`.
    """
    optimizer = torch.optim.Adam(module.parameters(), lr=learning_rate, fused=True)
    total = epochs * -(-len(x) // batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, learning_rate, total_steps=total)
    random = torch.Generator().manual_seed(seed)
    for _ in range(epochs):
        for chosen in torch.randperm(len(x), generator=random).split(batch):
            value = loss(x[chosen], random)
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
            schedule.step()
