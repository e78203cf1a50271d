"""Who is connected to whom, by PyTorch's own convolutions of one spike."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from neurocompile.chip.read import load_chip
from neurocompile.ir.fixed import BiasInput, CubaLIF, Synapse
from neurocompile.ir.graph import chain
from neurocompile.ir.linear import out_shape
from neurocompile.ir.nodes import Conv, ConvTranspose, size
from neurocompile.place import place

IDEAL = load_chip("ideal")


def random_op(seed):
    """A (transposed) convolution: stride, padding, dilation, groups, other on each axis."""
    rng = np.random.default_rng(1000 + seed)

    def two(low, high):
        return tuple(int(n) for n in rng.integers(low, high + 1, 2))

    groups = int(rng.integers(1, 4))
    a, b = two(1, 2)
    kernel, stride, padding, dilation = two(1, 4), two(1, 3), two(0, 2), two(1, 3)
    in_shape = (a * groups, *two(10, 12))
    if seed % 2:
        extra = tuple(
            int(rng.integers(0, max(s, d))) for s, d in zip(stride, dilation, strict=True)
        )
        weight = np.full((a * groups, b, *kernel), 2)
        return ConvTranspose(weight, None, stride, padding, extra, dilation, groups), in_shape
    weight = np.full((b * groups, a, *kernel), 2)
    weight[rng.random(weight.shape) < 0.3] = 0  # a kernel stores its zeros
    return Conv(weight, None, stride, padding, dilation, groups), in_shape


def reached(op, in_shape):
    """(sources, targets) of bool: PyTorch's response to a spike of each source, weights 1."""
    spikes = torch.eye(size(in_shape), dtype=torch.float64).reshape(-1, *in_shape)
    ones = torch.ones(op.weight.shape, dtype=torch.float64)
    if isinstance(op, ConvTranspose):
        out = functional.conv_transpose2d(
            spikes, ones, None, op.stride, op.padding, op.output_padding, op.groups, op.dilation
        )
    else:
        out = functional.conv2d(spikes, ones, None, op.stride, op.padding, op.dilation, op.groups)
    assert tuple(out.shape[1:]) == out_shape(op, in_shape)
    return out.reshape(len(spikes), -1).numpy()


@pytest.mark.parametrize("seed", range(60))
def test_a_spike_reaches_the_neurons_that_pytorch_says(seed):
    op, in_shape = random_op(seed)
    shape = out_shape(op, in_shape)

    def neurons(on):
        return CubaLIF(on, 4095, 410, 1000, 0, 0, 0)

    graph = chain({
        "in": BiasInput(in_shape, in_shape, 1.0), "a": neurons(in_shape),
        "s": Synapse(op, in_shape, shape), "b": neurons(shape),
    })  # fmt: skip
    route = place(graph, IDEAL).routes["s"]
    response = reached(op, in_shape)
    assert set(np.unique(response)) <= {0.0, 1.0}  # two neurons share one tap at most
    assert route.fan_out.tolist() == (response > 0).sum(axis=1).tolist()
