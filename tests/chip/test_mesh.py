"""Cores on the mesh: hops by hand, and an order in which messages travel little."""

from itertools import permutations

import numpy as np
import pytest
import scipy.sparse as sp
from place_networks import dense, limited, neurons, random_network

from neurocompile.chip.mesh import arranged, distances, positions
from neurocompile.chip.read import load_chip
from neurocompile.ir.fixed import BiasInput, SpikeInput
from neurocompile.ir.graph import Graph, chain
from neurocompile.ir.linear import connections
from neurocompile.ir.nodes import size
from neurocompile.place import place

LOIHI = load_chip("loihi-sim")


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def star(rng, targets):
    """One neuron that sends to many."""
    return chain({
        "in": BiasInput((1,), (1,), 1.0), "a": neurons(1),
        "s": dense(rng, 1, targets), "b": neurons(targets),
    })  # fmt: skip


def test_tiles_of_four_cores_are_numbered_north_south_first():
    x, y = positions(LOIHI, 18)
    assert x.tolist() == 16 * [0] + 2 * [1]
    assert y.tolist() == [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 0, 0]


def test_the_core_that_sends_to_all_others_lies_in_their_middle(rng):
    # 18 cores: a column of four full tiles, and two cores in the first tile of the next column.
    # From the second tile: 3 cores in it, 4 + 4 a hop north or south, 4 two hops, and 2 a hop
    # north and one east. From the first tile it would be 26 hops, from the third 22.
    route = place(star(rng, 17), limited(neurons_per_core=1)).routes["s"]
    assert route.destinations.tolist() == [17]
    assert route.hops_north_south.tolist() == [4 + 4 + 8 + 2]
    assert route.hops_east_west.tolist() == [2]


def test_hops_of_a_spike_are_those_to_every_core_that_it_reaches():
    placed = place(random_network(5), limited(neurons_per_core=12))
    x, y = positions(placed.chip, len(placed.cores))
    for route in placed.routes.values():
        if route.host:
            assert route.hops_east_west is None
            continue
        east, north = np.zeros((2, route.sources), np.int64)
        for core, neuron in zip(route.fan.core, route.fan.neuron, strict=True):
            start = placed.core_of[route.source][neuron]
            east[neuron] += abs(x[core] - x[start])
            north[neuron] += abs(y[core] - y[start])
        assert route.hops_east_west.tolist() == east.tolist()
        assert route.hops_north_south.tolist() == north.tolist()
        assert not route.off_chip.any()


def cost(traffic, distance, place):
    return float((traffic * distance[np.ix_(place, place)]).sum())


@pytest.mark.parametrize("seed", range(20))
def test_no_exchange_of_two_cores_shortens_the_way_further(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 30))
    traffic = rng.integers(0, 50, (n, n)) * (rng.random((n, n)) < 0.3)
    distance = distances(LOIHI, n)
    found = arranged(traffic, distance)
    assert sorted(found) == list(range(n))
    best = cost(traffic, distance, found)
    assert best <= cost(traffic, distance, np.arange(n))
    for i, j in zip(*np.triu_indices(n, 1), strict=True):
        other = found.copy()
        other[[i, j]] = other[[j, i]]
        assert cost(traffic, distance, other) >= best


@pytest.mark.parametrize("seed", range(5))
def test_seven_cores_come_within_a_tenth_of_the_best_order_of_all(seed):
    rng = np.random.default_rng(seed)
    traffic = np.diag(rng.integers(1, 50, 6), 1) + np.diag(rng.integers(1, 50, 4), 3)
    distance = distances(limited(), 28)[np.ix_(range(0, 28, 4), range(0, 28, 4))]
    least = min(cost(traffic, distance, np.array(p)) for p in permutations(range(7)))
    assert cost(traffic, distance, arranged(traffic, distance)) <= 1.1 * least


def test_measured_spikes_draw_busy_cores_together(rng):
    # Two sources send to 6 targets each on cores of one neuron: 14 cores in a column of tiles.
    # Whichever source alone spikes, the way of its messages is no longer than where both do.
    graph = chain({
        "in": BiasInput((2,), (2,), 1.0), "a": neurons(2),
        "s": dense(rng, 2, 12), "b": neurons(12),
    })  # fmt: skip
    chip = limited(neurons_per_core=1)

    def way(spikes, counted):
        route = place(graph, chip, spikes=spikes).routes["s"]
        return int((route.hops_north_south + route.hops_east_west) @ counted)

    for counted in (np.array([9, 0]), np.array([0, 9])):
        assert way({"a": counted}, counted) < way(None, counted)


def test_of_129_cores_one_lies_on_the_next_chip_and_the_others_are_reached_by_hops(rng):
    # The sender shares a chip with 127 targets in 8 x 4 tiles, and lies in one of the four tiles
    # in their middle: the ways along x add up to 16 x (3 + 2 + 1 + 0 + 1 + 2 + 3 + 4) hops, those
    # along y to 32 x (1 + 0 + 1 + 2).
    route = place(star(rng, 128), limited(neurons_per_core=1)).routes["s"]
    assert route.off_chip.tolist() == [1]
    assert route.hops_east_west.tolist() == [256]
    assert route.hops_north_south.tolist() == [128]


def by_brute_force(placed, name, per_chip):
    """Off-chip messages and hops of one spike of each neuron, message by message."""
    graph, core_of = placed.graph, placed.core_of
    (source,), (target,) = graph.before(name), graph.after(name)
    found = np.zeros((3, size(graph.nodes[source].shape)), np.int64)
    reached = sp.coo_array(connections(graph.nodes[name]))
    pairs = {(int(n), int(core_of[target][t])) for t, n in zip(*reached.coords, strict=True)}
    for neuron, there in pairs:
        (chip, here), (other, place) = (divmod(int(c), per_chip)
                                        for c in (core_of[source][neuron], there))  # fmt: skip
        if chip != other:
            found[0, neuron] += 1
            continue
        (x, y), (to_x, to_y) = (divmod(core // 4, 4) for core in (here, place))
        found[1:, neuron] += abs(to_x - x), abs(to_y - y)
    return found


@pytest.mark.parametrize("per_chip", [1, 2, 5, 9, 128])
@pytest.mark.parametrize("seed", range(4))
def test_messages_between_chips_and_hops_on_each_are_those_found_message_by_message(seed, per_chip):
    placed = place(random_network(seed), limited(neurons_per_core=12, cores=per_chip))
    assert placed.fits == (len(placed.cores) <= per_chip)
    for name, route in placed.routes.items():
        if route.host:
            assert route.off_chip is None
            continue
        off_chip, east, north = by_brute_force(placed, name, per_chip)
        assert route.off_chip.tolist() == off_chip.tolist()
        assert route.hops_east_west.tolist() == east.tolist()
        assert route.hops_north_south.tolist() == north.tolist()


def test_a_chip_with_more_cores_than_its_mesh_has_places_has_no_known_hops(rng):
    route = place(star(rng, 128), limited(neurons_per_core=1, cores=129)).routes["s"]
    assert route.hops_east_west is None
    assert route.off_chip.tolist() == [0]


def test_populations_that_talk_share_a_chip(rng):
    # Four pairs of populations, which send to each other and to nobody else; two cores a chip.
    # By the order of the graph no pair would be together.
    names = "abcd"
    nodes, edges = {}, []
    for k in names:
        nodes |= {f"in{k}": SpikeInput((1,)), f"s{k}": dense(rng, 1, 4), f"{k}1": neurons(4)}
        edges += [(f"in{k}", f"s{k}"), (f"s{k}", f"{k}1")]
    for k in names:
        nodes |= {f"t{k}": dense(rng, 4, 4), f"{k}2": neurons(4)}
        edges += [(f"{k}1", f"t{k}"), (f"t{k}", f"{k}2")]
    placed = place(Graph(nodes, tuple(edges)), limited(neurons_per_core=4, cores=2))
    assert len(placed.cores) == 8
    assert [placed.routes[f"t{k}"].off_chip.sum() for k in names] == [0, 0, 0, 0]
