"""Two synapses of a neuron onto one core: an axon and a message each here, one message in SANA-FE.

shared_axons.json holds what SANA-FE charged; `make crosscheck UPDATE=1` makes it.
"""

import json

import pytest
from crosscheck_networks import LOIHI
from replay import MODEL, digest, replay
from shared_axons import KEPT, case, extra, network_joules

NUMBERS = json.loads(KEPT.read_text())


@pytest.fixture(scope="module")
def made():
    return case()


def test_sana_fe_replayed_exactly_this_network(made):
    assert digest(replay(made)) == NUMBERS["digest"], "run `make crosscheck UPDATE=1`"


def test_the_messages_differ_and_in_both_ways_in_which_synapses_can_share_a_core(made):
    found = extra(made)
    assert min(found.values()) > 0
    cores = [set(route.fan.core.tolist()) for route in made.placed.routes.values()]
    straight, skip, _, residual = cores
    assert straight == skip == {3, 21}  # onto the same neurons
    assert residual == {12, 21}  # and onto other neurons of the same core


def test_our_network_joules_are_those_of_sana_fe_and_the_extra_messages_at_their_price(made):
    prices = LOIHI.energy[MODEL]
    more = sum(n * prices[event].si for event, n in extra(made).items())
    assert more > 0.1 * sum(NUMBERS["network"])
    assert network_joules(made) - more == pytest.approx(sum(NUMBERS["network"]), rel=1e-9, abs=0)
