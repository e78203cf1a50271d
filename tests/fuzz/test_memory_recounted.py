"""Synapse memory that placement counts, against a count list by list; FUZZ_N random networks."""

import os

import pytest
from list_count import bits_by_core, crowded_network
from place_networks import limited

from neurocompile.place import place

SEEDS = int(os.environ.get("FUZZ_N", "5"))


@pytest.mark.parametrize("seed", range(SEEDS))
def test_every_core_holds_the_bits_that_its_lists_take(seed):
    graph, rng = crowded_network(seed)
    chip = limited(
        neurons_per_core=int(rng.integers(300, 1025)),
        input_axons_per_core=int(rng.integers(1500, 4096)),
        synapse_memory_per_core=int(rng.integers(400_000, 1_048_577)),
    )
    placed = place(graph, chip, ("both", "cores", "messages")[seed % 3])
    bits = bits_by_core(placed)
    assert [core.use["synapse_memory"] for core in placed.cores] == bits
    assert max(bits) <= chip.limits.synapse_memory_per_core.value
