"""Events, joules and time of each step: worked out by hand, and added up to those of the run."""

from dataclasses import replace

import numpy as np
import pytest
from hand_counted import LOIHI, PJ, dense, neurons

from neurocompile.chip.change import with_reset
from neurocompile.energy import count, estimate
from neurocompile.energy.by_step import ByStep
from neurocompile.energy.latency import run_time
from neurocompile.energy.steps import StepWork
from neurocompile.engines.recording import Activity
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
SPIKES = {  # two samples of two steps
    "a": np.array([[1, 0], [1, 1]], np.uint8)[:, :, None],
    "b": np.array([[0, 0], [0, 1]], np.uint8)[:, :, None],
}


def run(graph, chip, spikes, steps, batches=(slice(None),)):
    """Steps, counts, energy and placement of spikes; every neuron that spikes was updated."""
    placed = place(graph, chip)
    found = ByStep(placed, steps)
    work = StepWork(placed, steps, watch=found.watch)
    for part in batches:
        of_part = {name: each[part] for name, each in spikes.items()}
        work.add(of_part, of_part)
        found.add(
            of_part,
            {
                name: each.reshape(*each.shape[:2], -1).sum(axis=2, dtype=np.int64)
                for name, each in of_part.items()
            },
        )
    activities = {
        name: Activity(each.sum(axis=(0, 1), dtype=np.int64), int(each.sum()))
        for name, each in spikes.items()
    }
    samples = len(next(iter(spikes.values())))
    counts = count(placed, activities, samples, steps, work.slowest_cores())
    energy = estimate(counts, placed, chip)
    return found.table(counts, energy), counts, energy, placed


def test_two_neurons_are_what_a_calculator_says():
    """Sample 0: a, -, -; sample 1: a, a, b; a step visits two neurons on two cores."""
    table, *_ = run(PAIR, ONE, SPIKES, 2)
    columns = table.columns()
    assert columns["sample"].tolist() == [0, 0, 0, 1, 1, 1]
    assert columns["step"].tolist() == [0, 1, 2, 0, 1, 2]
    assert columns["spike_out"].tolist() == [1, 0, 0, 1, 1, 1]
    assert columns["synaptic_operation_dense"].tolist() == [1, 0, 0, 1, 1, 0]
    assert columns["message_out"].tolist() == [1, 0, 0, 1, 1, 0]
    assert columns["neuron_access"].tolist() == 6 * [2]
    assert columns["neuron_inactive"].tolist() == [1, 2, 2, 1, 1, 1]
    idle = 2 * 51.2
    of_a, of_b = idle + 35.5 + 111 + 21.6 + 69.3, idle + 21.6 + 69.3
    assert columns["energy_j_boyle2025"] == pytest.approx(
        np.array([of_a, idle, idle, of_a, of_a, of_b]) * PJ, rel=1e-12
    )
    # a spike of a takes 6 + 3.7 + 30 + 5.1 ns, one of b 39.7, a visit 6; the barrier 600
    assert columns["time_s_boyle2025"] == pytest.approx(
        np.array([644.8, 606, 606, 644.8, 644.8, 639.7]) * 1e-9, rel=1e-12
    )


def test_the_rows_of_one_step_of_all_samples_are_added_up():
    table, *_ = run(PAIR, ONE, SPIKES, 2)
    rows = table.summed()
    assert [row["step"] for row in rows] == [0, 1, 2]
    assert [row["events"]["spike_out"] for row in rows] == [2, 1, 1]
    assert rows[1]["time_s"]["boyle2025"] == pytest.approx(1250.8e-9)


def test_batches_are_put_one_after_the_other():
    whole, *_ = run(PAIR, ONE, SPIKES, 2)
    parts, *_ = run(PAIR, ONE, SPIKES, 2, batches=(slice(0, 1), slice(1, 2)))
    for name, column in whole.columns().items():
        assert parts.columns()[name].tolist() == column.tolist()


SIZES = {"x": 2, "b": 3, "c": 6}


def mixed():
    """Input -> (a step late) -> b -> c; an axon that is always on sends to b a step ahead of it."""
    few = Sparse(np.array([4, 2, 2], np.int16), np.array([0, 1, 1]), np.arange(4), (2,), (3,))
    nodes = {
        "x": SpikeInput((2,)),
        "on": AlwaysOn(),
        "late": Synapse(few, (2,), (3,), delay=1),
        "bias": dense(1, 3),
        "b": neurons(3),
        "bc": dense(3, 6),
        "c": neurons(6),
    }
    edges = (("x", "late"), ("late", "b"), ("on", "bias"), ("bias", "b"), ("b", "bc"), ("bc", "c"))
    graph = verify(Graph(nodes, edges), "fixed")
    assert depths(graph) == {"x": 0, "on": -1, "b": 0, "c": 1}
    return graph


def random_spikes(seed, samples, steps):
    random = np.random.default_rng(seed)
    return {
        name: (random.random((samples, steps, n)) < 0.4).astype(np.uint8)
        for name, n in SIZES.items()
    }


@pytest.mark.parametrize("chip", [ONE, LOIHI, replace(LOIHI, mesh=None), with_reset(ONE)])
def test_steps_add_up_to_the_counts_joules_and_time_of_the_run(chip):
    """The counts of a run know no step: spikes are added up first, by another program."""
    table, counts, energy, placed = run(mixed(), chip, random_spikes(0, 3, 5), 5)
    columns = table.columns()
    assert len(columns["step"]) == counts.steps_charged("reset")
    for model in energy.models:
        summed = {}
        for term in model.terms:
            summed.setdefault(term.quantity, []).append(term.count)
        for event, parts in summed.items():
            if None in parts:
                assert columns[event] is None
            else:
                assert columns[event].sum() == sum(parts), event
        joules, seconds = columns[f"energy_j_{model.name}"], columns[f"time_s_{model.name}"]
        if model.total_j is None:
            assert joules is None
        else:
            assert joules.sum() == pytest.approx(model.total_j, rel=1e-12)
        whole = run_time(counts, placed, chip, model.name, "reset")
        if whole is None:
            assert seconds is None
        else:
            assert seconds.sum() == pytest.approx(whole, rel=1e-9)


def test_columns_count_what_each_core_does_in_each_step():
    """The events of every core in every step, from which the slowest core is chosen, added up."""
    spikes = random_spikes(1, 2, 4)
    table, _, _, placed = run(mixed(), ONE, spikes, 4)
    seen = {}
    StepWork(placed, 4, watch=lambda mode, events: seen.setdefault(mode, dict(events))).add(
        spikes, spikes
    )
    for event, counts in seen["reset"].items():
        assert table.events[event].tolist() == counts.sum(axis=2).astype(int).tolist(), event
