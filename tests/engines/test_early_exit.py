"""A decision before the last step, as sure as training data ask for."""

from dataclasses import replace

import numpy as np
import pytest

from neurocompile.compiler import compile_graph
from neurocompile.data.samples import Data
from neurocompile.engines.early_exit import choose_exit, decide_early
from neurocompile.engines.results import results
from neurocompile.errors import BadInput
from neurocompile.ir.fixed import CubaLIF, SpikeInput, Synapse
from neurocompile.ir.graph import chain
from neurocompile.ir.neurons import LIBox, LIFBox
from neurocompile.ir.nodes import Input, Linear
from neurocompile.ir.settings import Decoder, Encoder, Settings

STEPS = 12


def counters(kind="rate", classes=2):
    """Each axon leads to a neuron that fires at every spike; their counts are the reading."""
    fires = CubaLIF((classes,), 4095, 0, 100, 0, 0, 0, readout=False)
    weight = (np.eye(classes) * 200).astype(np.int16)
    settings = Settings(steps=STEPS, decoder=Decoder(kind, task="classification"))
    nodes = {"in": SpikeInput((classes,)), "s": Synapse(Linear(weight), (classes,), (classes,))}
    return chain({**nodes, "x": fires}, settings)


def spikes(*trains):
    """Samples of two axons, each a text of 0 and 1."""
    values = np.array([[list(map(int, axis)) for axis in each.split()] for each in trains])
    return Data("trains", "spikes", values.swapaxes(1, 2).astype(np.float32))


def test_the_margin_is_the_smallest_that_keeps_the_decisions():
    # The first sample leads by 2 after 2 steps and then loses; the others lead for good.
    training = spikes(
        "110000000000 001111111111", "111111111111 000000000000", "000000000000 111111111111"
    )
    strict = choose_exit(counters(), training, tolerance=0)
    assert strict.margin == 3  # a lead of 2 would decide the first sample for class 0
    assert strict.agreement == 1
    # 3 steps each for the others; the first leads by 3 for class 1 after 2 + 2 + 3 steps
    assert strict.mean_steps == pytest.approx((7 + 3 + 3) / 3)
    loose = choose_exit(counters(), training, tolerance=0.34)
    assert loose.agreement == pytest.approx(2 / 3)
    assert loose.margin <= 1


def test_decisions_carry_the_steps_that_they_took():
    training = spikes("111111111111 000000000000", "110000000000 001111111111")
    exit_at = choose_exit(counters(), training, tolerance=0)
    decided = decide_early(
        counters(), spikes("000011110000 000000000000", "0" * 12 + " " + "0" * 12), exit_at
    )
    assert decided.steps.tolist() == [7, STEPS]  # the third spike of the first; never
    assert decided.early.tolist() == decided.full.tolist() == [0, 0]


@pytest.mark.parametrize("kind", ["last", "max", "mean"])
def test_potentials_decide_as_their_decoder_reads_them(kind):
    rng = np.random.default_rng(2)
    nodes = {
        "in": Input((6,)),
        "w": Linear(rng.normal(size=(20, 6))),
        "lif": LIFBox(*(np.float64(v) for v in (100.0, 0.0, 0.5, 0.0))),
        "v": Linear(rng.normal(size=(4, 20))),
        "out": LIBox(np.float64(100.0), np.float64(0.0)),
    }
    settings = Settings(
        steps=30, encoder=Encoder("current"), decoder=Decoder(kind, task="classification")
    )
    graph = compile_graph(chain(nodes, settings), "ideal").fixed_graph
    data = Data("x", "x", rng.random((40, 6)).astype(np.float32))
    exit_at = choose_exit(graph, data, tolerance=0.05)
    decided = decide_early(graph, data, exit_at)
    full = results(graph, data).reshape(40, 4).argmax(axis=1)
    np.testing.assert_array_equal(decided.full, full)
    assert np.mean(decided.early == full) == exit_at.agreement >= 0.95
    assert decided.steps.mean() == exit_at.mean_steps < 30


def test_what_does_not_classify_has_no_decision():
    graph = counters()
    other = replace(graph, settings=Settings(steps=STEPS, decoder=Decoder("rate")))
    with pytest.raises(BadInput, match="does not classify"):
        choose_exit(other, spikes("1" * 12 + " " + "0" * 12))
    with pytest.raises(BadInput, match="the tolerance is 2"):
        choose_exit(graph, spikes("1" * 12 + " " + "0" * 12), tolerance=2)
