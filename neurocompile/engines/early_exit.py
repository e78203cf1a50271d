"""Decide before all steps are run, once the network is sure: how sure, training data say.

In:  a FIXED graph of a classifier, training samples; then samples to decide.
Out: an EarlyExit, the margin from which on a decision stands; decisions with the steps they took.
After each step there is a decision: the class with the largest reading so far. Its margin is the
reading's lead over the second class. The chosen margin is the smallest with which enough training
samples are decided as after all steps, whatever the right class is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from neurocompile.data.samples import Data
from neurocompile.data.stimulus import Stimulus
from neurocompile.engines.batches import batches
from neurocompile.engines.decode import last_layer, potentials, require_integers
from neurocompile.engines.fixed import run
from neurocompile.engines.fixed.result import FixedRun
from neurocompile.errors import BadInput
from neurocompile.ir.arrays import Array
from neurocompile.ir.decoder import with_decoder
from neurocompile.ir.graph import Graph
from neurocompile.ir.nodes import size

CANDIDATES = 400  # margins that are tried: quantiles of those of the training samples


@dataclass(frozen=True)
class EarlyExit:
    """When a decision stands.

    Attributes:
        margin: Lead of the first class over the second: in spikes (decoder rate), in float units
            of the potential (last, max), or of its sum over the steps (mean).
        steps: Steps of a sample at most.
        samples: Number of training samples.
        agreement: Share of these that are decided as after all steps.
        mean_steps: Steps that these take on average.
    """

    margin: float
    steps: int
    samples: int
    agreement: float
    mean_steps: float


@dataclass(frozen=True, eq=False)
class Decisions:
    """Early decisions, and those after all steps.

    Attributes:
        early, full: (n,) int64 classes.
        steps: (n,) int64 steps that the early decisions took, 1 or more.
    """

    early: Array
    full: Array
    steps: Array


def choose_exit(
    graph: Graph,
    training: Data,
    *,
    tolerance: float = 0.01,
    steps: int | None = None,
    seed: int = 0,
) -> EarlyExit:
    """Choose the margin on training samples.

    Args:
        graph: FIXED graph that classifies.
        training: Samples that no figure is reported of.
        tolerance: Share of samples that may be decided otherwise than after all steps, 0..1.
        steps: Steps of a sample; None: the network's own.
        seed: Seed of the random encoder.

    Raises:
        BadInput: If the graph is one of floats or does not classify, or the tolerance is no share.
    """
    if not 0 <= tolerance <= 1:
        raise BadInput(f"the tolerance is {tolerance}. Use a share from 0 to 1, such as 0.01.")
    readings = _readings(graph, training, steps, seed)
    leads, classes = _leads(readings)
    tried = np.unique(np.quantile(leads, np.linspace(0, 1, CANDIDATES), method="higher"))
    chosen, found = float("inf"), _decided(leads, classes, float("inf"))
    for margin in tried[::-1]:  # from the surest down, as long as enough agree
        decisions = _decided(leads, classes, float(margin))
        if np.mean(decisions.early == decisions.full) < 1 - tolerance:
            break
        chosen, found = float(margin), decisions
    return EarlyExit(
        chosen,
        leads.shape[1],
        len(leads),
        float(np.mean(found.early == found.full)),
        float(found.steps.mean()),
    )


def decide_early(graph: Graph, data: Data, exit_at: EarlyExit, *, seed: int = 0) -> Decisions:
    """Decide samples with a chosen margin.

    Raises:
        BadInput: If the graph is one of floats or does not classify, or the data do not fit it.
    """
    return _decided(*_leads(_readings(graph, data, exit_at.steps, seed)), exit_at.margin)


def _readings(graph: Graph, data: Data, steps: int | None, seed: int) -> Array:
    """(n, steps, classes) float64, what a decision after each step reads."""
    require_integers(graph)
    if not isinstance(data, Data):
        raise BadInput(
            f"the data are of the type {type(data).__name__}. Give samples of load_data, or Data."
        )
    decoder = graph.settings.decoder
    name = last_layer(graph)
    classes = size(graph.nodes[name].shape)
    if decoder.task != "classification" or decoder.kind == "none" or classes < 2:
        cure = with_decoder("Decoder(..., task='classification')")
        raise BadInput(
            f"the network does not classify (decoder {decoder.kind}, task {decoder.task}, "
            f"{classes} outputs), so there is no decision to take early. To let it classify, "
            f"{cure}."
        )
    read = (name,)
    found = []

    def only_last(entered: object) -> FixedRun:
        return run(graph, entered, spikes=read, membrane=read)  # type: ignore[arg-type]

    stimulus = Stimulus(data, steps or graph.settings.steps, seed)
    for batch in batches(graph, stimulus, only_last):
        recorded = batch.did.recording
        if decoder.kind == "rate":
            values = np.cumsum(recorded.spikes[name], axis=1, dtype=np.float64)
        else:
            values = potentials(graph, name, recorded.membrane[name])
            if decoder.kind == "mean":
                values = np.cumsum(values, axis=1)
            elif decoder.kind == "max":
                values = np.maximum.accumulate(values, axis=1)
        found.append(values.reshape(*values.shape[:2], classes) * np.sign(decoder.gain))
    return np.concatenate(found)


def _leads(readings: Array) -> tuple[Array, Array]:
    """(n, steps) lead of the first class over the second, and the first class."""
    two = np.partition(readings, -2, axis=2)[:, :, -2:]
    return two[:, :, 1] - two[:, :, 0], readings.argmax(axis=2)


def _decided(leads: Array, classes: Array, margin: float) -> Decisions:
    """The first step whose lead reaches the margin, else the last one."""
    sure = leads >= margin
    sure[:, -1] = True
    at = sure.argmax(axis=1)
    return Decisions(classes[np.arange(len(classes)), at], classes[:, -1], at + 1)
