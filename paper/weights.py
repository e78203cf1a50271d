"""Trained weights, kept under the question that they were trained for.

In:  a question, an untrained module, a way to train it.
Out: the module, trained; its weights in build/paper, which git leaves out.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

from paper.study import WEIGHTS, Json

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
    digest = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:16]
    kept = WEIGHTS / f"{kind}{digest}.pt"
    if kept.exists():
        module.load_state_dict(torch.load(kept, weights_only=True))
        return module
    WEIGHTS.mkdir(parents=True, exist_ok=True)
    state = kept.with_suffix(".state")
    fit(state)
    part = kept.with_suffix(f".part{os.getpid()}")
    torch.save(module.state_dict(), part)
    os.replace(part, kept)
    state.unlink(missing_ok=True)
    return module
