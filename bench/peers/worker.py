"""The frame of every contestant in the speed benchmark: a process that runs the network on request.

In:  the folder of the network; on standard input, one number of samples per line.
Out: on standard output, JSON lines: first the contestant, then seconds and results per request.
Needs numpy and nothing of neurocompile, for peers live in environments of their own.
Building the network is not timed unless a contestant says so.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

Run = Callable[[int], dict[str, Any]]


class Network:
    """The network as plain arrays; see `bench/exchange.py` for who writes them.

    Attributes:
        folder: Folder of its files.
        steps: Steps per sample.
        layers: One dictionary per synapse with the neurons after it, in order.
        arrays: "NAME/weight" and so on; "samples" (n, 1, 28, 28) currents; "pixels"
            (n, steps, 784) spikes of the input neurons.
    """

    def __init__(self, folder: Path) -> None:
        description = json.loads((folder / "network.json").read_text())
        self.folder = folder
        self.steps: int = description["steps"]
        self.layers: list[dict[str, Any]] = description["layers"]
        self.input: dict[str, Any] = description["input"]
        self.arrays = dict(np.load(folder / "network.npz"))

    def encoder(self) -> list[dict[str, Any]]:
        """The layers up to the latent one."""
        names = [layer["neurons"] for layer in self.layers]
        return self.layers[: names.index("latent") + 1]

    def matrix(self, layer: dict[str, Any]) -> tuple[Any, Any, Any]:
        """The integer matrix of a layer in CSR: data, indices, indptr (a row per target)."""
        name = layer["name"]
        data, indices, indptr = (
            self.arrays[f"{name}/{part}"] for part in ("data", "indices", "indptr")
        )
        return data, indices, indptr


def serve(prepare: Callable[[Network], tuple[Run, str]], *packages: str) -> None:
    """Prepare a contestant, and run it for each line of standard input.

    Args:
        prepare: Builds the network; returns the function that runs a number of samples, and a note.
        packages: Packages whose versions are reported.
    """
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what a peer prints goes where its warnings go
    run, note = prepare(Network(Path(sys.argv[1])))
    numbers = {name: version(name) for name in packages}
    replies.write(json.dumps({"note": note, "packages": numbers}) + "\n")
    for line in sys.stdin:
        samples = int(line)
        begun = time.perf_counter()
        results = run(samples)
        seconds = time.perf_counter() - begun
        replies.write(json.dumps({"seconds": seconds, **results}) + "\n")


def fastest(variants: Iterable[tuple[str, Callable[[], object]]]) -> str:
    """Time each variant once, after one run to warm up, and name the faster one."""
    seconds: dict[str, float] = {}
    for name, act in variants:
        act()
        begun = time.perf_counter()
        act()
        seconds[name] = time.perf_counter() - begun
    return min(seconds, key=lambda name: seconds[name])
