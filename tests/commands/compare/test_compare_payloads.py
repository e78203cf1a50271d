"""`compare` on a sigma-delta network: messages, changes and payloads in place of spikes."""

import json

import numpy as np
import pytest

import neurocompile as nc
from neurocompile.commands.compare.compare import compare
from neurocompile.compiler import compile_graph
from neurocompile.data.samples import Data
from neurocompile.data.stimulus import Stimulus
from neurocompile.ir.graph import chain
from neurocompile.ir.neurons import DeltaEncoder, SigmaDeltaReLU, SigmaReadout
from neurocompile.ir.nodes import Input, Linear
from neurocompile.simplify import simplify

STEPS = 25


def trained(bias):
    rng = np.random.default_rng(0)
    nodes = {
        "in": Input((5,)),
        "changes": DeltaEncoder(np.float64(0.05)),
        "w1": Linear(rng.normal(size=(9, 5)) / 2),
        "hidden": SigmaDeltaReLU(rng.normal(size=9) * bias, np.float64(0.1)),
        "w2": Linear(rng.normal(size=(3, 9)) / 3),
        "out": SigmaReadout(rng.normal(size=3)),
    }
    settings = nc.Settings(
        steps=STEPS, dt=1e-3, encoder=nc.Encoder("sequence"), decoder=nc.Decoder("last")
    )
    return chain(nodes, settings)


@pytest.fixture(scope="module")
def walks():
    values = np.random.default_rng(1).normal(size=(6, STEPS, 5)).cumsum(axis=1) / 20
    return Data("walks", "x", values.astype(np.float32))


def compared(bias, bits, walks):
    graph = trained(bias)
    fixed = compile_graph(graph, "loihi2-sim", calibration=walks, bits=bits).fixed_graph
    return compare(simplify(graph), fixed, Stimulus(walks, STEPS))


def test_the_first_message_that_differs_is_named_with_its_cause(walks):
    found = compared(0.02, 3, walks)
    json.dumps(found)  # all of it is plain
    first = found["first"]
    assert first["layer"] == "hidden"
    over = first["of_threshold"]
    assert first["cause"] == "combined"  # of weights and the rest: none of them does it alone
    assert (over["weight"] > 1) is first["float_spike"]
    assert (over["float"] > 1) is first["float_spike"]
    assert (over["fixed"] > 1) is first["fixed_spike"]
    assert over["all"] == pytest.approx(over["fixed"], rel=1e-3)  # what is cut off is little
    assert found["float64_ties"] == 0  # with nothing rounded, the run is the float network's


def test_each_class_of_rounding_departs_on_its_own(walks):
    runs = {row["run"]: row for row in compared(0.02, 3, walks)["runs"]}
    assert runs["weight"]["agreement"] < runs["threshold"]["agreement"]
    assert runs["decay"]["agreement"] == 1  # nothing decays
    assert runs["fixed"]["agreement"] < 1
    assert runs["weight"]["difference_rms"] > 10 * runs["threshold"]["difference_rms"]


def test_messages_of_layers_are_counted_and_a_readout_has_none(walks):
    rows = {row["name"]: row for row in compared(0.02, 8, walks)["layers"]}
    assert rows["changes"]["agreement"] > 0.99
    assert 0 < rows["hidden"]["float_spikes"] < 6 * STEPS * 9
    assert rows["out"]["float_spikes"] is None
    assert rows["out"]["membrane"]["all"]["rms"] < 0.05


def test_a_bias_that_counts_as_sent_is_an_early_start_and_not_called_rounding(walks):
    found = compared(0.5, 8, walks)
    json.dumps(found)
    runs, first = {row["run"]: row for row in found["runs"]}, found["first"]
    assert (first["step"], first["cause"]) == (1, "start")
    assert set(first["causes_there"]) == {"start"}
    assert "Cause: no rounding; biases count as sent before step 1" in found["summary"][0]
    assert "the chip's early starts cost most" in " ".join(found["summary"])
    # only the start crosses the threshold; what is rounded leaves the change where it was
    over = first["of_threshold"]
    assert over["bias"] == pytest.approx(over["float"], rel=1e-3)
    assert over["start"] == pytest.approx(over["fixed"], abs=0.02)
    assert runs["start"]["agreement"] < runs["bias"]["agreement"]
    assert runs["bias"]["agreement"] > 0.999


def test_without_an_early_start_there_is_no_such_run(walks):
    found = compared(0.02, 8, walks)
    assert "start" not in {row["run"] for row in found["runs"]}
