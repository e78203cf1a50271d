"""What the weights alone allow, worked out by hand, and what a network without leak makes of it."""

import numpy as np
import pytest
from networks import neuron, spikes

from neurocompile.data.inputs import Encoded
from neurocompile.engines import fixed
from neurocompile.engines.floating import run_float
from neurocompile.ir.fixed import CubaLIF, Synapse
from neurocompile.ir.graph import Graph, chain
from neurocompile.ir.neurons import IAF, Integrator
from neurocompile.ir.nodes import Add, Conv, Input, Linear, Reshape
from neurocompile.ir.settings import Encoder, Settings
from neurocompile.ir.verify import verify
from neurocompile.quantize.quantize import quantize
from neurocompile.quantize.ranges import ROOM, bound
from neurocompile.simplify import simplify


def iaf(threshold=4.0, reset="zero", v_reset=0.0):
    return IAF(np.float32(threshold), np.float32(v_reset), reset)


def one_layer(weight, node, *, bias=None, steps=100, encoder=Encoder("spikes")):  # noqa: B008
    weight = np.array(weight, np.float32)
    bias = None if bias is None else np.array(bias, np.float32)
    nodes = {"in": Input((weight.shape[1],)), "fc": Linear(weight, bias), "out": node}
    return chain(nodes, Settings(steps=steps, encoder=encoder))


def current(*layer, **more):
    return bound(one_layer(*layer, **more)).current["out"]


def potential(*layer, **more):
    return bound(one_layer(*layer, **more)).potential["out"]


@pytest.mark.parametrize(
    ("weight", "bias", "largest"),
    [
        ([[3, -1], [2, -4]], None, 4),  # the second neuron from -4 to 2; never 2 + 4
        ([[3, 1], [2, -4]], None, 4),  # the first from 0 to 3 + 1
        ([[3, -6]], [5], 8),  # all that excites, and the bias
        ([[3, -6]], [1], 6),  # a bias in a register leaves the current of synapses as it is
        ([[3, -6]], [-1], 7),
    ],
)
def test_what_arrives_is_all_that_excites_or_all_that_inhibits(weight, bias, largest):
    assert current(weight, iaf(), bias=bias) == largest


def test_a_current_that_keeps_a_part_piles_up_to_what_arrives_by_what_it_loses():
    lif = neuron("lif")  # loses dt tau_syn_inv of its current in a step
    lost = 1e-3 * float(lif.tau_syn_inv)
    assert current([[3, -1]], lif) == pytest.approx(3 / lost)


def test_terms_of_a_sum_add_up_side_by_side():
    weights = {"a": Linear(np.array([[2.0, -3.0]])), "b": Linear(np.array([[1.0, -0.5]]))}
    nodes = {"in": Input((2,)), **weights, "sum": Add(), "out": iaf()}
    edges = [("in", "a"), ("in", "b"), ("a", "sum"), ("b", "sum"), ("sum", "out")]
    found = bound(Graph(nodes, tuple(edges), Settings(encoder=Encoder("spikes"))))
    assert found.current == {"out": 3.5}


def test_currents_at_the_input_lie_between_0_and_the_gain():
    # 3 times 0..2 leads up to 6 in a step; 3 times -2..0 leads down by 6 in each of 100 steps
    assert potential([[3]], iaf(), encoder=Encoder("current", 2.0)) == 4 + 6
    assert potential([[3]], iaf(), encoder=Encoder("current", -2.0)) == 6 * 100


@pytest.mark.parametrize(
    ("weight", "node", "steps", "largest"),
    [
        ([[2, 0]], iaf(), 100, 4 + 2),  # at the threshold, and one step's input on top
        ([[2, -3]], iaf(), 100, 3 * 100),  # inhibited in every step
        ([[2, -3]], iaf(), 1000, 3 * ROOM),  # as far down as costs no precision
        ([[2, -3]], iaf(v_reset=-1.0), 100, 3 * 100 + 1),  # counted from the reset
        ([[2, 0]], iaf(reset="subtract"), 100, 4 + 2),  # a spike takes away all that arrives
        ([[5, 0]], iaf(reset="subtract"), 100, 4 + 5 + 99),  # 1 is left over in every step
        ([[5, 0]], iaf(reset="subtract"), 2000, 5 * ROOM),
        ([[900, -1]], iaf(), 9, 4 + 900),
        ([[2, -3]], Integrator(), 1000, 3 * 1000),  # a readout never saturates
    ],
)
def test_a_neuron_without_leak_has_room_for_its_threshold_and_some_inhibition(
    weight, node, steps, largest
):
    assert potential(weight, node, steps=steps) == largest


def test_inhibition_beyond_the_room_saturates_and_is_counted(ideal):
    # 256 of weight 1 are within 2^22 at 254 * 2^6 each: 24 bits hold 516 of them
    graph = one_layer([[1, -1]], iaf(1.0), steps=600)
    network = verify(quantize(graph, ideal, bound(graph)), "fixed")
    assert network.nodes["fc"].weight_exp == 0
    x = np.zeros((1, 600, 2), np.uint8)
    x[..., 1] = 1
    activity = fixed.run(network, Encoded({"in": x}, 600)).activity["out"]
    assert (2**23 - 1) // (254 * 64) == 516
    assert (activity.saturations, activity.wraps) == (600 - 516, 0)


def small_cnn(seed, reset):
    """Two strided convolutions and two dense layers, as converted from a CNN with ReLUs."""
    rng = np.random.default_rng(seed)

    def weights(*shape):
        return (rng.normal(0.1, 1.2, shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)

    def conv(*shape):
        return Conv(weights(*shape), None, (2, 2), (1, 1), (1, 1), 1)

    nodes = {"in": Input((2, 16, 16)), "conv1": conv(8, 2, 3, 3), "n1": iaf(1.0, reset)}
    nodes |= {"conv2": conv(16, 8, 3, 3), "n2": iaf(1.0, reset), "flat": Reshape((256,))}
    nodes |= {"fc1": Linear(weights(64, 256)), "n3": iaf(1.0, reset)}
    nodes |= {"fc2": Linear(weights(10, 64)), "n4": iaf(1.0, reset)}
    return simplify(chain(nodes, Settings(steps=100, encoder=Encoder("spikes"))))


@pytest.mark.parametrize("reset", ["zero", "subtract"])
@pytest.mark.parametrize("seed", range(2))
def test_without_data_a_network_without_leak_spikes_as_often_as_in_float(seed, reset, ideal):
    graph = small_cnn(seed, reset)
    network = verify(quantize(graph, ideal, bound(graph)), "fixed")
    assert all(synapse.weight_exp >= 0 for _, synapse in network.of(Synapse))
    x = spikes(seed, 16, 100, (2, 16, 16), rate=0.2)
    run, theirs = fixed.run(network, Encoded({"in": x}, 100)), run_float(graph, x, 100).spikes
    for name, _ in network.of(CubaLIF):
        assert run.activity[name].saturations == run.activity[name].wraps == 0
        ours, expected = int(run.recording.spikes[name].sum()), int(theirs[name].sum())
        assert expected > 400
        assert ours == pytest.approx(expected, rel=0.03)


def test_whatever_comes_no_current_wraps(ideal):
    """The input that excites the first layer most, and the one that inhibits it most."""
    graph = small_cnn(0, "zero")
    network = verify(quantize(graph, ideal, bound(graph)), "fixed")
    every = np.ones((1, 100, 2, 16, 16), np.uint8)
    weight = network.nodes["conv1"].op.weight[0].sum(axis=(1, 2)) > 0
    some = every * weight[:, None, None].astype(np.uint8)
    for x in (every, some, every - some):
        run = fixed.run(network, Encoded({"in": x}, 100))
        assert all(done.wraps == 0 for done in run.activity.values())
