"""PilotNet LIF beside its run on a Loihi 2: what `make crosscheck-pilotnet` kept."""

import json

import pytest
from loihi2_tables import PILOTNET
from pilotnet import (
    KEPT,
    LOIHI2,
    MODEL,
    PAGES,
    ROOT,
    SILICON,
    STEPS,
    joules,
    ratios,
    step_s,
    tables,
    with_tables,
)

from neurocompile.energy.estimate import EVIDENCE

NUMBERS = json.loads(KEPT.read_text())
CROSSCHECKS = " ".join((ROOT / "docs" / "crosschecks.md").read_text().split())


def test_the_pages_show_what_was_kept_at_the_prices_of_today():
    made = tables(NUMBERS)
    for page, names in PAGES.items():
        text = (ROOT / page).read_text()
        assert with_tables(text, {name: made[name] for name in names}) == text, page


def test_the_network_took_the_74_cores_of_the_measured_run():
    assert NUMBERS["cores"] == sum(row.cores for row in PILOTNET) == 74


def test_joules_and_time_are_within_a_factor_of_2_of_the_silicon():
    assert SILICON.step_s == pytest.approx(152.8e-6, rel=1e-3)
    assert all(0.5 <= ratio <= 2 for ratio in ratios(NUMBERS).values())


def test_the_report_and_the_readme_say_the_ratio_that_was_found():
    ratio = f"{ratios(NUMBERS)['joules']:.2f} times the dynamic"
    assert ratio in EVIDENCE
    assert ratio in " ".join((ROOT / "README.md").read_text().split())


def test_every_neuron_is_visited_in_each_of_the_16_steps():
    neurons = 200 * 66 * 3 + 99 * 32 * 24 + 49 * 15 * 36 + 24 * 7 * 48 + 22 * 4 * 64 + 20 * 2 * 64
    assert NUMBERS["counts"]["neuron_access"] == (neurons + 100 + 50 + 10 + 1) * STEPS
    assert NUMBERS["counts"]["spike_out"] == sum(NUMBERS["spikes"].values())


def test_spikes_by_layer_are_those_that_netx_published_for_this_frame():
    # sums over 16 steps of gts/pilotnet_lif/input.npy and conv-*.npy; layer k begins k steps later
    published = {"layer0": 565197, "layer1": 101310, "layer2": 44841, "layer3": 16128,
                 "layer4": 9582, "layer5": 4122}  # fmt: skip
    assert {name: NUMBERS["spikes"][name] for name in published} == published


def test_what_the_page_says_of_a_synaptic_operation_follows_from_the_counts():
    conv, each = "synaptic_operation_conv", joules(NUMBERS)
    count = NUMBERS["counts"][conv]
    rest = sum(each.values()) - each[conv]
    work = SILICON.step_s - LOIHI2.barrier["loihi1-scaled"].times[1].si
    messages = NUMBERS["slowest"]["message_in"] * 16e-9
    per_operation = (work * STEPS - messages) / NUMBERS["slowest"][conv]
    free, beside = (f"{(SILICON.dynamic_j - other) / count * 1e12:.1f}" for other in (0, rest))
    assert each[conv] / sum(each.values()) == pytest.approx(0.75, abs=0.03)
    assert f"at most {free} pJ for each of them, or {beside} pJ" in CROSSCHECKS
    assert f"At {per_operation * 1e9:.2f} ns each instead of 0.62" in CROSSCHECKS
    assert f"{3.1e-9 / per_operation:.1f} times as fast as on Loihi 1" in CROSSCHECKS
    assert LOIHI2.energy[MODEL][conv].value == 24
    assert step_s(NUMBERS) < SILICON.step_s  # a lower bound: no message waits
