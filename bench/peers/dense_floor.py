"""The dense floor: only the convolutions and matrix products of the network, no neurons.

In:  `dense_floor.py FOLDER whole|encoder`; weights as float32, values of 0 and 1.
Out: only the time, a lower bound for any simulator without sparsity.
"""

from __future__ import annotations

import sys
from typing import Any

import torch
import torch_layers
import worker


def prepare(network: worker.Network) -> tuple[worker.Run, str]:
    """Bare products without bias, all steps of a batch at once."""
    layers = network.layers if sys.argv[2] == "whole" else network.encoder()
    modules = [torch_layers.synapse(network, layer, bias=False) for layer in layers]
    most = max(torch_layers.CHUNKS)
    rows = [
        (torch.rand(most * network.steps, *layer["in_shape"]) < 0.1).float() for layer in layers
    ]

    def products(first: int, last: int) -> None:
        for module, values in zip(modules, rows, strict=True):
            module(values[: (last - first) * network.steps])

    run = torch_layers.decided({"": products})

    def timed(samples: int) -> dict[str, Any]:
        return {"how": run(samples)[1]}

    return timed, ""


if __name__ == "__main__":
    worker.serve(prepare, "torch")
