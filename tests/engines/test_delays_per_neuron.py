"""A synapse with a delay per neuron: one matrix, counted once, exact on every engine."""

import numpy as np
import pytest
from networks import dense, lif, spikes
from staggered import FORMS
from staggered import late as staggered_synapse

from neurocompile.chip.read import load_chip
from neurocompile.data.inputs import Encoded
from neurocompile.energy.counts import count
from neurocompile.engines import fixed, lava, onnx
from neurocompile.engines.activity import activity_of
from neurocompile.engines.fixed.torch_path import run_torch
from neurocompile.errors import Unsupported
from neurocompile.formats.checkpoint.plain_fixed import fixed_from_plain, fixed_to_plain
from neurocompile.formats.load_onnx import from_onnx
from neurocompile.formats.netx.read import load_net
from neurocompile.formats.netx.write import to_bytes
from neurocompile.formats.onnx.write import to_onnx
from neurocompile.ir.digest import graph_digest
from neurocompile.ir.fixed import CubaLIF, SpikeInput, Synapse
from neurocompile.ir.graph import Graph, chain, same
from neurocompile.ir.nodes import Linear
from neurocompile.ir.reference import run_fixed
from neurocompile.ir.settings import Settings
from neurocompile.ir.verify import verify
from neurocompile.place.placement import place

STEPS = 20
DIGEST = "204004ad5cb1e49890f2b7ca9fa0354bc8a18c5f5333910d86e24a7eb0f7cbf8"


def network(seed, most=6):
    """Spikes -> late neurons -> late neurons, with and without a current, sums shifted."""
    rng = np.random.default_rng(seed)
    n, m, k = (int(each) for each in rng.integers(2, 9, 3))
    shift, delay = int(rng.integers(-2, 2)), int(rng.integers(0, 2))
    nodes = {
        "in": SpikeInput((n,)),
        "s": dense(rng, n, m, shift, delay=delay, late=rng.integers(0, most, m)),
        "a": lif((m,), du=int(rng.choice([900, 4095])), mant=rng.integers(-5, 9, m), exp=2),
        "t": dense(rng, m, k, late=rng.integers(0, 3, k)),
        "b": lif((k,)),
    }
    graph = verify(chain(nodes), "fixed")
    return graph, Encoded({"in": spikes(seed, 2, STEPS, (n,), rate=0.4)}, STEPS)


def test_each_neuron_gets_a_spike_after_its_own_delay_by_hand():
    """One spike in step 1; weights 2, 4 and 6 of 2^6; delays of 1 step and 0, 2 and 1 more."""
    synapse = Synapse(Linear(np.array([[2], [4], [6]])), (1,), (3,), delay=1, late=[0, 2, 1])
    neurons = lif((3,), dv=0, vth=100)
    graph = verify(chain({"in": SpikeInput((1,)), "s": synapse, "a": neurons}), "fixed")
    x = np.zeros((1, 5, 1), np.uint8)
    x[0, 0] = 1
    found = fixed.run(graph, Encoded({"in": x}, 5)).recording.membrane["a"][0]
    assert found.tolist() == [
        [0, 0, 0],
        [128, 0, 0],
        [128, 0, 384],
        [128, 256, 384],
        [128, 256, 384],
    ]


@pytest.mark.parametrize("seed", range(12))
def test_every_path_gives_what_the_reference_gives(seed):
    agree(*network(seed))


def agree(graph, encoded):
    """Every engine but Lava, and the reference, have the same spikes, potentials and counts."""
    names = [name for name, _ in graph.of(CubaLIF)]
    ours, by_torch = fixed.run(graph, encoded), run_torch(graph, encoded)
    ran = onnx.run(graph, encoded)
    for sample in range(2):
        fired, potentials = run_fixed(graph, {"in": encoded.values["in"][sample]}, STEPS)
        for name in names:
            for found in (ours.recording, by_torch.recording, ran):
                np.testing.assert_array_equal(found.membrane[name][sample], potentials[name])
                np.testing.assert_array_equal(found.spikes[name][sample], fired[name])
    counted = activity_of(graph, encoded, ours.recording)
    for name in names:
        updated = {run.activity[name].updated for run in (ours, by_torch)}
        assert updated == {counted[name].updated}


def test_lava_gives_the_same_bits():
    """Of a loop, with such delays on the way there and back."""
    graph, encoded = loop(4)
    ours, theirs = fixed.run(graph, encoded).recording, lava.run(graph, encoded)
    for name in ("a", "b"):
        np.testing.assert_array_equal(theirs.membrane[name], ours.membrane[name])
        np.testing.assert_array_equal(theirs.spikes[name], ours.spikes[name])
    assert ours.spikes["b"].any()


def test_it_comes_back_from_every_file(tmp_path):
    graph, _ = network(1)
    assert same(from_onnx(to_onnx(graph)), graph)
    assert same(fixed_from_plain(fixed_to_plain(graph), graph.settings), graph)
    rng = np.random.default_rng(0)
    nodes = {
        "in": SpikeInput((3,)),
        "s": dense(rng, 3, 4, delay=1, late=[0, 5, 2, 0]),
        "a": lif((4,)),
    }
    held = verify(chain(nodes), "fixed")
    (tmp_path / "a.net").write_bytes(to_bytes(held))
    assert same(load_net(tmp_path / "a.net"), held)


def test_a_network_without_such_delays_keeps_its_bytes_and_digest():
    """The SHA-256 of this network before synapses could have a delay per neuron."""
    nodes = {"in": SpikeInput((1,)), "s": Synapse(Linear(np.array([[2]])), (1,), (1,))}
    graph = chain({**nodes, "a": lif((1,))}, Settings(dt=1e-3, steps=100))
    assert graph_digest(graph) == DIGEST
    described = {entry.key: entry.value for entry in to_onnx(graph).metadata_props}
    assert "late" not in described["neurocompile.graph"]


@pytest.mark.parametrize("form", FORMS)
def test_it_is_counted_and_placed_as_one_matrix(form):
    rng = np.random.default_rng(2)
    nodes = {"in": SpikeInput((50,)), "s": dense(rng, 50, 20), "a": lif((20,))}
    plain = verify(chain(nodes), "fixed")
    late = plain.with_nodes(s=staggered_synapse(plain.nodes["s"], rng, 7, form))
    x = spikes(5, 2, STEPS, (50,))
    sums = []
    for graph in (plain, late):
        placed = place(graph, load_chip("loihi-sim"))
        counts = count(placed, fixed.run(graph, Encoded({"in": x}, STEPS)).activity, 2, STEPS)
        (row,) = counts.synapses.values()
        sums.append((row.synapses, row.synops))
    assert sums == [(1000, int(x.sum()) * 20)] * 2


@pytest.mark.parametrize("late", [np.arange(64) % 5, [[4]], (np.arange(64) % 5)[:, None]])
def test_its_longest_wait_takes_a_field_beside_every_weight(late):
    """64 weights of 8 bits and 3 bits for up to 4 steps: 64 x 11 + 10 bits, 12 words of 64.

    Spikes come up to 5 steps later, and the step that a synapse takes is one of these.
    """
    op = Linear(np.full((64, 1), 2, np.int16))
    synapse = Synapse(op, (1,), (64,), delay=1, late=late)
    graph = chain({"in": SpikeInput((1,)), "s": synapse, "out": lif((64,))})
    (core,) = place(graph, load_chip("loihi-sim")).cores
    assert synapse.longest_delay == 5
    assert core.use["synapse_memory"] == 12 * 64


def loop(seed):
    """Neurons that feed back to themselves, or over other neurons, each after its own delay."""
    rng = np.random.default_rng(seed)
    n, m, k = (int(each) for each in rng.integers(2, 9, 3))
    shift = int(rng.integers(-2, 2))
    nodes = {
        "in": SpikeInput((n,)),
        "s": dense(rng, n, m),
        "a": lif((m,), du=int(rng.choice([900, 4095])), mant=rng.integers(-5, 9, m), exp=2),
    }
    edges = [("in", "s"), ("s", "a"), ("back", "a")]
    if seed % 2:
        nodes["back"] = dense(rng, m, m, shift, delay=1, late=rng.integers(0, 4, m))
        edges.append(("a", "back"))
    else:
        nodes["t"] = dense(rng, m, k, late=rng.integers(0, 4, k))
        nodes["b"] = lif((k,))
        nodes["back"] = dense(rng, k, m, shift, delay=2, late=rng.integers(0, 2, m))
        edges += [("a", "t"), ("t", "b"), ("b", "back")]
    graph = verify(Graph(nodes, tuple(edges)), "fixed")
    return graph, Encoded({"in": spikes(seed, 2, STEPS, (n,), rate=0.4)}, STEPS)


def test_each_neuron_feeds_back_after_its_own_delay_by_hand():
    """A spike in step 1 makes both neurons spike; they spike again 1 and 3 steps later, for ever.

    Each weight of 4 x 2^6 is above the threshold of 3 x 2^6, and a reset leaves nothing.
    """
    own = Synapse(Linear(np.array([[4, 0], [0, 4]])), (2,), (2,), delay=1, late=[0, 2])
    nodes = {
        "in": SpikeInput((1,)),
        "s": Synapse(Linear(np.array([[4], [4]])), (1,), (2,)),
        "a": lif((2,), dv=0, vth=3),
        "back": own,
    }
    edges = (("in", "s"), ("s", "a"), ("a", "back"), ("back", "a"))
    graph = verify(Graph(nodes, edges), "fixed")
    x = np.zeros((1, 8, 1), np.uint8)
    x[0, 0] = 1
    found = fixed.run(graph, Encoded({"in": x}, 8)).recording.spikes["a"][0]
    assert found.T.tolist() == [[1] * 8, [1, 0, 0, 1, 0, 0, 1, 0]]


@pytest.mark.parametrize("seed", range(12))
def test_in_a_loop_every_path_gives_what_the_reference_gives(seed):
    agree(*loop(seed))


def test_a_loop_is_placed_and_comes_back_from_files_but_not_from_a_net_file():
    graph, _ = loop(4)
    assert same(from_onnx(to_onnx(graph)), graph)
    assert same(fixed_from_plain(fixed_to_plain(graph), graph.settings), graph)
    assert place(graph, load_chip("loihi-sim")).fits
    rng = np.random.default_rng(0)
    nodes = {"in": SpikeInput((2,)), "s": dense(rng, 2, 2), "a": lif((2,))}
    edges = (("in", "s"), ("s", "a"), ("a", "back"), ("back", "a"))

    def back(late):
        own = {"back": dense(rng, 2, 2, delay=1, late=late)}
        return verify(Graph({**nodes, **own}, edges), "fixed")

    with pytest.raises(Unsupported, match="layer 'a': its spikes lead back to it, and netx has"):
        to_bytes(back([0, 1]))
    to_bytes(back([0, 0]))
