"""Norse's float forward against our float reference, on FUZZ_N random networks in float64.

`make fuzz N=1000` runs many; `make test` runs a few seeds, and
tests/frontend/test_random_norse.py the first 40. A failing seed is enough to repeat it: the
networks come from `random_network(seed)` and, where all layers take all steps in one call,
`random_network_over_time(seed)` in tests/support/random_norse.py.
"""

import os

import pytest
from norse_agrees import compare
from random_norse import random_network, random_network_over_time

FIRST = 1000  # the first seeds are those of the fast tests
NETWORKS = int(os.environ.get("FUZZ_N", "3"))


@pytest.mark.parametrize("network", [random_network, random_network_over_time])
def test_no_spike_differs_from_norse(network, record_property):
    wrong, spikes, compared = {}, 0, 0
    for seed in range(FIRST, FIRST + NETWORKS):
        found = compare(*network(seed))
        if found.wrong:
            wrong[seed] = found.wrong
        spikes, compared = spikes + found.spikes, compared + found.compared
    counted = f"{NETWORKS} networks, {spikes} spikes in {compared} places"
    record_property("compared", counted)
    assert not wrong, f"{counted}; seeds that differ: {wrong}"
    assert spikes > 100 * NETWORKS
