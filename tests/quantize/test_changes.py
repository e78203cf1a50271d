"""Integers of sigma-delta networks: units by hand, limits, and what is refused."""

import numpy as np
import pytest

import neurocompile as nc
from neurocompile.chip.read import load_chip
from neurocompile.compiler import compile_graph
from neurocompile.errors import BadInput, DoesNotFit, Unsupported
from neurocompile.frontend import with_encoder
from neurocompile.ir import reference
from neurocompile.ir.fixed import ChipNeuron, SpikeInput, Synapse
from neurocompile.ir.graph import Graph, chain
from neurocompile.ir.neurons import DeltaEncoder, LIBox, LIFBox, SigmaDeltaReLU, SigmaReadout
from neurocompile.ir.nodes import Add, Delay, Input, Linear
from neurocompile.ir.payloads import largest_row
from neurocompile.ir.verify import verify
from neurocompile.quantize.changes import part_of_grid
from neurocompile.quantize.moments import MomentWatch
from neurocompile.quantize.quantize import quantize
from neurocompile.quantize.ranges import bound, observe
from neurocompile.simplify import simplify

STEPS = 60
CHIP = load_chip("loihi2-sim")
SETTINGS = nc.Settings(
    steps=STEPS, dt=1e-3, encoder=nc.Encoder("sequence", 2.0), decoder=nc.Decoder("last")
)
RNG = np.random.default_rng(0)
WALKS = RNG.normal(size=(4, STEPS, 6)).cumsum(axis=1) / 20  # slow values, gain included


def network(*, bias=0.0, threshold=0.1, seed=1):
    """Values, two hidden layers, a readout with a bias."""
    rng = np.random.default_rng(seed)
    nodes = {
        "in": Input((6,)),
        "changes": DeltaEncoder(np.float64(0.05)),
        "w1": Linear(rng.normal(size=(12, 6)) / 2),
        "hidden": SigmaDeltaReLU(rng.normal(size=12) * bias, np.float64(threshold)),
        "w2": Linear(rng.normal(size=(8, 12)) / 3),
        "deep": SigmaDeltaReLU(np.float64(0), np.float64(threshold)),
        "w3": Linear(rng.normal(size=(3, 8)) / 3),
        "out": SigmaReadout(rng.normal(size=3)),
    }
    return simplify(chain(nodes, SETTINGS))


def integers(graph, bits=8, *, calibrated=True):
    """The FIXED graph, on observed ranges and moments or on bounds of the weights."""
    watch = MomentWatch(graph, len(WALKS))
    ranges = observe(graph, WALKS, STEPS, watch) if calibrated else bound(graph)
    moments = watch.moments() if calibrated else None
    return verify(quantize(graph, CHIP, ranges, bits, moments), "fixed")


def payloads_of(fixed, values):
    """What enters the integers for values with the gain of the float network."""
    units = fixed.settings.encoder.gain / SETTINGS.encoder.gain
    return np.rint(values * units).astype(np.int64)


def rms_error(graph, fixed):
    """Root mean square difference of the readout from the float network's, float units."""
    node, errors = fixed.nodes["out"], []
    for sample in WALKS:
        _, ideal = reference.run_float(graph, sample)
        _, found = reference.run_fixed(fixed, {"in": payloads_of(fixed, sample)}, STEPS)
        errors.append(found["out"] * node.scale + node.offset - ideal["out"])
    return float(np.sqrt(np.mean(np.square(errors))))


def test_units_payloads_and_registers_are_those_worked_out_by_hand():
    nodes = {
        "in": Input((1,)),
        "changes": DeltaEncoder(np.float64(0.25)),
        "w": Linear(np.array([[0.5]])),
        "out": SigmaReadout(np.float64(0.75)),
    }
    graph = simplify(chain(nodes, SETTINGS))
    values = np.full((1, STEPS, 1), 3.0)
    fixed = quantize(graph, CHIP, observe(graph, values, STEPS))
    # The input resolves 0.25 to 1024 parts: 4096 per unit, 8192 per unit of x before the gain of
    # 2. Twice the largest value, 24,576, takes 15 bits and a sign.
    assert fixed.settings.encoder.gain == 8192
    assert fixed.nodes["in"].payload_bits == 16
    assert (fixed.nodes["changes"].vth, fixed.nodes["changes"].scale) == (1024, 1 / 4096)
    # The only weight is 128 on the grid, 256 per unit. The readout may reach 2^22 at 1.5, so its
    # unit is 4096 * 256 * 2^1 = 2^21 at the most: 1.5 * 2^21 is below 2^22.
    synapse = fixed.nodes["w"]
    assert (synapse.op.weight.item(), synapse.weight_exp) == (128, 1)
    assert (fixed.nodes["out"].scale, fixed.nodes["out"].offset) == (2.0**-21, 0.75)
    # 12,288 * 128 * 2 = 1.5 * 2^21
    _, found = reference.run_fixed(fixed, {"in": payloads_of(fixed, values[0])}, STEPS)
    assert found["out"][-1].item() == 3 << 20


@pytest.mark.parametrize("calibrated", [True, False])
def test_eight_bits_follow_the_float_network_and_fewer_follow_it_less(calibrated):
    graph = network()
    errors = [rms_error(graph, integers(graph, bits, calibrated=calibrated)) for bits in (8, 4, 2)]
    assert errors[0] < 0.05  # half a threshold
    assert errors[0] < errors[1] < errors[2]


def test_a_bias_below_the_threshold_is_in_the_register_of_its_layer():
    graph = network(bias=0.02)
    fixed = integers(graph)
    hidden = fixed.nodes["hidden"]
    assert np.allclose(hidden.bias * hidden.scale, graph.nodes["hidden"].bias, atol=0.01)
    assert rms_error(graph, fixed) < 0.05


def test_a_bias_above_the_threshold_counts_as_sent_before_the_first_step():
    graph = network(bias=0.5)
    fixed = integers(graph)
    hidden = fixed.nodes["hidden"]
    # what it sent before step 1 is its bias, where that reaches the threshold; the layer after it
    # starts from that
    least = int(hidden.vth) << (hidden.spike_exp + hidden.state_exp)
    assert np.array_equal(hidden.act_init, np.where(hidden.bias >= least, hidden.bias, 0))
    assert np.any(hidden.act_init)
    assert np.any(fixed.nodes["deep"].v_init)
    assert rms_error(graph, fixed) < 0.05


def test_no_sum_of_weights_and_payloads_reaches_the_32_bits_of_lava():
    fixed = integers(network())
    sent = [reference.run_fixed(fixed, {"in": payloads_of(fixed, x)}, STEPS)[0] for x in WALKS]
    for name, synapse in fixed.of(Synapse):
        (source,) = fixed.before(name)
        largest = max(int(np.abs(spikes[source]).max()) for spikes in sent)
        assert largest_row(synapse) * largest < 1 << 31


def late_network(neurons=12, threshold=0.1, seed=1):
    """Values and two hidden layers, each of whose neurons has a delay of its own; no readout."""
    rng = np.random.default_rng(seed)

    def weights(n_in, n_out):
        return Linear(rng.normal(size=(n_out, n_in)) / np.sqrt(n_in))

    def hidden():
        return SigmaDeltaReLU(np.float64(0), np.float64(threshold))

    nodes = {
        "in": Input((6,)),
        "changes": DeltaEncoder(np.float64(0.05)),
        "w1": weights(6, neurons),
        "hidden": hidden(),
        "late2": Delay(0, rng.integers(0, 8, neurons)),
        "w2": weights(neurons, neurons),
        "deep": hidden(),
        "late3": Delay(0, rng.integers(0, 8, neurons)),
        "w3": weights(neurons, 3),
    }
    return nodes


@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize("calibrated", [True, False])
def test_no_sum_is_rounded_whose_sources_have_delays_of_their_own(bits, calibrated):
    nodes = late_network() | {"out": SigmaReadout(np.float64(0))}
    fixed = integers(simplify(chain(nodes, SETTINGS)), bits, calibrated=calibrated)  # verifies it
    late = [synapse for _, synapse in fixed.of(Synapse) if synapse.late is not None]
    assert [synapse.late_of for synapse in late] == ["source", "source"]
    assert all(synapse.weight_exp >= 0 for synapse in late)


@pytest.mark.parametrize(("neurons", "threshold"), [(12, 0.1), (100, 0.01), (300, 0.003)])
def test_delays_of_sources_leave_the_readout_near_the_float_networks(neurons, threshold):
    nodes = late_network(neurons, threshold) | {"out": SigmaReadout(np.float64(0))}
    graph = simplify(chain(nodes, SETTINGS))
    fixed = integers(graph)
    peak = max(np.abs(reference.run_float(graph, x)[1]["out"]).max() for x in WALKS)
    assert peak > 0.1
    assert rms_error(graph, fixed) < 0.004  # weights on the whole grid: 0.005 with the last one
    # neither weights nor messages are left with a few units
    for name in ("w2", "w3"):
        assert np.abs(fixed.nodes[name].op.weight).max() >= 64
    for name in ("hidden", "deep"):
        assert int(fixed.nodes[name].vth) << fixed.nodes[name].spike_exp >= 16


def test_a_leaky_readout_after_late_messages_rounds_no_sum_and_keeps_its_weights():
    leaky = LIBox(np.float64(100), np.float64(0))
    graph = simplify(chain(late_network() | {"out": leaky}, SETTINGS))
    fixed = integers(graph)
    assert fixed.nodes["w3"].weight_exp >= 0
    assert np.abs(fixed.nodes["w3"].op.weight).max() >= 64
    peak = max(np.abs(reference.run_float(graph, x)[1]["out"]).max() for x in WALKS)
    assert rms_error(graph, fixed) < 0.05 * peak


def test_weights_all_alike_beside_others_round_no_sum_where_their_sources_are_late():
    rng = np.random.default_rng(0)
    nodes = {
        "in": Input((6,)),
        "changes": DeltaEncoder(np.float64(0.05)),
        "late": Delay(0, np.arange(6)),
        "same": Linear(np.eye(6) / 3),
        "w": Linear(rng.normal(size=(6, 6))),
        "sum": Add(),
        "out": SigmaReadout(np.float64(0)),
    }
    edges = [("in", "changes"), ("changes", "late"), ("late", "same"), ("same", "sum")]
    edges += [("changes", "w"), ("w", "sum"), ("sum", "out")]
    graph = simplify(Graph(nodes, tuple(edges), SETTINGS))
    fixed = integers(graph)
    assert fixed.nodes["same"].weight_exp >= 0
    assert rms_error(graph, fixed) < 0.02


def test_weights_and_messages_share_what_there_is_once_messages_get_coarse():
    assert part_of_grid(5000, 8) == 1  # the smallest change is finer than a weight
    assert part_of_grid(32, 8) == 0.5  # each has 64 units then: 128 / 2, and 32 * 2
    assert part_of_grid(0.125, 4) == 0.125  # one unit each: 8 / 8, and 0.125 * 8


def test_every_state_stays_within_its_headroom_on_what_was_observed():
    fixed = integers(network())
    for sample in WALKS:
        _, found = reference.run_fixed(fixed, {"in": payloads_of(fixed, sample)}, STEPS)
        for name, _ in fixed.of(ChipNeuron):
            assert np.abs(found[name]).max() < 1 << 22


def test_a_lif_takes_payloads_too():
    nodes = {
        "in": Input((6,)),
        "w1": Linear(np.random.default_rng(2).normal(size=(5, 6))),
        "lif": LIFBox(np.float64(200), np.float64(0), np.float64(0.1), np.float64(0)),
    }
    graph = simplify(chain(nodes, SETTINGS))
    fixed = integers(graph)
    ideal = [reference.run_float(graph, sample)[0]["lif"] for sample in WALKS]
    found = [
        reference.run_fixed(fixed, {"in": payloads_of(fixed, sample)}, STEPS)[0]["lif"]
        for sample in WALKS
    ]
    assert np.sum(ideal) > 50
    assert np.mean(np.array(ideal) != np.array(found)) < 0.02


def test_an_encoder_of_spikes_has_bits_as_input():
    nodes = {
        "in": Input((2,)),
        "w": Linear(np.array([[0.5, -0.25]])),
        "out": SigmaReadout(np.float64(0)),
    }
    graph = simplify(chain(nodes, nc.Settings(steps=STEPS, dt=1e-3)))
    fixed = quantize(graph, CHIP, bound(graph))
    assert [node.payload_bits for _, node in fixed.of(SpikeInput)] == [0]
    # 0.5 is 254 on the grid, 508 per unit. Every step may add it, so the sum may reach 30, for
    # which 2^22 leaves 139,810 units each; the largest exponent, 7, takes 65,024.
    assert fixed.nodes["out"].scale == pytest.approx(1 / (508 * 2**7))


@pytest.mark.parametrize(
    ("layer", "cure"),
    [
        (SigmaDeltaReLU(np.float64(0), np.float64(1)), "give the bias to this one"),
        (SigmaReadout(np.float64(0)), "give the bias to this one"),
        (DeltaEncoder(np.float64(1)), "Leave it out"),
    ],
)
def test_a_bias_of_the_synapse_before_it_is_refused(layer, cure):
    weights = Linear(np.ones((2, 2)), np.array([0.0, 0.5]))
    graph = simplify(chain({"in": Input((2,)), "w": weights, "x": layer}, SETTINGS))
    with pytest.raises(Unsupported, match=rf"layer 'x' .* added up, in every step. .*{cure}"):
        quantize(graph, CHIP, bound(graph))


def test_a_constant_current_is_refused():
    graph = network()
    current = nc.Settings(steps=STEPS, dt=1e-3, encoder=nc.Encoder("current"))
    graph = simplify(Graph(graph.nodes, graph.edges, current))
    with pytest.raises(Unsupported, match=r"'changes' .* Use Encoder\('sequence'\)"):
        quantize(graph, CHIP, bound(graph))


def test_a_loop_is_refused():
    nodes = {
        "in": Input((2,)),
        "back": Linear(np.eye(2)),
        "sum": Add(),
        "x": SigmaDeltaReLU(np.float64(0), np.float64(1)),
        "late": Delay(1),
    }
    edges = [("in", "sum"), ("back", "sum"), ("sum", "x"), ("x", "late"), ("late", "back")]
    graph = simplify(Graph(nodes, tuple(edges), SETTINGS))
    with pytest.raises(Unsupported, match=r"'x' \(SigmaDeltaReLU\) is part of a loop"):
        quantize(graph, CHIP, bound(graph))


def test_a_threshold_that_becomes_zero_is_refused():
    graph = network(threshold=1e-9)
    with pytest.raises(DoesNotFit, match=r"layer 'hidden': its threshold, 1e-09, becomes 0"):
        integers(graph)


def test_loihi_1_is_refused_by_layer_with_the_target_that_has_them():
    with pytest.raises(DoesNotFit) as error:
        compile_graph(network(), "loihi-sim")
    text = str(error.value)
    assert "layer 'changes': the neurons are Delta, but loihi-sim has CubaLIF" in text
    assert "layers 'hidden', 'deep': the neurons are SigmaDelta, but loihi-sim has" in text
    assert "layer 'out': the neurons are Sigma, but" in text
    assert "(loihi2-sim)" in text


def test_a_file_that_names_no_encoder_takes_a_sequence_and_integers_of_spikes_do_not():
    bare = Graph(network().nodes, network().edges, nc.Settings(steps=STEPS, dt=1e-3))
    given = with_encoder(bare, nc.Encoder("sequence", 2.0), "m.onnx")
    assert given.settings.encoder == SETTINGS.encoder
    spikes = {"in": Input((2,)), "w": Linear(np.eye(2)), "out": SigmaReadout(np.float64(0))}
    graph = simplify(chain(spikes, nc.Settings(steps=STEPS, dt=1e-3)))
    fixed = quantize(graph, CHIP, bound(graph))
    with pytest.raises(BadInput, match=r"no real value can enter. .*--encoder sequence\)"):
        with_encoder(fixed, nc.Encoder("sequence"), "fixed.onnx")
