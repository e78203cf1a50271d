"""Weights that are rounded together: the same sums, errors that cancel, nothing off the grid."""

from dataclasses import replace

import numpy as np
import pytest

from neurocompile.ir.linear import matrix
from neurocompile.ir.nodes import Conv, ConvTranspose, Linear, Sparse
from neurocompile.ir.registers import Grid, lost_on_average
from neurocompile.ir.shapes import out_shape
from neurocompile.quantize.columns import columns, from_kernels, kernels, positions
from neurocompile.quantize.moments import GroupMoments
from neurocompile.quantize.rounding import round_weights, spread


def random_op(rng):
    """A linear map with its in_shape, of every format and option."""
    kind = rng.integers(3)
    if kind == 0:
        return Linear(rng.normal(size=(5, 7))), (7,) if rng.random() < 0.5 else (2, 7)
    axes = int(rng.integers(1, 3))
    groups = int(rng.choice([1, 2]))
    taps = tuple(int(k) for k in rng.integers(1, 4, axes))
    stride = tuple(int(k) for k in rng.integers(1, 4, axes))
    dilation = tuple(int(k) for k in rng.integers(1, 3, axes))
    padding = tuple(int(k) for k in rng.integers(0, 3, axes))
    space = tuple(int(n) for n in rng.integers(5, 9, axes))
    inputs, outputs = 2 * groups, 3 * groups
    if kind == 1:
        weight = rng.normal(size=(outputs, inputs // groups, *taps))
        return Conv(weight, None, stride, padding, dilation, groups), (inputs, *space)
    weight = rng.normal(size=(inputs, outputs // groups, *taps))
    extra = tuple(int(rng.integers(0, max(s, d))) for s, d in zip(stride, dilation, strict=True))
    op = ConvTranspose(weight, None, stride, padding, extra, dilation, groups)
    return op, (inputs, *space)


@pytest.mark.parametrize("seed", range(60))
def test_columns_times_kernels_are_the_matrix_of_the_synapse(seed):
    rng = np.random.default_rng(seed)
    op, in_shape = random_op(rng)
    x = rng.normal(size=(3, *in_shape))
    w, c = kernels(op), columns(op, x, in_shape)
    found = c @ w.transpose(0, 2, 1)  # (groups, n * positions, outputs)
    expected = x.reshape(3, -1) @ matrix(op, in_shape).toarray().T
    after = out_shape(op, in_shape)
    if isinstance(op, Linear):
        np.testing.assert_allclose(found.reshape(3, -1), expected, atol=1e-12)
    else:
        groups, outputs = w.shape[:2]
        image = found.reshape(groups, 3, positions(op, in_shape), outputs).transpose(1, 0, 3, 2)
        np.testing.assert_allclose(image.reshape(3, *after).reshape(3, -1), expected, atol=1e-12)
    np.testing.assert_array_equal(from_kernels(op, w), op.weight)
    wider = columns(op, x, in_shape, more=2)
    assert wider.shape == (*c.shape[:2], c.shape[2] + 2)
    np.testing.assert_array_equal(wider[:, :, :-2], c)


def moments_of(rng, op, in_shape, bias=1.0):
    """Moments of correlated spikes at a synapse, and the columns that they were taken from."""
    common = rng.random((200, 1)) < 0.5
    x = ((rng.random((200, int(np.prod(in_shape)))) < 0.3) | common).astype(float)
    c = columns(op, x.reshape(200, *in_shape), in_shape)
    c = np.concatenate([c, np.full((*c.shape[:2], 1), bias)], axis=2)
    return tuple(GroupMoments(m) for m in c.transpose(0, 2, 1) @ c), c


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("bits", [2, 4, 8])
def test_rounding_together_errs_less_than_each_on_its_own_where_spikes_come_together(seed, bits):
    rng = np.random.default_rng(seed)
    op, in_shape = random_op(rng)
    top = 128 if bits == 2 else 254
    values = op.weight * top / np.abs(op.weight).max()
    seen, c = moments_of(rng, op, in_shape)
    done = round_weights(op, values, seen, bits)
    assert done.values.shape == op.weight.shape
    np.testing.assert_array_equal(done.values, Grid(bits).nearest(done.values))

    def missed(integers, bias):
        error = kernels(replace(op, weight=integers - values))
        error = np.concatenate([error, bias.reshape(*error.shape[:2], 1)], axis=2)
        return np.square(c @ error.transpose(0, 2, 1)).sum()

    alone = missed(Grid(bits).nearest(values), np.zeros(done.bias.size))
    assert missed(done.values, done.bias) <= alone * 1.02


def test_weights_that_are_on_the_grid_stay_as_they_are():
    rng = np.random.default_rng(0)
    op, in_shape = Linear(rng.integers(-127, 127, (6, 9)) * 2.0), (9,)
    done = round_weights(op, op.weight, moments_of(rng, op, in_shape)[0], 8)
    np.testing.assert_array_equal(done.values, op.weight)
    np.testing.assert_array_equal(done.bias, 0)


def test_two_inputs_that_always_spike_together_share_their_rounding_errors():
    """Both weights are 0.9 of half a step: on its own each becomes 0, together one becomes 2."""
    op = Linear(np.array([[0.9, 0.9]]))
    c = np.array([[1.0, 1.0, 0.0]] * 10)
    seen = (GroupMoments(c.T @ c),)
    done = round_weights(op, op.weight, seen, 8)
    assert sorted(done.values.ravel().tolist()) == [0, 2]
    np.testing.assert_array_equal(Grid(8).nearest(op.weight), 0)


def test_without_calibration_each_weight_is_rounded_to_nearest():
    rng = np.random.default_rng(1)
    op = Linear(rng.normal(size=(4, 5)) * 100)
    done = round_weights(op, op.weight, None, 6)
    np.testing.assert_array_equal(done.values, Grid(6).nearest(op.weight))


def test_a_sparse_map_is_rounded_to_nearest():
    op = Sparse(np.array([3.3, -7.9]), [0, 1], [0, 1, 2], (2,), (2,))
    assert round_weights(op, op.data, None, 8).values.tolist() == [4, -8]


def test_what_a_bias_makes_up_for_goes_to_every_neuron_that_shares_the_weights():
    conv = Conv(np.zeros((2, 1, 1)), None, (1,), (0,), (1,), 1)
    assert spread(conv, np.array([1.0, 2.0]), 6).tolist() == [1, 1, 1, 2, 2, 2]
    assert spread(Linear(np.zeros((2, 3))), np.array([1.0, 2.0]), 6).tolist() == [1, 2, 1, 2, 1, 2]


def test_what_a_negative_exponent_loses_is_the_mean_of_all_remainders():
    for exponent, step in ((-4, 2), (-2, 2), (-1, 2), (0, 2), (-5, 8), (-3, 128)):
        sums = np.arange(0, 1 << 10, step)
        left = np.floor(sums * 2.0**exponent) * 2.0**-exponent
        assert lost_on_average(exponent, step) == np.mean(sums - left)


def test_weights_or_else_a_bias_make_up_for_what_is_lost_in_each_step():
    op = Linear(np.array([[10.0, 20.0]]))
    seen = (GroupMoments(np.full((3, 3), 100.0)),)  # both inputs spike in every step
    found = round_weights(op, op.weight, seen, 8, bias=False, lost=8.0)
    assert found.values.sum() == 38
    assert found.bias == 0
    found = round_weights(op, op.weight, seen, 8, bias=True, lost=8.0)
    np.testing.assert_array_equal(found.values, [[10, 20]])
    assert found.bias == 8
