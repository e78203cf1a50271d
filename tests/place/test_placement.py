"""Populations on cores: within limits, split well, refused where one neuron is too much."""

from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from place_networks import dense, limited, neurons, random_network, weights

from neurocompile.chip.change import with_chips
from neurocompile.chip.read import load_chip
from neurocompile.compiler import compile_graph
from neurocompile.errors import DoesNotFit
from neurocompile.ir.fixed import AlwaysOn, BiasInput, CubaLIF, SpikeInput, Synapse
from neurocompile.ir.graph import Graph, chain
from neurocompile.ir.linear import connections, sparse_op
from neurocompile.ir.neurons import LIFBox
from neurocompile.ir.nodes import Conv, Input, Linear, size
from neurocompile.ir.time import chip_delay, depths
from neurocompile.place import core_table, fit, least_cores, place, require_fit
from neurocompile.place.bound import refuse_far_too_large
from neurocompile.place.memory import lists

LOIHI = load_chip("loihi-sim")
ROOT = Path(__file__).parents[2]


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def held(core):
    """How many neurons of each population a core holds."""
    return {name: neurons.size for name, neurons in core.held.items()}


def recounted(placed):
    """What each core takes, connection by connection, from the matrices that scipy makes."""
    graph = placed.graph
    maps = {name: sp.csr_array(connections(synapse)) for name, synapse in graph.of(Synapse)}
    synapses = {name: abs(stored) for name, stored in maps.items()}
    depth = depths(graph)
    for stored in synapses.values():
        stored.data[:] = 1  # a synapse is where the map stores one, whatever its weight
    found = []
    for core in placed.cores:
        use = dict.fromkeys(("neurons", "input_axons", "output_axons", "synapse_memory"), 0)
        thresholds, decays, layouts, waits = set(), set(), set(), []
        for layer, held in core.held.items():
            node = graph.nodes[layer]
            for name in (b for b in graph.before(layer) if b in maps):
                block = sp.csc_array(maps[name][held])
                block.sort_indices()
                wait = chip_delay(graph, depth, name)
                bits, layout = lists(graph.nodes[name], block, LOIHI.memory, wait, use["neurons"])
                use["synapse_memory"] += bits
                layouts.add(layout)
                use["input_axons"] += np.count_nonzero(synapses[name][held].sum(axis=0))
            for name in (a for a in graph.after(layer) if a in maps):
                for other in placed.cores:
                    for there in (t for t in graph.after(name) if t in other.held):
                        block = synapses[name][other.held[there]][:, held]
                        use["output_axons"] += np.count_nonzero(block.sum(axis=0))
            use["neurons"] += held.size
            waits += [chip_delay(graph, depth, b) for b in graph.before(layer) if b in maps]
            registers = [np.broadcast_to(getattr(node, r), node.shape).ravel()[held].tolist()
                         for r in ("vth", "du", "dv")]  # fmt: skip
            thresholds |= set(registers[0])
            decays |= set(zip(*registers[1:], strict=True))
        # accumulators, a power of two: one for each step of a wait, the current one and the next
        slots = next(1 << bits for bits in range(1, 7) if 1 << bits >= max(waits, default=0) + 2)
        use["dendritic_accumulators"] = slots * use["neurons"]
        use["threshold_configurations"] = len(thresholds)
        use["neuron_configurations"] = len(decays)
        use["synapse_configurations"] = len(layouts)
        found.append(use)
    return found


@pytest.mark.parametrize(
    ("few", "seed"),
    [*product(("both", "cores", "messages"), range(12)), *product(("time",), range(2))],
)
def test_every_core_stays_within_every_limit(few, seed):
    graph = random_network(seed)
    limits = {
        "neurons": 40,
        "input_axons": 300,
        "output_axons": 150,
        "synapse_memory": 40_000,
        "dendritic_accumulators": 130,
        "threshold_configurations": 3,
        "neuron_configurations": 3,
        "synapse_configurations": 3,
    }
    chip = limited(**{f"{resource}_per_core": limit for resource, limit in limits.items()})
    placed = place(graph, chip, few)
    for name, node in graph.of(CubaLIF):
        held = [c.held[name] for c in placed.cores if name in c.held]
        assert sorted(np.concatenate(held)) == list(range(size(node.shape)))
        for core in placed.cores:
            assert (placed.core_of[name][core.held.get(name, [])] == core.index).all()
    use = recounted(placed)
    assert [dict(core.use) for core in placed.cores] == use
    for resource, limit in limits.items():
        assert max(row[resource] for row in use) <= limit
    assert max(least_cores(graph, chip).values()) <= len(placed.cores)
    messages = sum(int(route.destinations.sum()) for route in placed.routes.values())
    assert messages == sum(row["input_axons"] for row in use)


@pytest.mark.parametrize("seed", range(12))
def test_each_objective_has_fewest_of_what_it_asks_for(seed):
    graph = random_network(seed)
    chip = limited(neurons_per_core=30, synapse_memory_per_core=40_000)
    found = {few: place(graph, chip, few) for few in ("both", "cores", "messages")}
    cores = {few: len(placed.cores) for few, placed in found.items()}
    messages = {few: int(placed.used("input_axons").sum()) for few, placed in found.items()}
    assert cores["cores"] == min(cores.values())
    assert messages["messages"] == min(messages.values())
    products = {few: cores[few] * messages[few] for few in found}
    assert products["both"] == min(products.values())


def test_the_same_network_is_placed_the_same_way_every_time():
    graph, chip = random_network(3), limited(neurons_per_core=30)
    one, other = place(graph, chip), place(graph, chip)
    for name, cores in one.core_of.items():
        assert cores.tolist() == other.core_of[name].tolist()


def test_a_population_that_fits_takes_one_core(rng):
    graph = chain({"in": SpikeInput((64,)), "s": dense(rng, 64, 100), "hid": neurons(100)})
    placed = place(graph, LOIHI)
    assert [held(c) for c in placed.cores] == [{"hid": 100}]
    # 64 axons of two entries: 576 bits, and 36 * 8 + 10 = 298 -> 320
    assert core_table(placed) == [
        {
            "core": 0,
            "chip": 0,
            "layer": "hid",
            "neurons": 100,
            "input_axons": 64,
            "output_axons": 0,
            "dendritic_accumulators": 200,
            "synapse_memory": 64 * (576 + 320),
            "threshold_configurations": 1,
            "neuron_configurations": 1,
            "synapse_configurations": 1,
        }
    ]


def test_parts_are_as_equal_as_the_limits_allow(rng):
    graph = chain({"in": SpikeInput((1,)), "s": dense(rng, 1, 2100), "hid": neurons(2100)})
    assert [held(c) for c in place(graph, LOIHI).cores] == 3 * [{"hid": 700}]


def test_neurons_with_many_thresholds_are_spread_over_cores():
    graph = chain({"in": BiasInput((20,), (20,), 1.0), "hid": neurons(20, vth=np.arange(1, 21))})
    placed = place(graph, LOIHI)  # 7 thresholds a core: 3 cores for 20
    assert [c.use["threshold_configurations"] for c in placed.cores] == [6, 7, 7]


def test_a_convolution_is_split_by_places_where_that_saves_input_axons(rng):
    # 8 channels of 8 x 8 from 8 channels: a core of 4 whole channels sees all 512 axons; one of
    # 4 whole rows or columns sees 5 rows of 8 channels, 320
    conv = Conv(weights(rng, 8, 8, 3, 3), None, (1, 1), (1, 1), (1, 1), 1)
    synapse = Synapse(conv, (8, 8, 8), (8, 8, 8))
    graph = chain({"in": SpikeInput((8, 8, 8)), "s": synapse, "hid": neurons(8, 8, 8)})
    placed = place(graph, limited(neurons_per_core=256))
    assert [c.use["input_axons"] for c in placed.cores] == [320, 320]
    places = {int(n) % 64 for core in placed.cores[:1] for n in core.held["hid"]}
    halves = [{8 * y + x for y in range(8) for x in range(8) if (y, x)[a] < 4} for a in (0, 1)]
    assert places in halves or set(range(64)) - places in halves


def test_a_convolution_that_is_stored_as_a_matrix_is_split_by_places_too(rng):
    # the same network, as a pooling before the convolution leaves it: every connection in a list
    conv = Conv(weights(rng, 8, 8, 3, 3), None, (1, 1), (1, 1), (1, 1), 1)
    full = sp.csr_array(connections(Synapse(conv, (8, 8, 8), (8, 8, 8))))
    synapse = Synapse(sparse_op(full, (8, 8, 8), (8, 8, 8), None), (8, 8, 8), (8, 8, 8))
    graph = chain({"in": SpikeInput((8, 8, 8)), "s": synapse, "hid": neurons(8, 8, 8)})
    placed = place(graph, limited(neurons_per_core=256))
    assert [c.use["input_axons"] for c in placed.cores] == [320, 320]


def test_a_convolution_is_split_by_space_and_channel_into_blocks(rng):
    # 4 x 16 x 16 from 4 channels in groups, 64 neurons a core: 16 cores whatever the shape. A
    # block of 1 channel and 8 x 8 places sees 9 x 9 axons at a corner of the image; four rows of
    # a channel would see 5 or 6 rows of 16, two rows and two channels twice 3 or 4 rows of 16
    conv = Conv(weights(rng, 4, 1, 3, 3), None, (1, 1), (1, 1), (1, 1), 4)
    synapse = Synapse(conv, (4, 16, 16), (4, 16, 16))
    graph = chain({"in": SpikeInput((4, 16, 16)), "s": synapse, "hid": neurons(4, 16, 16)})
    placed = place(graph, limited(neurons_per_core=64))
    assert [c.use["input_axons"] for c in placed.cores] == 16 * [81]
    for core in placed.cores:
        channel, row, column = np.unravel_index(core.held["hid"], (4, 16, 16))
        assert [np.unique(each).size for each in (channel, row, column)] == [1, 8, 8]


def test_small_populations_share_cores(rng):
    # 30 + 20 + 14 neurons: one core of 64. With 32 a core two, by counting
    graph = chain({
        "in": SpikeInput((4,)), "s": dense(rng, 4, 30), "a": neurons(30),
        "t": dense(rng, 30, 20), "b": neurons(20), "u": dense(rng, 20, 14), "c": neurons(14),
    })  # fmt: skip
    (core,) = place(graph, limited(neurons_per_core=64)).cores
    assert held(core) == {"a": 30, "b": 20, "c": 14}
    assert core.layer == "c, b, a"  # in their order on the core
    assert core.use["input_axons"] == 4 + 30 + 20
    assert len(place(graph, limited(neurons_per_core=32), "cores").cores) == 2


def test_a_population_beside_another_is_indexed_from_where_it_starts():
    # A sparse list holds the number on the core: 64 needs 7 bits where 63 needs 6. Of two lists
    # of one synapse the second population's neuron is number 64: 8 + 7 + 10 bits, still a word;
    # 64 synapses of 15 bits and a header take 970 -> 1024 bits, of 14 bits 906 -> 960
    lower, upper = (sp.csr_array(np.full((64, 1), 2)) for _ in range(2))
    ops = [sparse_op(each, (1,), (64,), None) for each in (lower, upper)]
    nodes = {"in": SpikeInput((1,)), "a": neurons(64), "b": neurons(64)}
    nodes |= {f"s{k}": Synapse(op, (1,), (64,)) for k, op in enumerate(ops)}
    edges = (("in", "s0"), ("s0", "a"), ("in", "s1"), ("s1", "b"))
    (core,) = place(Graph(nodes, edges), LOIHI).cores
    assert core.use["synapse_memory"] == 960 + 1024
    assert core.use["synapse_configurations"] == 2


def test_a_fan_in_above_the_axons_of_a_core_is_refused_by_layer():
    wide = Synapse(Linear(np.full((100, 12_800), 2)), (12_800,), (100,))
    graph = chain({"in": SpikeInput((12_800,)), "s": wide, "latent": neurons(100)})
    with pytest.raises(DoesNotFit) as error:
        place(graph, LOIHI)
    for word in ("layer 'latent'", "12800 input axons", "loihi-sim", "has only 4096", "stride"):
        assert word in str(error.value)


def test_every_layer_that_no_core_can_hold_is_listed_in_the_order_of_the_network():
    wide, back, good = (
        Synapse(Linear(np.full((rows, columns), 2)), (columns,), (rows,))
        for rows, columns in ((10, 20), (30, 10), (10, 5))
    )
    nodes = {
        "in": SpikeInput((20,)), "s1": wide, "first": neurons(10),
        "s2": back, "second": neurons(30),
        "s3": Synapse(Linear(np.full((5, 30), 2)), (30,), (5,)), "third": neurons(5),
        "s4": good, "fourth": neurons(10),
    }  # fmt: skip
    with pytest.raises(DoesNotFit) as error:
        place(chain(nodes), limited(input_axons_per_core=12))
    first, third = error.value.reasons
    assert first.startswith("layer 'first': neuron 0 needs 20 input axons")
    assert third.startswith("layer 'third': neuron 0 needs 30 input axons")
    assert "a core of loihi-sim has only 12" in third
    assert "Let a neuron see fewer inputs" in third
    assert len(place(chain(nodes), limited(input_axons_per_core=30)).cores) >= 1


def test_the_same_network_with_a_stride_fits(rng):
    graph = chain({"in": SpikeInput((1568,)), "s": dense(rng, 1568, 64), "latent": neurons(64)})
    placed = place(graph, LOIHI)  # 1,568 axons of 576 bits: 903,168 of 1,048,576
    assert [c.use["synapse_memory"] for c in placed.cores] == [1568 * 576]


def test_a_core_that_sends_to_too_many_cores_is_split(rng):
    # 8 targets, 2 a core: each of 4 sources sends to 4 cores at least; 6 output axons let only
    # one of them sit on a core, beside a target or alone
    graph = chain({
        "in": BiasInput((4,), (4,), 1.0), "a": neurons(4),
        "s": dense(rng, 4, 8), "b": neurons(8),
    })  # fmt: skip
    placed = place(graph, limited(neurons_per_core=2, output_axons_per_core=6))
    assert [held(c)["a"] for c in placed.cores if "a" in c.held] == [1, 1, 1, 1]
    assert max(row["output_axons"] for row in recounted(placed)) <= 6
    with pytest.raises(DoesNotFit, match="layer 'a': neuron 0 needs 4 output axons"):
        place(graph, limited(neurons_per_core=2, output_axons_per_core=3))


def test_a_network_above_the_cores_of_a_chip_is_placed_but_does_not_fit(rng):
    graph = chain({"in": SpikeInput((1,)), "s": dense(rng, 1, 30), "hid": neurons(30)})
    placed = place(graph, limited(neurons_per_core=10, cores=2))
    assert not placed.fits
    assert fit(placed)["fits"] is False
    assert fit(placed)["chips"] == 2
    with pytest.raises(DoesNotFit, match=r"needs 3 cores, but loihi-sim has 2.*'hid' with 3"):
        require_fit(placed)


def test_integers_far_above_the_cores_of_the_chips_are_refused_before_they_are_placed(
    rng, monkeypatch
):
    monkeypatch.setattr("neurocompile.compiler.place", None)  # nothing can call it
    # 1025 neurons, 1 a core: one core more than are ever tried in vain
    graph = chain({"in": SpikeInput((1,)), "s": dense(rng, 1, 1025), "hid": neurons(1025)})
    limits = {"neurons_per_core": 1, "cores": 10}
    with pytest.raises(DoesNotFit, match=r"^the network has 1,025 neurons, so it needs at least "
                       r"1,025 cores, but 2 chips of loihi-sim have 20\. .*'hid' with 1,025 neurons"
                       r".*\(--chips N\) with at least 103\.$"):  # fmt: skip
        compile_graph(graph, several(2, **limits))
    refuse_far_too_large(graph, several(103, **limits))
    refuse_far_too_large(graph, limited(neurons_per_core=2, cores=10))  # 513 cores: worth a try


def test_what_does_not_fit_by_far_is_placed_where_only_its_price_is_asked(rng, monkeypatch):
    monkeypatch.setattr("neurocompile.place.bound.TRIED", 2)
    graph = chain({"in": SpikeInput((1,)), "s": dense(rng, 1, 3), "hid": neurons(3)})
    placed = place(graph, limited(neurons_per_core=1, cores=1))
    assert (len(placed.cores), placed.fits) == (3, False)


def test_millions_of_trained_neurons_are_refused_before_they_are_composed(monkeypatch):
    monkeypatch.setattr("neurocompile.compiler.simplify", None)  # nothing can call it
    graph = chain({"in": Input((1 << 22,)), "lif": LIFBox(100.0, 0.0, 1.0, 0.0)})
    with pytest.raises(DoesNotFit, match="4,194,304 neurons, so it needs at least 4,096 cores"):
        compile_graph(graph, "loihi-sim")


def several(chips, **limits):
    """The chips of `limited`, of which a network may take so many."""
    return with_chips(limited(**limits), chips)


def test_a_network_too_large_for_one_chip_goes_onto_several_one_after_the_other(rng):
    # 50 neurons, 10 a core and 2 cores a chip: 5 cores, the last of them alone on the third chip
    graph = chain({"in": SpikeInput((1,)), "s": dense(rng, 1, 50), "hid": neurons(50)})
    placed = place(graph, several(3, neurons_per_core=10, cores=2))
    require_fit(placed)
    table = fit(placed)
    assert (table["fits"], table["chips"], table["chips_limit"]) == (True, 3, 3)
    assert table["limits"][0]["used"] == 5
    assert table["limits"][0]["limit"] == 6
    assert table["least_cores"]["neurons"] == 5
    assert [row["chip"] for row in core_table(placed)] == [0, 0, 1, 1, 2]


@pytest.mark.parametrize("allowed", [1, 2])
def test_the_refusal_names_the_chips_that_would_do(rng, allowed):
    graph = chain({"in": SpikeInput((1,)), "s": dense(rng, 1, 50), "hid": neurons(50)})
    limits = {"neurons_per_core": 10, "cores": 2}
    have = "loihi-sim has 2" if allowed == 1 else "2 chips of loihi-sim have 4"
    with pytest.raises(DoesNotFit, match=rf"needs 5 cores, but {have}\. Use Target\(chips=3\)"):
        require_fit(place(graph, several(allowed, **limits)))
    require_fit(place(graph, several(3, **limits)))


def test_the_refusal_says_where_fewer_cores_would_fit_the_chip():
    # a network that takes more cores where messages count than it needs
    for seed in range(12):
        graph, limits = random_network(seed), {"neurons_per_core": 30}
        few, many = (len(place(graph, limited(**limits), what).cores)
                     for what in ("cores", "messages"))  # fmt: skip
        if few < many:
            break
    assert few < many
    placed = place(graph, limited(**limits, cores=few), "messages")
    with pytest.raises(DoesNotFit, match=rf"\(--place cores\), which needs only {few} cores"):
        require_fit(placed)
    assert place(graph, limited(**limits, cores=few), "cores").fits


def test_a_target_may_say_itself_that_it_is_several_chips(rng, tmp_path):
    plain = (ROOT / "targets/loihi-sim/target.toml").read_text()
    two = 'chips = { value = 2, unit = "chip", source = "lava", where = "here", kind = "assumed" }'
    (tmp_path / "target.toml").write_text(plain.replace("[limits]\n", f"[limits]\n{two}\n"))
    chip = load_chip(tmp_path)
    assert chip.limits.chips.value == 2
    graph = chain({"in": SpikeInput((1,)), "s": dense(rng, 1, 200), "hid": neurons(200)})
    small = {"neurons_per_core": replace(chip.limits.neurons_per_core, value=1)}
    placed = place(graph, replace(chip, limits=replace(chip.limits, **small)))
    assert (len(placed.cores), placed.fits) == (200, True)


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
    placed = place(graph, limited(neurons_per_core=30))  # nothing can share: 30 and 5
    rows = {row["resource"]: row for row in fit(placed)["limits"]}
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
        {
            "in": SpikeInput((3,)),
            "s": dense(rng, 3, 4),
            "a": neurons(4),
            "r": replace(dense(rng, 4, 4), delay=1),
        },
        (("in", "s"), ("s", "a"), ("a", "r"), ("r", "a")),
    )
    placed = place(graph, limited(neurons_per_core=2))
    assert placed.routes["r"].destinations.tolist() == [2, 2, 2, 2]
    assert [c.use["output_axons"] for c in placed.cores] == [4, 4]
