"""Prices of a user's own: what is taken, how it is marked, what is refused."""

import pytest
from hand_counted import LOIHI, PJ, SMALL, energy, model

from neurocompile.chip.change import USER, parse, with_changes, with_chips, with_cores, with_reset
from neurocompile.chip.read import load_chip
from neurocompile.errors import BadInput, Doubtful


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
@pytest.mark.filterwarnings("ignore::neurocompile.errors.Doubtful")
def test_a_price_is_read_with_its_unit_and_marked_as_the_users(text, section, where, si):
    model, event = where
    of_model = getattr(changed(text), section)[model]
    quantity = (of_model.times if section == "barrier" else of_model)[event]
    assert quantity.si == si
    assert (quantity.source, quantity.kind) == (USER, "assumed")


def test_static_power_can_be_set():
    power = changed("power.idle_before=20mW", "power.leakage=0.05W").power
    assert (power.idle_before.si, power.leakage.si) == (0.02, 0.05)
    # the lowest of a chip that has run is now the leakage; idle_before is not of such a chip
    assert list(power.running) == ["leakage", "idle_after"]


@pytest.mark.parametrize(
    ("text", "usual"),
    [
        ("boyle2025.spike_out=5J", "5 J is unusual. For an event, 10 fJ to 1 uJ is usual."),
        ("boyle2025.spike_out=1e-3fJ", "10 fJ to 1 uJ"),
        ("boyle2025.chip_reset=5J", "For a reset of a chip, 1 nJ to 1 mJ is usual."),
        ("ann.mac=5J", "10 fJ to 1 uJ"),
        ("latency.boyle2025.spike_out=5s", "5 s is unusual. For an event, 10 ps to 10 us"),
        ("barrier.boyle2025.29=5s", "For a barrier, 1 ns to 1 ms"),
        ("power.leakage=50W", "For a chip at rest, 0.1 mW to 10 W"),
    ],
)
def test_a_price_far_from_the_usual_is_taken_with_a_warning_that_names_the_usual(text, usual):
    with pytest.warns(Doubtful) as warned:
        changed(text)
    assert [usual in str(one.message) and text in str(one.message) for one in warned] == [True]


def test_resets_cost_what_the_source_says_where_a_user_asks_for_them():
    before, after = (
        energy(samples=3, mode="reset"),
        energy(with_reset(LOIHI), samples=3, mode="reset"),
    )
    for name in ("davies2018", "boyle2025"):
        new = [t for t in model(after, name).terms if t not in model(before, name).terms]
        # one chip, three samples
        assert [(t.layer, t.quantity, t.count, t.price_j, t.source) for t in new] == [
            ("(chip)", "chip_reset", 3, 5.9e-6, "frady2020")
        ]
        more = model(after, name).total_j - model(before, name).total_j
        assert more == pytest.approx(3 * 5.9e-6)
    assert any("--charge-reset" in line for line in before.not_modelled)
    assert not any("reset" in line for line in after.not_modelled)


def test_nothing_is_reset_where_samples_follow_each_other():
    assert energy(with_reset(SMALL)).models == energy().models


def test_a_price_of_the_users_own_for_a_reset_comes_before_the_sources():
    mine = with_reset(changed("boyle2025.chip_reset=2uJ"))
    prices = {m: p["chip_reset"].si for m, p in mine.energy.items()}
    assert prices == {"davies2018": 5.9e-6, "boyle2025": 2e-6}


@pytest.mark.parametrize("name", ["ideal", "loihi2-sim"])
def test_a_reset_without_a_source_is_refused_with_what_to_set(name):
    with pytest.raises(BadInput, match=r"no source states .* --set MODEL\.chip_reset"):
        with_reset(load_chip(name))


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
        "was": "23.6 pJ", "was_source": "davies2018", "how": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "value", "how", "si"),
    [
        (
            "davies2018.synaptic_operation=x2",
            47.2,
            "2 x",
            4.72e-11,
        ),
        (
            "davies2018.synaptic_operation = x 0.5",
            11.8,
            "0.5 x",
            1.18e-11,
        ),
        (
            "davies2018.synaptic_operation=x1e1",
            236,
            "10 x",
            2.36e-10,
        ),
        (
            "davies2018.synaptic_operation=x1.50",
            35.4,
            "1.5 x",
            3.54e-11,
        ),
    ],
)
def test_a_price_may_be_a_multiple_of_the_sourced_price(text, value, how, si):
    (change,) = parse([text], LOIHI).values()
    said, how = change.to_dict(), f"{how} sourced price (davies2018, simulated)"
    assert (said["value"], said["unit"], said["how"]) == (value, "pJ", how)
    assert (said["was"], said["was_source"]) == ("23.6 pJ", "davies2018")
    chip = with_changes(LOIHI, {change.key: change})
    price = chip.energy["davies2018"]["synaptic_operation"]
    assert (price.si, price.source, price.kind) == (si, f"{USER}, {how}", "assumed")
    assert price.where.endswith("x 23.6 pJ of davies2018")
    assert "multiplies" in chip.sources[price.source]["title"]


def test_a_time_and_a_power_may_be_multiples_too():
    chip = changed("latency.boyle2025.message_in=x3", "power.idle_after=x0.5")
    assert chip.latency["boyle2025"]["message_in"].si == 48e-9
    assert chip.power.idle_after.si == LOIHI.power.idle_after.si / 2


def test_a_multiple_of_a_price_multiplies_its_terms_and_no_others():
    before, after = energy(), energy(changed("boyle2025.spike_out=x2"))
    for old, new in zip(
        model(before, "boyle2025").terms, model(after, "boyle2025").terms, strict=True
    ):
        assert new.energy_j == (2 if old.quantity == "spike_out" else 1) * old.energy_j


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("davies2018.synaptic_operation=20", ["20 has no unit", "fJ, pJ, nJ, uJ, mJ, J"]),
        ("davies2018.synaptic_operation=-1pJ", ["-1 is negative"]),
        ("davies2018.synaptic_operation=3ns", ["'ns' is not a unit of energy", "pJ"]),
        ("latency.boyle2025.message_in=3pJ", ["'pJ' is not a unit of time", "ns"]),
        ("power.idle_after=3pJ", ["'pJ' is not a unit of power", "mW"]),
        ("davies2018.synaptic_operation=3cal", ["'cal' is not a unit"]),
        ("davies2018.synaptic_operation=nanpJ", ["'nanpJ' is not a number"]),
        ("davies2018.synaptic_operation=infJ", ["'infJ' is not a number"]),
        ("davies2018.synaptic_operation=", ["'' is not a number"]),
        ("davies2018.synaptic_operation=1e400pJ", ["above 1e+09"]),
        ("davies2018.synaptic_operation", ["no '='", "KEY=20pJ"]),
        ("davies2018.synaptic_op=1pJ", ["no price", "Nearest", "davies2018.synaptic_operation"]),
        ("boyle2025.synaptic_operation=1pJ", ["no price", "boyle2025.synaptic_operation_dense"]),
        ("barrier.boyle2025.30=1us", ["no price", "barrier.boyle2025.29"]),
        ("limits.cores=1pJ", ["no price"]),
        ("q=1pJ", ["no price 'q'", "davies2018, boyle2025", "targets loihi-sim"]),
        ("power.static_low=1W", ["no price 'power.static_low'"]),
        ("boyle2025.spike_out=x0", ["factor 0 is not above 0", "boyle2025.spike_out=0pJ"]),
        ("boyle2025.spike_out=x-2", ["factor -2 is not above 0"]),
        ("boyle2025.spike_out=x", ["'x' is not a number"]),
        ("boyle2025.spike_out=x2pJ", ["'x2pJ' is not a number"]),
        ("boyle2025.spike_out=xnan", ["'xnan' is not a number"]),
        ("boyle2025.spike_out=x1e999999999", ["not from 1e-09 to 1e+09"]),
        ("boyle2025.spike_out=x1e999999999999999999999", ["not from 1e-09 to 1e+09"]),
        ("boyle2025.spike_out=x1e-999999999999999999999", ["is not above 0"]),
        ("boyle2025.spike_out=1e999999999999999999999pJ", ["above 1e+09"]),
        ("boyle2025.spike_out=x1e8", ["1e8 x 69.3 pJ is above 1e+09"]),
        ("davies2018.synaptic_update=1nJ", ["changes nothing", "never charged", "learns"]),
        ("latency.davies2018.hop_east_west=x2", ["changes nothing", "messages travel while"]),
        ("boyle2025.off_chip_message=x2", ["the target states no price", "off_chip_message=20pJ"]),
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


def test_a_network_on_several_smaller_chips_has_more_static_power_no_time_and_no_total():
    # two cores, which send each other all 640 + 640 messages: on one chip of 128, on two of 1
    one, two = energy(), energy(with_cores(SMALL, 1))
    assert (one.static["chips"], two.static["chips"]) == (1, 2)
    assert two.static["high_w"] == pytest.approx(2 * 0.104)
    for name in ("davies2018", "boyle2025"):
        off_chip = [t for t in model(two, name).terms if t.quantity == "off_chip_message"]
        assert [(t.count, t.price_j, t.source) for t in off_chip] == 2 * [(640, None, None)]
        assert model(two, name).total_j is None
    assert set(vars(two.ranges["pipelined"]).values()) == {None}
    fast = [row for row in two.static["times"] if row["mode"] == "as fast as possible"]
    assert {row["time_s"] for row in fast} == {None}
    assert any("the time of a step on 2 chips" in line for line in two.not_modelled)
    assert any("1,280 messages" in line and "--set" in line for line in two.not_modelled)


def test_with_a_price_of_the_users_own_messages_between_chips_have_joules_that_say_so():
    chip = with_cores(SMALL, 1)
    changes = parse(["boyle2025.off_chip_message=10pJ"], chip)
    (change,) = changes.values()
    assert change.to_dict()["was"] is None
    one, two = energy(), energy(with_changes(chip, changes))
    # every core is the only one of its chip: nothing else differs, for on one chip nothing hops
    more = model(two, "boyle2025").total_j - model(one, "boyle2025").total_j
    assert more == pytest.approx(1280 * 10 * PJ, rel=1e-9)
    off_chip = [t for t in model(two, "boyle2025").terms if t.quantity == "off_chip_message"]
    assert {t.source for t in off_chip} == {USER}
    # the other model has no price still
    assert model(two, "davies2018").total_j is None
    ranges = two.ranges["pipelined"]
    assert ranges.nominal_j == model(two, "boyle2025").total_j
    assert ranges.low_j is None  # the error of the authors is of their own prices
    both = parse([f"{m}.off_chip_message=10pJ" for m in ("davies2018", "boyle2025")], chip)
    priced = energy(with_changes(chip, both))
    assert not any("a price" in line for line in priced.not_modelled)


def test_a_chip_may_be_taken_more_than_once_where_a_user_allows_it():
    assert with_chips(LOIHI, None) is LOIHI
    assert with_chips(LOIHI, 1) is LOIHI
    chip = with_chips(LOIHI, 3)
    assert (chip.limits.chips.value, chip.limits.chips.source) == (3, USER)
    assert USER in chip.sources


def test_a_price_of_a_reset_may_be_a_multiple_of_the_sourced_one():
    chip = with_reset(changed("boyle2025.chip_reset=x2"))
    assert chip.energy["boyle2025"]["chip_reset"].si == 11.8e-6
    assert chip.energy["davies2018"]["chip_reset"].si == 5.9e-6


@pytest.mark.parametrize(
    ("target", "text", "words"),
    [
        ("loihi2-sim", "loihi1-proxy.chip_reset=x2", r"states no price .*chip_reset=5uJ"),
        ("loihi-sim", "boyle2025.off_chip_message=x2", "states no price .*message=20pJ"),
        ("loihi-sim", "ann.mac=x2", "depends on the network.*ann.mac=20pJ"),
    ],
)
def test_what_cannot_be_multiplied_is_refused_with_a_price_that_works(target, text, words):
    chip = load_chip(target)
    with pytest.raises(BadInput, match=words) as refused:
        parse([text], chip)
    offered = str(refused.value).rsplit(" ", 1)[1].rstrip(".")
    assert parse([offered], chip)


def test_the_authors_error_is_of_their_prices_and_of_no_others():
    own = energy(changed("boyle2025.spike_out=x2")).total
    assert (own.low_j, own.high_j) == (None, None)
    assert own.nominal_j is not None
    other = energy(changed("davies2018.neuron_active=x2")).total
    assert other == energy().total
