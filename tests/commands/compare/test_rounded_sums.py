"""Sums of weights that a negative weight exponent rounds down, in every run of a comparison.

The second method is the fixed engine: a first layer is given the same input as in the whole
network, so by itself it must be that layer of the engine, bit for bit.
"""

from dataclasses import replace

import numpy as np
import pytest
from networks import neuron, spikes
from planted import ONE, compared, integrators, readout

from neurocompile.chip.read import load_chip
from neurocompile.commands.compare.compare import compare
from neurocompile.data.inputs import encode, float_input
from neurocompile.data.samples import Data
from neurocompile.data.stimulus import Stimulus
from neurocompile.engines import fixed
from neurocompile.ir.adapting import ALIF, LSNN, LIFRefrac
from neurocompile.ir.fixed import Synapse
from neurocompile.ir.graph import chain
from neurocompile.ir.neurons import IAF, DeltaEncoder, SigmaDeltaReLU
from neurocompile.ir.nodes import Input, Linear
from neurocompile.ir.settings import Encoder, Settings
from neurocompile.quantize.quantize import quantize
from neurocompile.quantize.ranges import observe
from neurocompile.report.parting.rerun import alone, given
from neurocompile.report.parting.rounding import CLASSES, incomings, rounded
from neurocompile.simplify import simplify

RUN = 40  # steps
RATES = (np.float64(400), np.float64(150))  # tau_syn_inv, tau_mem_inv
ZERO, LOW = np.float64(0), np.float64(0.2)
NEURONS = {
    "box": lambda: neuron("box", v_th=0.2),
    "subtract": lambda: neuron("subtract", v_th=0.2, v_reset=-0.1),
    "lif": lambda: neuron("lif", v_th=0.2),
    "iaf": lambda: IAF(np.float64(2.0), ZERO),
    "refractory": lambda: LIFRefrac(*RATES, ZERO, LOW, ZERO, np.float64(2)),
    "lsnn": lambda: LSNN(*RATES, np.float64(20), ZERO, LOW, ZERO, np.float64(0.1)),
    "alif": lambda: ALIF(*RATES, np.float64(20), np.float64(90), ZERO, LOW, np.float64(0.1)),
}


def coarse(exponent):
    """A chip with Loihi 2's neurons whose weight exponents are this at most."""
    chip = load_chip("loihi2-sim")
    highest = replace(chip.formats.weight_exp_max, value=exponent)
    return replace(chip, formats=replace(chip.formats, weight_exp_max=highest))


def two_layers(kind, seed):
    """A FLOAT graph of two layers, with biases, and spikes for it."""
    rng = np.random.default_rng(seed)
    bias = None if kind in ("iaf", "alif") else rng.normal(size=7) * 0.05
    nodes = {
        "input": Input((9,)),
        "w1": Linear(rng.normal(size=(7, 9)) * 0.6, bias),
        "first": NEURONS[kind](),
        "w2": Linear(rng.normal(size=(6, 7))),
        "second": NEURONS[kind](),
    }
    graph = chain(nodes, Settings(steps=RUN, encoder=Encoder("spikes")))
    values = spikes(seed, 6, RUN, (9,), rate=0.4).astype(np.float32)
    return simplify(graph), Data("random", "spikes", values, None)


def with_payloads(seed):
    """A FLOAT graph of a sigma-delta network, and walks for it."""
    rng = np.random.default_rng(seed)
    nodes = {
        "input": Input((5,)),
        "w0": Linear(rng.normal(size=(6, 5))),
        "first": DeltaEncoder(np.float64(0.1)),
        "w1": Linear(rng.normal(size=(9, 6)) / 2),
        "second": SigmaDeltaReLU(rng.normal(size=9) * 0.02, np.float64(0.1)),
    }
    graph = chain(nodes, Settings(steps=RUN, encoder=Encoder("sequence")))
    walks = rng.normal(size=(6, RUN, 5)).cumsum(axis=1) / 20
    return simplify(graph), Data("walks", "x", walks.astype(np.float32), None)


def made(kind, exponent, seed):
    """FLOAT graph, FIXED graph with such exponents, and data."""
    simple, data = with_payloads(seed) if kind == "payloads" else two_layers(kind, seed)
    seen = float_input(simple, data, 0, len(data), RUN, 0)
    chip = quantize(simple, coarse(exponent), observe(simple, seen, RUN))
    assert all(synapse.weight_exp < 0 for _, synapse in chip.of(Synapse))
    return simple, chip, data


networks = pytest.mark.parametrize(
    ("kind", "exponent", "seed"),
    [(kind, -2 - seed, seed) for kind in (*NEURONS, "payloads") for seed in range(3)],
)


@networks
def test_a_first_layer_by_itself_agrees_as_it_does_in_the_network(kind, exponent, seed):
    simple, chip, data = made(kind, exponent, seed)
    found = compare(simple, chip, Stimulus(data, RUN))
    first, second = found["layers"]
    assert first["float_spikes"] > 50
    assert second["float_spikes"] > 20
    assert first["agreement_alone"] == first["agreement"]
    # The step of ATRLIF asks for more than theta less 1, which only for integers is theta.
    assert kind == "alif" or found["float64_ties"] == 0


@networks
def test_each_layer_given_the_engines_own_spikes_is_the_engine(kind, exponent, seed):
    simple, chip, data = made(kind, exponent, seed)
    enters = given(chip, data.values, encode(chip, data, 0, len(data), RUN, 0))
    layers = rounded(chip, incomings(chip, simple), CLASSES)
    engine = fixed.run(chip, enters.encoded).recording.spikes
    sent = {name: engine[name] / layers[name].payload for name in layers}
    for name, found in alone(chip, layers, enters, sent).items():
        np.testing.assert_array_equal(found, engine[name] != 0, err_msg=name)


def test_sums_that_are_rounded_down_are_a_cause_of_their_own():
    # 3 steps of 101 2^-3 = 12.625, on the chip 12: 37.875 and 36 times 64 against 37 times 64
    spikes = np.ones((1, 3, 1), dtype=np.uint8)
    found = integrators([101 * 8.0], [101], -3, 37, spikes=spikes)
    first, runs = found["first"], {row["run"]: row for row in found["runs"]}
    assert (first["cause"], first["step"], first["float_spike"]) == ("sum", 3, True)
    assert first["of_threshold"] == pytest.approx(
        {
            run: (36 if run in ("sum", "all", "fixed") else 37.875) / 37
            for run in first["of_threshold"]
        }
    )
    assert list(runs) == ["weight", "threshold", "bias", "decay", "sum", "all", "fixed"]
    assert runs["weight"]["agreement"] == 1
    assert runs["sum"]["agreement"] == runs["fixed"]["agreement"] == 2 / 3
    assert found["parts_first"] == "sum"
    assert "Cause: rounding of the sum" in found["summary"][0]
    assert found["summary"][-1].endswith("The chip's rounded sums by themselves make -100.0 %.")
    (row,) = found["layers"]
    assert row["agreement_alone"] == row["agreement"] == 2 / 3


def test_exact_weights_whose_sum_is_whole_lose_nothing_to_float64():
    # 0.1 times 3 is a little more than 0.3, 0.3 / 0.1 a little less than 3
    spikes = np.ones((1, 4, 3), dtype=np.uint8)
    found = integrators([0.1] * 3, [128] * 3, -7, 10, spikes=spikes, scale=0.1 / 64)
    assert found["agreement"] == 1
    assert all(run["agreement"] == 1 for run in found["runs"])


def test_without_a_negative_exponent_no_run_rounds_sums():
    trained, chip = readout()
    found = compared(trained, chip, ONE)
    assert [row["run"] for row in found["runs"]] == [
        "weight", "threshold", "bias", "decay", "all", "fixed",
    ]  # fmt: skip
