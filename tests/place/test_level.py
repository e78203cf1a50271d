"""Work is spread over cores without more cores or messages."""

import numpy as np
import pytest
from place_networks import dense, limited, neurons, random_network

from neurocompile.ir.fixed import SpikeInput
from neurocompile.ir.graph import Graph
from neurocompile.place import pack, place


def side_by_side(rng, **sources):
    """Populations of 8 neurons, each with a dense input of its own."""
    nodes, edges = {}, []
    for name, wide in sources.items():
        nodes |= {f"in_{name}": SpikeInput((wide,)), f"to_{name}": dense(rng, wide, 8)}
        nodes[name] = neurons(8)
        edges += [(f"in_{name}", f"to_{name}"), (f"to_{name}", name)]
    return Graph(nodes, tuple(edges))


def synapses(placed):
    """By core, the synapses that end on it."""
    found = np.zeros(len(placed.cores), np.int64)
    for route in placed.routes.values():
        np.add.at(found, route.fan.core, route.fan.synapses)
    return sorted(found.tolist())


def test_two_busy_populations_do_not_share_a_core():
    # 8 neurons of 100, 90, 1 and 1 inputs, 16 neurons a core: 800 + 8 and 720 + 8 synapses
    rng = np.random.default_rng(0)
    graph = side_by_side(rng, a=100, b=90, c=1, d=1)
    placed = place(graph, limited(neurons_per_core=16))
    assert synapses(placed) == [720 + 8, 800 + 8]


@pytest.mark.parametrize("seed", range(12))
def test_levelling_keeps_every_block_and_relieves_the_busiest_core(seed, monkeypatch):
    graph, chip = random_network(seed), limited(neurons_per_core=60)
    after = place(graph, chip)
    monkeypatch.setattr(pack, "levelled", lambda layers, loads: list(loads))
    before = place(graph, chip)
    blocks = [
        sorted((n, *held.tolist()) for core in placed.cores for n, held in core.held.items())
        for placed in (before, after)
    ]
    assert blocks[0] == blocks[1]
    assert len(after.cores) == len(before.cores)
    assert max(synapses(after)) <= max(synapses(before))
    assert sum(n * n for n in synapses(after)) <= sum(n * n for n in synapses(before))
