"""Run a faulty network, and say what became of its results, spikes and joules.

In:  a placed network, its faulty form, a stimulus.
Out: errors against what is wanted and against the sound network; spikes and joules per sample.
Joules are those of the sound network's placement: a fault moves no neuron, and a synapse whose
weight reads 0 is still read.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from neurocompile.data.inputs import Encoded
from neurocompile.data.stimulus import Stimulus
from neurocompile.energy.counts import count
from neurocompile.energy.estimate import estimate
from neurocompile.engines.agree import run_engine
from neurocompile.engines.batches import batches
from neurocompile.engines.decode import last_layer
from neurocompile.engines.recording import Activity, Recording, add_up
from neurocompile.engines.score import Score, wanted
from neurocompile.faults.draw import Faulty
from neurocompile.faults.membrane import run_upset
from neurocompile.ir.arrays import Array
from neurocompile.place.placed import Placed


@dataclass(frozen=True)
class Outcome:
    """What a network did on all samples.

    Attributes:
        mse: Mean squared error per value; None if no values are wanted.
        accuracy: Part of the samples that are classified right; None without labels.
        difference: Mean squared difference per value from the sound network's results.
        spikes: Spikes of all neurons on the chip, per sample.
        joules: Nominal energy per sample; None if the target lacks a price.
    """

    mse: float | None
    accuracy: float | None
    difference: float
    spikes: float
    joules: float | None


def measured(
    placed: Placed, faulty: Faulty, stimulus: Stimulus, sound: Array | None = None
) -> tuple[Outcome, Array]:
    """Run a network on all samples on the engine `fixed`.

    Args:
        placed: The sound network on its cores.
        faulty: The network to run.
        stimulus: Samples, steps per sample and seed; of a network with a decoder.
        sound: (n, ...) results of the sound network; None if this is that one.

    Returns:
        What it did, and its results.

    Raises:
        DoesNotFit: If a number leaves its register.
    """
    graph = faulty.graph
    read = (last_layer(graph),)

    def run(encoded: Encoded) -> Recording:
        if faulty.upset is not None:
            return run_upset(graph, encoded, faulty.upset, read=read)
        return run_engine("fixed", graph, encoded, spikes=read, membrane=read)

    score, activity = Score(graph, wanted(graph, stimulus.data)), dict[str, Activity]()
    parts = []
    for batch in batches(graph, stimulus, run):
        other = None if sound is None else sound[batch.first : batch.last]
        result = score.add(batch.first, batch.did, other)
        assert result is not None
        assert batch.did.activity is not None
        parts.append(result)
        add_up(activity, batch.did.activity)
    samples = len(stimulus)
    counts = count(placed, activity, samples, stimulus.steps)
    spikes = sum(layer.spikes for layer in counts.layers.values() if layer.on_chip)
    joules = estimate(counts, placed, placed.chip).per_sample.nominal_j
    difference = 0.0 if sound is None else score.mean_difference or 0.0
    outcome = Outcome(score.mse, score.accuracy, difference, spikes / samples, joules)
    return outcome, np.concatenate(parts)
