"""`same(from_nir(to_nir(g)), g)`, and what NIR's own fields say without our metadata."""

import itertools
import time

import nir
import norse.torch as norse
import numpy as np
import pytest
import torch
from networks import neuron
from nir_graphs import nir_graph
from random_graphs import float_graph, joined_float_graph

from neurocompile import frontend
from neurocompile.errors import BadInput, Unsupported
from neurocompile.formats.nir.flat import flatten
from neurocompile.formats.nir.read import from_nir, read_nir
from neurocompile.formats.nir.write import to_nir, write_nir
from neurocompile.ir.graph import Graph, chain, same
from neurocompile.ir.neurons import IAF, LIF, LIFBox
from neurocompile.ir.nodes import Add, Concat, ConvTranspose, Delay, Input, Linear, Reshape, Sparse
from neurocompile.ir.reference import run_float
from neurocompile.ir.settings import Settings


def spikes_for(graph, steps=25):
    (_, node), *_ = graph.of(Input)
    return np.random.default_rng(1).random((steps, *node.shape)) < 0.5


def without_metadata(tree):
    nodes = {
        name: {what: value for what, value in node.items() if what != "metadata"}
        for name, node in tree["node"]["nodes"].items()
    }
    return {"node": {"type": "NIRGraph", "nodes": nodes, "edges": tree["node"]["edges"]}}


@pytest.mark.parametrize(
    "seeds", [range(150), pytest.param(range(150, 1000), marks=pytest.mark.slow)]
)
def test_a_thousand_random_networks_come_back_with_every_bit(seeds):
    for seed in seeds:
        graph = nir_graph(seed)
        assert same(from_nir(to_nir(graph, keep_subtract=True)), graph), seed


def test_every_random_network_of_the_onnx_tests_comes_back_or_is_refused_by_name():
    held = 0
    for seed, make in itertools.product(range(150), (float_graph, joined_float_graph)):
        graph = make(seed)
        try:
            tree = to_nir(graph, keep_subtract=True)
        except Unsupported as error:
            refused = str(error)
            assert refused.split("'")[1] in graph.nodes, refused
            continue
        held += 1
        assert same(from_nir(tree), graph), seed
    assert held > 40


def test_a_file_gives_the_same_spikes_and_potentials_bit_for_bit(tmp_path):
    for seed in range(6):
        graph = nir_graph(seed)
        write_nir(graph, tmp_path / "net.nir", keep_subtract=True)
        again = frontend.load(tmp_path / "net.nir")
        assert same(again, graph)
        x = spikes_for(graph)
        for before, after in zip(run_float(graph, x), run_float(again, x), strict=True):
            for name in before:
                np.testing.assert_array_equal(before[name], after[name])


def test_the_same_graph_gives_the_same_bytes_at_another_time(tmp_path):
    graph = nir_graph(3)
    write_nir(graph, tmp_path / "a.nir", keep_subtract=True)
    time.sleep(1.1)  # HDF5 would store seconds
    write_nir(graph, tmp_path / "b.nir", keep_subtract=True)
    assert (tmp_path / "a.nir").read_bytes() == (tmp_path / "b.nir").read_bytes()


def test_nirs_own_fields_mean_the_same_to_a_reader_that_ignores_our_metadata():
    loops = 0
    for seed in range(100):
        graph = nir_graph(seed, subtract=False)
        plain = from_nir(without_metadata(to_nir(graph)), dt=graph.settings.dt)
        place = {name: i for i, name in enumerate(graph.nodes)}
        loops += any(place[a] > place[b] for a, b in graph.edges)
        x = spikes_for(graph)
        (_, ours), (_, theirs) = run_float(graph, x), run_float(plain, x)
        for name in ours:  # potentials up to the rounding of (1 / x) x
            np.testing.assert_allclose(theirs[name], ours[name], rtol=1e-8, atol=1e-8)
    assert loops > 25


def test_time_constants_and_weights_stand_in_nirs_units():
    # by hand: a leak of dt / tau = 0.1 at dt = 1 ms is tau = 10 ms; w_in = tau_syn / dt = 5
    lif = LIF(np.array(200.0), np.array(100.0), np.array(0.0), np.array(1.0), np.array(-0.5))
    graph = chain({"in": Input((2,)), "lif": lif}, Settings(dt=1e-3))
    fields = to_nir(graph)["node"]["nodes"]["lif"]
    assert fields["type"] == "CubaLIF"
    assert fields["tau_mem"] == pytest.approx([0.01, 0.01])
    assert fields["tau_syn"] == pytest.approx([0.005, 0.005])
    assert fields["w_in"] == pytest.approx([5.0, 5.0])
    assert fields["r"].tolist() == [1.0, 1.0]
    assert fields["v_reset"].tolist() == [-0.5, -0.5]
    # dv/dt = R I is v + dt R I in a step: R = 1 / dt adds the weight
    fields = to_nir(chain({"in": Input((1,)), "if": IAF(np.array(1.0), np.array(0.0))}))
    assert fields["node"]["nodes"]["if"]["r"] == pytest.approx([1000.0])


def box_network(seed=0):
    rng = np.random.default_rng(seed)
    nodes = {
        "in": Input((6,)),
        "fc1": Linear(rng.normal(size=(8, 6)).astype(np.float32)),
        "lif1": neuron("box", v_th=0.2),
        "fc2": Linear(rng.normal(size=(4, 8)).astype(np.float32), np.zeros(4, np.float32)),
        "lif2": neuron("box", v_th=0.1),
    }
    return chain(nodes, Settings(1e-3, 100))


def test_norse_runs_what_we_write_and_gives_our_spikes(tmp_path):
    graph = box_network()
    write_nir(graph, tmp_path / "net.nir")
    with pytest.warns(DeprecationWarning, match="nirtorch"):
        module = norse.from_nir(nir.read(tmp_path / "net.nir"), dt=1e-3, ignore_warnings=True)
    x, state, found = spikes_for(graph, 100), None, []
    with torch.no_grad():
        for now in x:
            z, state = module(torch.from_numpy(now).float()[None], state)
            found.append(z.numpy()[0])
    spikes, _ = run_float(graph, x)
    assert spikes["lif2"].any()
    np.testing.assert_array_equal(np.array(found), spikes["lif2"])


def test_a_file_that_nir_read_and_wrote_again_is_still_ours(tmp_path):
    for seed in range(5):
        graph = nir_graph(seed, subtract=False)
        write_nir(graph, tmp_path / "a.nir")
        nir.write(tmp_path / "b.nir", nir.read(tmp_path / "a.nir", type_check=False))
        assert same(read_nir(tmp_path / "b.nir"), graph), seed


def test_weights_may_be_changed_by_others_but_what_the_metadata_say_may_not():
    tree = to_nir(box_network())
    tree["node"]["nodes"]["fc1"]["weight"] = np.ones((8, 6), np.float32)
    assert (from_nir(tree).nodes["fc1"].weight == 1).all()
    tree["node"]["nodes"]["lif1"]["tau"] = np.full(8, 0.02)
    with pytest.raises(BadInput, match=r"do not fit its field 'nodes/lif1/tau'.*Remove"):
        from_nir(tree)


def test_a_delay_that_leads_back_is_the_step_that_a_loop_in_nir_takes():
    def looped(steps):
        nodes = {
            "in": Input((2,)),
            "sum": Add(),
            "cell": neuron("box"),
            "weight": Linear(np.eye(2)),
            "back": Delay(steps),
        }
        edges = [("in", "sum"), ("sum", "cell"), ("cell", "weight"), ("weight", "back")]
        return Graph(nodes, (*edges, ("back", "sum")), Settings(dt=1e-3))

    one = flatten(to_nir(looped(1))["node"])
    assert set(one.nodes) == {"in", "cell", "weight"}
    assert ("weight", "cell") in one.edges
    three = flatten(to_nir(looped(3))["node"])
    assert three.nodes["back"]["delay"] == pytest.approx([0.002, 0.002])
    assert {("weight", "back"), ("back", "cell")} <= set(three.edges)


BOX = LIFBox(np.array(100.0), np.array(0.0), np.array(1.0), np.array(0.0))


@pytest.mark.parametrize(
    ("shape", "node", "sentence"),
    [
        ((2, 3), Concat(), r"'x' \(Concat\): NIR has no primitive for it"),
        (
            (2, 3),
            ConvTranspose(np.ones((2, 1, 2)), None, (1,), (0,), (0,), (1,), 1),
            r"'x' \(ConvTranspose\): NIR has no primitive",
        ),
        (
            (2,),
            Sparse(np.ones(2), [0, 1], [0, 2], (2,), (1,)),
            r"'x' \(Sparse\): NIR holds no sparse maps",
        ),
        ((4,), Reshape((2, 2)), r"'x' \(Reshape\): NIR's Flatten joins axes, but this makes"),
        ((2, 3), Linear(np.ones((1, 3))), r"'x' \(Linear\): NIR's Linear takes one axis"),
    ],
)
def test_what_nir_cannot_hold_is_refused_by_layer(shape, node, sentence):
    nodes, edges = {"in": Input(shape), "x": node}, [("in", "x")]
    if isinstance(node, Concat):
        nodes = {"in": Input(shape), "y": BOX, "x": node}
        edges = [("in", "y"), ("in", "x"), ("y", "x")]
    with pytest.raises(Unsupported, match=sentence):
        to_nir(Graph(nodes, tuple(edges)))


def test_a_reset_by_subtraction_is_written_only_where_the_caller_wants_it_for_us_alone():
    box = LIFBox(np.array(100.0), np.array(0.0), np.array(1.0), np.array(0.0), "subtract")
    graph = chain({"in": Input((1,)), "lif": box})
    with pytest.raises(Unsupported, match=r"'lif' \(LIFBox\): NIR resets to a value.*keep_subtr"):
        to_nir(graph)
    assert same(from_nir(to_nir(graph, keep_subtract=True)), graph)


def test_our_file_knows_its_dt_and_resets_and_another_is_refused():
    tree = to_nir(box_network())
    assert from_nir(tree, dt=1e-3).settings.assumed == ()
    with pytest.raises(BadInput, match=r"dt = 0.002 s was asked for, but the file itself says"):
        from_nir(tree, dt=2e-3)
    other = from_nir(tree, reset="subtract")
    assert {node.reset for _, node in other.of(LIFBox)} == {"subtract"}
    (said,) = other.settings.assumed
    assert said.sentence.startswith("the reset subtract was asked for, but by the file the neurons")
    assert same(from_nir(tree, reset="zero"), from_nir(tree))
