"""Training on the grid: forward is the fixed engine, backward the gradient of the un-rounded."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from networks import dense, float_network, lif, spikes
from staggered import FORMS, arriving, late

from neurocompile.chip.read import load_chip
from neurocompile.data.inputs import Encoded, encode
from neurocompile.data.samples import Data
from neurocompile.engines import fixed
from neurocompile.errors import BadInput, DoesNotFit, Unsupported
from neurocompile.ir.fixed import CubaLIF, SpikeInput, Synapse
from neurocompile.ir.graph import Graph, chain, same
from neurocompile.ir.nodes import Linear, Sparse
from neurocompile.ir.settings import Decoder, Encoder, Settings
from neurocompile.ir.time import lead_in, without_lead_in
from neurocompile.nn.grid import GridNetwork
from neurocompile.nn.grid_formats import coarser
from neurocompile.nn.grid_steps import synaptic_sum
from neurocompile.quantize.quantize import quantize
from neurocompile.quantize.ranges import bound
from neurocompile.simplify import simplify

CHIP = load_chip("ideal")  # with both resets
SPIKES = Settings(steps=12, encoder=Encoder("spikes"), decoder=Decoder("last"))


def quantized(seed, kinds=None, encoder=None, bits=8):
    graph = simplify(float_network(seed, kinds=kinds, steps=12, encoder=encoder))
    return quantize(graph, CHIP, bound(graph), bits)


def samples(graph, seed, n=3):
    """Samples, and what the engine takes for them."""
    shape = next(iter(graph.of(SpikeInput)), (None, None))[1]
    if graph.settings.encoder.kind == "spikes":
        values = spikes(seed, n, graph.settings.steps, shape.shape, rate=0.5)
        data = Data("spikes", "spikes", values, None)
    else:
        values = np.random.default_rng(seed).random((n, 2, 8, 8)).astype(np.float32)
        data = Data("x", "x", values, None)
    return torch.from_numpy(np.array(data.values)), encode(graph, data, 0, n, 12, 0)


def assert_same_bits(model, x, encoded):
    """Every spike and potential of every population against the fixed engine on `graph()`."""
    model.eval()
    with torch.no_grad():
        found = model.traces(x, membrane=True)
    run = fixed.run(model.graph(), encoded)
    for name, v in run.recording.membrane.items():
        ours, potentials = (t.transpose(0, 1).numpy() for t in found[name])
        assert np.array_equal(ours, run.recording.spikes[name]), name
        assert np.array_equal(potentials, v), name
    return run


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("bits", [2, 4, 8])
def test_the_forward_pass_is_the_fixed_engine_bit_for_bit(seed, bits):
    graph = quantized(seed, bits=bits)
    run = assert_same_bits(GridNetwork(graph), *samples(graph, seed))
    assert sum(int(a.spikes.sum()) for a in run.activity.values()) > 0


@pytest.mark.parametrize("kind", ["box", "lif", "subtract"])
def test_every_kind_of_neuron_and_written_biases_are_exact(kind):
    if kind == "lif":
        graph = quantized(1, (kind, kind, kind, "li"), Encoder("bernoulli"))
    else:
        graph = quantized(1, (kind, kind, kind, "li"), Encoder("current"))
    assert_same_bits(GridNetwork(graph), *samples(graph, 1))


def hard_graph(seed, exponent):
    """Random integers at the ends of every register, one per neuron; a skip with a delay."""
    rng = np.random.default_rng(seed)
    each = {
        "du": rng.choice([-1, 0, 700, 4095], 9),
        "dv": rng.choice([0, 5, 700, 4095], 9),
        "vth": rng.choice([0, 40, 9000, 131071], 9),
        "v": rng.integers(-900, 1, 9),
        "exp": rng.integers(0, 8, 9),
    }
    row, column = np.nonzero(rng.random((9, 9)) < 0.4)
    start = np.searchsorted(row, np.arange(10))
    op = Sparse((rng.integers(-9, 9, row.size) * 2).astype(np.int16), column, start, (9,), (9,))
    nodes = {
        "in": SpikeInput((6,)),
        "first": dense(rng, 6, 9, exponent),
        "a": lif((9,), **each),
        "second": Synapse(op, (9,), (9,), -2),
        "skip": dense(rng, 6, 9, -3, 5, delay=2),
        "b": lif((9,), dv=90, vth=20, mant=rng.integers(-5, 5, 9), reset="subtract"),
        "third": dense(rng, 9, 4, -1),
        "out": lif((4,), dv=400, vth=131071, readout=True, scale=0.5, offset=3.0),
    }
    links = [*pairwise(["in", "first", "a", "second", "b", "third", "out"])]
    return Graph(nodes, (*links, ("in", "skip"), ("skip", "b")), SPIKES)


def test_saturation_negative_potentials_and_delays_are_exact():
    saturated = lowest = 0
    for seed in range(12):
        graph = hard_graph(seed, 3)
        model = GridNetwork(graph)
        x, encoded = samples(graph, seed)
        run = assert_same_bits(model, x, encoded)
        saturated += run.activity["a"].saturations
        lowest = min(lowest, int(run.recording.membrane["a"].min()))
        result = model(x).detach().numpy()
        assert np.array_equal(result, run.recording.membrane["out"][:, -1] * 0.5 + 3.0)
    assert saturated > 0
    assert lowest == 1 - (1 << 23)


def test_a_current_that_wraps_is_refused_by_layer_and_step():
    rng = np.random.default_rng(0)
    nodes = {
        "in": SpikeInput((64,)),
        "w": Synapse(Linear(np.full((2, 64), 254, np.int16)), (64,), (2,), 4),
        "grow": lif((2,), du=-1, vth=131071),
        "more": dense(rng, 2, 2),
        "out": lif((2,), vth=131071, readout=True),
    }
    model = GridNetwork(chain(nodes, SPIKES))
    with pytest.raises(DoesNotFit, match=r"layer 'grow', step 1: the synaptic current reaches"):
        model(torch.ones(1, 12, 64))


def test_a_readout_that_reaches_the_top_is_refused():
    nodes = {
        "in": SpikeInput((1,)),
        "w": Synapse(Linear(np.full((1, 1), 254, np.int16)), (1,), (1,), 6),
        "out": lif((1,), dv=0, vth=131071, readout=True),
    }
    with pytest.raises(DoesNotFit, match="readout 'out' reached its threshold"):
        GridNetwork(chain(nodes, SPIKES))(torch.ones(1, 12, 1))


def test_loops_and_networks_without_a_result_are_refused():
    rng = np.random.default_rng(0)
    nodes = {
        "in": SpikeInput((3,)),
        "w": dense(rng, 3, 3),
        "a": lif((3,)),
        "back": dense(rng, 3, 3, delay=2),
        "w2": dense(rng, 3, 2),
        "out": lif((2,), vth=131071, readout=True),
    }
    edges = (*pairwise(["in", "w", "a", "w2", "out"]), ("a", "back"), ("back", "a"))
    with pytest.raises(Unsupported, match="'a' is part of a loop"):
        GridNetwork(Graph(nodes, edges, SPIKES))
    plain = chain({n: nodes[n] for n in ("in", "w", "a", "w2", "out")}, SPIKES)
    for kind in ("none", "rate"):
        settings = replace(SPIKES, decoder=Decoder(kind))
        with pytest.raises(BadInput, match=f"decoder '{kind}'.* use the decoder last, max or mean"):
            GridNetwork(replace(plain, settings=settings))


def test_after_an_update_the_exported_graph_is_what_the_forward_pass_runs():
    graph = quantized(3, bits=4)
    model = GridNetwork(graph)
    x, encoded = samples(graph, 3)
    before = model.graph()
    learned = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(learned, 0.05)
    for _ in range(3):
        optimizer.zero_grad()
        model(x).square().sum().backward()
        optimizer.step()
        model.keep_in_range()
    after = model.graph()
    assert not same(before, after)
    assert_same_bits(model, x, encoded)
    assert not without_lead_in(after)


@pytest.mark.parametrize("kind", ["box", "lif"])
def test_shadows_pushed_out_of_range_come_back_to_registers_with_a_lead_in(kind):
    graph = quantized(2, (kind, kind, kind, "li"), bits=4)
    for pushed in (-50.0, 50.0):
        model = GridNetwork(graph)
        with torch.no_grad():
            for name, p in model.named_parameters():
                p.fill_(pushed if not name.endswith("threshold") else 1.5)
        model.keep_in_range()
        found = model.graph()
        lead_in(found)  # raises where a bias leaves no start
        biases = [node.bias_mant for _, node in found.of(CubaLIF)]
        assert all(np.all((b > 0) == (pushed > 0)) and np.all(b != 0) for b in biases)
        assert all(np.all((s.op.weights > 0) == (pushed > 0)) for _, s in found.of(Synapse))


def test_fewer_bits_scale_weights_threshold_bias_and_start_of_a_population_together():
    """Weights of +-60 round without a loss where they become +-128, at half the exponent's step."""
    weight = np.array([[60, -60, 0, 60]], np.int16)
    nodes = {
        "in": SpikeInput((4,)),
        "w": Synapse(Linear(weight), (4,), (1,), 3),
        "a": lif((1,), vth=1000, mant=512, exp=2, v=-64),
        "w2": Synapse(Linear(np.array([[128]], np.int16)), (1,), (1,), 0),
        "out": lif((1,), vth=131071, readout=True, scale=0.5),
    }
    found, exact = coarser(chain(nodes, SPIKES), 2)
    assert found.nodes["w"].op.weight.tolist() == [[128, -128, 0, 128]]
    factor = exact["w"][0, 0] / 60
    assert factor == pytest.approx(128 / 60, rel=0.03)
    down = 3 - found.nodes["w"].weight_exp
    assert down == 2  # the factor is between 2 and 4
    share = factor / 4
    assert found.nodes["a"].vth == round(1000 * share)
    assert found.nodes["a"].bias_mant == round(512 * share)
    assert found.nodes["a"].v_init == round(-64 * share)
    assert found.nodes["w2"].op.weight.tolist() == [[128]]
    out = found.nodes["out"]
    assert out.vth == 131071
    potential = found.nodes["w2"].op.weight * 2.0 ** found.nodes["w2"].weight_exp * out.scale
    assert potential == pytest.approx(128 * 0.5, rel=0.05)


@pytest.mark.parametrize("by", ["population", "channel", "neuron"])
def test_thresholds_stay_as_many_as_they_were_given(by):
    """A core has room for few different thresholds, so training may not multiply them."""
    rng = np.random.default_rng(0)
    vth = {
        "population": 70,
        "channel": np.array([[[70, 70]], [[90, 90]]]),
        "neuron": np.array([[[70, 71]], [[90, 90]]]),
    }[by]
    nodes = {
        "in": SpikeInput((4,)),
        "w": dense(rng, 4, 4, 1),
        "a": lif((2, 1, 2), vth=vth),
        "w2": dense(rng, 4, 1),
        "out": lif((1,), vth=131071, readout=True),
    }
    graph = chain(nodes, SPIKES)
    model = GridNetwork(graph)
    different = {"population": 1, "channel": 2, "neuron": 4}[by]
    assert model.named()["a"].threshold.numel() == different
    assert np.array_equal(model.graph().nodes["a"].vth, vth)
    x, encoded = samples(graph, 0)
    assert_same_bits(model, x, encoded)
    model(x).sum().backward()
    assert model.named()["a"].threshold.grad.numel() == different


def test_shadows_start_at_what_was_rounded_and_round_to_the_grid():
    graph, exact = coarser(quantized(4), 2)
    model = GridNetwork(graph, exact)
    for name, node in graph.of(Synapse):
        assert set(np.unique(node.op.weights)) <= {-128, 0, 128}
        part = model.named()[name]
        shadow = np.clip(exact[name], -128, 128) / 256
        assert part.weight.detach().numpy() == pytest.approx(shadow, abs=1e-6)
        assert np.array_equal(part.integers().op.weights, node.op.weights)


def test_an_exponent_below_the_chips_is_refused():
    graph = quantized(4)
    low = {n: replace(s, weight_exp=-8) for n, s in graph.of(Synapse)}
    with pytest.raises(DoesNotFit, match="its exponent would be -9, but the smallest is -8"):
        coarser(graph.with_nodes(**low), 2)


def test_input_spikes_are_drawn_anew_in_training_and_the_same_in_eval_mode():
    graph = quantized(0)
    model = GridNetwork(graph)
    x, _ = samples(graph, 0)
    first, second = (model.train().traces(x)["input"][0] for _ in range(2))
    assert not torch.equal(first, second)
    first, second = (model.eval().traces(x)["input"][0] for _ in range(2))
    assert torch.equal(first, second)
    part = model.traces(x[1:], 1)["input"][0]
    assert torch.equal(part, first[:, 1:])


def test_an_input_of_other_steps_is_refused():
    graph = hard_graph(0, 3)
    with pytest.raises(BadInput, match=r"expected \(n, 12, \.\.\.\) spikes"):
        GridNetwork(graph)(torch.zeros(2, 11, 6))


def test_encoded_input_and_samples_are_the_same_spikes():
    """What `samples` compares with is not made by the code under test alone."""
    graph = hard_graph(1, 3)
    x, encoded = samples(graph, 1)
    assert isinstance(encoded, Encoded)
    assert np.array_equal(encoded.values["in"], x.numpy())


@pytest.mark.parametrize("form", FORMS)
def test_sums_arrive_after_the_delays_of_each_target_source_or_weight(form):
    rng = np.random.default_rng(3)
    synapse = late(dense(rng, 7, 5, 1, delay=1), rng, 6, form)
    fired = rng.random((20, 1, 7)) < 0.4
    weight = torch.from_numpy(synapse.op.weight.astype(np.float32)).requires_grad_()
    found = synaptic_sum(synapse, weight, torch.from_numpy(fired.astype(np.float32)))
    np.testing.assert_array_equal(found[:, 0].detach(), arriving(synapse, fired[:, 0]))
    found.sum().backward()
    assert weight.grad is not None
    assert weight.grad.any()
