"""The runs in exact arithmetic are the float network, and with the chip's arithmetic the chip."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from looped_networks import looped_network
from networks import float_network, neuron
from networks import spikes as random_spikes

from neurocompile.commands.compare.compare import compare
from neurocompile.data.inputs import Encoded, encode, float_input
from neurocompile.data.samples import Data
from neurocompile.data.stimulus import Stimulus
from neurocompile.engines import batches, fixed
from neurocompile.engines.floating import run_float
from neurocompile.errors import BadInput
from neurocompile.ir.fixed import Synapse
from neurocompile.ir.graph import Graph, chain
from neurocompile.ir.linear import connections
from neurocompile.ir.nodes import Add, Delay, Input, Linear
from neurocompile.ir.settings import Encoder, Settings
from neurocompile.quantize.quantize import quantize
from neurocompile.quantize.ranges import observe
from neurocompile.report.parting.rerun import Given, alone, given, rerun
from neurocompile.report.parting.rounding import CLASSES, incomings, rounded
from neurocompile.simplify import simplify

STEPS = 12
ERRORS = ("mse", "ratio", "difference_rms")


def driven_by_current():
    """Values through a host's synapse into bias registers."""
    rng = np.random.default_rng(0)
    nodes = {
        "input": Input((6,)),
        "host": Linear(rng.normal(size=(5, 6)), rng.normal(size=5) * 0.1),
        "first": neuron("box", v_th=0.1),
        "linear": Linear(rng.normal(size=(4, 5))),
        "out": neuron("subtract", v_th=0.2, v_reset=-0.1),
    }
    return chain(nodes, Settings(steps=STEPS, encoder=Encoder("current", 0.7)))


def with_delays():
    """Values that wait before a matrix, after one, and in a loop."""
    rng = np.random.default_rng(0)
    nodes = {
        "input": Input((6,)),
        "early": Delay(0, rng.integers(0, 4, 6)),
        "first": Linear(rng.normal(size=(5, 6))),
        "a": neuron("box", v_th=0.1),
        "second": Linear(rng.normal(size=(4, 5))),
        "after": Delay(0, rng.integers(0, 4, 4)),
        "back": Linear(rng.normal(size=(4, 4)) * 0.3),
        "sum": Add(),
        "b": neuron("lif", v_th=0.1),
        "loop": Delay(1, rng.integers(0, 3, 4)),
    }
    edges = [*pairwise(("input", "early", "first", "a", "second", "after", "sum", "b", "loop"))]
    edges += [("loop", "back"), ("back", "sum")]
    return Graph(nodes, tuple(edges), Settings(steps=STEPS, encoder=Encoder("spikes")))


NETWORKS = {
    "delays": lambda: (with_delays(), (6,)),
    "box": lambda: (float_network(1, kinds=("box", "subtract", "box", "libox")), (2, 8, 8)),
    "lif": lambda: (float_network(2, kinds=("lif", "lif", "lif", "li")), (2, 8, 8)),
    "loops": lambda: (looped_network(3, slow=True), (6,)),
    "currents": lambda: (driven_by_current(), (6,)),
}


@pytest.fixture(params=NETWORKS)
def made(request, ideal):
    """FLOAT graph, FIXED graph and data of a network that rounds everything."""
    graph, shape = NETWORKS[request.param]()
    simple = simplify(graph)
    if request.param == "currents":
        values = np.random.default_rng(1).random((7, *shape), dtype=np.float32)
        data = Data("random", "x", values, None)
        seen = float_input(simple, data, 0, 7, STEPS, 0)
    else:
        seen = random_spikes(1, 7, STEPS, shape)
        data = Data("random", "spikes", seen.astype(np.float32), None)
    return simple, quantize(simple, ideal, observe(simple, seen, STEPS)), data


def entering(made):
    _, chip, data = made
    return given(chip, data.values, encode(chip, data, 0, len(data), STEPS, 0))


def test_with_nothing_rounded_the_rerun_is_the_float_network(made):
    simple, chip, data = made
    incoming = incomings(chip, simple)
    seen = float_input(simple, data, 0, len(data), STEPS, 0)
    ideal = run_float(simple, seen, STEPS, membranes=tuple(incoming))
    found = rerun(chip, rounded(chip, incoming, ()), entering(made), incoming)
    for name, spikes in ideal.spikes.items():
        assert spikes.any(), name
        np.testing.assert_array_equal(found.spikes[name], spikes, err_msg=name)
    for name, membrane in ideal.membrane.items():
        np.testing.assert_allclose(found.membrane[name], membrane, atol=1e-9, err_msg=name)


def test_with_everything_rounded_and_the_chips_arithmetic_each_layer_is_the_fixed_engine(made):
    simple, chip, _ = made
    incoming = incomings(chip, simple)
    enters = entering(made)
    engine = fixed.run(chip, enters.encoded).recording.spikes
    spiking = {n: engine[n] for n, one in incoming.items() if one.neuron.spiking}
    found = alone(chip, rounded(chip, incoming, CLASSES), enters, spiking)
    assert any(spikes.any() for spikes in spiking.values())
    for name, spikes in spiking.items():
        np.testing.assert_array_equal(found[name], spikes, err_msg=name)


def replaced(simple, chip, incoming, which):
    """The FLOAT graph with the chip's weights or thresholds, as float numbers."""
    nodes = dict(simple.nodes)
    for name, one in incoming.items():
        scale = chip.nodes[name].scale
        if which == "threshold" and one.neuron.spiking:
            chips = 64 * chip.nodes[name].vth * scale + chip.nodes[name].offset
            nodes[name] = replace(nodes[name], v_th=chips)
        if which == "weight":
            for link in (arrival.link for arrival in one.arrivals):
                synapse = chip.nodes[link]
                unit = 2.0 ** (synapse.weight_exp + 6) * scale / one.gain
                nodes[link] = nodes[link].with_weights(synapse.op.weights * unit)
    return Graph(nodes, simple.edges, simple.settings)


@pytest.mark.parametrize("which", ["weight", "threshold"])
def test_a_class_rounded_is_the_float_network_with_the_chips_numbers_put_into_it(made, which):
    simple, chip, data = made
    incoming = incomings(chip, simple)
    seen = float_input(simple, data, 0, len(data), STEPS, 0)
    changed = replaced(simple, chip, incoming, which)
    expected = run_float(changed, seen, STEPS, membranes=tuple(incoming))
    found = rerun(chip, rounded(chip, incoming, (which,)), entering(made), incoming)
    for name, spikes in expected.spikes.items():
        np.testing.assert_array_equal(found.spikes[name], spikes, err_msg=name)
    for name, membrane in expected.membrane.items():
        np.testing.assert_allclose(found.membrane[name], membrane, atol=1e-9, err_msg=name)


def test_each_class_rounds_its_own_numbers_and_leaves_the_others(made):
    simple, chip, _ = made
    incoming = incomings(chip, simple)
    exact = rounded(chip, incoming, ())
    for which in CLASSES:
        for name, layer in rounded(chip, incoming, (which,)).items():
            old, new, node = exact[name].constants, layer.constants, layer.node
            assert np.array_equal(new.keep_v, (4096 - node.dv) if which == "decay" else old.keep_v)
            assert np.array_equal(new.bias, node.bias if which == "bias" else old.bias)
            if incoming[name].neuron.spiking:
                chips = 64 * node.vth if which == "threshold" else old.threshold
                assert np.array_equal(new.threshold, chips)
            synapses = [s for s in chip.before(name) if isinstance(chip.nodes[s], Synapse)]
            for link, synapse in zip(layer.synapses, synapses, strict=True):
                own = "bias" if link.source.endswith("_axon") else "weight"
                assert (link.op is chip.nodes[synapse].op) == (which == own)


def test_the_first_difference_is_where_the_recordings_first_differ(made):
    simple, chip, data = made
    found = compare(simple, chip, Stimulus(data, STEPS))
    ideal = run_float(simple, float_input(simple, data, 0, len(data), STEPS, 0), STEPS).spikes
    ours = fixed.run(chip, entering(made).encoded).recording.spikes
    places = [
        (int(step), number, int(sample))
        for number, name in enumerate(row["name"] for row in found["layers"])
        if name in ideal
        for sample, step, *_ in np.argwhere(ideal[name] != ours[name])
    ]
    if not places:
        assert found["first"] is None
        return
    step, number, sample = min(places)
    first = found["first"]
    assert (first["step"], first["sample"]) == (step + 1, sample)
    assert first["layer"] == found["layers"][number]["name"]
    parted = {sample for _, _, sample in places}
    (row,) = (run for run in found["runs"] if run["run"] == "fixed")
    assert row["samples_parted"] == len(parted)
    equal = sum(int((ideal[n] == ours[n]).sum()) for n in ideal)
    assert found["agreement"] == equal / sum(spikes.size for spikes in ideal.values())
    assert found["float64_ties"] == 0


def test_samples_in_pieces_give_the_same_figures(made, monkeypatch):
    simple, chip, data = made
    whole = compare(simple, chip, Stimulus(data, STEPS))
    monkeypatch.setattr(batches, "BATCH", 2)
    pieces = compare(simple, chip, Stimulus(data, STEPS))
    assert pieces["first"] == whole["first"]
    for one, other in zip(pieces["runs"], whole["runs"], strict=True):
        assert one == {**other, **{k: pytest.approx(other[k]) for k in ERRORS}}
    for one, other in zip(pieces["layers"], whole["layers"], strict=True):
        assert {**one, "membrane": 0} == {**other, "membrane": 0}
        assert one["membrane"]["before"] == pytest.approx(other["membrane"]["before"])
        assert one["membrane"]["all"] == pytest.approx(other["membrane"]["all"])


def test_unreachable_neurons_are_those_without_a_source_that_ever_spiked(made):
    simple, chip, data = made
    found = compare(simple, chip, Stimulus(data, STEPS))
    enters = entering(made)
    spikes = fixed.run(chip, enters.encoded).recording.spikes
    for row in found["layers"]:
        before = chip.before(row["name"])
        if row["fixed"] is None or any(link in enters.currents for link in before):
            continue
        reach = np.zeros(row["neurons"])
        for synapse in before:
            (source,) = chip.before(synapse)
            if source in spikes:
                seen = spikes[source].any(axis=(0, 1)).ravel()
                reach = reach + (connections(chip.nodes[synapse]) != 0) @ seen.astype(int)
        assert row["fixed"]["unreachable"] == int((reach == 0).sum())
        silent = ~spikes[row["name"]].any(axis=(0, 1)).ravel()
        assert row["fixed"]["silent"] == int(silent.sum())
        assert row["fixed"]["dead"] == int((silent & (reach > 0)).sum())


def test_a_bursting_neuron_is_one_as_in_the_training_metrics():
    from neurocompile.commands.compare import departures
    from neurocompile.nn.activity import BURSTING_RATE

    assert departures.BURSTING_RATE == BURSTING_RATE


def test_graphs_that_do_not_belong_together_are_refused(made):
    simple, chip, data = made
    renamed = Graph(
        {f"{n}x": node for n, node in simple.nodes.items()},
        [(f"{a}x", f"{b}x") for a, b in simple.edges],
        simple.settings,
    )
    with pytest.raises(BadInput, match="do not belong together: layer"):
        compare(renamed, chip, Stimulus(data, STEPS))


def test_given_holds_the_integers_that_the_engine_takes(made):
    enters = entering(made)
    assert isinstance(enters, Given)
    assert isinstance(enters.encoded, Encoded)
    for name, written in enters.currents.items():
        (target,) = made[1].after(name)
        mantissas = enters.encoded.values[name] - made[1].nodes[target].bias_mant
        np.testing.assert_array_equal(np.rint(written), mantissas)
