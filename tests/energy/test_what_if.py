"""Prices of a user's own: what is taken, how it is marked, what is refused."""

import pytest
from hand_counted import LOIHI, PJ, SMALL, energy, model

from neurocompile.energy.what_if import USER, parse, with_changes, with_cores
from neurocompile.errors import BadInput
from neurocompile.hardware import load_chip


def changed(*assignments):
    return with_changes(LOIHI, parse(assignments, LOIHI))


@pytest.mark.parametrize(
    ("text", "section", "where", "si"),
    [
        ("davies2018.synaptic_operation=20pJ", "energy", ("davies2018", "synaptic_operation"),
         2e-11),
        ("energy.davies2018.synaptic_operation = 20 pJ", "energy",
         ("davies2018", "synaptic_operation"), 2e-11),
        ("boyle2025.message_out=0.5nJ", "energy", ("boyle2025", "message_out"), 5e-10),
        ("boyle2025.message_out=1e3fJ", "energy", ("boyle2025", "message_out"), 1e-12),
        ("boyle2025.spike_out=3uJ", "energy", ("boyle2025", "spike_out"), 3e-6),
        ("boyle2025.spike_out=3mJ", "energy", ("boyle2025", "spike_out"), 3e-3),
        ("boyle2025.spike_out=0J", "energy", ("boyle2025", "spike_out"), 0.0),
        ("latency.boyle2025.message_in=.5us", "latency", ("boyle2025", "message_in"), 5e-7),
        ("barrier.boyle2025.29=2ms", "barrier", ("boyle2025", 29), 2e-3),
    ],
)  # fmt: skip
def test_a_price_is_read_with_its_unit_and_marked_as_the_users(text, section, where, si):
    quantity = getattr(changed(text), section)[where[0]][where[1]]
    assert quantity.si == si
    assert (quantity.source, quantity.kind) == (USER, "assumed")


def test_static_power_can_be_set():
    power = changed("power.static_low=20mW", "power.static_high=0.05W").power
    assert (power.static_low.si, power.static_high.si) == (0.02, 0.05)


def test_only_terms_of_the_price_change_and_say_who_set_it():
    before, after = energy(), energy(changed("davies2018.synaptic_operation=20pJ"))
    for name in ("davies2018", "boyle2025"):
        for old, new in zip(model(before, name).terms, model(after, name).terms, strict=True):
            set_ = name == "davies2018" and old.quantity.startswith("synaptic_operation")
            assert new.source == (USER if set_ else old.source)
            assert new.energy_j == (new.count * 20e-12 if set_ else old.energy_j)
    # 88,320 operations that cost 3.6 pJ less
    less = model(before, "davies2018").total_j - model(after, "davies2018").total_j
    assert less == pytest.approx(88_320 * 3.6 * PJ, rel=1e-12)


def test_a_change_says_what_it_replaces():
    (change,) = parse(["davies2018.synaptic_operation=20pJ"], LOIHI).values()
    assert change.to_dict() == {
        "key": "davies2018.synaptic_operation", "value": 20, "unit": "pJ",
        "was": "23.6 pJ", "was_source": "davies2018",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("davies2018.synaptic_operation=20", ["20 has no unit", "fJ, pJ, nJ, uJ, mJ, J"]),
        ("davies2018.synaptic_operation=-1pJ", ["-1 is negative"]),
        ("davies2018.synaptic_operation=3ns", ["'ns' is no unit of energy", "pJ"]),
        ("latency.boyle2025.message_in=3pJ", ["'pJ' is no unit of time", "ns"]),
        ("power.static_low=3pJ", ["'pJ' is no unit of power", "mW"]),
        ("davies2018.synaptic_operation=3cal", ["'cal' is no unit"]),
        ("davies2018.synaptic_operation=nanpJ", ["'nanpJ' is no number"]),
        ("davies2018.synaptic_operation=infJ", ["'infJ' is no number"]),
        ("davies2018.synaptic_operation=", ["'' is no number"]),
        ("davies2018.synaptic_operation=1e400pJ", ["above 1e+09"]),
        ("davies2018.synaptic_operation", ["no '='", "KEY=20pJ"]),
        ("davies2018.synaptic_op=1pJ", ["no price", "Nearest", "davies2018.synaptic_operation"]),
        ("boyle2025.synaptic_operation=1pJ", ["no price", "boyle2025.synaptic_operation_dense"]),
        ("barrier.boyle2025.30=1us", ["no price", "barrier.boyle2025.29"]),
        ("limits.cores=1pJ", ["no price"]),
        ("q=1pJ", ["no price 'q'", "davies2018, boyle2025", "targets loihi-sim"]),
        ("power.static_low=1W", ["1 W) is above power.static_high (0.104 W)"]),
    ],
)
def test_what_cannot_be_set_is_refused_with_what_can(text, words):
    with pytest.raises(BadInput) as error:
        changed(text)
    for word in ["--set", *words]:
        assert word in str(error.value)


def test_a_price_that_is_set_twice_is_refused():
    with pytest.raises(BadInput, match="set twice"):
        changed("boyle2025.spike_out=1pJ", "energy.boyle2025.spike_out=2pJ")


def test_a_chip_without_prices_names_none():
    with pytest.raises(BadInput, match="models: none"):
        parse(["davies2018.synaptic_operation=1pJ"], load_chip("ideal"))


def test_a_network_on_several_smaller_chips_has_more_static_power_and_no_known_hops():
    # two cores: on one chip of 128, on two of 1
    one, two = energy(), energy(with_cores(SMALL, 1))
    assert (one.static["chips"], two.static["chips"]) == (1, 2)
    assert two.static["high_w"] == pytest.approx(2 * 0.104)
    hops = [t for t in model(two, "boyle2025").terms if t.quantity.startswith("hop")]
    assert hops
    assert {t.count for t in hops} == {None}
    assert model(two, "boyle2025").total_j is None
    assert any("several chips" in line for line in two.not_modelled)
