"""A draw hits as many places as its share says, the same ones each time."""

import numpy as np
import pytest
from gate_networks import SAMPLES, STEPS, network, samples
from random_graphs import fixed_graph, fixed_input, looped_fixed_graph

from neurocompile.data.inputs import Encoded, encode
from neurocompile.data.samples import Data
from neurocompile.engines.agree import run_engine
from neurocompile.errors import BadInput, DoesNotFit
from neurocompile.faults import KINDS
from neurocompile.faults.draw import faulty
from neurocompile.faults.neurons import thresholds
from neurocompile.ir.digest import graph_digest
from neurocompile.ir.entries import rows_of
from neurocompile.ir.fixed import ChipNeuron, Synapse
from neurocompile.ir.graph import same
from neurocompile.place.placed import Core, Placed
from neurocompile.place.placement import place

PLACES = {
    "weight-flips": 36 + 144 + 144 + 64,  # four kernels
    "stuck-weights": 388,
    "dead-neurons": 64 + 3 * 64,  # all but the 64 readouts
    "silent-cores": 4,
    "membrane-flips": 5 * 64,
    "threshold-flips": 4 * 64,
    "threshold-drift": 4 * 64,
}


@pytest.fixture(scope="module")
def placed(loihi):
    """The network on four cores: its neurons in turn, its readouts on the last one."""
    graph = network()
    core_of = {
        name: np.full(64, 3) if node.readout else np.arange(64) % 4
        for name, node in graph.of(ChipNeuron)
    }
    return Placed(graph, loihi, tuple(Core(k, {}, {}) for k in range(4)), core_of, {})


def changed(graph, kind):
    """How many places of a kind differ from those of the sound network."""
    before = network()
    if kind in ("weight-flips", "stuck-weights"):
        return sum(
            int((node.op.weights != before.nodes[name].op.weights).sum())
            for name, node in graph.of(Synapse)
        )
    registers = (place.split("/") for place in thresholds(before))
    return sum(
        int((getattr(graph.nodes[name], r) != getattr(before.nodes[name], r)).sum())
        for name, r in registers
    )


def cut_off(graph):
    """By population, which neurons nothing but zeros leads to."""
    found = {"pixels": (graph.nodes["input"].scale == 0).ravel()}
    for name, node in graph.of(Synapse):
        rows = rows_of(node)
        sums = np.add.reduceat(np.abs(rows.data.astype(int)), rows.indptr[:-1])
        found[graph.after(name)[0]] = sums == 0
    return {name: np.broadcast_to(cut, 64) for name, cut in found.items()}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
def test_the_share_says_how_many_places_are_hit(placed, kind, share):
    found = faulty(placed, kind, share, draw=1)
    assert found.places == PLACES[kind]
    assert found.hit == round(share * PLACES[kind])  # 0.5 of 4 cores is 2, 0.1 of them none
    if kind in ("weight-flips", "threshold-flips", "threshold-drift"):
        assert changed(found.graph, kind) == found.hit
    elif kind == "stuck-weights":
        zeros = sum(int((n.op.weights == 0).sum()) for _, n in placed.graph.of(Synapse))
        assert found.hit - zeros <= changed(found.graph, kind) <= found.hit
        assert share < 1 or changed(found.graph, kind) == found.hit - zeros
    elif kind == "membrane-flips":
        masks = [] if found.upset is None else found.upset.masks.values()
        assert sum(int((mask != 0).sum()) for mask in masks) == found.hit
        assert all(np.bitwise_count(mask).max() == 1 for mask in masks)
    else:
        dead = sum(int(cut.sum()) for cut in cut_off(found.graph).values())
        # A core holds 16 neurons of each of four populations, the last one 64 readouts too.
        readouts = int(cut_off(found.graph)["output"].sum())
        assert dead - readouts == (64 * found.hit if kind == "silent-cores" else found.hit)
        assert readouts in ((0, 64) if kind == "silent-cores" else (0,))


@pytest.mark.parametrize("kind", KINDS)
def test_a_share_of_zero_changes_nothing(placed, kind):
    found = faulty(placed, kind, 0.0)
    assert same(found.graph, placed.graph)
    assert found.upset is None


@pytest.mark.parametrize("kind", KINDS)
def test_a_draw_is_the_same_each_time_and_another_draw_or_seed_is_not(placed, kind):
    def drawn(seed):
        each = [faulty(placed, kind, 0.5, draw=draw, seed=seed) for draw in range(4)]
        return [(graph_digest(found.graph), masks(found)) for found in each]

    assert drawn(5) == drawn(5)
    assert drawn(5) != drawn(4)
    assert any(found != drawn(5)[0] for found in drawn(5))


def masks(found):
    """What turns over in the course of a run, and when."""
    upset = found.upset
    return upset and (upset.step, {name: mask.tolist() for name, mask in upset.masks.items()})


@pytest.mark.parametrize("kind", ["weight-flips", "threshold-drift"])
def test_a_larger_share_of_a_draw_holds_the_smaller_one(placed, kind):
    few, many = (faulty(placed, kind, share, draw=3).graph for share in (0.1, 0.4))
    before = placed.graph
    for name, node in before.nodes.items():
        if isinstance(node, Synapse):
            each = [g.nodes[name].op.weights for g in (before, few, many)]
        elif isinstance(node, ChipNeuron):
            each = [np.broadcast_to(g.nodes[name].vth, node.shape) for g in (before, few, many)]
        else:
            continue
        hit = each[1] != each[0]
        assert (each[2][hit] == each[1][hit]).all()


def test_states_are_disturbed_after_each_step_but_the_last(placed):
    steps = {faulty(placed, "membrane-flips", 0.1, draw=n, steps=4).upset.step for n in range(40)}
    assert steps == {1, 2, 3}
    assert faulty(placed, "membrane-flips", 0.1, steps=2).upset.step == 1


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "membrane-flips"])
def test_engines_agree_on_a_faulty_network(placed, kind):
    data = Data("images", "x", samples())
    for draw in range(2):
        found = faulty(placed, kind, 0.3, draw=draw)
        given = encode(found.graph, data, 0, SAMPLES, STEPS, 0)
        ours, theirs = (run_engine(name, found.graph, given) for name in ("fixed", "onnx"))
        for name, _ in found.graph.of(ChipNeuron):
            assert (ours.spikes[name] == theirs.spikes[name]).all()
            assert (ours.membrane[name] == theirs.membrane[name]).all()


@pytest.mark.parametrize(("make", "seed"), [(fixed_graph, 1), (looped_fixed_graph, 2)])
def test_engines_agree_on_a_faulty_network_with_loops_and_axons(make, seed, ideal):
    graph = make(seed)
    placed = place(graph, ideal)
    given = Encoded(*fixed_input(graph, seed))
    for kind in ("weight-flips", "dead-neurons", "threshold-flips"):
        found = faulty(placed, kind, 0.2).graph
        try:
            ours = run_engine("fixed", found, given)
        except DoesNotFit:
            with pytest.raises(DoesNotFit):
                run_engine("onnx", found, given)
            continue
        theirs = run_engine("onnx", found, given)
        for name, _ in found.of(ChipNeuron):
            assert (ours.spikes[name] == theirs.spikes[name]).all()
            assert (ours.membrane[name] == theirs.membrane[name]).all()


@pytest.mark.parametrize("share", [-0.1, 1.01, float("nan"), True, "0.1"])
def test_what_is_no_share_is_refused(placed, share):
    with pytest.raises(BadInput, match="allowed are numbers from 0 to 1"):
        faulty(placed, "weight-flips", share)


@pytest.mark.parametrize("factor", [0, -1.0, float("inf"), float("nan"), None])
def test_what_is_no_factor_is_refused(placed, factor):
    with pytest.raises(BadInput, match="finite numbers above 0"):
        faulty(placed, "threshold-drift", 0.1, factor=factor)


def test_an_unknown_kind_is_answered_with_the_nearest(placed):
    with pytest.raises(BadInput, match="Did you mean 'weight-flips'"):
        faulty(placed, "weight-flip", 0.1)


def test_a_kind_without_a_place_is_refused(placed, loihi):
    graph = placed.graph
    (readout,) = (node for _, node in graph.of(ChipNeuron) if node.readout)
    nodes = {"input": graph.nodes["input"], "output": readout}
    alone = type(graph)(nodes, (("input", "output"),), graph.settings)
    one = Placed(alone, loihi, (Core(0, {}, {}),), {"output": np.zeros(64, int)}, {})
    for kind, said in (
        ("weight-flips", "has no stored weights"),
        ("stuck-weights", "has no stored weights"),
        ("dead-neurons", "has no neurons that can spike"),
        ("threshold-flips", "has no threshold registers"),
        ("silent-cores", "is on 1 core"),
    ):
        with pytest.raises(BadInput, match=said):
            faulty(one, kind, 0.1)
    with pytest.raises(BadInput, match="a sample has 1 step"):
        faulty(one, "membrane-flips", 0.1, steps=1)
