"""A decision before the last step, as sure as training data ask for."""

from dataclasses import replace

import numpy as np
import pytest

from neurocompile.compiler import compile_graph
from neurocompile.data.samples import Data
from neurocompile.engines.early_exit import choose_exit, decide_early
from neurocompile.engines.results import results
from neurocompile.engines.stream import Stream
from neurocompile.errors import BadInput
from neurocompile.ir.chip_neurons import TernaryLIF
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


def test_spikes_of_minus_one_count_as_the_decoder_counts_them():
    # 1 and -1 alternate in the first axon's neuron, the second's fires in two of twelve steps
    weight = np.array([[200, 0, -200], [0, 200, 0]], np.int16)
    ternary = TernaryLIF(
        (2,), du=4095, dv=0, vth_hi=100, vth_lo=-100, bias_mant=0, bias_exp=0, v_init=0
    )
    settings = Settings(steps=STEPS, decoder=Decoder("rate", task="classification"))
    nodes = {"in": SpikeInput((3,)), "s": Synapse(Linear(weight), (3,), (2,)), "x": ternary}
    graph, data = chain(nodes, settings), spikes("101010101010 110000000000 010101010101")
    exit_at = choose_exit(graph, data, tolerance=0)
    decided = decide_early(graph, data, exit_at)
    assert results(graph, data).tolist() == [[0, 2 / STEPS]]
    # 1 against 1 after the first step, 0 against 2 after the second, then 1 or 0 against 2
    assert (decided.full.tolist(), decided.steps.tolist(), exit_at.margin) == ([1], [2], 1)


@pytest.mark.parametrize("use", [choose_exit, lambda graph, data: Stream(graph)])
def test_what_is_no_network_of_integers_is_refused_in_a_sentence(use):
    graph, data = chain({"in": Input((2,)), "w": Linear(np.eye(2))}), spikes("1 0")
    with pytest.raises(BadInput, match=r"is a graph of floats, .* compile\(...\)\.fixed_graph"):
        use(graph, data)
    with pytest.raises(BadInput, match="the network is a dict, but this runs the integers"):
        use({}, data)


def test_a_name_in_place_of_samples_is_refused_in_a_sentence():
    with pytest.raises(BadInput, match=r"data are of the type str\. Give samples of load_data"):
        choose_exit(counters(), "digits")
