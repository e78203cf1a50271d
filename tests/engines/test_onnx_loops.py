"""Layers that feed each other run as one loop in the file, and every bit is the chip's.

The integer yardstick is `ir.reference.run_fixed`, which runs in chip time, step by step.
"""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
import random_graphs

from neurocompile.data.inputs import Encoded
from neurocompile.engines import onnx as engine
from neurocompile.formats.onnx.write import to_onnx
from neurocompile.ir.fixed import BiasInput, CubaLIF, SpikeInput, Synapse
from neurocompile.ir.graph import Graph, chain
from neurocompile.ir.linear import sparse_op
from neurocompile.ir.neurons import LIBox, LIFBox
from neurocompile.ir.nodes import Add, Concat, Conv, Delay, Identity, Input, Linear
from neurocompile.ir.order import components
from neurocompile.ir.reference import run_fixed, run_float

DT = Graph({}, ()).settings.dt


def lif(shape, **registers):
    usual = {"du": 4095, "dv": 0, "vth": 90, "bias_mant": 0, "bias_exp": 0, "v_init": 0}
    return CubaLIF(shape, **(usual | registers))


def relay(shape=(1,)):
    """Neurons that fire in each step in which a spike reaches them, and forget all else."""
    return lif(shape, dv=4096, vth=100)


def one_to_one(n=1, delay=0):
    return Synapse(Linear(254 * np.eye(n, dtype=np.int16)), (n,), (n,), delay=delay)


def wired(nodes, *paths):
    """A graph of these nodes, along paths such as "in syn pop"."""
    return Graph(nodes, [edge for path in paths for edge in pairwise(path.split())])


def fired(graph, spikes):
    """Steps in which each population of one neuron fires."""
    values = {"in": np.array(spikes, np.uint8).reshape(1, -1, 1)}
    found = engine.run(graph, Encoded(values, len(spikes))).spikes
    return {name: np.flatnonzero(found[name]).tolist() for name, _ in graph.of(CubaLIF)}


def assert_as_on_the_chip(graph, values, steps):
    """Compare every spike and membrane value; returns how many of each were seen."""
    found = engine.run(graph, Encoded(values, steps))
    seen = Counter()
    for sample in range(len(next(iter(values.values())))):
        spikes, membrane = run_fixed(graph, {n: x[sample] for n, x in values.items()}, steps)
        assert found.membrane.keys() == membrane.keys()
        for name in membrane:
            np.testing.assert_array_equal(found.spikes[name][sample], spikes[name], name)
            np.testing.assert_array_equal(found.membrane[name][sample], membrane[name], name)
            seen.update(spikes=int(spikes[name].sum()), values=membrane[name].size)
    return seen


# --- integers ----------------------------------------------------------------------------------


@pytest.mark.parametrize("delay", [1, 2, 3])
def test_a_population_that_feeds_itself_fires_every_delay_steps(delay):
    nodes = {"in": SpikeInput((1,)), "syn": one_to_one(), "pop": relay()}
    graph = wired(nodes | {"back": one_to_one(delay=delay)}, "in syn pop back pop")
    assert fired(graph, [0, 1] + [0] * 8)["pop"] == list(range(1, 10, delay))


@pytest.mark.parametrize(
    ("there", "back", "b"),
    [
        (0, 2, [0, 2, 4]),  # in the same step as a
        (1, 1, [1, 3, 5]),  # halfway
    ],
)
def test_two_populations_pass_a_spike_back_and_forth(there, back, b):
    nodes = {"in": SpikeInput((1,)), "syn": one_to_one(), "a": relay()}
    nodes |= {"there": one_to_one(delay=there), "b": relay(), "back": one_to_one(delay=back)}
    graph = wired(nodes, "in syn a there b back a")
    assert fired(graph, [1, 0, 0, 0, 0, 0]) == {"a": [0, 2, 4], "b": b}


def test_what_stands_before_and_behind_a_loop_stays_outside_it():
    graph = wired(
        {
            "in": SpikeInput((1,)),
            "s1": one_to_one(),
            "before": relay(),
            "s2": one_to_one(),
            "pop": relay(),
            "back": one_to_one(delay=2),
            "s3": one_to_one(),
            "behind": relay(),
        },
        "in s1 before s2 pop back pop s3 behind",
    )
    assert components(graph)[4] == (("pop", "back"), True)
    outside = {node.name for node in to_onnx(graph).graph.node}
    assert {"s1", "before", "s2", "s3", "behind", "pop/loop"} <= outside
    assert not {"pop", "back"} & outside
    assert fired(graph, [1, 0, 0, 0]) == {"before": [0], "pop": [0, 2], "behind": [0, 2]}


def test_a_loop_may_be_fed_by_what_stands_behind_its_first_layer():
    # 'late' feeds 'b', but stands behind 'a', which is in the loop with 'b'
    nodes = {"in": SpikeInput((1,)), "syn": one_to_one(), "a": relay()}
    nodes |= {"s": one_to_one(), "late": relay(), "into": one_to_one(delay=1)}
    nodes |= {"there": one_to_one(), "b": relay(), "back": one_to_one(delay=3)}
    graph = wired(nodes, "in syn a there b back a", "in s late into b")
    assert fired(graph, [1, 0, 0, 0, 0]) == {"a": [0, 3, 4], "late": [0], "b": [0, 1, 3, 4]}


def test_a_loop_that_nothing_feeds_runs_on_its_biases():
    # v = 64 a step, so that 64 > 0 fires in each; what comes back inhibits the step after next
    nodes = {"in": SpikeInput((1,)), "s": one_to_one(), "other": relay()}
    nodes["pop"] = lif((1,), dv=4096, vth=0, bias_mant=64)
    inhibit = Synapse(Linear(np.array([[-2]])), (1,), (1,), delay=2)
    graph = wired(nodes | {"back": inhibit}, "in s other", "pop back pop")
    assert fired(graph, [0] * 8) == {"other": [], "pop": [0, 1, 4, 5]}
    for count in (1, 3):
        values = {"in": np.ones((count, 6, 1), np.uint8)}
        assert_as_on_the_chip(graph, values, 6)


def weights(rng, *shape):
    return rng.integers(-40, 50, shape) * 2


def recurrent_op(kind, rng):
    """A map from (2, 4) to itself."""
    if kind == "conv":
        return Conv(weights(rng, 2, 2, 3), None, (1,), (1,), (1,), 1), (2, 4)
    dense = weights(rng, 8, 8)
    if kind == "dense":
        return Linear(dense), (8,)
    return sparse_op(dense * (rng.random((8, 8)) < 0.4), (8,), (8,), None), (8,)


@pytest.mark.parametrize("kind", ["dense", "sparse", "conv"])
@pytest.mark.parametrize("delay", [1, 2, 3])
@pytest.mark.parametrize("reset", ["zero", "subtract"])
def test_a_self_loop_of_each_kind_runs_bit_for_bit(kind, delay, reset):
    rng = np.random.default_rng(delay)
    op, shape = recurrent_op(kind, rng)
    pop = lif(
        (2, 4),
        du=rng.integers(0, 3000, (2, 4)),  # synaptic current, for each neuron its own
        dv=rng.integers(50, 900, (2, 4)),
        vth=rng.integers(60, 200, (2, 4)),
        bias_mant=rng.integers(-20, 60, (2, 4)),
        bias_exp=rng.integers(0, 4, (2, 4)),
        v_init=rng.integers(-2000, 2000, (2, 4)),
        reset=reset,
    )
    nodes = {"in": SpikeInput((3,)), "syn": Synapse(Linear(weights(rng, 8, 3)), (3,), (8,))}
    nodes |= {"pop": pop, "back": Synapse(op, shape, shape, weight_exp=1, delay=delay)}
    graph = wired(nodes, "in syn pop back pop")
    x = (rng.random((4, 30, 3)) < 0.5).astype(np.uint8)
    assert assert_as_on_the_chip(graph, {"in": x}, 30)["spikes"] > 100


def test_currents_written_before_a_loop_run_bit_for_bit():
    rng = np.random.default_rng(2)
    pop = lif((4,), dv=300, vth=100, bias_exp=[0, 1, 2, 3], v_init=70)
    nodes = {"in": BiasInput((4,), (4,), 1.0), "pop": pop}
    nodes |= {"back": Synapse(Linear(weights(rng, 4, 4)), (4,), (4,), delay=1)}
    nodes |= {"syn": Synapse(Linear(weights(rng, 2, 4)), (4,), (2,)), "out": lif((2,))}
    graph = wired(nodes, "in pop back pop syn out")
    written = rng.integers(-500, 2000, (5, 4)).astype(np.int16)
    assert assert_as_on_the_chip(graph, {"in": written}, 20)["spikes"] > 50


def test_random_loops_skips_and_delays_run_bit_for_bit():
    seen, kinds = Counter(), Counter()
    for seed in range(60):
        graph = random_graphs.looped_fixed_graph(seed)
        loops = [names for names, loop in components(graph) if loop]
        kinds.update(sum(isinstance(graph.nodes[n], CubaLIF) for n in loop) for loop in loops)
        values, steps = random_graphs.fixed_input(graph, seed, n=2, steps=12)
        seen += assert_as_on_the_chip(graph, values, steps)
    assert min(kinds[1], kinds[2], kinds[3]) > 5, "loops over one, two and three populations"
    assert seen["values"] > 50_000
    assert seen["spikes"] > 10_000


def test_a_sample_of_a_batch_in_a_loop_equals_the_sample_alone():
    graph = random_graphs.looped_fixed_graph(8)
    values, steps = random_graphs.fixed_input(graph, 8, n=4)
    whole = engine.run(graph, Encoded(values, steps))
    alone = engine.run(graph, Encoded({name: x[2:3] for name, x in values.items()}, steps))
    for name in whole.membrane:
        np.testing.assert_array_equal(whole.membrane[name][2:3], alone.membrane[name])


# --- real numbers -------------------------------------------------------------------------------


def values_behind(graph, name, x):
    """What the file gives behind a last layer, for one input of one value a step."""
    inputs = np.array(x, np.float32).reshape(1, len(x), -1)
    return engine.run_float(graph, inputs)[f"{name}.value"][0].tolist()


def test_a_sum_a_concatenation_and_a_delay_are_what_they_say():
    double = Linear(np.array([[2.0]], np.float32))
    nodes = {"in": Input((1,)), "twice": double, "late": Delay(1)}
    nodes |= {"both": Concat(), "sum": Add()}
    graph = wired(nodes, "in twice both", "in late both", "twice sum", "in sum", "late sum")
    assert values_behind(graph, "both", [1, 3, 5]) == [[2, 0], [6, 1], [10, 3]]
    assert values_behind(graph, "sum", [1, 3, 5]) == [[3], [10], [18]]


def test_a_delay_longer_than_the_run_gives_zeros():
    graph = chain({"in": Input((1,)), "late": Delay(7)})
    assert values_behind(graph, "late", [1, 2]) == [[0], [0]]


def echo(delay):
    """A neuron without memory that hears its own spikes again, and a readout of the same."""
    one = np.array(1.0)
    cell = LIFBox(np.array(1 / DT), one * 0, one / 2, one * 0)
    nodes = {"in": Input((1,)), "sum": Add(), "cell": cell, "back": Delay(delay)}
    nodes |= {"heard": Identity(), "out": LIBox(np.array(1 / DT), one * 0)}
    return wired(nodes, "in sum cell back sum", "back heard out")


@pytest.mark.parametrize("delay", [1, 2, 3])
def test_a_neuron_hears_its_own_spikes_again(delay):
    graph = echo(delay)
    x = np.zeros((1, 9, 1))
    x[0, 1] = 1
    found = engine.run_float(graph, x)
    assert np.flatnonzero(found["cell.spikes"]).tolist() == list(range(1, 9, delay))
    assert np.flatnonzero(found["out.membrane"]).tolist() == list(range(1 + delay, 9, delay))
    spikes, membrane = run_float(graph, x[0])
    np.testing.assert_array_equal(found["cell.spikes"][0], spikes["cell"])
    np.testing.assert_allclose(found["out.membrane"][0], membrane["out"], atol=1e-6)


def test_the_reference_agrees_with_random_joined_networks_up_to_rounding():
    for seed in range(20):
        graph = random_graphs.joined_float_graph(seed)
        x = np.random.default_rng(seed).random((1, 5, *graph.nodes["in"].shape)) < 0.4
        found = engine.run_float(graph, x)
        for name, membrane in run_float(graph, x[0])[1].items():
            np.testing.assert_allclose(found[f"{name}.membrane"][0], membrane, 1e-3, 1e-4, name)
