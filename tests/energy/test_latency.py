"""Times of a step and of a sample, worked out by hand on hand_counted.py.

The busiest core is that of the 128, 100 steps pipelined: it receives for 321,536 ns by
boyle2025, sends for less meanwhile, and waits 600 ns a step.
"""

from dataclasses import replace

import numpy as np
import pytest
from hand_counted import ACTIVITIES, GRAPH, SMALL, counted

from neurocompile.chip.change import parse
from neurocompile.chip.read import load_chip
from neurocompile.energy.latency import latency_table
from neurocompile.engines.recording import Activity
from neurocompile.errors import BadInput
from neurocompile.place import place

NS = 1e-9


def rows(chip=SMALL, activities=ACTIVITIES, samples=1):
    placed, counts = counted(chip, activities, samples)
    table = latency_table(counts, placed, chip)
    return {(row["samples_follow"], row["model"]): row for row in table}


def test_a_step_is_the_busiest_cores_work_and_the_barrier():
    row = rows()["pipelined", "boyle2025"]
    work = 311_296 + 10_240  # operations and messages in; sending takes 132,564 meanwhile
    assert row["core"] == place(GRAPH, SMALL).core_of["hid"][0]
    assert row["work_s"] == pytest.approx(work / 100 * NS)
    assert row["barrier_s"] == pytest.approx(600 * NS)
    assert row["step_s"] == pytest.approx((work / 100 + 600) * NS)


def test_a_sample_takes_the_depth_of_the_network_longer_and_follows_after_t_steps():
    row = rows()["pipelined", "boyle2025"]
    assert row["sample_s"] == pytest.approx(102 * row["step_s"])
    assert row["samples_per_s"] == pytest.approx(1 / (100 * row["step_s"]))


def test_a_reset_between_samples_waits_for_the_depth_too():
    row = rows()["reset", "boyle2025"]
    assert row["step_s"] == pytest.approx((321_536 / 102 + 600) * NS)
    assert row["work_is"] == "lower bound"  # of these counts no step is known
    assert row["samples_per_s"] == pytest.approx(1 / (102 * row["step_s"]))


@pytest.mark.parametrize(("follow", "steps"), [("reset", 102), ("pipelined", 100)])
def test_in_real_time_a_step_is_dt(follow, steps):
    row = rows()[follow, None]
    assert row["step_s"] == 1e-3
    assert row["sample_s"] == pytest.approx(0.102)
    assert row["samples_per_s"] == pytest.approx(1000 / steps)


def test_twice_the_samples_take_twice_the_time():
    twice = {name: one + one for name, one in ACTIVITIES.items()}
    one, two = rows(), rows(activities=twice, samples=2)
    for key, row in one.items():
        assert two[key]["samples_per_s"] == pytest.approx(row["samples_per_s"])


def test_a_count_that_is_unknown_leaves_no_time_but_real_time():
    found = rows(activities={**ACTIVITIES, "hid": Activity(np.full(128, 5))})
    assert found["reset", "boyle2025"]["step_s"] is None
    assert found["reset", "boyle2025"]["samples_per_s"] is None
    assert found["reset", None]["samples_per_s"] is not None


def test_a_chip_without_times_runs_in_real_time_alone():
    ideal = load_chip("ideal")
    table = latency_table(counted(ideal)[1], place(GRAPH, ideal), ideal)
    assert [(row["samples_follow"], row["mode"]) for row in table] == [
        ("reset", "real time"),
        ("pipelined", "real time"),
    ]


def slower(chip, model, event):
    """The chip with 1 ms for one event, whatever may be set."""
    price = replace(chip.latency[model][event], value=1, unit="ms", power=-3)
    return replace(chip, latency={**chip.latency, model: {**chip.latency[model], event: price}})


@pytest.mark.parametrize("target", ["loihi-sim", "loihi2-sim"])
def test_a_time_that_no_step_contains_cannot_be_set_and_every_other_counts(target):
    chip = load_chip(target)
    before, counting = rows(chip), set()
    for model, event in ((m, e) for m, times in chip.latency.items() for e in times):
        if event in ("synaptic_operation_sparse", "synaptic_operation_conv"):
            continue  # the network is dense
        if rows(slower(chip, model, event)) == before:
            with pytest.raises(BadInput, match="no modelled time contains it, since"):
                parse([f"latency.{model}.{event}=1ms"], chip)
        else:
            assert parse([f"latency.{model}.{event}=1us"], chip)
            counting.add(event)
    counted_by_boyle = {"synaptic_operation_dense", "neuron_access", "neuron_update", "spike_out"}
    counted_by_boyle |= {"message_out", "message_in"}
    of_davies = {"synaptic_operation", "neuron_active", "neuron_inactive"}
    assert counting == (counted_by_boyle | of_davies if target == "loihi-sim" else counted_by_boyle)
