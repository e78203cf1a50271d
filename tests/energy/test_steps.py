"""The slowest core of each step, and the joules of each core, worked out by hand.

Two neurons on a core each, one dense synapse between them: what a spike costs is one operation of
3.8 ns and a message of 16 where it arrives, and 6 + 3.7 + 30 + 5.1 ns where it starts.
"""

from dataclasses import replace

import numpy as np
import pytest
from hand_counted import ACTIVITIES, LOIHI, SMALL, counted, dense, neurons

from neurocompile.energy import estimate, step_events
from neurocompile.energy.by_core import by_core
from neurocompile.energy.steps import StepWork
from neurocompile.ir.fixed import AlwaysOn, BiasInput, SpikeInput, Synapse
from neurocompile.ir.graph import Graph, chain
from neurocompile.ir.nodes import Sparse
from neurocompile.ir.time import depths
from neurocompile.ir.verify import verify
from neurocompile.place import place

ONE = replace(
    LOIHI,
    limits=replace(LOIHI.limits, neurons_per_core=replace(LOIHI.limits.neurons_per_core, value=1)),
)
PAIR = chain({"x": BiasInput((1,), (1,), 1.0), "a": neurons(1), "s": dense(1, 1), "b": neurons(1)})
EMPTY = Sparse(np.zeros(0, np.int16), np.zeros(0), np.zeros(2), (1,), (1,))  # no entry at all
SPIKES = {  # two samples of two steps
    "a": np.array([[1, 0], [1, 1]], np.uint8)[:, :, None],
    "b": np.array([[0, 0], [0, 1]], np.uint8)[:, :, None],
}


def found(lag=None, batches=(slice(0, 2),)):
    placed = place(PAIR, ONE)
    work = StepWork(placed, 2, lag)
    for part in batches:
        spikes = {name: each[part] for name, each in SPIKES.items()}
        work.add(spikes, spikes)  # updated where they spike
    return placed, work.slowest_cores()


def seconds(slowest):
    return sum(n * slowest.times_s.get(event, 0.0) for event, n in slowest.events.items())


def test_the_slowest_core_is_another_in_each_sample_and_step():
    # without a lag: a spikes in three of four steps, 44.8 ns each, in which b's 39.7 are hidden
    # (b spikes with a); in the other one both visit a neuron: 6 ns
    placed, by = found({"a": 0, "b": 0})
    slowest = by["pipelined", "boyle2025"]
    assert seconds(slowest) == pytest.approx((3 * 44.8 + 6) * 1e-9)
    assert slowest.steps[placed.core_of["a"][0]] >= 3
    assert slowest.steps.sum() == 4


def test_a_population_lags_behind_the_input_by_its_depth():
    # chip steps of a sample: 3. Sample 0: a, -, -; sample 1: a, a, b: three of 44.8, one of b's
    # 39.7, two of a visit
    _, by = found()
    assert seconds(by["reset", "boyle2025"]) == pytest.approx((3 * 44.8 + 39.7 + 2 * 6) * 1e-9)
    # pipelined, sample 1 follows itself: b's spike falls beside the first one of a
    assert seconds(by["pipelined", "boyle2025"]) == pytest.approx((3 * 44.8 + 6) * 1e-9)


def test_batches_add_up_to_the_whole():
    _, whole = found()
    _, parts = found(batches=(slice(0, 1), slice(1, 2)))
    for key, slowest in whole.items():
        assert parts[key].to_dict() == slowest.to_dict()


@pytest.mark.parametrize("mode", ["reset", "pipelined"])
def test_cores_and_what_belongs_to_none_add_up_to_the_total(mode):
    placed, counts = counted(SMALL, ACTIVITIES)
    models = estimate(counts, placed, SMALL, mode).models
    cores = by_core(counts, placed, SMALL, models, mode)
    for model in models:
        each = [row["energy_j"][model.name] for row in cores["rows"]]
        rest = cores["no_core_j"][model.name]
        assert sum(each) + rest == pytest.approx(model.total_j, rel=1e-12)


def test_a_core_is_recomputed_from_its_counts():
    placed, counts = counted(SMALL, ACTIVITIES)
    models = estimate(counts, placed, SMALL, "pipelined").models
    cores = by_core(counts, placed, SMALL, models, "pipelined")
    row = cores["rows"][placed.core_of["hid"][0]]
    # 81,920 operations, 640 messages out, 12,800 accesses, 9,000 updates, 640 spikes
    by_hand = 81_920 * 35.5 + 640 * 111 + 12_800 * 51.2 + 9_000 * 21.6 + 640 * 69.3
    assert row["layers"] == {"hid": 128}
    assert row["energy_j"]["boyle2025"] == pytest.approx(by_hand * 1e-12, rel=1e-12)
    whole = 311_296 + 10_240 + 60_000  # it receives, and 100 barriers
    assert row["busy"]["boyle2025"]["receiving"] == pytest.approx(321_536 / whole)
    assert row["busy"]["boyle2025"]["sending"] == pytest.approx(132_564 / whole)


def ahead(late):
    """Input -> (a step late) -> b, and an axon that is always on, a step ahead of both."""
    nodes = {
        "x": SpikeInput((1,)),
        "on": AlwaysOn(),
        "late": late,
        "bias": dense(1, 1),
        "b": neurons(1),
    }
    edges = (("x", "late"), ("late", "b"), ("on", "bias"), ("bias", "b"))
    return verify(Graph(nodes, edges), "fixed")


@pytest.mark.parametrize(
    "late", [replace(dense(1, 1), delay=1), Synapse(EMPTY, (1,), (1,), delay=1)]
)
def test_the_first_spike_of_an_axon_that_is_a_step_ahead_waits_for_the_first_step(late):
    """Three spikes of the axon, 19.8 ns each, and none of the input.

    Alone, the first two meet in step 1, the third comes in step 2, and step 3 is a visit of 6 ns;
    behind a copy of itself, a sample has one of them in each step.
    """
    graph = ahead(late)
    assert depths(graph) == {"x": 0, "on": -1, "b": 0}
    work = StepWork(place(graph, ONE), 3)
    silent = np.zeros((1, 3, 1), np.uint8)
    work.add({"x": silent, "b": silent}, {"b": silent})
    by = work.slowest_cores()
    assert seconds(by["reset", "boyle2025"]) == pytest.approx((3 * 19.8 + 6) * 1e-9)
    assert by["reset", "boyle2025"].steps.sum() == 3
    assert seconds(by["pipelined", "boyle2025"]) == pytest.approx(3 * 19.8e-9)


def test_events_are_the_same_with_numba_and_without():
    rng = np.random.default_rng(0)
    lengths = rng.integers(0, 4, 9)
    first = np.concatenate([[0], np.cumsum(lengths)])
    counter = rng.integers(0, 5, first[-1]).astype(np.int32)
    number = rng.integers(1, 100, first[-1])
    fired = (rng.random((3, 6, 9)) < 0.4).astype(np.uint8)
    by_hand = np.zeros((3, 8, 5), np.int64)
    for sample, step, neuron in np.argwhere(fired):
        for entry in range(first[neuron], first[neuron + 1]):
            by_hand[sample, step + 2, counter[entry]] += number[entry]
    for add in (step_events.by_numpy, step_events.compiled()):
        counters = np.zeros_like(by_hand)
        add(fired, 2, first, counter, number, counters)
        np.testing.assert_array_equal(counters, by_hand)
