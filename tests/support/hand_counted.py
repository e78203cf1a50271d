"""A network whose counts are chosen, so that every sum can be worked out by hand.

64-128-10, dense, on a chip whose cores hold 128 neurons: the 128 have a core of their own, on
the same tile as the others, so nothing hops. Of 100 steps: 640 spikes of the 64, 640 of the
128, 20 of the 10; 3,000, 9,000 and 500 neuron steps updated. Operations: 640 * 128 + 640 * 10 =
88,320. Messages: 640 + 640.
"""

from dataclasses import replace

import numpy as np

from neurocompile.chip.read import load_chip
from neurocompile.energy import count, estimate
from neurocompile.engines.recording import Activity
from neurocompile.ir.fixed import BiasInput, CubaLIF, Synapse
from neurocompile.ir.graph import chain
from neurocompile.ir.nodes import Linear
from neurocompile.ir.settings import Settings
from neurocompile.place import place

LOIHI = load_chip("loihi-sim")
SMALL = replace(
    LOIHI,
    limits=replace(
        LOIHI.limits, neurons_per_core=replace(LOIHI.limits.neurons_per_core, value=128)
    ),
)
PJ = 1e-12


def neurons(*shape, readout=False):
    return CubaLIF(shape, 4095, 410, 1000, 0, 0, 0, readout=readout)


def dense(sources, targets):
    return Synapse(Linear(np.full((targets, sources), 2)), (sources,), (targets,))


GRAPH = chain(
    {
        "x": BiasInput((64,), (64,), 1.0),
        "in": neurons(64),
        "s1": dense(64, 128),
        "hid": neurons(128),
        "s2": dense(128, 10),
        "out": neurons(10),
    },
    Settings(dt=1e-3),
)
ACTIVITIES = {
    "in": Activity(np.full(64, 10), 3_000),
    "hid": Activity(np.full(128, 5), 9_000),
    "out": Activity(np.full(10, 2), 500),
}


def counted(chip=SMALL, activities=ACTIVITIES, samples=1, graph=GRAPH):
    placed = place(graph, chip)
    return placed, count(placed, activities, samples, steps=100)


def energy(chip=SMALL, activities=ACTIVITIES, samples=1, mode="pipelined", graph=GRAPH):
    placed, counts = counted(chip, activities, samples, graph)
    return estimate(counts, placed, chip, mode)


def model(result, name):
    return next(m for m in result.models if m.name == name)
