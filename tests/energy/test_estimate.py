"""Joules against the closed forms of the two models, with counts chosen and summed by hand.

The network is that of hand_counted.py.
"""

import json
from dataclasses import replace

import numpy as np
import pytest
from hand_counted import ACTIVITIES, LOIHI, PJ, dense, energy, neurons

from neurocompile.chip.change import settable
from neurocompile.chip.read import load_chip
from neurocompile.energy import MODEL_VERSION
from neurocompile.engines.recording import Activity
from neurocompile.ir.fixed import BiasInput, SpikeInput, Synapse
from neurocompile.ir.graph import chain
from neurocompile.ir.nodes import Conv
from neurocompile.place import place

# (35.5 * 88,320 + 51.2 * 202 * 100 + 21.6 * 12,500 + 69.3 * 1,300 + 111 * 1,280) pJ
BOYLE = (3_135_360 + 1_034_240 + 270_000 + 90_090 + 142_080) * PJ
# (23.6 * 88,320 + 81 * 12,500 + 52 * (20,200 - 12,500) + 1.7 * 1,280) pJ
DAVIES = (2_084_352 + 1_012_500 + 400_400 + 2_176) * PJ
# two synapses deep: 202 * 2 neuron steps more where the state is reset after the sample
BOYLE_RESET = BOYLE + 51.2 * 404 * PJ
DAVIES_RESET = DAVIES + 52 * 404 * PJ


def total(result, model):
    return next(m.total_j for m in result.models if m.name == model)


def without(chip, model, *events):
    prices = {k: v for k, v in chip.energy[model].items() if k not in events}
    return replace(chip, energy={**chip.energy, model: prices})


def test_the_boyle_model_is_its_closed_form():
    assert total(energy(), "boyle2025") == pytest.approx(BOYLE, rel=1e-12)


def test_the_davies_model_is_its_closed_form():
    assert total(energy(), "davies2018") == pytest.approx(DAVIES, rel=1e-12)


def test_a_reset_between_samples_charges_the_depth_as_idle_steps():
    result = energy(mode="reset")
    assert total(result, "boyle2025") == pytest.approx(BOYLE_RESET, rel=1e-12)
    assert total(result, "davies2018") == pytest.approx(DAVIES_RESET, rel=1e-12)


def test_both_modes_are_printed_whichever_is_asked_for():
    for mode in ("reset", "pipelined"):
        rows = {row["mode"]: row for row in energy(mode=mode).to_dict()["modes"]}
        assert rows["pipelined"]["steps_charged"] == 100
        assert rows["reset"]["steps_charged"] == 102
        assert rows["pipelined"]["nominal_j"] == pytest.approx(BOYLE)
        assert rows["reset"]["nominal_j"] == pytest.approx(BOYLE_RESET)


def test_low_and_high_are_the_nominal_total_with_the_error_that_its_authors_state():
    report = energy().to_dict()
    assert report["nominal_j"] == pytest.approx(BOYLE)
    assert report["low_j"] == pytest.approx(0.88 * BOYLE)
    assert report["high_j"] == pytest.approx(1.12 * BOYLE)
    said = [(row["model"], row["of"], row["part"], row["source"]) for row in report["errors"]]
    assert said == [
        ("boyle2025", "energy", 0.12, "boyle2025"), ("boyle2025", "time", 0.25, "boyle2025")
    ]  # fmt: skip
    # that the error of times may be of older ones is said beside it
    assert "perhaps of older times" in report["errors"][1]["where"]
    assert report["model_version"] == MODEL_VERSION


def test_joules_are_given_for_one_sample_too():
    report = energy(samples=4).to_dict()
    assert report["per_sample_j"]["nominal_j"] == report["nominal_j"] / 4


def test_a_model_whose_authors_state_no_error_has_no_low_and_no_high():
    report = energy(replace(LOIHI, errors={})).to_dict()
    assert (report["low_j"], report["high_j"], report["errors"]) == (None, None, [])
    assert report["nominal_j"] == pytest.approx(BOYLE)


def test_each_term_is_its_count_times_its_price_and_names_its_source():
    for model in energy().models:
        for term in model.terms:
            assert term.energy_j == term.count * term.price_j
            assert term.source == model.name
            assert term.kind == {"davies2018": "simulated", "boyle2025": "derived"}[model.name]
        assert model.total_j == pytest.approx(sum(t.energy_j for t in model.terms))


def test_terms_stand_with_the_layer_that_causes_them():
    boyle = next(m for m in energy().models if m.name == "boyle2025")
    rows = {(t.layer, t.quantity): t.count for t in boyle.terms}
    assert rows == {
        ("s1", "synaptic_operation_dense"): 640 * 128,
        ("s1", "message_in"): 640,
        ("s1", "message_out"): 640,
        ("s2", "synaptic_operation_dense"): 640 * 10,
        ("s2", "message_in"): 640,
        ("s2", "message_out"): 640,
        ("in", "neuron_access"): 6_400,
        ("in", "neuron_update"): 3_000,
        ("in", "spike_out"): 640,
        ("hid", "neuron_access"): 12_800,
        ("hid", "neuron_update"): 9_000,
        ("hid", "spike_out"): 640,
        ("out", "neuron_access"): 1_000,
        ("out", "neuron_update"): 500,
        ("out", "spike_out"): 20,
    }


def test_shared_kernels_have_their_own_price():
    kernel = np.full((1, 1, 3), 2)
    op = Conv(kernel, None, (1,), (1,), (1,), 1)
    graph = chain({"in": SpikeInput((1, 8)), "s": Synapse(op, (1, 8), (1, 8)), "a": neurons(1, 8)})
    activities = {"in": Activity(np.full((1, 8), 5)), "a": Activity(np.zeros((1, 8), np.int64), 0)}
    boyle = next(
        m for m in energy(activities=activities, graph=graph).models if m.name == "boyle2025"
    )
    operations = [t for t in boyle.terms if t.quantity == "synaptic_operation_conv"]
    # 22 connections (two fewer at the edges), 5 spikes each, 24 pJ
    assert [(t.count, t.price_j) for t in operations] == [(110, 24 * PJ)]
    # spikes from the host arrive as messages, but no core sends them
    assert {t.quantity for t in boyle.terms if t.layer == "s"} == {
        "synaptic_operation_conv",
        "message_in",
    }


def test_hops_are_charged_by_direction():
    # a core a neuron: tile k // 4, tiles numbered north-south first, four in a column
    one = replace(LOIHI.limits.neurons_per_core, value=1)
    chip = replace(LOIHI, limits=replace(LOIHI.limits, neurons_per_core=one))
    graph = chain({
        "x": BiasInput((1,), (1,), 1.0), "a": neurons(1), "s": dense(1, 17), "b": neurons(17),
    })  # fmt: skip
    activities = {"a": Activity(np.array([3]), 0), "b": Activity(np.zeros(17, np.int64), 0)}
    cores = place(graph, chip).core_of
    start, ends = int(cores["a"][0]) // 4, [int(core) // 4 for core in cores["b"]]
    for model in energy(chip, activities, graph=graph).models:
        counts = {t.quantity: t.count for t in model.terms if t.layer == "s"}
        assert counts["hop_north_south"] == 3 * sum(abs(end % 4 - start % 4) for end in ends)
        assert counts["hop_east_west"] == 3 * sum(abs(end // 4 - start // 4) for end in ends)


def test_a_count_that_is_unknown_leaves_no_total():
    unknown = {**ACTIVITIES, "hid": Activity(np.full(128, 5))}
    report = energy(activities=unknown).to_dict()
    assert [m["total_j"] for m in report["models"]] == [None, None]
    assert (report["low_j"], report["nominal_j"], report["high_j"]) == (None, None, None)
    times = report["static"]["times"]
    assert [row["time_s"] for row in times] == [None, None, pytest.approx(0.1)]


HAPPENS = {  # every event of the network, by the model that prices it
    "boyle2025": (
        "synaptic_operation_dense", "neuron_access", "neuron_update", "spike_out", "message_out",
        "message_in",
    ),
    "davies2018": ("synaptic_operation", "neuron_active", "neuron_inactive", "message_within_tile"),
}  # fmt: skip


@pytest.mark.parametrize(("model", "event"), [(m, e) for m in HAPPENS for e in HAPPENS[m]])
def test_a_price_that_is_missing_leaves_no_total_and_is_named(model, event):
    chip = without(LOIHI, model, event)
    result = energy(chip)
    assert total(result, model) is None
    whole = {"boyle2025": DAVIES, "davies2018": BOYLE}[model]
    other = next(name for name in HAPPENS if name != model)
    assert total(result, other) == pytest.approx(whole)
    unpriced = {t.quantity for m in result.models for t in m.terms if t.price_j is None}
    assert unpriced == {event + "_dense" * (event == "synaptic_operation")}
    assert any(f"{min(unpriced)} by {model}: loihi-sim" in line for line in result.not_modelled)
    assert f"{model}.{min(unpriced)}" in settable(chip)  # what the hint offers
    if model == LOIHI.nominal:
        report = result.to_dict()
        assert (report["low_j"], report["nominal_j"], report["high_j"]) == (None, None, None)


def test_a_time_that_is_missing_leaves_no_time():
    times = {k: v for k, v in LOIHI.latency["boyle2025"].items() if k != "spike_out"}
    chip = replace(LOIHI, latency={**LOIHI.latency, "boyle2025": times})
    rows = {row["model"]: row["time_s"] for row in energy(chip).static["times"]}
    assert rows["boyle2025"] is None
    assert rows["davies2018"] is not None


def test_an_event_that_no_price_has_and_the_target_does_not_fold_leaves_no_total():
    assert LOIHI.folded_in("davies2018") == ("message_in", "message_out", "spike_out")
    assert total(energy(replace(LOIHI, folded={})), "davies2018") is None
    assert total(energy(replace(LOIHI, folded={})), "boyle2025") is None


def test_a_chip_without_prices_gives_no_joules():
    report = energy(load_chip("ideal")).to_dict()
    assert report["models"] == []
    assert report["nominal_j"] is None
    assert report["static"] is None
    assert any("no mesh" in line for line in report["not_modelled"])


def test_static_power_stands_beside_as_a_range_in_two_modes():
    result = energy()
    rows = {(row["mode"], row["model"]): row for row in result.static["times"]}
    real = rows["real time", None]
    assert real["time_s"] == pytest.approx(0.1)  # 100 steps of 1 ms
    # those of a chip that has run a network; idle_before is listed and not taken
    assert (result.static["low_is"], result.static["high_is"]) == ("idle_after", "leakage")
    assert real["low_j"] == pytest.approx(0.0996 * 0.1)
    assert real["high_j"] == pytest.approx(0.104 * 0.1)
    assert {p["name"]: (p["chip_w"], p["source"], p["kind"]) for p in result.static["powers"]} == {
        "idle_before": (0.0296, "abr", "measured"),
        "idle_after": (0.0996, "abr", "derived"),
        "leakage": (0.104, "frady2020", "derived"),
    }
    # The busiest core is that of the 128: 81,920 operations of 3.8 ns and 640 messages in of 16,
    # longer than it sends meanwhile; and 100 barriers of 0.6 us on one tile.
    fast = rows["as fast as possible", "boyle2025"]
    assert fast["time_s"] == pytest.approx((311_296 + 10_240 + 60_000) * 1e-9)
    # 81,920 operations of 3.5, 100 barriers of 113
    fast = rows["as fast as possible", "davies2018"]
    assert fast["time_s"] == pytest.approx((286_720 + 11_300) * 1e-9)


@pytest.mark.parametrize(
    ("tiles", "seconds"), [(1, 0.6e-6), (2, 1.0e-6), (3, 1.0e-6), (28, 1.4e-6), (32, 1.8e-6)]
)
def test_a_barrier_of_a_table_is_its_entry_of_no_more_tiles(tiles, seconds):
    assert LOIHI.barrier["boyle2025"].seconds(tiles) == seconds


def test_a_barrier_lies_on_the_line_between_the_two_published_tile_counts():
    # 113 ns for 1 tile, 465 for 32: 10 of 31 parts of the way
    found = LOIHI.barrier["davies2018"].seconds(11)
    assert found == pytest.approx((113 + 352 * 10 / 31) * 1e-9)


def test_how_a_barrier_goes_on_between_entries_is_the_targets_to_say_and_no_models():
    table, line = LOIHI.barrier["boyle2025"], LOIHI.barrier["davies2018"]
    assert replace(line, between="below").seconds(11) == 113e-9
    # 1.0 us for 2 tiles, 1.4 for 4
    assert replace(table, between="line").seconds(3) == pytest.approx(1.2e-6)


def test_the_report_is_plain_json_and_says_what_is_left_out():
    report = energy().to_dict()
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    assert report["name"] == "modelled neurocore event energy"
    left_out = " ".join(report["not_modelled"])
    for word in ("x86", "host", "loading weights"):
        assert word in left_out
