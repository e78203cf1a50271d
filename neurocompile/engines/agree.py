"""Run different engines on the same input, and compare them bit by bit.

In:  FIXED graph, encoded input, names of engines.
Out: recordings; how many values were compared, how many differ, and where the first one is.
Engines are imported when they are used: only onnx needs neither torch nor lava.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from neurocompile.data.inputs import Encoded
from neurocompile.engines import ENGINES
from neurocompile.engines.batches import Batch
from neurocompile.engines.progress import Progress, silent
from neurocompile.engines.recording import Recording
from neurocompile.errors import BadInput, CheckFailed
from neurocompile.ir.graph import Graph


@dataclass
class Exactness:
    """Comparison of the engines with each other, bit by bit.

    Attributes:
        engines: Names of the engines.
        samples: Number of samples compared.
        spikes_compared, membrane_values_compared: Number of spikes and potentials compared.
        mismatches: Number of values that differ; anything but 0 is a bug.
        first: Description of the first difference, or "".
        first_sample: Number of the sample in which it is.
    """

    engines: tuple[str, ...]
    samples: int = 0
    spikes_compared: int = 0
    membrane_values_compared: int = 0
    mismatches: int = 0
    first: str = ""
    first_sample: int = 0

    def merge(self, other: Exactness) -> None:
        """Add the comparison of other samples."""
        self.samples += other.samples
        self.spikes_compared += other.spikes_compared
        self.membrane_values_compared += other.membrane_values_compared
        self.mismatches += other.mismatches
        if other.first and not (self.first and self.first_sample < other.first_sample):
            self.first, self.first_sample = other.first, other.first_sample

    def require(self) -> None:
        """Refuse to go on if engines differ.

        Raises:
            CheckFailed: Names the number of values that differ, and the first of them.
        """
        if self.mismatches:
            raise CheckFailed(
                f"the engines differ in {self.mismatches} values, which is a bug of neurocompile; "
                f"first: {self.first}. Please report it with this model."
            )


def prepared(engines: Sequence[str]) -> AbstractContextManager[None]:
    """A context in which what some engines need is made ready beside other work."""
    if "lava" not in engines:
        return nullcontext()
    from neurocompile.engines import lava

    return lava.early()


def run_engine(
    engine: str,
    graph: Graph,
    encoded: Encoded,
    progress: Progress = silent,
    *,
    spikes: Collection[str] | None = None,
    membrane: Collection[str] | None = None,
) -> Recording:
    """Spikes and potentials from one engine.

    Args:
        engine: Name of the engine.
        graph: FIXED graph.
        encoded: Input of some samples.
        progress: Called while lava runs, with its name, the samples done and those of this input.
        spikes, membrane: Populations to record, all if None; lava and onnx record all.
    """
    if engine == "fixed":
        from neurocompile.engines import fixed

        fixed_run = fixed.run(graph, encoded, spikes=spikes, membrane=membrane)
        return replace(fixed_run.recording, activity=fixed_run.activity)
    if engine == "onnx":
        from neurocompile.engines import onnx

        return onnx.run(graph, encoded)
    if engine == "lava":
        from neurocompile.engines import lava

        return lava.run(graph, encoded, progress=partial(progress, engine))
    raise BadInput(f"engine '{engine}' is unknown. Use one of: {', '.join(ENGINES)}.")


class Engine:
    """One engine on one graph: runs batch after batch and reports its progress."""

    def __init__(
        self,
        name: str,
        graph: Graph,
        samples: int,
        progress: Progress = silent,
        *,
        spikes: Collection[str] | None = None,
        membrane: Collection[str] | None = None,
    ) -> None:
        """Set it up; nothing runs yet.

        Args:
            name: Name of the engine.
            graph: FIXED graph.
            samples: Number of samples in all batches.
            progress: Called with the name, the samples done and all samples.
            spikes, membrane: Populations to record, all if None; lava and onnx record all.
        """
        self.name, self.graph = name, graph
        self.done, self.samples, self.progress = 0, samples, progress
        self.recorded = {"spikes": spikes, "membrane": membrane}

    def __call__(self, encoded: Encoded) -> Recording:
        """Run the next batch."""
        before = self.done

        def of_all(name: str, done: int, _: int) -> None:
            self.progress(name, before + done, self.samples)

        recording = run_engine(self.name, self.graph, encoded, of_all, **self.recorded)
        self.done += encoded.samples
        self.progress(self.name, self.done, self.samples)
        return recording


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
    """Count the values of a batch that differ between two engines, named in this order."""
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
                exactness.first_sample = first + sample
                exactness.first = (
                    f"layer '{name}', sample {first + sample}, step {step + 1}, neuron "
                    f"{tuple(place)}: {what} {a[index]} on {engines[0]}, {b[index]} on {engines[1]}"
                )


def compare_engines(
    reference: str,
    others: Sequence[Engine],
    batch: Batch[Encoded, Recording],
    exactness: Exactness,
) -> None:
    """Run other engines on a batch, and count the differences from the engine that ran it."""
    for other in others:
        theirs = other(batch.entered)
        compare_recordings((other.name, reference), theirs, batch.did, batch.first, exactness)
    exactness.samples += batch.last - batch.first
