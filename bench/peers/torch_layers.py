"""The network's synapses as torch modules, and the fastest batches and threads for them.

In:  the exchanged network.
Out: nn modules with the trained weights; the fastest way to run something here.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import cycle
from typing import Any

import torch
import worker
from torch import nn

MODULES: dict[str, Any] = {"conv": nn.Conv2d, "transposed": nn.ConvTranspose2d}
THREADS = (1, 2)
CHUNKS = (5, 25)  # samples a batch
TRIAL = 25  # samples of a trial


def synapse(
    network: worker.Network, layer: dict[str, Any], *, bias: bool, gain: float = 1.0
) -> Any:
    """A synapse with its trained weights times a gain; bias or none."""
    weight = torch.from_numpy(network.arrays[f"{layer['name']}/weight"]) * gain
    if layer["kind"] == "dense":
        module = nn.Linear(weight.shape[1], weight.shape[0], bias=bias)
    else:
        first, second, *kernel = weight.shape
        sizes = (second, first) if layer["kind"] == "conv" else (first, second)
        module = MODULES[layer["kind"]](
            *sizes, tuple(kernel), stride=layer["stride"], padding=layer["padding"], bias=bias
        )
    module.weight.data = weight
    if bias:
        module.bias.data = torch.from_numpy(network.arrays[f"{layer['name']}/offset"]) * gain
    return module.eval()


def decided(
    ways: dict[str, Callable[[int, int], Any]], samples: int = TRIAL
) -> Callable[[int], tuple[list[Any], str]]:
    """The fastest way and batch for each number of threads; calls take turns between threads.

    A second thread helps on a quiet machine and harms on a busy one, so a trial cannot decide. The
    best answer of the race decides.

    Args:
        ways: Functions by name that run the samples [first, last) as one batch.
        samples: Number of samples in a trial.

    Returns:
        Function that runs a number of samples; it returns a value per batch, and how it ran.
    """

    def runner(name: str, chunk: int, threads: int) -> Callable[[int], list[Any]]:
        def run(count: int) -> list[Any]:
            torch.set_num_threads(threads)
            starts = range(0, count, chunk)
            with torch.inference_mode():
                return [ways[name](first, min(first + chunk, count)) for first in starts]

        return run

    chosen: list[tuple[str, Callable[[int], list[Any]]]] = []
    for threads in THREADS:
        variants = {
            ", ".join(filter(None, (name, f"batches of {chunk}", f"threads: {threads}"))): runner(
                name, chunk, threads
            )
            for name in ways
            for chunk in CHUNKS
        }
        trials = ((name, partial(run, samples)) for name, run in variants.items())
        best = worker.fastest(trials)
        chosen.append((best, variants[best]))
    turns = cycle(chosen)

    def in_turn(count: int) -> tuple[list[Any], str]:
        how, run = next(turns)
        return run(count), how

    return in_turn
