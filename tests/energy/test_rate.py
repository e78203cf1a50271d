"""Power at a rate of samples, and the events of a second, worked out by hand."""

import pytest
from hand_counted import ACTIVITIES, LOIHI, PJ, SMALL, counted

from neurocompile.chip.change import with_cores
from neurocompile.energy.rate import at_rate
from neurocompile.energy.streaming import streaming
from neurocompile.engines.recording import Activity


def power(rate, chip=SMALL):
    placed, counts = counted(chip)
    return at_rate(rate, counts, placed, chip)


def row(found, follow, model="boyle2025"):
    (one,) = (r for r in found["rows"] if (r["samples_follow"], r["model"]) == (follow, model))
    return one


def test_dynamic_power_is_joules_per_sample_times_the_rate():
    # 202 neurons x 100 steps; the counts of hand_counted.py
    by_hand = 88_320 * 35.5 + 1_280 * 111 + 20_200 * 51.2 + 12_500 * 21.6 + 1_300 * 69.3
    found = row(power(50.0), "pipelined")
    assert found["per_sample_j"] == pytest.approx(by_hand * PJ, rel=1e-12)
    assert found["dynamic_w"] == pytest.approx(50 * by_hand * PJ, rel=1e-12)
    # one step more, in which 202 neurons are visited
    more = row(power(50.0), "reset")["dynamic_w"] - found["dynamic_w"]
    assert more == pytest.approx(50 * 2 * 202 * 51.2 * PJ, rel=1e-6)


def test_the_rate_is_held_against_the_modelled_time_of_the_same_model():
    # the slowest core receives: 81,920 operations of 3.8 ns, 640 messages of 16; 100 barriers of
    # 600 ns
    most = 1 / (381_536e-9)
    assert row(power(50.0), "pipelined")["most_per_s"] == pytest.approx(most, rel=1e-9)
    assert row(power(most * 0.999), "pipelined")["keeps"] is True
    late = row(power(most * 1.001), "pipelined")
    assert (late["keeps"], late["dynamic_w"]) == (False, None)


def test_each_static_power_has_its_name_and_is_in_no_sum():
    found = power(50.0)
    stated = {name: quantity.si for name, quantity in SMALL.power.stated.items()}
    assert {one["name"]: one["power_w"] for one in found["static"]} == stated
    assert len(stated) >= 2
    assert all(one["source"] in SMALL.sources for one in found["static"])
    assert power(100.0)["static"] == found["static"]


def test_on_several_chips_no_time_is_known_and_every_chip_has_static_power():
    found = power(1e9, with_cores(SMALL, 1))
    assert {one["keeps"] for one in found["rows"]} == {None}
    assert [one["chips"] for one in found["static"]] == [2] * len(found["static"])


def test_a_chip_without_prices_has_no_rows(ideal):
    placed, counts = counted(ideal)
    assert at_rate(1e9, counts, placed, ideal) == {"per_s": 1e9, "rows": [], "static": []}


def test_the_events_of_a_second_are_those_of_ten_samples_of_a_hundred_steps():
    _, counts = counted(LOIHI)
    found = streaming(counts, 1e-3)
    assert found["samples_per_s"] == pytest.approx(10)
    assert found["per_second"]["spikes"] == pytest.approx(13_000)
    assert found["per_second"]["synaptic_operations"] == pytest.approx(883_200)
    assert found["per_second"]["updates"] == pytest.approx(125_000)


def test_messages_of_a_second_are_counted_by_core():
    assert streaming(counted(SMALL)[1], 1e-3)["per_second"]["messages"] == pytest.approx(12_800)


def test_updates_that_were_not_counted_are_not_known_by_the_second():
    unknown = {name: Activity(each.spikes, None) for name, each in ACTIVITIES.items()}
    assert streaming(counted(activities=unknown)[1], 1e-3)["per_second"]["updates"] is None
