"""What moves a total, and what stands beside it, worked out by hand on hand_counted.py."""

from dataclasses import replace
from math import ceil, log2

import numpy as np
import pytest
from hand_counted import ACTIVITIES, GRAPH, LOIHI, PJ, counted, dense, energy, model, neurons

from neurocompile.chip.change import parse, with_changes
from neurocompile.chip.record import KINDS
from neurocompile.energy.ann import baseline, break_even
from neurocompile.energy.beside import beside
from neurocompile.energy.comparators import (
    DEVICES,
    MACS,
    SOURCES,
    STORES,
    keras_spiking,
    n_dns,
    store_for,
)
from neurocompile.energy.sensitivity import sensitivity, sweep
from neurocompile.engines.recording import Activity
from neurocompile.ir.fixed import BiasInput, Synapse
from neurocompile.ir.graph import chain
from neurocompile.ir.nodes import Conv, Linear

STEPS = (1_034_240 + 270_000) * PJ  # 20,200 neuron steps of 51.2, 12,500 updates of 21.6
SPIKES = (3_135_360 + 90_090 + 142_080) * PJ  # 88,320 of 35.5, 1,300 of 69.3, 1,280 of 111


def test_the_price_of_the_largest_part_moves_a_total_most():
    rows = sensitivity(model(energy(), "boyle2025"), LOIHI.energy["boyle2025"])
    assert [row["price"] for row in rows] == [
        "boyle2025.synaptic_operation_dense", "boyle2025.neuron_access",
        "boyle2025.neuron_update", "boyle2025.message_out", "boyle2025.spike_out",
        "boyle2025.message_in",
    ]  # fmt: skip
    first = rows[0]
    assert first["energy_j"] == pytest.approx(3_135_360 * PJ)
    assert first["share"] == pytest.approx(3_135_360 / 4_671_770)
    assert sum(row["share"] for row in rows) == pytest.approx(1.0)


def test_events_of_one_price_are_one_row():
    rows = sensitivity(model(energy(), "davies2018"), LOIHI.energy["davies2018"])
    assert [row["price"] for row in rows] == [
        "davies2018.synaptic_operation", "davies2018.neuron_active",
        "davies2018.neuron_inactive", "davies2018.message_within_tile",
    ]  # fmt: skip


@pytest.mark.parametrize(("factor", "key"), [(1.1, "up"), (0.9, "down"), (2.0, "doubled")])
def test_a_sensitivity_is_what_the_total_does_when_the_price_is_set(factor, key):
    before = model(energy(), "boyle2025")
    row = sensitivity(before, LOIHI.energy["boyle2025"])[0]
    set_ = parse([f"{row['price']}={35.5 * factor}pJ"], LOIHI)
    after = model(energy(with_changes(LOIHI, set_)), "boyle2025").total_j
    said = {
        "up": before.total_j + row["change_10_percent_j"],
        "down": before.total_j - row["change_10_percent_j"],
        "doubled": row["total_doubled_j"],
    }[key]
    assert said == pytest.approx(after, rel=1e-12)


def test_a_sweep_scales_what_spikes_cost_and_keeps_neuron_steps():
    found = sweep(model(energy(), "boyle2025"), 1)
    assert "extrapolation" in found["label"]
    assert found["neuron_steps_j"] == pytest.approx(STEPS)
    assert found["spikes_j"] == pytest.approx(SPIKES)
    for row in found["rows"]:
        assert row["total_j"] == pytest.approx(STEPS + row["factor"] * SPIKES)


def test_a_model_without_a_total_is_not_swept():
    unknown = {**ACTIVITIES, "hid": Activity(np.full(128, 5))}
    one = model(energy(activities=unknown), "boyle2025")
    assert sweep(one, 1) is None
    assert sensitivity(one, LOIHI.energy["boyle2025"]) == []
    assert break_even(one, counted()[1], 1.0) is None


@pytest.mark.parametrize(
    ("device", "picojoules"),
    [
        # 88,320 operations and 202 * 100 neuron steps
        ("loihi", 88_320 * 27.1 + 20_200 * 81),
        ("spinnaker", 88_320 * 13_300 + 20_200 * 26_000),
        ("spinnaker2", 88_320 * 450 + 20_200 * 2_190),
        # every one of 64 * 128 + 128 * 10 synapses in each of 100 steps
        ("cpu", 947_200 * 8_600 + 20_200 * 8_600),
        ("gpu", 947_200 * 300 + 20_200 * 300),
        ("arm", 947_200 * 900 + 20_200 * 900),
    ],
)
def test_keras_spiking_charges_operations_and_neuron_steps(device, picojoules):
    rows = {row["device"]: row for row in keras_spiking(counted()[1])}
    assert rows[device]["total_j"] == pytest.approx(picojoules * PJ, rel=1e-12)


def test_the_n_dns_proxy_takes_a_neuron_step_for_ten_synaptic_operations():
    found = n_dns(counted()[1], dt=1e-3)
    # 88,320 operations and 202 * 100 neuron steps of one sample of 100 steps, 0.1 s
    assert (found["synaptic_operations"], found["neuron_operations"]) == (88_320, 20_200)
    assert found["operations"] == found["per_sample"] == 88_320 + 10 * 20_200
    assert found["per_second"] == pytest.approx(290_320 / 0.1)
    assert found["source"] in SOURCES
    assert not any(key.endswith("_j") for key in found)


def test_the_n_dns_proxy_halves_where_a_step_is_twice_as_long():
    short, long = (n_dns(counted()[1], dt) for dt in (1e-3, 2e-3))
    assert long["per_second"] == pytest.approx(short["per_second"] / 2)
    assert long["per_sample"] == short["per_sample"]


def test_a_comparison_is_in_no_total_of_the_chip():
    result = energy()
    found = beside(GRAPH, counted()[1], result, "boyle2025")
    totals = {row["total_j"] for row in found["keras_spiking"]}
    report = result.to_dict()
    assert {m["name"] for m in report["models"]} == {"davies2018", "boyle2025"}
    assert not totals & {report["low_j"], report["nominal_j"], report["high_j"]}


def test_every_price_of_a_comparison_names_its_source():
    prices = [
        *MACS.values(),
        *(store.bit for store in STORES),
        *(q for d in DEVICES.values() for q in (d.synop, d.neuron)),
    ]
    for price in prices:
        assert price.source in SOURCES
        assert price.where
        assert price.kind in KINDS


@pytest.mark.parametrize("steps", [1, 2, 3, 7, 8, 15, 16, 100, 255, 256])
def test_an_activation_has_the_bits_that_count_as_many_spikes_as_steps(steps):
    counts = replace(counted()[1], steps=steps)
    assert baseline(GRAPH, counts, {})["activation_bits"] == ceil(log2(steps + 1))


def test_the_network_without_spikes_is_counted_by_hand():
    found = baseline(GRAPH, counted()[1], {})
    terms = {t["quantity"]: t for t in found["terms"]}
    macs = 64 * 128 + 128 * 10
    assert terms["multiply_accumulate"]["count"] == macs
    assert terms["weight_bit"]["count"] == 8 * macs  # each weight read once
    # the 64 are the input: read; 128 written and read; 10 written; 7 bits count 100 spikes
    assert terms["activation_bit"]["count"] == 7 * (64 + 128 + 128 + 10)
    # 9,472 bytes of weights need 32 KB, 20 pJ per 64 bits; 192 activations of 7 bits 8 KB, 10 pJ
    assert terms["weight_bit"]["energy_j"] == pytest.approx(8 * macs / 64 * 20 * PJ)
    assert terms["activation_bit"]["energy_j"] == pytest.approx(7 * 330 / 64 * 10 * PJ)
    assert found["memory"] == [
        {"holds": "weights", "bits": 8 * macs, "in": "SRAM of 32 KB"},
        {"holds": "activations", "bits": 7 * 192, "in": "SRAM of 8 KB"},
    ]
    assert found["arithmetic_j"] == pytest.approx(macs * 0.23 * PJ)
    memory = (8 * macs * 20 + 7 * 330 * 10) / 64
    assert found["memory_j"] == pytest.approx(memory * PJ)
    assert found["per_sample_j"] == pytest.approx((macs * 0.23 + memory) * PJ)
    assert not found["arithmetic_alone"]


@pytest.mark.parametrize(
    ("held", "name", "word_pj"),
    [
        (8 * 8192, "SRAM of 8 KB", 10),
        (8 * 8192 + 1, "SRAM of 32 KB", 20),
        (8 * 32768 + 1, "SRAM of 1 MB", 100),
        (8 * 1048576 + 1, "DRAM", 1300),
    ],
)
def test_the_price_of_memory_is_that_of_the_smallest_that_holds_the_bits(held, name, word_pj):
    store = store_for(held)
    assert store.name == name
    assert store.bit.si == pytest.approx(word_pj / 64 * PJ)
    assert store.bit.source == "horowitz2014"


def test_one_pass_per_step_is_as_many_times_everything():
    once = baseline(GRAPH, counted()[1], {})
    steps = baseline(GRAPH, counted()[1], {}, "step")
    assert (once["passes_per_sample"], steps["passes_per_sample"]) == (1, 100)
    assert steps["name"].endswith("one pass per step")
    for one, many in zip(once["terms"], steps["terms"], strict=True):
        assert many["count"] == 100 * one["count"]
    assert steps["memory"] == once["memory"]
    assert steps["per_sample_j"] == pytest.approx(100 * once["per_sample_j"])


def test_memory_that_a_user_says_is_free_leaves_arithmetic_alone():
    set_ = parse(["ann.weight_bit=0pJ", "ann.activation_bit=0pJ"], LOIHI)
    found = baseline(GRAPH, counted()[1], {key: c.now for key, c in set_.items()})
    assert found["arithmetic_alone"]
    assert found["per_sample_j"] == found["arithmetic_j"]


def test_a_row_of_another_device_says_what_it_is_charged_for():
    rows = {row["device"]: row for row in keras_spiking(counted()[1])}
    spiking = {d for d, row in rows.items() if "reached by spikes" in row["counted"]}
    assert spiking == {"loihi", "spinnaker", "spinnaker2"}
    for device in ("cpu", "gpu", "arm"):
        assert "every synapse and every neuron in every step" in rows[device]["counted"]
        assert rows[device]["steps"] == 100


def test_a_kernel_is_read_once_and_multiplied_at_every_place():
    kernel = Conv(np.full((1, 1, 3), 2), None, (1,), (1,), (1,), 1)
    graph = chain({
        "x": BiasInput((1, 8), (1, 8), 1.0), "a": neurons(1, 8),
        "s": Synapse(kernel, (1, 8), (1, 8), bits=4), "b": neurons(1, 8),
    })  # fmt: skip
    activities = {n: Activity(np.ones((1, 8), np.int64), 0) for n in ("a", "b")}
    found = baseline(graph, counted(activities=activities, graph=graph)[1], {})
    counts = {t["quantity"]: t["count"] for t in found["terms"]}
    assert counts["multiply_accumulate"] == 22  # two of 24 fall off the edges
    assert counts["weight_bit"] == 3 * 4


def test_a_first_layer_that_the_host_computes_is_part_of_the_network_without_spikes():
    host = Linear(np.ones((4, 2)))
    graph = chain({"x": BiasInput((2,), (4,), 1.0, host), "a": neurons(4)})
    activities = {"a": Activity(np.ones(4, np.int64), 0)}
    found = baseline(graph, counted(activities=activities, graph=graph)[1], {})
    assert found["terms"][0]["count"] == 8
    assert found["terms"][2]["count"] == 7 * (2 + 4)


def test_memory_is_priced_where_a_user_says_what_it_costs():
    set_ = parse(["ann.weight_bit=0.1pJ", "ann.activation_bit=0.2pJ", "ann.mac=1pJ"], LOIHI)
    found = baseline(GRAPH, counted()[1], {key: c.now for key, c in set_.items()})
    macs = 64 * 128 + 128 * 10
    by_hand = macs * 1 + 8 * macs * 0.1 + 7 * 330 * 0.2
    assert found["per_sample_j"] == pytest.approx(by_hand * PJ)
    assert not found["arithmetic_alone"]
    assert {t["source"] for t in found["terms"]} == {"set by the user"}


def test_a_network_with_delays_has_no_counterpart_in_one_pass():
    late = replace(dense(64, 10), delay=3)
    graph = chain({"x": BiasInput((64,), (64,), 1.0), "in": neurons(64), "s": late,
                   "out": neurons(10)})  # fmt: skip
    activities = {k: v for k, v in ACTIVITIES.items() if k != "hid"}
    _, counts = counted(activities=activities, graph=graph)
    assert baseline(graph, counts, {}) is None
    assert beside(graph, counts, energy(graph=graph, activities=activities), "boyle2025")[
        "break_even"
    ] is None  # fmt: skip


def test_at_the_break_even_rate_both_networks_cost_the_same():
    one, counts = model(energy(), "boyle2025"), counted()[1]
    found = break_even(one, counts, 2 * STEPS)
    now = 1_300 / 202
    assert found["rate_now"] == pytest.approx(now)
    assert found["rate"] == pytest.approx(now * STEPS / SPIKES)
    assert STEPS + found["rate"] / now * SPIKES == pytest.approx(2 * STEPS)


def test_no_firing_rate_breaks_even_with_less_than_the_neuron_steps_cost():
    found = break_even(model(energy(), "boyle2025"), counted()[1], STEPS / 2)
    assert found["rate"] is None
    assert found["ann_j"] < found["neuron_steps_j"]
