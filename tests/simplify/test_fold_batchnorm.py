"""A batch norm goes into the weights before it, which stay of their kind."""

import numpy as np
import pytest
import torch
from networks import neuron
from torch import nn

from neurocompile.frontend.torch import trace
from neurocompile.ir.graph import Graph, chain
from neurocompile.ir.linear import full_bias, matrix, sparse_op
from neurocompile.ir.nodes import (
    Add,
    AvgPool,
    BatchNorm,
    Concat,
    Conv,
    ConvTranspose,
    Delay,
    Input,
    Linear,
    Reshape,
    Sparse,
    size,
)
from neurocompile.ir.shapes import out_shape
from neurocompile.simplify import simplify

RNG = np.random.default_rng(0)


def draw(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def norm(channels):
    return BatchNorm(RNG.normal(size=channels), RNG.normal(size=channels))


TWO = ((2, 2), (1, 1), (1, 1))
IMAGE = (4, 5, 6)
GROUPED = Conv(draw(6, 2, 3, 3), draw(6), *TWO, 2)
WEIGHTED = {
    "linear": (Linear(draw(6, 4), draw(6)), (4,)),
    "without bias": (Linear(draw(6, 4)), (4,)),
    "conv": (GROUPED, IMAGE),
    "line": (Conv(draw(3, 4, 2), None, (1,), (1,), (2,), 1), (4, 7)),
    "transposed": (
        ConvTranspose(draw(4, 3, 3, 2), draw(6), TWO[0], (1, 1), (1, 0), (1, 1), 2),
        IMAGE,
    ),
    "sparse": (sparse_op(matrix(GROUPED, IMAGE), IMAGE, (6, 3, 3), draw(54)), IMAGE),
}


def before_neurons(*links, shape):
    """The one weighted node that is left of a chain of linear nodes."""
    nodes = {"in": Input(shape), **{f"l{i}": op for i, op in enumerate(links)}}
    simple = simplify(chain({**nodes, "n": neuron("box")}))
    (found,) = ((n, op) for n, op in simple.nodes.items() if n not in ("in", "n"))
    return found


def affine(*links, shape):
    """Matrix and bias of a chain, multiplied out here."""
    total, bias = np.eye(size(shape)), np.zeros(size(shape))
    for op in links:
        m, own = matrix(op, shape).toarray().astype(float), full_bias(op, shape)
        total, bias = m @ total, m @ bias + (0 if own is None else own)
        shape = out_shape(op, shape)
    return total, bias


def expect_equal(found, links, shape):
    total, bias = affine(*links, shape=shape)
    np.testing.assert_allclose(matrix(found, shape).toarray(), total, atol=1e-12)
    np.testing.assert_allclose(full_bias(found, shape), bias, atol=1e-12)


@pytest.mark.parametrize("kind", WEIGHTED)
def test_a_weighted_layer_keeps_its_kind_and_takes_the_batch_norm_in(kind):
    op, shape = WEIGHTED[kind]
    links = op, norm(out_shape(op, shape)[0])
    name, found = before_neurons(*links, shape=shape)
    assert name == "l0+l1"
    assert type(found) is type(op)
    expect_equal(found, links, shape)


def test_numbers_worked_out_by_hand():
    # (2 x + 3) 5 + 7 = 10 x + 22, and 4 x 6 + 8 = 24 x + 8 in the other channel
    linear = Linear(np.array([[2.0], [4.0]]), np.array([3.0, 0.0]))
    bn = BatchNorm(np.array([5.0, 6.0]), np.array([7.0, 8.0]))
    _, found = before_neurons(linear, bn, shape=(1,))
    assert found.weight.tolist() == [[10], [24]]
    assert found.bias.tolist() == [22, 8]


@pytest.mark.parametrize(
    ("links", "shape"),
    [
        ((norm(4),), IMAGE),  # right behind the input
        ((AvgPool((2, 2), (2, 2), (0, 0)), norm(4)), (4, 6, 6)),
        ((norm(4), GROUPED), IMAGE),  # before a padded convolution its shift misses the border
        ((Linear(draw(3, 3)), norm(3)), (3, 3)),  # channels along the first axis, outputs the last
    ],
)
def test_elsewhere_it_is_multiplied_out(links, shape):
    _, found = before_neurons(*links, shape=shape)
    assert isinstance(found, Sparse)
    expect_equal(found, links, shape)


def test_behind_a_linear_in_another_shape_it_leaves_a_linear():
    links = (Linear(draw(6, 4)), Reshape((2, 3)), norm(2))
    nodes = {
        "in": Input((4,)),
        **{f"l{i}": link for i, link in enumerate(links)},
        "n": neuron("box"),
    }
    simple = simplify(chain(nodes))
    (found,) = (node for node in simple.nodes.values() if isinstance(node, Linear))
    bn = links[2]
    np.testing.assert_allclose(found.weight, np.repeat(bn.weight, 3)[:, None] * links[0].weight)
    np.testing.assert_allclose(found.bias, np.repeat(bn.bias, 3))


def test_several_batch_norms_go_into_one_kernel():
    links = GROUPED, norm(6), norm(6)
    name, found = before_neurons(*links, shape=IMAGE)
    assert (name, type(found)) == ("l0+l1+l2", Conv)
    expect_equal(found, links, IMAGE)


def test_behind_a_sum_it_goes_into_each_term_and_its_shift_counts_once():
    shift = np.array([1.0, 2.0])
    nodes = {
        "in": Input((2, 4)),
        "a": neuron("box"),
        "b": neuron("box"),
        "ca": Conv(draw(2, 2, 3), None, (1,), (1,), (1,), 1),
        "cb": Conv(draw(2, 2, 3), None, (1,), (1,), (1,), 1),
        "sum": Add(),
        "bn": BatchNorm(np.array([3.0, 5.0]), shift),
        "n": neuron("box"),
    }
    edges = ("in", "a"), ("in", "b"), ("a", "ca"), ("b", "cb"), ("ca", "sum"), ("cb", "sum")
    simple = simplify(Graph(nodes, (*edges, ("sum", "bn"), ("bn", "n"))))
    kernels = dict(simple.of(Conv))
    assert sorted(kernels) == ["ca+bn", "cb+bn"]
    for name, found in kernels.items():
        factors = np.array([3.0, 5.0])[:, None, None]
        np.testing.assert_allclose(found.weight, nodes[name[:2]].weight * factors)
    biases = [found.bias for found in kernels.values() if found.bias is not None]
    assert [b.tolist() for b in biases] == [shift.tolist()]


def test_behind_a_concatenation_each_part_takes_its_own_channels():
    nodes = {
        "in": Input((3,)),
        "a": neuron("box"),
        "both": Concat(),
        "bn": BatchNorm(np.arange(1.0, 7.0), None),
        "n": neuron("box"),
    }
    edges = ("in", "a"), ("in", "both"), ("a", "both"), ("both", "bn"), ("bn", "n")
    simple = simplify(Graph(nodes, edges))
    parts = {simple.before(n)[0]: matrix(op, (3,)).toarray() for n, op in simple.of(Sparse)}
    at = np.zeros((6, 3))
    at[[0, 1, 2], [0, 1, 2]] = 1, 2, 3
    np.testing.assert_array_equal(parts["in"], at)
    np.testing.assert_array_equal(parts["a"].nonzero()[0], [3, 4, 5])
    np.testing.assert_array_equal(parts["a"].sum(axis=1), [0, 0, 0, 4, 5, 6])


def test_a_shift_that_passes_a_delay_is_refused():
    links = GROUPED, norm(6), Delay(1)
    with pytest.raises(Exception, match=r"\(Delay\): the bias of layer 'l0\+l1' passes this"):
        before_neurons(*links, shape=IMAGE)


@pytest.mark.parametrize(
    ("module", "shape"),
    [
        (nn.BatchNorm1d(5), (5,)),
        (nn.BatchNorm1d(5, affine=False), (5, 7)),
        (nn.BatchNorm2d(5, eps=0.1), (5, 3, 2)),
    ],
)
def test_a_traced_batch_norm_does_what_pytorch_does_in_eval_mode(module, shape):
    torch.manual_seed(0)
    module.double()(3 * torch.randn(20, *shape).double() + 1)  # moves the running statistics
    with torch.no_grad():
        for p in module.parameters():
            p.copy_(torch.randn_like(p))
    graph = trace(module, torch.zeros(1, *shape))
    assert module.training
    (op,) = (op for _, op in graph.of(BatchNorm))
    x = torch.randn(1, *shape).double()
    ours = matrix(op, shape) @ x.numpy().ravel() + full_bias(op, shape)
    theirs = module.eval()(x).detach().numpy().ravel()
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)
