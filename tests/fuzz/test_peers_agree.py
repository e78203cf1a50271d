"""The neighbours' own spikes against our float reference, on FUZZ_N random networks of each.

`make fuzz N=1000` makes the figure of docs/peers.md; `make test` runs a few seeds of its own, and
tests/frontend/test_{snntorch,spikingjelly,sinabs,slayer}.py the first ten. A failing seed says
all: the networks come from `compared(seed)` in tests/support/random_*.py.
"""

import os
from importlib import import_module

import pytest

FIRST = 1000  # the first seeds are those of the fast tests
NETWORKS = int(os.environ.get("FUZZ_N", "3"))


@pytest.mark.parametrize("package", ["snntorch", "spikingjelly", "sinabs", "slayer"])
def test_no_spike_differs_from_the_neighbours(package, record_property):
    if package != "slayer":  # lava-dl belongs to another group, without which nothing is tested
        pytest.importorskip(package)
    compared = import_module(f"random_{package}").compared
    wrong, spikes, places = {}, 0, 0
    for seed in range(FIRST, FIRST + NETWORKS):
        found = compared(seed)
        if found.wrong:
            wrong[seed] = found.wrong
        spikes, places = spikes + found.spikes, places + found.compared
    counted = f"{NETWORKS} networks, {spikes} spikes in {places} places"
    record_property("compared", counted)
    assert not wrong, f"{counted}; seeds that differ: {wrong}"
    assert spikes > 10 * NETWORKS
