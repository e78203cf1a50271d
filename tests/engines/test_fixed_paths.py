"""The compiled path of the fixed engine: the same bits as torch and as the reference.

Whether a layer goes by events or as a product, on how many threads, in blocks of which size:
no bit depends on it.
"""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
import torch
from random_graphs import fixed_graph, fixed_input

from neurocompile.data.inputs import Encoded
from neurocompile.engines import fixed
from neurocompile.engines.fixed import block, compiled, step_source
from neurocompile.engines.fixed.choice import EVENTS, FLOAT, INT8, PathChoice
from neurocompile.engines.fixed.tables import channels_last, table
from neurocompile.engines.fixed.torch_path import run_torch
from neurocompile.errors import BadInput, DoesNotFit
from neurocompile.ir import reference
from neurocompile.ir.fixed import BiasInput, CubaLIF, SpikeInput, Synapse
from neurocompile.ir.graph import Graph
from neurocompile.ir.linear import connections
from neurocompile.ir.nodes import Conv, Linear, size
from neurocompile.ir.ops import NumpyOps


def assert_same(ours, theirs):
    """Two runs agree in every recorded bit and every count."""
    assert ours.recording.spikes.keys() == theirs.recording.spikes.keys()
    for name, spikes in theirs.recording.spikes.items():
        np.testing.assert_array_equal(ours.recording.spikes[name], spikes, err_msg=name)
    for name, membrane in theirs.recording.membrane.items():
        np.testing.assert_array_equal(ours.recording.membrane[name], membrane, err_msg=name)
    assert ours.activity.keys() == theirs.activity.keys()
    for name, activity in theirs.activity.items():
        mine = ours.activity[name]
        np.testing.assert_array_equal(mine.spikes, activity.spikes, err_msg=name)
        counts = (activity.updated, activity.saturations, activity.wraps)
        assert (mine.updated, mine.saturations, mine.wraps) == counts, name


def neurons(graph):
    """The same network with readouts as ordinary populations, which may spike."""
    return graph.with_nodes(**{n: replace(node, readout=False) for n, node in graph.of(CubaLIF)})


def looped_graph(seed):
    """In -> a -> b, with a self loop on a, a way back from b to a, and maybe one on b."""
    rng = np.random.default_rng(seed)
    image = (3, 4, 4)

    def population(shape):
        def register(low, high):
            return rng.integers(low, high, shape if rng.random() < 0.5 else ())

        reset = str(rng.choice(["zero", "subtract"]))
        return CubaLIF(
            shape, register(-1, 4096), register(0, 1000), register(20, 400), register(-9, 9), 0, 0,
            reset,
        )  # fmt: skip

    def weights(*shape):
        return (rng.integers(-100, 100, shape) * 2).astype(np.int16)

    def conv():
        return Conv(weights(3, 3, 3, 3), None, (1, 1), (1, 1), (1, 1), 1)

    n = size(image)
    nodes = {
        "in": SpikeInput(image),
        "s1": Synapse(conv(), image, image, weight_exp=int(rng.integers(-2, 2))),
        "self": Synapse(conv(), image, image, delay=int(rng.integers(1, 4))),
        "back": Synapse(Linear(weights(n, 6)), (6,), (n,), delay=int(rng.integers(2, 5))),
        "a": population(image),
        "s2": Synapse(Linear(weights(6, n)), (n,), (6,)),
        "b": population((6,)),
    }
    edges = [("in", "s1"), ("s1", "a"), ("a", "self"), ("self", "a"), ("a", "s2"), ("s2", "b")]
    edges += [("b", "back"), ("back", "a")]
    if rng.random() < 0.5:
        nodes["own"] = Synapse(Linear(weights(6, 6)), (6,), (6,), delay=1)
        edges += [("b", "own"), ("own", "b")]
    return Graph(nodes, tuple(edges))


def test_spikes_of_one_position_are_not_added_with_one_of_another_that_lies_between():
    # Input is in C order: the second and the third channel spike at position 0, one between at 1.
    weight = np.array([2, 4, 6, 8], np.int16).reshape(1, 4, 1, 1)
    conv = Conv(weight, None, (1, 1), (0, 0), (1, 1), 1)
    nodes = {
        "in": SpikeInput((4, 1, 2)),
        "s": Synapse(conv, (4, 1, 2), (1, 1, 2)),
        "a": CubaLIF((1, 1, 2), du=4095, dv=0, vth=1000, bias_mant=0, bias_exp=0, v_init=0),
    }
    spikes = np.zeros((1, 1, 4, 1, 2), np.uint8)
    spikes.reshape(-1)[[0, 2, 3, 4]] = 1  # channel and position: 0 0, 1 0, 1 1, 2 0
    did = fixed.run(Graph(nodes, (("in", "s"), ("s", "a"))), Encoded({"in": spikes}, 1))
    assert did.recording.membrane["a"].ravel().tolist() == [64 * (2 + 4 + 6), 64 * 4]


@pytest.mark.parametrize("seed", range(40))
def test_random_networks_agree_on_both_paths(seed):
    graph = neurons(fixed_graph(seed))
    values, steps = fixed_input(graph, seed, n=3, steps=9)
    encoded = Encoded(values, steps)
    try:
        theirs = run_torch(graph, encoded)
    except DoesNotFit as refused:
        with pytest.raises(DoesNotFit, match=str(refused).split(",")[0]):
            fixed.run(graph, encoded)
        return
    assert_same(fixed.run(graph, encoded), theirs)


@pytest.mark.parametrize("seed", range(25))
def test_loops_agree_with_the_reference_in_chip_time_and_with_torch(seed):
    graph = looped_graph(seed)
    rng = np.random.default_rng(seed)
    x = (rng.random((2, 12, 3, 4, 4)) < 0.4).astype(np.uint8)
    encoded = Encoded({"in": x}, 12)
    ours = fixed.run(graph, encoded)
    assert_same(ours, run_torch(graph, encoded))
    assert ours.activity["a"].spikes.any()
    try:
        expected = [reference.run_fixed(graph, {"in": sample}, 12) for sample in x]
    except DoesNotFit:
        return  # a bias that has no start in 24 bits
    for sample, (fired, membrane) in enumerate(expected):
        for name in membrane:
            np.testing.assert_array_equal(ours.recording.membrane[name][sample], membrane[name])
            np.testing.assert_array_equal(ours.recording.spikes[name][sample], fired[name])


@pytest.mark.parametrize("seed", [1, 3, 8, 21])
@pytest.mark.parametrize("rows", [1, 4, 1000])
def test_blocks_and_threads_change_no_bit(seed, rows, monkeypatch):
    graph = looped_graph(seed) if seed % 2 else neurons(fixed_graph(seed))
    values, steps = fixed_input(graph, seed, n=5, steps=7)
    whole = fixed.run(graph, Encoded(values, steps))
    monkeypatch.setattr(compiled, "ROWS", rows)
    monkeypatch.setattr(block, "CACHE_BYTES", 1)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert_same(fixed.run(graph, Encoded(values, steps)), whole)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    for sample in range(5):
        one = {name: x[sample : sample + 1] for name, x in values.items()}
        alone = fixed.run(graph, Encoded(one, steps)).recording
        for name, membrane in whole.recording.membrane.items():
            np.testing.assert_array_equal(alone.membrane[name][0], membrane[sample])


def going(wanted):
    """A choice that always takes one path, if it is exact."""

    def path(self, spikes, rows, sources, products):
        return wanted if wanted in products or wanted == EVENTS else FLOAT

    return path


@pytest.mark.parametrize("seed", range(12))
def test_events_and_products_give_the_same_bits(seed, monkeypatch):
    graph = looped_graph(seed) if seed % 3 == 0 else neurons(fixed_graph(seed))
    values, steps = fixed_input(graph, seed, n=2, steps=6)
    found = []
    for wanted in (EVENTS, INT8, FLOAT):
        monkeypatch.setattr(PathChoice, "path", going(wanted))
        try:
            found.append(fixed.run(graph, Encoded(values, steps)))
        except DoesNotFit as refused:
            found.append(str(refused))
    for other in found[1:]:
        if isinstance(found[0], str):
            assert found[0] == other
        else:
            assert_same(found[0], other)


BOTH = (INT8, FLOAT)


def test_busy_layers_go_as_products_and_quiet_ones_by_events():
    choice = PathChoice(operations=1 << 24, weights=1 << 24)
    choice.went_as_product(FLOAT, seconds=256 * 3e-4, rows=256)
    choice.went_by_events(seconds=1.3e-2, spikes=64 * 82, rows=64, sources=4096)
    assert choice.path(256 * 40, 256, 4096, (FLOAT,)) == EVENTS
    assert choice.path(256 * 2048, 256, 4096, (FLOAT,)) == FLOAT
    assert choice.path(256 * 2048, 256, 4096, ()) == EVENTS


def test_of_the_exact_products_the_one_that_was_faster_is_taken():
    choice = PathChoice(operations=1 << 24, weights=1 << 24)
    choice.went_as_product(FLOAT, seconds=256 * 3e-4, rows=256)
    choice.went_as_product(INT8, seconds=256 * 8e-5, rows=256)
    assert choice.path(256 * 2048, 256, 4096, BOTH) == INT8
    assert choice.path(256 * 2048, 256, 4096, (FLOAT,)) == FLOAT
    choice.went_as_product(FLOAT, seconds=256 * 5e-5, rows=256)
    assert choice.path(256 * 2048, 256, 4096, BOTH) == FLOAT


def test_a_product_is_timed_once_on_a_large_block_if_its_weights_fit_memory():
    assert PathChoice(operations=1000, weights=1000).untimed(256, BOTH) == []
    choice = PathChoice(operations=1 << 24, weights=1 << 24)
    assert choice.untimed(256, BOTH) == [INT8, FLOAT]
    choice.went_as_product(INT8, seconds=1.0, rows=256)
    assert choice.untimed(256, BOTH) == [FLOAT]
    # 2^28 weights: 256 MiB as int8, 1 GiB as float32
    assert PathChoice(operations=1 << 28, weights=1 << 28).untimed(256, BOTH) == [INT8]
    assert PathChoice(operations=1 << 29, weights=1 << 29).untimed(256, BOTH) == []


def test_a_layer_that_becomes_busier_is_judged_by_what_its_spikes_cost_now():
    choice = PathChoice(operations=1 << 24, weights=1 << 24)
    choice.went_as_product(FLOAT, seconds=256 * 3e-4, rows=256)
    choice.went_by_events(seconds=1.3e-2, spikes=64 * 82, rows=64, sources=4096)
    assert choice.path(256 * 400, 256, 4096, (FLOAT,)) == FLOAT  # 2.4 us a spike
    choice.went_by_events(seconds=1.3e-2, spikes=256 * 200, rows=256, sources=4096)
    assert choice.path(256 * 400, 256, 4096, (FLOAT,)) == EVENTS  # 0.24 us a spike


def test_events_that_were_disturbed_once_are_hardly_blamed():
    choice = PathChoice(operations=1 << 24, weights=1 << 24)
    choice.went_by_events(seconds=1.0, spikes=100_000, rows=1, sources=4096)
    choice.went_by_events(seconds=3.0, spikes=100_000, rows=1, sources=4096)
    assert choice.spike_s == pytest.approx(1.2e-5, rel=1e-5)  # a tenth of the way to 3e-5


def test_a_product_that_was_disturbed_once_is_judged_by_its_best():
    choice = PathChoice(operations=1 << 24, weights=1 << 24)
    choice.went_as_product(INT8, seconds=256 * 3e-4, rows=256)
    choice.went_as_product(INT8, seconds=256 * 3e-2, rows=256)
    assert choice.product_s == {INT8: 3e-4}


@pytest.mark.parametrize("seed", range(60))
def test_a_table_holds_the_connections_of_its_synapse(seed):
    for _, synapse in fixed_graph(seed).of(Synapse):
        m = connections(synapse).toarray()
        n_out, n_in = m.shape
        plain = (np.arange(n_in), np.arange(n_out))
        image = len(synapse.out_shape) > 1
        last = channels_last(synapse.out_shape) if image else plain[1]
        for source, target in (plain, (plain[0][::-1].copy(), last)):
            t = table(synapse, source, target)
            found = np.zeros_like(m)
            for i, group in enumerate(t.group):
                for r in range(t.first[group], t.first[group + 1]):
                    start = t.at[i] + t.weight[r]
                    into = slice(t.target[r], t.target[r] + t.length[r])
                    found[into, i] += (
                        t.weights[start : start + t.length[r]].astype(np.int64) << t.shift
                    )
            np.testing.assert_array_equal(found, m[target][:, source])


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("keep", [0, 1, 2046, 2047, 4094, 4095, 4096])
@pytest.mark.parametrize("reset", ["zero", "subtract"])
@pytest.mark.parametrize("exponent", [0, 3, -2])
def test_a_generated_step_is_the_step_it_was_made_from(wide, keep, reset, exponent):
    rng = np.random.default_rng(keep)
    n, number = 4000, np.int64 if wide else np.int32
    edge = [-8388607, -8388606, -4096, -4095, -1, 0, 1, 4095, 4096, 8388606, 8388607]
    u, v = (rng.integers(-8388607, 8388608, n) for _ in range(2))
    u[:11], v[11:22] = edge, edge
    left, right = max(exponent, 0), max(-exponent, 0)
    sums = rng.integers(-200000, 200000, n) >> left << right
    sums[:4] = -1, 1, -3, 3  # a shift to the right rounds down
    a = sums << left >> right
    p = CubaLIF((n,), 4095 - keep, 4096 - keep, 3000, -7, 3, 0, reset)
    constants = p.constants()
    expected = p.step(NumpyOps(), (u, v), a, constants)
    kind = {0: "none", 4096: "all"}.get(keep, "same" if keep % 2 else "some")
    run = step_source.step_function(
        step_source.Variant(CubaLIF, (("reset", reset),), wide, (kind, kind), True, right > 0)
    )
    registers = [np.full(n, c, number) for c in constants]
    state = u.astype(number)[None], v.astype(number)[None]
    fired, spikes = np.zeros((1, 1, n), np.uint8), np.zeros(n, np.int32)
    empty = np.empty((0, 0, 0), np.int32)
    _, saturated, wrapped, stopped, _, _ = run(
        sums.astype(np.int32)[None, None], left, right, 0, 0, *state, registers[0], registers[1],
        registers[2][None], registers[3], fired, spikes, empty, empty.astype(np.uint8), 3 << 23,
    )  # fmt: skip
    np.testing.assert_array_equal(state[0][0], expected.state[0])
    np.testing.assert_array_equal(state[1][0], expected.state[1])
    np.testing.assert_array_equal(fired[0, 0].astype(bool), expected.out)
    assert saturated == (np.abs(expected.potential) > 8388607).sum()
    assert wrapped == (expected.current != expected.state[0]).sum()
    assert not stopped


def test_memory_does_not_grow_with_samples_or_steps_where_nothing_is_recorded():
    weight = np.full((2000, 2000), 2, dtype=np.int16)
    population = CubaLIF((2000,), 4095, 100, 500, 0, 0, 0)
    graph = Graph(
        {
            "in": SpikeInput((2000,)),
            "s": Synapse(Linear(weight), (2000,), (2000,)),
            "out": population,
        },
        (("in", "s"), ("s", "out")),
    )
    peaks = []
    for samples, steps in ((8, 100), (100, 100), (8, 800)):
        x = np.zeros((samples, steps, 2000), dtype=np.uint8)
        x[:, ::3, ::50] = 1
        encoded = Encoded({"in": x}, steps)
        fixed.run(graph, encoded, spikes=(), membrane=())
        tracemalloc.start()
        fixed.run(graph, encoded, spikes=(), membrane=())
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert max(peaks) < 8e6, peaks  # potentials of 100 samples alone would be 80 MB
    assert max(peaks) < 1.5 * min(peaks) + 1e6, peaks


def test_input_of_another_shape_is_refused_by_name():
    graph = looped_graph(0)
    with pytest.raises(BadInput, match=r"input 'in' has shape \(1, 2, 48\)"):
        fixed.run(graph, Encoded({"in": np.zeros((1, 2, 48), np.uint8)}, 2))


def test_written_biases_of_another_shape_are_refused_by_name():
    graph = Graph(
        {"in": BiasInput((4,), (4,), 1.0), "n": CubaLIF((4,), 4095, 0, 9, 0, 0, 0)},
        (("in", "n"),),
    )
    with pytest.raises(BadInput, match=r"input 'in' has shape \(2, 5\)"):
        fixed.run(graph, Encoded({"in": np.zeros((2, 5), np.int16)}, 3))
