"""Windows on the chip: a spiking autoencoder as integers, its reconstructions and its cost.

In:  a trained network; windows for calibration, and windows to run.
Out: reconstructions, latent spikes, and figures per window of a run.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from neurocompile.chip.read import load_chip
from neurocompile.compiled import Compiled
from neurocompile.compiler import compile_graph
from neurocompile.data.samples import Data
from neurocompile.data.stimulus import Stimulus
from neurocompile.energy.counts import Counts, count
from neurocompile.energy.estimate import Energy, estimate
from neurocompile.engines.agree import Engine
from neurocompile.engines.batches import batches
from neurocompile.engines.decode import last_layer, result_of
from neurocompile.engines.recording import Activity, add_up
from neurocompile.frontend.torch import trace
from neurocompile.ir.arrays import Array
from neurocompile.nn.network import SpikingNetwork
from paper.study import Json

CHIP, BITS = "loihi-sim", 8
CALIBRATION = 200  # training windows, spread over the training part
# The half that a sender runs; what leaves its last layer is the message.
ENCODER = ("pixels", "lif1", "latent")


@dataclass(frozen=True, eq=False)
class Run:
    """What some windows did on the chip.

    Attributes:
        results: (n, channels, length) reconstructions.
        latent: (n, steps, latent) uint8 spikes.
        activity: By population.
    """

    results: Array
    latent: Array
    activity: dict[str, Activity]


def on_chip(network: SpikingNetwork, train: Array, bits: int = BITS) -> Compiled:
    """The network on its cores, its scales chosen on training windows (n, channels, length)."""
    chosen = train[:: -(-len(train) // CALIBRATION)].copy()
    chosen[0].flat[0] = 1  # the top of the range, which the scale of the input neurons has to hold
    graph = trace(network, torch.zeros(1, *train.shape[1:]))
    return compile_graph(graph, CHIP, calibration=_data(chosen), bits=bits)


def run(compiled: Compiled, windows: Array) -> Run:
    """Windows (n, channels, length) in [0, 1] on the fixed engine."""
    graph, data = compiled.fixed_graph, _data(windows)
    engine = Engine("fixed", graph, len(data), spikes=("latent",), membrane=(last_layer(graph),))
    results: list[Array] = []
    latent: list[Array] = []
    activity: dict[str, Activity] = {}
    for batch in batches(graph, Stimulus(data, graph.settings.steps), engine):
        results.append(np.asarray(result_of(graph, batch.did)))
        latent.append(batch.did.spikes["latent"])
        add_up(activity, batch.did.activity or {})
    return Run(np.concatenate(results), np.concatenate(latent), activity)


def figures(compiled: Compiled, done: Run) -> Json:
    """Spikes, operations, joules and seconds of one window, the mean over a run."""
    samples, steps = len(done.results), compiled.fixed_graph.settings.steps
    counts = count(compiled.placed, done.activity, samples, steps)
    energy = estimate(counts, compiled.placed, load_chip(CHIP))
    return {
        "cores": len(compiled.placed.cores),
        "spikes": sum(layer.spikes for layer in counts.layers.values()) / samples,
        "synops": sum(synapse.synops for synapse in counts.synapses.values()) / samples,
        "saturations": sum(layer.saturations for layer in counts.layers.values()),
        "joules": {m.name: None if m.total_j is None else m.total_j / samples
                   for m in energy.models},
        "encoder_joules": _encoder(counts, energy),
        "seconds": {
            row["model"]: row["sample_s"]
            for row in energy.latency
            if row["mode"] == "as fast as possible" and row["samples_follow"] == "reset"
        },
    }  # fmt: skip


def _encoder(counts: Counts, energy: Energy) -> Json:
    """By model, joules a window of the layers up to the latent and of the synapses into them."""
    mine = {*ENCODER, *(s.name for s in counts.synapses.values() if s.target in ENCODER)}
    return {
        model.name: None
        if model.total_j is None
        else sum(t.energy_j or 0.0 for t in model.terms if t.layer in mine) / counts.samples
        for model in energy.models
    }


def _data(windows: Array) -> Data:
    return Data("windows", "x", np.asarray(windows, dtype=np.float32).copy())
