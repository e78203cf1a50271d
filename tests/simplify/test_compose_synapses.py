"""Composing synapses keeps the function and leaves one weighted node between two neurons."""

from contextlib import nullcontext

import numpy as np
import pytest
from networks import float_network, neuron, spikes

from neurocompile.engines.floating import run_float
from neurocompile.errors import BadInput, Unsupported
from neurocompile.ir import reference
from neurocompile.ir.graph import Graph, chain
from neurocompile.ir.linear import matrix
from neurocompile.ir.neurons import LIFBox, Neuron
from neurocompile.ir.nodes import (
    Add,
    AvgPool,
    Conv,
    Identity,
    Input,
    Linear,
    Reshape,
    Sparse,
    SumPool,
    Upsample,
)
from neurocompile.quantize.ranges import bound
from neurocompile.simplify import paths, simplify
from neurocompile.simplify.compose_synapses import branches_before, compose_synapses


@pytest.mark.parametrize("seed", range(5))
def test_the_simplified_network_fires_the_same_spikes(seed):
    graph = float_network(seed)
    x = spikes(seed, 1, 20, (2, 8, 8))[0]
    before, _ = reference.run_float(graph, x)
    after, _ = reference.run_float(simplify(graph), x)
    for name in before:
        np.testing.assert_allclose(before[name], after[name], atol=1e-9)


def test_between_two_neurons_stands_one_weighted_node():
    graph = simplify(float_network(0))
    for name, _ in graph.of(Neuron):
        (branch,) = branches_before(graph, name)
        weighted = [n for n in branch.names if not isinstance(graph.nodes[n], Reshape)]
        assert len(weighted) == 1


def test_a_single_kernel_keeps_its_kind_and_a_pool_before_it_is_multiplied_in():
    graph = simplify(float_network(0))
    kinds = {name: type(node).__name__ for name, node in graph.nodes.items()}
    assert kinds["conv1"] == "Conv"
    assert kinds["up"] == "ConvTranspose"
    assert kinds["pool+conv2"] == "Linear"  # here each output sees the whole image


def test_pool_and_upsampling_compose_to_hand_worked_weights():
    nodes = {
        "input": Input((1, 2, 2)),
        "pool": SumPool((2, 2), (2, 2), (0, 0)),
        "up": Upsample((1, 2)),
        "flatten": Reshape((2,)),
        "linear": Linear(np.array([[3.0, 5.0]]), np.array([1.0])),
        "lif": neuron("box"),
    }
    node = simplify(chain(nodes)).nodes["pool+up+linear"]
    assert isinstance(node, Sparse)
    assert node.data.tolist() == [8, 8, 8, 8]  # both copies of the sum of four, 3 + 5
    assert node.bias.tolist() == [1]


def test_two_matrices_in_a_row_stay_one_dense_matrix():
    first, second = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]), np.array([[1.0, 1.0], [2.0, 0.0]])
    nodes = {"input": Input((3, 1)), "flat": Reshape((3,)), "a": Linear(first), "b": Linear(second)}
    simple = simplify(chain({**nodes, "n": neuron("box")}))
    assert [type(node).__name__ for node in simple.nodes.values()][1:-1] == ["Reshape", "Linear"]
    assert simple.nodes["a+b"].weight.tolist() == [[5, 7, 9], [2, 4, 6]]


def test_dropout_and_regularization_cells_disappear():
    nodes = {"input": Input((2,)), "drop": Identity(), "l": Linear(np.eye(2)), "n": neuron("box")}
    assert list(simplify(chain(nodes)).nodes) == ["input", "l", "n"]


def test_neurons_that_follow_each_other_directly_are_joined_by_weights_of_one():
    nodes = {"input": Input((2,)), "l": Linear(np.eye(2)), "a": neuron("box"), "b": neuron("box")}
    graph = simplify(chain(nodes))
    assert graph.nodes["a_to_b"].data.tolist() == [1, 1]
    assert graph.before("b") == ("a_to_b",)


def test_a_network_that_ends_in_a_synapse_is_refused_with_what_to_add():
    nodes = {"input": Input((2,)), "l": Linear(np.eye(2))}
    with pytest.raises(Unsupported, match=r"layer 'l' \(Linear\) is the last one.*LIBoxCell"):
        simplify(chain(nodes))


def test_the_fast_float_engine_equals_the_reference():
    graph = float_network(3)
    x = spikes(3, 2, 20, (2, 8, 8))
    fast = run_float(graph, x, 20, membranes=("output", "lif2"))
    for sample in range(2):
        outs, membrane = reference.run_float(graph, x[sample])
        for name in fast.spikes:
            np.testing.assert_array_equal(fast.spikes[name][sample], outs[name])
        for name in fast.membrane:
            np.testing.assert_allclose(fast.membrane[name][sample], membrane[name], atol=1e-9)


POOLED = {"in": Input((1, 1000, 1000)), "pool": AvgPool((500, 500), (1, 1), (0, 0))}


def test_a_layer_that_connects_billions_of_values_is_refused_before_memory_is_taken():
    graph = chain(POOLED | {"lif": LIFBox(100.0, 0.0, 1.0, 0.0)})
    said = r"layer 'pool' \(AvgPool\) connects 62,750,250,000 pairs of values, allowed are 268,435"
    with pytest.raises(BadInput, match=said):  # 501 x 501 windows of 500 x 500
        compose_synapses(graph)


def test_a_convolution_that_stays_one_is_no_list_of_connections():
    wide = Conv(np.ones((64, 64, 3, 3), np.float32), None, (1, 1), (1, 1), (1, 1), 1)
    graph = chain({"in": Input((64, 96, 96)), "conv": wide, "lif": LIFBox(100.0, 0.0, 1.0, 0.0)})
    composed = compose_synapses(graph)
    assert composed.nodes["conv"] is wide
    said = r"layer 'conv' \(Conv\) connects 335,036,416 pairs .*Choose scales on samples"
    with pytest.raises(BadInput, match=said):  # (3 * 96 - 2)**2 pairs of pixels, 64**2 of channels
        bound(composed)
    with pytest.raises(BadInput, match=r"weights \(64, 64, 3, 3\) .*connects 335,036,416 pairs"):
        matrix(wide, (64, 96, 96))


def smooth(channels):
    return Conv(np.ones((channels, channels, 3, 3)), None, (1, 1), (1, 1), (1, 1), 1)


@pytest.mark.parametrize(("allowed", "refused"), [(10404, False), (10403, True)])
def test_connections_of_a_product_are_counted_not_guessed(monkeypatch, allowed, refused):
    monkeypatch.setattr(paths, "MAX_CONNECTIONS", allowed)
    monkeypatch.setattr(paths, "COUNTED", 500)
    monkeypatch.setattr(paths.Room.__init__, "__defaults__", (allowed, 1 << 20))
    nodes = {"in": Input((3, 8, 8)), "one": smooth(3), "two": smooth(3)}
    graph = chain(nodes | {"lif": LIFBox(100.0, 0.0, 1.0, 0.0)})
    # along an axis of 8, two kernels of 3 reach 3, 4, 5, 5, 5, 5, 4 and 3 values: 34; all squared
    with pytest.raises(BadInput, match="more than") if refused else nullcontext():
        composed = compose_synapses(graph)
        assert composed.nodes["one+two"].weights.size == 34 * 34 * 3 * 3


@pytest.mark.parametrize("join", ["chain", "sum"])
@pytest.mark.parametrize(("room", "refused"), [(4500, False), (4499, True)])
def test_all_composed_synapses_share_one_bound(monkeypatch, join, room, refused):
    monkeypatch.setattr(paths.Room.__init__, "__defaults__", (room, 1 << 20))
    nodes, edges = {"in": Input((30,))}, []
    for i in range(5):
        a, b, add, lif = (f"{kind}{i}" for kind in ("a", "b", "add", "lif"))
        nodes |= {a: Linear(np.ones((30, 30))), b: Linear(np.ones((30, 30)))}
        nodes |= {lif: LIFBox(100.0, 0.0, 1.0, 0.0)}
        if join == "chain":
            edges += [("in", a), (a, b), (b, lif)]
        else:
            nodes |= {add: Add()}
            edges += [("in", a), ("in", b), (a, add), (b, add), (add, lif)]
    with pytest.raises(BadInput, match=r"up to '(add|lif)4'") if refused else nullcontext():
        compose_synapses(Graph(nodes, edges))


@pytest.mark.parametrize(("products", "refused"), [(16_800, ""), (16_799, "1"), (8_399, "0")])
def test_products_of_all_layers_share_one_bound(monkeypatch, products, refused):
    monkeypatch.setattr(paths.Room.__init__, "__defaults__", (1 << 20, products))
    nodes = {"in": Input((20,))}
    for i in "01":  # 20**2 products with the values of the origin, 20**3 with each other
        nodes |= {f"{name}{i}": Linear(np.ones((20, 20))) for name in "ab"}
        nodes[f"lif{i}"] = LIFBox(100.0, 0.0, 1.0, 0.0)
    said = (
        rf"layer 'b{refused}' and the linear .*takes 8,000 products of two weights. 7,999 are left"
    )
    with pytest.raises(BadInput, match=said) if refused else nullcontext():
        compose_synapses(chain(nodes))


def test_nothing_is_multiplied_after_what_was_too_much(monkeypatch):
    monkeypatch.setattr(paths.Room.__init__, "__defaults__", (899, 1 << 20))
    nodes, edges = {"in": Input((30,))}, []
    for i in range(3):
        each = [f"a{i}", f"b{i}"]
        nodes |= {name: Linear(np.ones((30, 30))) for name in each}
        nodes |= {f"add{i}": Add(), f"lif{i}": LIFBox(100.0, 0.0, 1.0, 0.0)}
        edges += [edge for name in each for edge in (("in", name), (name, f"add{i}"))]
        edges += [(f"add{i}", f"lif{i}")]
    with pytest.raises(BadInput) as error:
        compose_synapses(Graph(nodes, edges))
    assert error.value.each == (str(error.value),)  # one thing, not one for each sum


def test_two_dense_layers_in_a_row_become_one(monkeypatch):
    side = 1300  # more than 2**31 products
    one, two = (np.eye(side)[::step] + 1.0 for step in (1, -1))
    nodes = {"in": Input((side,)), "one": Linear(one), "two": Linear(two)}
    composed = compose_synapses(chain(nodes | {"lif": LIFBox(100.0, 0.0, 1.0, 0.0)}))
    # (flip + ones)(eye + ones) = flip + (side + 2) ones
    expected = np.eye(side)[::-1] + side + 2
    np.testing.assert_array_equal(composed.nodes["one+two"].weight, expected)
