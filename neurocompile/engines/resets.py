"""Measure on data how a network would differ with the other reset.

In:  a FLOAT graph and samples.
Out: how many spikes differ, and the errors of both results.
The float network runs twice; no integer is involved, because a chip may have only one reset.
"""

from __future__ import annotations

from dataclasses import dataclass

from neurocompile.data.inputs import float_input
from neurocompile.data.samples import Data
from neurocompile.engines.batches import BATCH
from neurocompile.engines.decode import last_layer
from neurocompile.engines.floating import FloatRecording, run_float
from neurocompile.engines.score import Score, Wanted
from neurocompile.ir.graph import Graph
from neurocompile.ir.neurons import Reset
from neurocompile.ir.resets import with_reset


@dataclass(frozen=True)
class ResetLoss:
    """Comparison of a network as it is with the same network with another reset.

    Attributes:
        reset: The other reset.
        samples: Number of samples that were run.
        spikes, other_spikes: Number of spikes of all layers, as it is and with the other reset.
        different: Number of neurons x steps x samples in which the two differ.
        error, other_error: Mean squared error of the reconstruction; None without one.
        accuracy, other_accuracy: Part of the samples that are classified right; None without
            labels or a task that reads them.
    """

    reset: Reset
    samples: int
    spikes: int
    other_spikes: int
    different: int
    error: float | None
    other_error: float | None
    accuracy: float | None
    other_accuracy: float | None

    def sentence(self) -> str:
        """The comparison as one line of text."""
        words = (
            f"on {self.samples} samples the reset {self.reset} gives {self.other_spikes:,} spikes "
            f"instead of {self.spikes:,}; {self.different:,} differ"
        )
        if self.accuracy is not None and self.other_accuracy is not None:
            return f"{words}; accuracy {self.other_accuracy:.1%} instead of {self.accuracy:.1%}"
        if self.error is not None and self.other_error is not None:
            return f"{words}; output error {self.other_error:.4g} instead of {self.error:.4g}"
        return words


def compare_resets(graph: Graph, reset: Reset, data: Data, steps: int, seed: int) -> ResetLoss:
    """Run the float network with its own reset and with another one.

    Args:
        graph: FLOAT graph.
        reset: The other reset.
        data: Samples; at most the first `BATCH` of them are run.
        steps: Steps per sample.
        seed: Seed of the random encoder.
    """
    samples = min(len(data), BATCH)
    values = float_input(graph, data, 0, samples, steps, seed)
    read = last_layer(graph)
    own, other = (
        run_float(variant, values, steps, membranes=(read,))
        for variant in (graph, with_reset(graph, reset))
    )
    task = graph.settings.decoder.task
    goal = Wanted(
        values=data.values if task == "reconstruction" and data.kind == "x" else None,
        labels=data.labels if task == "classification" else None,
    )
    scores = [_score(graph, goal, run) for run in (own, other)]
    return ResetLoss(
        reset,
        samples,
        sum(int(spikes.sum()) for spikes in own.spikes.values()),
        sum(int(spikes.sum()) for spikes in other.spikes.values()),
        sum(int((own.spikes[name] != spikes).sum()) for name, spikes in other.spikes.items()),
        *(score.mse for score in scores),
        *(score.accuracy for score in scores),
    )


def _score(graph: Graph, goal: Wanted, run: FloatRecording) -> Score:
    """The decoded results against what they should be."""
    score = Score(graph, goal)
    score.add(0, run)
    return score
