"""Our boyle2025 energy and time against what SANA-FE charged for the same spikes.

sanafe.json holds SANA-FE's own numbers, step by step; `make crosscheck UPDATE=1` makes it.
"""

import json

import numpy as np
import pytest
from crosscheck import (
    BLOCKS,
    DOCS,
    EXACT_TOLERANCE,
    KEPT,
    KNOWN_MISSES,
    WAITING,
    disagreements,
    pairs,
    with_tables,
)
from crosscheck_networks import SMALL, STEPS, plain_route
from replay import digest, ours, replay

from neurocompile.chip.read import load_chip
from neurocompile.place import place

NUMBERS = json.loads(KEPT.read_text())
RENEW = "the network or its spikes changed: run `make crosscheck UPDATE=1`"


@pytest.fixture(scope="module", params=SMALL)
def small(request):
    case = SMALL[request.param]()
    return NUMBERS[request.param]["sanafe"], case, ours(case), NUMBERS[request.param]["digest"]


def test_sana_fe_replayed_exactly_this_network_on_these_cores(small):
    sanafe, case, _, kept = small
    assert digest(replay(case)) == kept, RENEW
    assert all(len(sanafe[term]) == STEPS for term in (*BLOCKS, "simple", "detailed"))


@pytest.mark.parametrize("term", BLOCKS)
def test_joules_are_those_of_sana_fe(small, term):
    sanafe, _, our, _ = small
    theirs, mine = pairs(sanafe, our)[term]
    assert theirs > 0
    assert mine == pytest.approx(theirs, rel=EXACT_TOLERANCE, abs=0)


def test_time_is_that_of_sana_fe_where_no_message_waits(small):
    sanafe, _, our, _ = small
    theirs, mine = pairs(sanafe, our)["time"]
    assert mine == pytest.approx(theirs, rel=EXACT_TOLERANCE, abs=0)


@pytest.mark.parametrize("name", NUMBERS)
def test_time_is_a_lower_bound_of_one_in_which_messages_wait(name):
    theirs, mine = pairs(NUMBERS[name]["sanafe"], NUMBERS[name]["ours"])[WAITING]
    assert mine <= theirs


def test_the_correction_of_updates_is_their_number_times_their_price(small):
    # what a report charges on top of the replay: 21.6 pJ for each update without a spike
    _, case, our, _ = small
    from neurocompile.energy import count, estimate

    counts = count(case.placed, case.activity, 1, STEPS)
    (model,) = (
        m
        for m in estimate(counts, case.placed, load_chip("loihi-sim"), "pipelined").models
        if m.name == "boyle2025"
    )
    somas = ("neuron_access", "neuron_update", "spike_out")
    reported = sum(t.energy_j for t in model.terms if t.quantity in somas)
    on_chip = [layer for layer in counts.layers.values() if layer.on_chip]
    silent = sum(layer.updated - layer.spikes for layer in on_chip)
    assert silent > 0
    assert reported - our["soma"] == pytest.approx(21.6e-12 * silent, rel=1e-9)


def test_the_replay_covers_every_format_the_host_and_both_directions_of_the_mesh():
    cases = [make() for make in SMALL.values()]
    routes = [route for case in cases for route in case.placed.routes.values()]
    assert {route.format for route in routes} == {"dense", "sparse", "conv"}
    assert any(route.host for route in routes)
    assert sum(r.hops_east_west.sum() for r in routes if not r.host) > 0
    assert sum(r.hops_north_south.sum() for r in routes if not r.host) > 0


@pytest.mark.parametrize("name", SMALL)
def test_routes_of_a_placement_are_those_found_connection_by_connection(name):
    graph = SMALL[name]().placed.graph
    placed = place(graph, load_chip("loihi-sim"))
    for synapse, route in placed.routes.items():
        plain = plain_route(graph, synapse, dict(placed.core_of))
        assert (route.format, route.host) == (plain.format, plain.host)
        for what in ("fan_out", "destinations", "hops_east_west", "hops_north_south"):
            assert np.array_equal(getattr(route, what), getattr(plain, what)), (synapse, what)


def test_every_network_agreed_when_it_was_replayed_but_for_the_misses_that_the_page_explains():
    apart = [disagreements(name, row) for name, row in NUMBERS.items()]
    assert {at for found in apart for at in found} == KNOWN_MISSES
    assert {row["sanafe"]["version"] for row in NUMBERS.values()} == {"2.2.9"}


def test_the_page_shows_these_numbers():
    page = DOCS.read_text()
    assert with_tables(page, NUMBERS) == page
