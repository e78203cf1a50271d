"""Run a compiled network on data with every requested engine, and compare.

In:  FIXED graph, the FLOAT graph that it was made from if there is one, data, engines.
Out: activity for the energy estimate, errors of float and fixed, and whether engines agree.
The fixed engine always runs, for the counts, and so does the float network, as a reference; lava
and onnx run if they are asked for, and must return the same bits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any

from neurocompile.data.stimulus import Stimulus
from neurocompile.engines.agree import Engine, Exactness, compare_engines, reset_word
from neurocompile.engines.batches import batches
from neurocompile.engines.decode import last_layer
from neurocompile.engines.floating import FloatRecording, float_beside
from neurocompile.engines.progress import Progress, silent
from neurocompile.engines.recording import Activity, Recording, add_up
from neurocompile.engines.score import Score, Tally, require_labels, wanted
from neurocompile.engines.torch_ops import one_thread
from neurocompile.ir.arrays import Array
from neurocompile.ir.graph import Graph
from neurocompile.ir.payloads import messages

BatchWatch = Callable[[Mapping[str, Array], Mapping[str, Any]], None]  # spikes, updated neurons


@dataclass
class LayerAgreement:
    """Comparison of a layer's fixed spikes with its float spikes.

    Attributes:
        compared: Number of neurons x steps x samples.
        equal: Number of these in which both agree.
        float_spikes, fixed_spikes: Number of spikes of each.
    """

    compared: int = 0
    equal: int = 0
    float_spikes: int = 0
    fixed_spikes: int = 0

    def merge(self, other: LayerAgreement) -> None:
        """Add the comparison of other samples."""
        self.compared += other.compared
        self.equal += other.equal
        self.float_spikes += other.float_spikes
        self.fixed_spikes += other.fixed_spikes


@dataclass
class Evaluation:
    """Result of a run over data.

    Attributes:
        samples, steps: Number of samples, and of time steps per sample.
        fixed_score: Score of the integers, against the task's target and the float results.
        float_score: Score of the float network, against the target; empty if there is no target.
        exactness: Comparison of the engines with each other.
        activity: Activity by population, summed over all samples and steps.
        agreement: By spiking layer, comparison of float and fixed spikes.
        reset: By engine, how the state was cleared between samples.
    """

    samples: int
    steps: int
    fixed_score: Tally
    float_score: Tally
    exactness: Exactness
    activity: dict[str, Activity] = field(default_factory=dict)
    agreement: dict[str, LayerAgreement] = field(default_factory=dict)
    reset: dict[str, str] = field(default_factory=dict)

    def merge(self, other: Evaluation) -> None:
        """Add a run over other samples; in whatever order, the result is the same bit for bit."""
        self.samples += other.samples
        self.fixed_score.merge(other.fixed_score)
        self.float_score.merge(other.float_score)
        self.exactness.merge(other.exactness)
        add_up(self.activity, other.activity)
        for name, row in other.agreement.items():
            self.agreement.setdefault(name, LayerAgreement()).merge(row)


def evaluate(
    float_graph: Graph | None,
    fixed_graph: Graph,
    stimulus: Stimulus,
    *,
    engines: tuple[str, ...],
    progress: Progress = silent,
    watch: BatchWatch = silent,
) -> Evaluation:
    """Run all samples of a stimulus.

    Args:
        float_graph: Simplified FLOAT graph from which the integers were made, or None.
        fixed_graph: FIXED graph.
        stimulus: Samples, steps per sample and seed.
        engines: Names of the engines; "fixed" runs in any case.
        progress: Called with an engine's name, the samples done and all samples.
        watch: Called after each batch with its spikes and its updated neurons, by population.

    Raises:
        BadInput: If data, task and network do not match.
    """
    require_labels(fixed_graph, stimulus.data)
    goal = wanted(fixed_graph, stimulus.data, stimulus.first, stimulus.end)
    samples = len(stimulus)
    read = (last_layer(fixed_graph),)
    others = [Engine(e, fixed_graph, samples, progress) for e in engines if e != "fixed"]
    # Potentials of all layers are recorded only if they are compared.
    ours = Engine("fixed", fixed_graph, samples, progress, membrane=None if others else read)
    fixed_score, float_score = Score(fixed_graph, goal), Score(float_graph or fixed_graph, goal)
    result = Evaluation(
        samples,
        stimulus.steps,
        fixed_score=fixed_score,
        float_score=float_score,
        exactness=Exactness(engines if "fixed" in engines else (*engines, "fixed")),
    )
    with one_thread(), ThreadPoolExecutor(1) as beside:  # float on one core, fixed on another
        ideals: Iterator[Future[FloatRecording] | None] = repeat(None)
        if float_graph is not None:
            ideals = float_beside(beside, float_graph, stimulus, (last_layer(float_graph),))
        for floating, batch in zip(ideals, batches(fixed_graph, stimulus, ours), strict=False):
            activity = batch.did.activity or {}
            add_up(result.activity, activity)
            watch(batch.did.spikes, {name: done.updated for name, done in activity.items()})
            theirs = None
            if floating is not None:
                ideal = floating.result()
                _add_agreement(ideal, batch.did, result.agreement)
                theirs = float_score.add(batch.first, ideal)
            fixed_score.add(batch.first, batch.did, theirs)
            compare_engines("fixed", others, batch, result.exactness)
    result.fixed_score, result.float_score = fixed_score.tally(), float_score.tally()
    result.reset = {other.name: reset_word(other.name, fixed_graph) for other in others}
    return result


def _add_agreement(
    ideal: FloatRecording, ours: Recording, agreement: dict[str, LayerAgreement]
) -> None:
    """Add the comparison of a batch's float and fixed spikes."""
    for name, spikes in ideal.spikes.items():
        row = agreement.setdefault(name, LayerAgreement())
        row.compared += spikes.size
        row.equal += int((spikes == ours.spikes[name]).sum())
        row.float_spikes += int(spikes.sum())
        row.fixed_spikes += int(messages(ours.spikes[name]))
