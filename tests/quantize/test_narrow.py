"""The narrowest weights within a budget, found on training data."""

import numpy as np
import pytest
from networks import neuron

from neurocompile.data.samples import Data
from neurocompile.errors import BadInput, DoesNotFit
from neurocompile.ir.fixed import Synapse
from neurocompile.ir.graph import chain
from neurocompile.ir.nodes import Input, Linear
from neurocompile.ir.settings import Decoder, Encoder, Settings
from neurocompile.quantize.calibrate import calibrate
from neurocompile.quantize.narrow import narrow

STEPS = 16


def copier(task="reconstruction", seed=0):
    """Eight values, each on three ways of its own strength through 24 neurons and back."""
    rng = np.random.default_rng(seed)
    ways = np.repeat(np.eye(8), 3, axis=0) * rng.uniform(0.3, 1.5, (24, 1))
    nodes = {
        "input": Input((8,)),
        "pixels": neuron("box", v_th=0.05),
        "encode": Linear(ways + 0.05 * rng.normal(size=ways.shape), np.zeros(24)),
        "hidden": neuron("box", v_th=0.05),
        "decode": Linear(ways.T / 3 + 0.02 * rng.normal(size=(8, 24)), np.zeros(8)),
        "output": neuron("libox", tau_mem_inv=50),
    }
    decoder = Decoder("mean", task=task)
    return chain(nodes, Settings(steps=STEPS, encoder=Encoder("current"), decoder=decoder))


def known_of(graph, data=True):
    samples = Data("made", "x", np.random.default_rng(1).random((60, 8)), None)
    return calibrate(graph, samples if data else None, STEPS, 0)


def test_what_is_taken_keeps_the_budget_and_no_layer_of_it_can_be_narrower(loihi):
    graph = copier()
    known = known_of(graph)
    found, points = narrow(graph, loihi, known, 0.02)
    (taken,) = (p for p in points if p.chosen)
    assert taken.increase <= 0.02
    assert taken.error == found.error
    bits = {n: s.bits for n, s in found.graph.of(Synapse)}
    assert bits["encode"] == found.choices["hidden"].bits < 8
    assert all(2 <= b <= 8 for b in bits.values())


def test_a_larger_budget_never_takes_more_memory(loihi):
    graph = copier()
    known = known_of(graph)
    sizes = []
    for budget in (0.005, 0.05, 0.5):
        (taken,) = (p for p in narrow(graph, loihi, known, budget).points if p.chosen)
        sizes.append(taken.weight_bits)
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] < sizes[0]


def test_points_are_beaten_by_none_in_memory_and_error(loihi):
    graph = copier()
    points = narrow(graph, loihi, known_of(graph), 0.05).points
    memory = [p.memory_bits for p in points]
    assert memory == sorted(memory, reverse=True)
    unchosen = [p.error for p in points if not p.chosen]
    assert unchosen == sorted(unchosen)
    assert all(p.energy_j > 0 for p in points)


def test_weight_bits_are_weights_times_their_width(loihi):
    graph = copier()
    for point in narrow(graph, loihi, known_of(graph), 0.05).points:
        assert point.weight_bits == 192 * (point.bits["hidden"] + point.bits["output"])


def test_what_cannot_be_measured_is_refused(loihi):
    with pytest.raises(BadInput, match="no training data are known"):
        narrow(copier(), loihi, known_of(copier(), data=False), 0.02)
    graph = copier(task="none")
    with pytest.raises(BadInput, match="does not reconstruct its input"):
        narrow(graph, loihi, known_of(graph), 0.02)


def test_a_budget_that_the_widest_weights_exceed_is_refused_with_the_error_found(loihi):
    """A budget below what float achieves stands for a network that loses at every width."""
    graph = copier()
    with pytest.raises(DoesNotFit, match="with 8-bit weights the reconstruction error"):
        narrow(graph, loihi, known_of(graph), -0.9)
