"""Several synapses into a population, delays and loops: in integers, and in chip time."""

from dataclasses import replace

import numpy as np
import pytest
from looped_networks import looped_network
from networks import neuron, spikes

from neurocompile.engines.floating import run_float
from neurocompile.errors import DoesNotFit, Unsupported
from neurocompile.ir import reference
from neurocompile.ir.fixed import AlwaysOn, BiasInput, CubaLIF, SpikeInput, Synapse
from neurocompile.ir.graph import Graph
from neurocompile.ir.linear import connections
from neurocompile.ir.nodes import Add, Delay, Input, Linear, size
from neurocompile.ir.ops import NumpyOps
from neurocompile.ir.settings import Encoder, Settings
from neurocompile.ir.time import depths
from neurocompile.ir.verify import verify
from neurocompile.quantize.quantize import quantize
from neurocompile.quantize.ranges import bound, observe
from neurocompile.simplify import simplify

STEPS = 40


def in_network_time(graph, inputs):
    """Spikes and potentials of a FIXED graph, in the network's own time: no depths, no lead-in."""
    maps = {n: connections(s) for n, s in graph.of(Synapse)}
    states = {
        n: (np.zeros(p.shape, dtype=np.int64), np.broadcast_to(p.v_init, p.shape).astype(np.int64))
        for n, p in graph.of(CubaLIF)
    }
    fired = {n: [] for n, _ in graph.of(SpikeInput, AlwaysOn, CubaLIF)}
    potentials = {n: [] for n in states}
    for t in range(STEPS):
        for name, node in graph.nodes.items():
            if isinstance(node, SpikeInput):
                fired[name].append(inputs[name][t].astype(np.int64))
            elif isinstance(node, AlwaysOn):
                fired[name].append(np.ones(1, dtype=np.int64))
            elif isinstance(node, CubaLIF):
                a = np.zeros(size(node.shape), dtype=np.int64)
                p = node.constants()
                for before in graph.before(name):
                    synapse = graph.nodes[before]
                    if isinstance(synapse, BiasInput):
                        p = p._replace(bias=inputs[before].astype(np.int64) << node.bias_exp)
                        continue
                    past = t - synapse.delay
                    if past >= 0:
                        total = maps[before] @ fired[graph.before(before)[0]][past].ravel()
                        e = synapse.weight_exp
                        a += total << e if e >= 0 else total >> -e
                done = node.step(NumpyOps(), states[name], a.reshape(node.shape), p)
                states[name] = done.state
                fired[name].append(done.out.astype(np.int64))
                potentials[name].append(done.state[1])
    return fired, potentials


def expect_the_same_in_chip_time(network, inputs):
    """Gives the number of spikes of neurons."""
    ours, potentials = in_network_time(network, inputs)
    chip, chip_potentials = reference.run_fixed(network, inputs, STEPS)
    for name in potentials:
        np.testing.assert_array_equal(np.stack(ours[name]), chip[name], name)
        np.testing.assert_array_equal(np.stack(potentials[name]), chip_potentials[name], name)
    return sum(int(chip[name].sum()) for name in potentials)


def compiled(graph, chip, x):
    simple = simplify(verify(graph, "float"))
    return verify(quantize(simple, chip, observe(simple, x, STEPS)), "fixed")


def test_random_looped_networks_are_the_same_in_chip_time_and_in_their_own(ideal):
    fits, fired, skips, starts, delayed = 0, 0, 0, 0, 0
    for seed in range(40):
        x = spikes(seed, 1, STEPS, (6,))
        try:
            network = compiled(looped_network(seed, slow=True, steps=STEPS), ideal, x)
            fired += expect_the_same_in_chip_time(network, {"input": x[0]})
        except DoesNotFit:  # some lead-ins have no start, or spike
            continue
        fits += 1
        depth = depths(network)
        ends = [(n, network.before(n)[0], network.after(n)[0]) for n, _ in network.of(Synapse)]
        skips += sum(depth[b] > depth[a] + 1 - network.nodes[n].delay for n, a, b in ends)
        delayed += sum(network.nodes[n].delay > 0 for n, _, _ in ends)
        starts += any(np.any(node.v_init != 0) for _, node in network.of(CubaLIF))
    assert fits > 20
    assert fired > 2000
    assert min(skips, delayed) > 20
    assert starts > 10


@pytest.mark.parametrize("kind", ["box", "lif"])
def test_a_recurrent_layer_follows_the_float_one(kind, loihi):
    network, graph, x = recurrent(kind, loihi)
    assert network.nodes["back"].delay == 1
    ideal = run_float(graph, x, STEPS).spikes["n"]
    for sample in range(len(x)):
        expect_the_same_in_chip_time(network, {"input": x[sample]})
    ours = np.stack([reference.run_fixed(network, {"input": s}, STEPS)[0]["n"] for s in x])
    assert ideal.mean() > 0.05
    assert ours.mean() == pytest.approx(ideal.mean(), rel=0.1)


def recurrent(kind, chip):
    rng = np.random.default_rng(4)
    nodes = {
        "input": Input((6,)),
        "in": Linear(rng.normal(size=(8, 6)).astype(np.float32)),
        "back": Linear(0.3 * rng.normal(size=(8, 8)).astype(np.float32)),
        "sum": Add(),
        "n": neuron(kind, v_leak=0.05, v_reset=-0.05),
        "late": Delay(1),
    }
    edges = [("input", "in"), ("in", "sum"), ("back", "sum"), ("sum", "n"), ("n", "late")]
    graph = Graph(nodes, (*edges, ("late", "back")), Settings(steps=STEPS))
    x = spikes(3, 4, STEPS, (6,))
    return compiled(graph, chip, x), graph, x


def test_synapses_into_a_population_share_the_scale_of_the_largest_weight(loihi):
    nodes = {
        "input": Input((1,)),
        "l": Linear(np.array([[1.0]])),
        "a": neuron("box"),
        "small": Linear(np.array([[0.5]])),
        "large": Linear(np.array([[-2.0]])),
        "sum": Add(),
        "b": neuron("box", v_th=3.0),
    }
    edges = [("input", "l"), ("l", "a"), ("a", "small"), ("input", "large")]
    edges += [("small", "sum"), ("large", "sum"), ("sum", "b")]
    network = compiled(Graph(nodes, tuple(edges)), loihi, spikes(0, 1, STEPS, (1,)))
    # -2 takes -256, so 0.5 takes 64
    assert network.nodes["large"].op.weight.tolist() == [[-256]]
    assert network.nodes["small"].op.weight.tolist() == [[64]]
    assert network.nodes["small"].weight_exp == network.nodes["large"].weight_exp
    assert (depths(network)["a"], depths(network)["b"]) == (1, 2)


def test_biases_of_all_branches_are_added_once(loihi):
    nodes = {
        "input": Input((1,)),
        "l": Linear(np.array([[1.0]]), np.array([0.25])),
        "a": neuron("box"),
        "one": Linear(np.array([[1.0]]), np.array([0.5])),
        "two": Linear(np.array([[1.0]]), np.array([0.125])),
        "sum": Add(),
        "b": neuron("box", v_th=3.0),
    }
    edges = [("input", "l"), ("l", "a"), ("a", "one"), ("input", "two")]
    edges += [("one", "sum"), ("two", "sum"), ("sum", "b")]
    network = compiled(Graph(nodes, tuple(edges)), loihi, spikes(0, 1, STEPS, (1,)))
    b = network.nodes["b"]
    assert float(b.bias[0]) * float(b.scale) == pytest.approx(0.2 * 0.625, rel=1e-3)


def loop_of_two(steps, kind="box"):
    """Two layers that feed each other, with that many steps of delay in all."""
    eye = np.eye(2, dtype=np.float32)
    nodes = {
        "input": Input((2,)),
        "in": Linear(eye),
        "back": Linear(eye),
        "sum": Add(),
        "a": neuron(kind),
        "on": Linear(eye),
        "b": neuron(kind),
        "late": Delay(steps),
    }
    edges = [("input", "in"), ("in", "sum"), ("back", "sum"), ("sum", "a"), ("a", "on")]
    edges += [("on", "b"), ("b", "late"), ("late", "back")]
    return Graph(nodes, tuple(edges), Settings(steps=STEPS))


def test_two_layers_in_a_loop_with_one_step_of_delay_are_refused_with_what_to_do(loihi):
    x = spikes(0, 1, STEPS, (2,))
    with pytest.raises(Unsupported, match=r"closes a loop that has more synapses.*as many steps"):
        compiled(loop_of_two(1), loihi, x)
    network = compiled(loop_of_two(2), loihi, x)
    assert network.outputs() == ("b",)
    assert expect_the_same_in_chip_time(network, {"input": x[0]}) > 0


def test_a_delay_longer_than_an_axon_holds_is_refused_by_layer(loihi):
    with pytest.raises(DoesNotFit, match=r"layer 'a': spikes of 'b' are delayed by 63 steps.* 62"):
        compiled(loop_of_two(63), loihi, spikes(0, 1, STEPS, (2,)))


def test_without_data_a_loop_is_bounded_by_its_weights():
    found = bound(simplify(loop_of_two(2)))
    assert found.current == {"a": 2.0, "b": 1.0}  # input and b, each at most one spike


def with_currents(graph):
    return replace(graph, settings=replace(graph.settings, encoder=Encoder("current")))


def test_currents_may_enter_a_layer_that_is_in_a_loop(loihi):
    graph = with_currents(loop_of_two(2))
    x = np.array([[0.4, 1.0]])
    network = compiled(graph, loihi, x)
    entry = network.nodes["input"]
    assert isinstance(entry, BiasInput)
    written = np.rint(x[0] @ entry.host.weight.T * entry.scale) + network.nodes["a"].bias_mant
    assert expect_the_same_in_chip_time(network, {"input": written.astype(np.int64)}) > 0
    ours, _ = reference.run_fixed(network, {"input": written.astype(np.int64)}, STEPS)
    ideal_run = run_float(graph, x, STEPS)
    assert (ours["b"] != ideal_run.spikes["b"][0]).mean() < 0.1


def test_currents_that_enter_two_layers_are_refused_by_name(loihi):
    graph = loop_of_two(2)
    nodes = {**graph.nodes, "also": Linear(np.eye(2)), "c": neuron("box")}
    edges = (*graph.edges, ("input", "also"), ("also", "c"))
    with pytest.raises(Unsupported, match=r"layer 'a': real-valued input 'input' goes to 2 nodes"):
        compiled(with_currents(Graph(nodes, edges, graph.settings)), loihi, np.ones((1, 2)))


def test_a_readout_that_feeds_a_layer_is_refused_by_name(loihi):
    graph = loop_of_two(2, "libox")
    with pytest.raises(Unsupported, match=r"layer 'a': its input is the potential of readout 'b'"):
        compiled(graph, loihi, spikes(0, 1, STEPS, (2,)))
