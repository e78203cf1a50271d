"""Populations on cores: within limits, split well, refused where one neuron is too much."""

import numpy as np
import pytest
from place_networks import limited, neurons, weights

from neurocompile.errors import DoesNotFit
from neurocompile.hardware import load_chip
from neurocompile.ir.fixed import AlwaysOn, BiasInput, SpikeInput, Synapse
from neurocompile.ir.graph import Graph, chain
from neurocompile.ir.linear import connections, out_shape
from neurocompile.ir.nodes import Conv, ConvTranspose, Linear, size
from neurocompile.place import core_table, fit, place, require_fit

LOIHI = load_chip("loihi-sim")


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def dense(rng, sources, targets):
    return Synapse(Linear(weights(rng, targets, sources)), (sources,), (targets,))


def random_network(seed):
    """Input, a convolution, a transposed convolution, a dense layer; a skip; random sizes."""
    rng = np.random.default_rng(seed)
    channels, middle, side = rng.integers(1, 4), rng.integers(1, 5), rng.integers(4, 8)
    shape = (int(channels), int(side), int(side))
    conv = Conv(weights(rng, middle, channels, 3, 3), None, (2, 2), (1, 1), (1, 1), 1)
    inner = out_shape(conv, shape)
    back = ConvTranspose(weights(rng, middle, 2, 4, 4), None, (2, 2), (1, 1), (0, 0), (1, 1), 1)
    outer = out_shape(back, inner)
    nodes = {
        "in": SpikeInput(shape),
        "s1": Synapse(conv, shape, inner),
        "conv": neurons(*inner, vth=rng.integers(100, 104, inner)),
        "s2": Synapse(back, inner, outer),
        "back": neurons(*outer, dv=rng.integers(0, 3, outer)),
        "s3": dense(rng, size(outer), 10),
        "skip": dense(rng, size(inner), size(outer)),
        "out": neurons(10, readout=True),
    }
    edges = [("in", "s1"), ("s1", "conv"), ("conv", "s2"), ("s2", "back"), ("conv", "skip")]
    edges += [("skip", "back"), ("back", "s3"), ("s3", "out")]
    return Graph(nodes, tuple(edges))


@pytest.mark.parametrize("seed", range(12))
def test_every_core_stays_within_every_limit(seed):
    graph = random_network(seed)
    limits = {
        "neurons_per_core": 40,
        "input_axons_per_core": 300,
        "output_axons_per_core": 90,
        "synapse_memory_per_core": 40_000,
        "threshold_configurations_per_core": 3,
        "neuron_configurations_per_core": 2,
    }
    placed = place(graph, limited(**limits))
    for name in ("conv", "back", "out"):
        held = np.concatenate([c.neurons for c in placed.cores if c.layer == name])
        assert sorted(held) == list(range(size(graph.nodes[name].shape)))
    maps = {}
    for name, synapse in graph.of(Synapse):
        stored = connections(synapse)
        stored.data[:] = 1  # a synapse is where the map stores one, whatever its weight
        maps[name] = stored.toarray()
    ends = {"s1": "conv", "s2": "back", "skip": "back", "s3": "out"}
    starts = {"s2": "conv", "skip": "conv", "s3": "back"}
    for core in placed.cores:
        assert core.use["neurons"] == core.neurons.size <= 40
        axons = sum(
            (maps[s][core.neurons].sum(axis=0) > 0).sum() for s in maps if ends[s] == core.layer
        )
        assert core.use["input_axons"] == axons <= 300
        sends = 0
        for synapse in (s for s in starts if starts[s] == core.layer):
            for other in (c for c in placed.cores if c.layer == ends[synapse]):
                block = maps[synapse][np.ix_(other.neurons, core.neurons)]
                sends += (block.sum(axis=0) > 0).sum()
        assert core.use["output_axons"] == sends <= 90
        assert core.use["synapse_memory"] <= 40_000
        node = graph.nodes[core.layer]
        vth = np.broadcast_to(node.vth, node.shape).ravel()[core.neurons]
        dv = np.broadcast_to(node.dv, node.shape).ravel()[core.neurons]
        assert core.use["threshold_configurations"] == len(set(vth.tolist())) <= 3
        assert core.use["neuron_configurations"] == len(set(dv.tolist())) <= 2


def test_a_population_that_fits_takes_one_core(rng):
    graph = chain({"in": SpikeInput((64,)), "s": dense(rng, 64, 100), "hid": neurons(100)})
    placed = place(graph, LOIHI)
    assert [(c.layer, c.neurons.size) for c in placed.cores] == [("hid", 100)]
    # 64 axons of two entries: 576 bits, and 36 * 8 + 10 = 298 -> 320
    assert core_table(placed) == [
        {
            "core": 0,
            "layer": "hid",
            "neurons": 100,
            "input_axons": 64,
            "output_axons": 0,
            "synapse_memory": 64 * (576 + 320),
            "threshold_configurations": 1,
            "neuron_configurations": 1,
            "synapse_configurations": 1,
        }
    ]


def test_parts_are_as_equal_as_the_limits_allow(rng):
    graph = chain({"in": SpikeInput((1,)), "s": dense(rng, 1, 2100), "hid": neurons(2100)})
    assert [c.neurons.size for c in place(graph, LOIHI).cores] == [700, 700, 700]


def test_neurons_with_many_thresholds_are_spread_over_cores():
    graph = chain({"in": BiasInput((20,), (20,), 1.0), "hid": neurons(20, vth=np.arange(1, 21))})
    placed = place(graph, LOIHI)  # 8 thresholds a core: 3 cores for 20
    assert [c.use["threshold_configurations"] for c in placed.cores] == [6, 7, 7]


def test_a_convolution_is_split_by_places_where_that_saves_input_axons(rng):
    # 8 channels of 8 x 8 from 8 channels: a core of 4 whole channels sees all 512 axons; one of
    # 4 whole rows sees 5 rows of 8 channels, 320
    conv = Conv(weights(rng, 8, 8, 3, 3), None, (1, 1), (1, 1), (1, 1), 1)
    synapse = Synapse(conv, (8, 8, 8), (8, 8, 8))
    graph = chain({"in": SpikeInput((8, 8, 8)), "s": synapse, "hid": neurons(8, 8, 8)})
    placed = place(graph, limited(neurons_per_core=256))
    assert [c.use["input_axons"] for c in placed.cores] == [320, 320]
    rows = {int(n) % 64 // 8 for n in placed.cores[0].neurons}
    assert rows == {0, 1, 2, 3}


def test_a_fan_in_above_the_axons_of_a_core_is_refused_by_layer():
    wide = Synapse(Linear(np.full((100, 12_800), 2)), (12_800,), (100,))
    graph = chain({"in": SpikeInput((12_800,)), "s": wide, "latent": neurons(100)})
    with pytest.raises(DoesNotFit) as error:
        place(graph, LOIHI)
    for word in ("layer 'latent'", "12800 input axons", "loihi-sim", "At most 4096", "stride"):
        assert word in str(error.value)


def test_the_same_network_with_a_stride_fits(rng):
    graph = chain({"in": SpikeInput((1568,)), "s": dense(rng, 1568, 64), "latent": neurons(64)})
    placed = place(graph, LOIHI)  # 1,568 axons of 576 bits: 903,168 of 1,048,576
    assert [c.use["synapse_memory"] for c in placed.cores] == [1568 * 576]


def test_a_core_that_sends_to_too_many_cores_is_split(rng):
    # 8 targets, 2 a core: each of 4 sources sends to 4 cores; 6 output axons let only one of
    # them sit on a core
    graph = chain({
        "in": BiasInput((4,), (4,), 1.0), "a": neurons(4),
        "s": dense(rng, 4, 8), "b": neurons(8),
    })  # fmt: skip
    placed = place(graph, limited(neurons_per_core=2, output_axons_per_core=6))
    assert [c.neurons.size for c in placed.cores if c.layer == "a"] == [1, 1, 1, 1]
    with pytest.raises(DoesNotFit, match="layer 'a': neuron 0 alone takes 4 output axons"):
        place(graph, limited(neurons_per_core=2, output_axons_per_core=3))


def test_a_network_above_the_cores_of_a_chip_is_placed_but_does_not_fit(rng):
    graph = chain({"in": SpikeInput((1,)), "s": dense(rng, 1, 30), "hid": neurons(30)})
    placed = place(graph, limited(neurons_per_core=10, cores=2))
    assert not placed.fits
    assert fit(placed)["fits"] is False
    assert fit(placed)["chips"] == 2
    with pytest.raises(DoesNotFit, match=r"takes 3 cores, but loihi-sim has 2.*'hid' with 3"):
        require_fit(placed)


def test_a_network_that_fits_is_not_refused(rng):
    graph = chain({"in": SpikeInput((1,)), "s": dense(rng, 1, 30), "hid": neurons(30)})
    require_fit(place(graph, LOIHI))


def test_the_ideal_chip_holds_a_population_of_any_size_on_one_core(rng):
    wide = Synapse(Linear(np.full((100, 12_800), 2)), (12_800,), (100,))
    graph = chain({"in": SpikeInput((12_800,)), "s": wide, "latent": neurons(100)})
    table = fit(place(graph, load_chip("ideal")))
    assert table["fits"]
    assert table["cores_used"] == 1
    assert {row["limit"] for row in table["limits"]} == {None}


def test_the_fit_table_names_the_fullest_core(rng):
    graph = chain({
        "in": SpikeInput((8,)), "s": dense(rng, 8, 30), "a": neurons(30),
        "t": dense(rng, 30, 5), "b": neurons(5),
    })  # fmt: skip
    rows = {row["resource"]: row for row in fit(place(graph, LOIHI))["limits"]}
    assert rows["cores"] == {
        "resource": "cores", "unit": "core", "used": 2, "limit": 128, "total": 2,
        "core": None, "layer": None,
    }  # fmt: skip
    assert rows["input_axons"] == {
        "resource": "input_axons", "unit": "axon", "used": 30, "limit": 4096, "total": 38,
        "core": 1, "layer": "b",
    }  # fmt: skip


def test_input_from_the_host_takes_no_core(rng):
    graph = Graph(
        {
            "in": SpikeInput((4,)),
            "on": AlwaysOn(),
            "s": dense(rng, 4, 6),
            "bias": dense(rng, 1, 6),
            "a": neurons(6),
        },
        (("in", "s"), ("s", "a"), ("on", "bias"), ("bias", "a")),
    )
    placed = place(graph, LOIHI)
    assert [c.layer for c in placed.cores] == ["a"]
    assert placed.cores[0].use["input_axons"] == 5
    assert placed.routes["s"].host
    assert placed.routes["bias"].host


def test_recurrent_synapses_have_routes_too(rng):
    graph = Graph(
        {"in": SpikeInput((3,)), "s": dense(rng, 3, 4), "a": neurons(4), "r": dense(rng, 4, 4)},
        (("in", "s"), ("s", "a"), ("a", "r"), ("r", "a")),
    )
    placed = place(graph, limited(neurons_per_core=2))
    assert placed.routes["r"].destinations.tolist() == [2, 2, 2, 2]
    assert [c.use["output_axons"] for c in placed.cores] == [4, 4]


def test_hops_follow_the_mesh_north_south_first(rng):
    # core 0 holds the source; 17 target cores are 1..17: three beside it in tile 0, four each
    # in the tiles 1, 2 and 3 north-south of it, two in tile 4, one east of it
    graph = chain({
        "in": BiasInput((1,), (1,), 1.0), "a": neurons(1),
        "s": dense(rng, 1, 17), "b": neurons(17),
    })  # fmt: skip
    route = place(graph, limited(neurons_per_core=1)).routes["s"]
    assert route.destinations.tolist() == [17]
    assert route.hops_north_south.tolist() == [4 * 1 + 4 * 2 + 4 * 3]
    assert route.hops_east_west.tolist() == [2]


def test_hops_between_chips_are_unknown(rng):
    graph = chain({
        "in": BiasInput((1,), (1,), 1.0), "a": neurons(1),
        "s": dense(rng, 1, 128), "b": neurons(128),
    })  # fmt: skip
    route = place(graph, limited(neurons_per_core=1)).routes["s"]  # 129 cores
    assert route.hops_east_west is None
