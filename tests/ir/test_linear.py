"""The matrix of a synapse node is what PyTorch computes."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from neurocompile.engines.torch_ops import apply
from neurocompile.errors import BadInput
from neurocompile.ir.linear import full_bias, matrix
from neurocompile.ir.nodes import (
    AvgPool,
    BatchNorm,
    Conv,
    ConvTranspose,
    Linear,
    Reshape,
    Sparse,
    SumPool,
    Upsample,
)
from neurocompile.ir.shapes import out_shape


def draw(rng, low, high):
    return tuple(int(n) for n in rng.integers(low, high, 2))


def random_conv(seed, transposed):
    """A random convolution that PyTorch accepts, its input shape and its groups."""
    rng = np.random.default_rng(seed)
    groups = int(rng.integers(1, 3))
    c_in, c_out = groups * int(rng.integers(1, 3)), groups * int(rng.integers(1, 3))
    kernel, stride, padding, dilation = (draw(rng, *r) for r in ((1, 4), (1, 4), (0, 3), (1, 3)))
    shape = (c_in, *draw(rng, 6, 10))
    if not transposed:
        weight = rng.normal(size=(c_out, c_in // groups, *kernel))
        return Conv(weight, rng.normal(size=c_out), stride, padding, dilation, groups), shape
    extra = tuple(int(rng.integers(0, max(s, d))) for s, d in zip(stride, dilation, strict=True))
    weight = rng.normal(size=(c_in, c_out // groups, *kernel))
    bias = rng.normal(size=c_out)
    return ConvTranspose(weight, bias, stride, padding, extra, dilation, groups), shape


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("transposed", [False, True])
def test_a_convolution_and_its_transpose_equal_pytorch(seed, transposed):
    op, shape = random_conv(seed, transposed)
    x = np.random.default_rng(seed + 1).normal(size=shape)
    t, w, b = (torch.from_numpy(np.array(a)) for a in (x[None], op.weight, op.bias))
    if transposed:
        out = F.conv_transpose2d(
            t, w, b, op.stride, op.padding, op.output_padding, op.groups, op.dilation
        )
    else:
        out = F.conv2d(t, w, b, op.stride, op.padding, op.dilation, op.groups)
    assert out_shape(op, shape) == tuple(out.shape[1:])
    ours = matrix(op, shape) @ x.ravel() + full_bias(op, shape)
    np.testing.assert_allclose(ours, out.numpy().ravel(), rtol=0, atol=1e-12)
    fast = apply(op, t, shape).numpy().ravel()
    np.testing.assert_allclose(fast, ours, rtol=0, atol=1e-12)


@pytest.mark.parametrize("padded", [True, False])
def test_pools_equal_pytorch(padded):
    x = np.random.default_rng(0).normal(size=(3, 7, 6))
    t = torch.from_numpy(x[None])
    pool = AvgPool((3, 2), (2, 2), (1, 1), padded)
    mean = F.avg_pool2d(t, (3, 2), (2, 2), (1, 1), count_include_pad=padded).numpy()
    np.testing.assert_allclose(matrix(pool, x.shape) @ x.ravel(), mean.ravel(), atol=1e-12)
    np.testing.assert_allclose(apply(pool, t, x.shape).numpy(), mean, atol=1e-12)
    total = matrix(SumPool((2, 2), (2, 2), (0, 0)), x.shape) @ x.ravel()
    np.testing.assert_allclose(total, 4 * F.avg_pool2d(t, 2).numpy().ravel(), atol=1e-12)


def test_a_batch_norm_multiplies_and_shifts_each_channel():
    op, x = BatchNorm(np.array([2.0, 3.0]), np.array([0.5, -1.0])), np.array([[1, 2], [4, 5]])
    expected = [[2.5, 4.5], [11, 14]]
    flat = matrix(op, (2, 2)) @ x.ravel() + full_bias(op, (2, 2))
    assert flat.reshape(2, 2).tolist() == expected
    assert apply(op, torch.tensor(x[None], dtype=torch.float64), (2, 2))[0].tolist() == expected
    with pytest.raises(BadInput, match=r"was given the shape \(3, 2\), but takes \(2, ...\)"):
        out_shape(op, (3, 2))
    with pytest.raises(BadInput, match=r"its weight has shape \(2, 1\), allowed is one number per"):
        out_shape(BatchNorm(np.ones((2, 1))), (2,))


def test_upsampling_repeats_each_value_along_each_axis():
    m = matrix(Upsample((2, 3)), (1, 1, 2)).toarray()
    assert out_shape(Upsample((2, 3)), (1, 1, 2)) == (1, 2, 6)
    assert m.argmax(axis=1).tolist() == [0, 0, 0, 1, 1, 1] * 2


def test_a_sparse_node_is_its_own_matrix_and_keeps_stored_zeros():
    op = Sparse(np.array([0, 5]), np.array([1, 0]), np.array([0, 1, 2]), (2,), (1, 2))
    m = matrix(op, (2,))
    assert m.toarray().tolist() == [[0, 0], [5, 0]]
    assert m.nnz == 2


def test_a_weight_of_zero_is_still_a_connection():
    assert matrix(Linear(np.zeros((3, 4))), (4,)).nnz == 12


def test_a_shape_that_does_not_fit_is_refused_with_both_shapes():
    with pytest.raises(BadInput, match=r"was given the shape \(5,\), but takes \(..., 4\)"):
        out_shape(Linear(np.zeros((3, 4))), (5,))
    with pytest.raises(BadInput, match=r"was given the shape \(2, 3\), but takes 7 values"):
        out_shape(Reshape((7,)), (2, 3))
