"""Synapse memory of whole cores against nengo-loihi's own count of them.

memory_bits.json holds nengo-loihi's bits; `make crosscheck UPDATE=1` makes it.
"""

import json

import pytest
from list_count import bits_on, longest_waits
from memory_bits import KEPT, by_hand, ours

KEPT_BITS = json.loads(KEPT.read_text())
CORES = by_hand()


def test_nengo_loihi_has_counted_every_core():
    assert CORES.keys() == KEPT_BITS.keys()
    assert KEPT_BITS["a convolution from neuron 768 on"] == 1_091_072


@pytest.mark.parametrize("name", CORES)
def test_a_core_takes_the_bits_that_nengo_loihi_counts(name):
    graph, held = CORES[name]
    assert ours(graph, held) == KEPT_BITS[name]
    assert bits_on(graph, held, longest_waits(graph)) == KEPT_BITS[name]
