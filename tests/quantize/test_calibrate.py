"""What calibration observes: the same bits on any number of threads, and nothing run twice."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from networks import neuron

from neurocompile.data.samples import Data
from neurocompile.engines import batches
from neurocompile.ir.graph import chain
from neurocompile.ir.nodes import Conv, Input, Linear, Reshape
from neurocompile.ir.settings import Decoder, Encoder, Settings
from neurocompile.ir.verify import verify
from neurocompile.quantize import search
from neurocompile.quantize.calibrate import calibrate
from neurocompile.quantize.search import Trials

STEPS = 7
READERS = [Decoder("last", task="reconstruction"), Decoder("mean"), Decoder()]


def network(decoder=READERS[0]):
    """36 values -> conv -> 16 of 4 channels -> 36 values."""
    rng = np.random.default_rng(5)
    nodes = {
        "input": Input((1, 6, 6)),
        "pixels": neuron("box", v_th=0.1),
        "conv": Conv(rng.normal(size=(4, 1, 3, 3)), None, (2, 2), (1, 1), (1, 1), 1),
        "hidden": neuron("box", v_th=0.2),
        "flat": Reshape((36,)),
        "decode": Linear(rng.normal(size=(36, 36)) / 5, 0.1 * rng.normal(size=36)),
        "output": neuron("libox"),
    }
    settings = Settings(steps=STEPS, encoder=Encoder("current"), decoder=decoder)
    return verify(chain(nodes, settings), "float")


def samples(seed=0, n=23):
    return Data("made", "x", np.random.default_rng(seed).random((n, 1, 6, 6)), None)


@pytest.fixture
def on_threads():
    """Calibrate on so many threads."""
    before = torch.get_num_threads()

    def run(threads, graph):
        torch.set_num_threads(threads)
        return calibrate(graph, samples(), STEPS, 0)

    yield run
    torch.set_num_threads(before)


def test_the_number_of_threads_changes_no_bit(on_threads, monkeypatch):
    monkeypatch.setattr(batches, "BATCH", 5)
    one, *others = (on_threads(threads, network()) for threads in (1, 2, 3))
    for other in others:
        assert other.ranges == one.ranges
        assert list(other.moments) == list(one.moments) == ["conv", "decode"]
        for name, groups in one.moments.items():
            for group, theirs in zip(groups, other.moments[name], strict=True):
                np.testing.assert_array_equal(group.with_bias, theirs.with_bias)
                np.testing.assert_array_equal(group.power, theirs.power)
        np.testing.assert_array_equal(other.ran.result, one.ran.result)


@pytest.mark.parametrize("decoder", READERS)
def test_trials_take_the_float_result_of_the_calibration_and_it_is_what_a_run_gives(
    decoder, monkeypatch
):
    known = calibrate(network(decoder), samples(), STEPS, 0)
    again = Trials(network(decoder), replace(known, ran=None))
    error = again.float_error
    monkeypatch.setattr(search, "run_float", None)  # nothing may run any more
    trials = Trials(network(decoder), known)
    assert trials.float_error == error
    if not trials.reconstructs:
        np.testing.assert_array_equal(trials.target.values, again.target.values)


def test_trials_of_another_network_or_other_samples_run_it_themselves():
    known = calibrate(network(), samples(), STEPS, 0)
    other = calibrate(network(Decoder("mean")), samples(), STEPS, 0)
    found = Trials(network(Decoder("mean")), known).target.values
    np.testing.assert_array_equal(found, other.ran.result)
    assert not np.array_equal(found, known.ran.result)
    new = calibrate(network(), samples(1), STEPS, 0)
    assert Trials(network(), replace(known, stimulus=new.stimulus)).float_error == (
        Trials(network(), new).float_error
    )


def test_a_network_without_a_result_to_read_is_calibrated_all_the_same():
    graph = network(Decoder("rate"))  # a readout has no spikes
    known = calibrate(graph, samples(), STEPS, 0)
    assert known.ran is None
    assert known.ranges == calibrate(network(), samples(), STEPS, 0).ranges
