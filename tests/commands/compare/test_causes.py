"""A planted difference is found where it is, and put down to what made it."""

import numpy as np
import pytest
from planted import ONE, STEPS, Numbers, compared, integrators, network, readout

BIG = 254 << 7  # the largest weight, 254 * 2^7 * 64 = 2,080,768 chip units


def test_a_network_without_rounding_agrees_in_every_spike():
    # v: 6400, 9600, 11200, 12000; a spike in step 4 only, over 187 * 64 = 11968
    numbers = Numbers(threshold=187)
    found = compared(*network(numbers, numbers))
    (row,) = found["layers"]
    assert (row["float_spikes"], row["fixed_spikes"], row["agreement"]) == (1, 1, 1.0)
    assert row["membrane"]["all"] == {"rms": 0.0, "max": 0.0}
    assert (found["first"], found["agreement"], found["float64_ties"]) == (None, 1.0, 0)
    assert found["summary"] == ["Every spike agrees: 1 neuron, 4 steps, 1 sample, 4 values."]
    assert all(run["first"] is None for run in found["runs"])


@pytest.mark.parametrize(
    ("cause", "floating", "fixed", "spike"),
    [
        # 100.3 * 64 * 1.875 = 12036 > 12032 = 188 * 64 > 12000
        ("weight", Numbers(weight=100.3), Numbers(weight=100), True),
        # 102 * 64 * 1.875 = 12240 is between 191 * 64 = 12224 and 191.41 * 64 = 12250
        ("threshold", Numbers(102, threshold=191.41), Numbers(102, threshold=191), False),
        # (6400 + 17.3) * 1.875 = 12032.4; with 17: 12031.9
        ("bias", Numbers(bias=17.3), Numbers(bias=17), True),
        # 6417 (1 + k + k^2 + k^3), k = 0.50011: 12033.8; with 1/2: 12031.9
        ("decay", Numbers(bias=17, decay=2047.55), Numbers(bias=17), True),
        # 1.875 times 6400.9 + 17.4: 12034.3, 6400 + 17.4: 12032.6, 6400.9 + 17: 12033.6,
        # 6400 + 17: 12031.9
        ("combined", Numbers(6400.9 / 64, bias=17.4), Numbers(bias=17), True),
        # 6383 * 1.875 = 11968.1 > 187 * 64; v: 6383, 9574, 11170, 11968 with fractions cut off
        ("truncation", Numbers(99, 187, 47), Numbers(99, 187, 47), True),
    ],
)
def test_the_class_that_was_rounded_is_named(cause, floating, fixed, spike):
    found = compared(*network(floating, fixed))
    first = found["first"]
    assert first["cause"] == cause
    assert (first["layer"], first["step"], first["sample"]) == ("neuron", STEPS, 0)
    assert (first["neuron"], first["path"]) == ([0], "synapse -> neuron")
    assert (first["float_spike"], first["fixed_spike"]) == (spike, not spike)
    assert (first["of_threshold"]["float"] > 1, first["of_threshold"]["fixed"] > 1) == (
        spike, not spike,
    )  # fmt: skip
    assert (first["differ_there"], first["causes_there"]) == (1, {cause: 1})
    alone = {run["run"]: run["first"] for run in found["runs"]}
    parted = {run for run, place in alone.items() if place is not None}
    assert found["parts_first"] == (None if cause == "truncation" else cause)
    by_itself = {cause} & {"weight", "threshold", "bias", "decay"}
    together = set() if cause == "truncation" else {"all"}
    assert parted == by_itself | together | {"fixed"}
    assert alone["fixed"] == {"layer": "neuron", "step": STEPS, "sample": 0, "neuron": [0]}


def test_the_potentials_beside_the_threshold_are_those_of_the_arithmetic():
    found = compared(*network(Numbers(weight=100.3, bias=1.2), Numbers(weight=100, bias=1)))
    reached = found["first"]["of_threshold"]
    by_hand = {
        "float": 1.875 * (6419.2 + 1.2),
        "weight": 1.875 * (6400 + 1.2),
        "bias": 1.875 * (6419.2 + 1),
        "threshold": 1.875 * (6419.2 + 1.2),
        "decay": 1.875 * (6419.2 + 1.2),
        "all": 1.875 * 6401,
        "fixed": 12001,  # 6401, 9601.5 cut, 11201.5 cut, 12001.5 cut
    }
    assert reached == pytest.approx({run: v / 12032 for run, v in by_hand.items()}, abs=1e-12)


def test_the_sentence_names_layer_step_sample_neuron_and_cause():
    found = compared(*network(Numbers(weight=100.3), Numbers(weight=100)))
    # 12036 / 12032 and 12000 / 12032
    assert found["summary"][0] == (
        "They first differ in layer 'synapse -> neuron' at step 4 of sample 0 (neuron (0)): float "
        "membrane 1.0003 of the threshold, fixed 0.9973. Cause: rounding of the weights."
    )
    assert "Layer 'neuron' went silent" in found["summary"][-1]


def test_of_several_classes_that_part_by_themselves_the_one_that_moves_the_membrane_most_is_named():
    floating = Numbers(weight=100.3, bias=1)  # 12037.9; threshold 12032
    worse = compared(*network(Numbers(weight=100.1, bias=14), Numbers(weight=100, bias=4)))
    assert compared(*network(floating, Numbers(weight=100, bias=-9)))["first"]["cause"] == "weight"
    assert worse["first"]["cause"] == "bias"  # loses 10 a step, the weight 6.4


def test_the_earliest_sample_and_step_are_reported_and_samples_that_part_are_counted():
    spikes = np.zeros((3, STEPS, 1), dtype=np.uint8)
    spikes[1:] = 1  # the first sample is silent, the others part in step 4
    found = compared(*network(Numbers(weight=100.3), Numbers(weight=100)), spikes)
    (row,) = found["layers"]
    assert (found["first"]["step"], found["first"]["sample"]) == (4, 1)
    assert (row["first_step"], row["samples_at_first_step"], row["samples_parted"]) == (4, 2, 2)
    assert (row["float_spikes"], row["fixed_spikes"], row["rate_change"]) == (2, 0, -1.0)
    assert row["agreement"] == 10 / 12
    assert row["agreement_by_step"] == pytest.approx([1, 1, 1, 1 / 3])


def test_membrane_errors_are_in_thresholds_and_apart_from_those_after_the_first_difference():
    found = compared(*network(Numbers(weight=100.3), Numbers(weight=100)))
    (membrane,) = (row["membrane"] for row in found["layers"])
    # after 1, 2 and 3 steps the chip lacks 19.2 times 1, 1.5 and 1.75; then float has spiked
    errors = np.array([19.2, 28.8, 33.6]) / 12032
    assert membrane["unit"] == "threshold"
    assert membrane["before"]["rms"] == pytest.approx(np.sqrt(np.mean(errors**2)))
    assert membrane["before"]["max"] == pytest.approx(errors[-1])
    assert membrane["all"]["max"] == pytest.approx(12000 / 12032)
    assert sum(membrane["histogram"]) == 3


def test_wraps_are_counted_and_named_as_the_cause():
    # five weights of the largest kind: 10,403,840 chip units wrap to -6,373,376
    spikes = np.ones((2, 3, 5), dtype=np.uint8)
    found = integrators([64.0 * BIG] * 5, [254] * 5, 7, 100, spikes=spikes)
    (row,) = found["layers"]
    assert (row["wraps"], found["first"]["cause"], found["first"]["wrapped"]) == (6, "wrap", True)
    assert (row["float_spikes"], row["fixed_spikes"], row["changed"]) == (6, 0, "silent")
    assert (row["float"]["bursting"], row["fixed"]["bursting"]) == (1, 0)
    assert (row["fixed"]["silent"], row["fixed"]["dead"], row["silenced"]) == (1, 1, 1)
    assert any("wrapped around 24 bits 6 times" in sentence for sentence in found["summary"])


def test_saturations_are_counted_and_named_as_the_cause():
    # five times -2,080,768 is -10,403,840, cut at -8,388,607; five times up again passes 0
    spikes = np.zeros((1, 10, 2), dtype=np.uint8)
    spikes[0, :5, 0] = spikes[0, 5:, 1] = 1
    found = integrators([-64.0 * BIG, 64.0 * BIG], [-254, 254], 7, 100, spikes=spikes)
    (row,) = found["layers"]
    assert row["saturations"] == 1
    # -8,388,607 + 5 * 2,080,768 > 0 in the last step, where float is back at 0
    assert (found["first"]["step"], found["first"]["cause"]) == (10, "saturation")
    assert found["first"]["saturated"]
    assert any("cut to 24 bits 1 times" in sentence for sentence in found["summary"])


def test_a_potential_on_the_threshold_is_a_tie_and_nobodys_fault():
    # 0.1 + 0.1 + 0.1 > 0.3 in float64; 3 * 6400 = 300 * 64 on the chip
    spikes = np.ones((1, 3, 1), dtype=np.uint8)
    found = integrators([0.1], [100], 0, 300, spikes=spikes, scale=0.3 / 19200)
    assert (found["first"]["step"], found["first"]["cause"]) == (3, "tie")


def test_a_network_that_never_spikes_is_compared_by_its_potentials():
    found = compared(*readout(), ONE)
    (row,) = found["layers"]
    # 64 * 100 of 64 * 100.5 in every step
    assert row["membrane"]["unit"] == "largest float potential"
    assert row["membrane"]["all"]["max"] == pytest.approx(0.5 / 100.5)
    assert (found["first"], found["agreement"], row["float_spikes"]) == (None, None, None)
