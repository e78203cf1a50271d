"""Run one engine or another on the same input, and compare them bit by bit.

In:  FIXED graph, encoded input, names of engines.
Out: recordings; how many values were compared, how many differ and where the first is.
Engines are imported when they are used: onnx alone needs neither torch nor lava.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace

import numpy as np

from neurocompile.data.inputs import Encoded
from neurocompile.engines.recording import Recording
from neurocompile.errors import BadInput
from neurocompile.ir.graph import Graph

ENGINES = ("lava", "fixed", "onnx")
BATCH = 50  # samples at a time; bounds memory, changes no result


@dataclass
class Exactness:
    """How the engines compare with each other, bit by bit.

    Attributes:
        engines: Their names.
        samples, spikes_compared, membrane_values_compared: How much was compared.
        mismatches: Values that differ; anything but 0 is a bug.
        first: Where the first difference is, or "".
    """

    engines: tuple[str, ...]
    samples: int = 0
    spikes_compared: int = 0
    membrane_values_compared: int = 0
    mismatches: int = 0
    first: str = ""


def run_engine(
    engine: str,
    graph: Graph,
    encoded: Encoded,
    progress: Callable[[int, int], None] | None = None,
    *,
    spikes: Collection[str] | None = None,
    membrane: Collection[str] | None = None,
) -> Recording:
    """Spikes and potentials from one engine.

    Args:
        engine: Its name.
        graph: FIXED graph.
        encoded: Input of some samples.
        progress: Told samples done and in all, by lava.
        spikes, membrane: Populations to record, all if None; lava and onnx record all.
    """
    if engine == "fixed":
        from neurocompile.engines import fixed

        done = fixed.run(graph, encoded, spikes=spikes, membrane=membrane)
        return replace(done.recording, activity=done.activity)
    if engine == "onnx":
        from neurocompile.engines import onnx

        return onnx.run(graph, encoded)
    if engine == "lava":
        from neurocompile.engines import lava

        return lava.run(graph, encoded, progress=progress)
    raise BadInput(f"engine '{engine}' is unknown. Use one of: {', '.join(ENGINES)}.")


def reset_word(engine: str, graph: Graph) -> str:
    """How an engine clears the state between samples, for the report."""
    if engine == "lava":
        from neurocompile.engines import lava

        return lava.reset_mode(graph)
    return "each sample starts from its initial state"


def compare_recordings(
    engines: tuple[str, str],
    theirs: Recording,
    ours: Recording,
    first: int,
    exactness: Exactness,
) -> None:
    """Count the values of a batch that differ between two engines, named in that order."""
    for what, left, right in (
        ("spike", theirs.spikes, ours.spikes),
        ("potential", theirs.membrane, ours.membrane),
    ):
        for name in right:
            a, b = np.asarray(left[name]), np.asarray(right[name])
            differs = a != b
            if what == "spike":
                exactness.spikes_compared += b.size
            else:
                exactness.membrane_values_compared += b.size
            count = int(differs.sum())
            exactness.mismatches += count
            if count and not exactness.first:
                sample, step, *place = (int(i) for i in np.argwhere(differs)[0])
                index = (sample, step, *place)
                exactness.first = (
                    f"layer '{name}', sample {first + sample}, step {step + 1}, neuron "
                    f"{tuple(place)}: {what} {a[index]} on {engines[0]}, {b[index]} on {engines[1]}"
                )


def spans(total: int) -> Iterator[tuple[int, int]]:
    """Consecutive [first, last) of at most BATCH samples."""
    for first in range(0, total, BATCH):
        yield first, min(first + BATCH, total)
