"""Our fixed engine, through its public call.

In:  `ours.py FOLDER whole|encoder|everything`; the integers of the network, encoded samples.
Out: counts of every layer and the input of the decoder; with `everything` all spikes and
     potentials of every layer, as Lava's recorders keep them.
"""

from __future__ import annotations

import sys
from typing import Any

import worker

from neurocompile.data.inputs import Encoded
from neurocompile.engines import fixed
from neurocompile.frontend import load


def prepare(network: worker.Network) -> tuple[worker.Run, str]:
    """Load the graph, and say what to keep."""
    part = sys.argv[2]
    graph = load(network.folder / f"{'encoder' if part == 'encoder' else 'whole'}.onnx")
    keep: dict[str, Any] = {"spikes": (), "membrane": () if part == "encoder" else ("output",)}
    if part == "everything":
        keep = {}

    def run(samples: int) -> dict[str, Any]:
        recording = fixed.run(graph, encoded(network, part, samples), **keep)
        return {"latent": float(recording.activity["latent"].spikes.sum()) / samples}

    return run, ""


def encoded(network: worker.Network, part: str, samples: int) -> Encoded:
    """The first samples, encoded for our engines."""
    if part == "encoder":
        pixels = network.arrays["pixels"][:samples]
        return Encoded({"pixels": pixels.reshape(*pixels.shape[:2], 1, 28, 28)}, network.steps)
    return Encoded({"input": network.arrays["mantissas"][:samples]}, network.steps)


if __name__ == "__main__":
    worker.serve(prepare, "neurocompile", "torch", "numpy")
