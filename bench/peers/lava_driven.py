"""Lava as fast as we can drive it: all samples in one run, fast input and read-back.

In:  `lava_driven.py FOLDER`; the integers of the network, encoded samples.
Out: all spikes and potentials; start-up, run and read-back are all timed.
Every synapse is a Sparse or Dense process: Conv was 35 to 50 times slower.
"""

from __future__ import annotations

from typing import Any

import ours
import worker

from neurocompile.engines import lava
from neurocompile.frontend import load


def prepare(network: worker.Network) -> tuple[worker.Run, str]:
    """Load the graph."""
    graph = load(network.folder / "whole.onnx")

    def run(samples: int) -> dict[str, Any]:
        recording = lava.run(graph, ours.encoded(network, "whole", samples))
        return {"latent": float(recording.spikes["latent"].sum()) / samples}

    return run, "Sparse processes, all samples in one run"


if __name__ == "__main__":
    worker.serve(prepare, "lava-nc")
