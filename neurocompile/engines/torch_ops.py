"""Synapses and neuron steps on torch tensors, for the fast engines.

In:  nodes of the graph, batches of values (rows, *in_shape).
Out: batches of values (rows, *out_shape), in the number type of the input.
The matrices of `ir/linear.py` define the maps; these kernels are tested against them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import singledispatch
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from neurocompile.errors import Unsupported
from neurocompile.ir.arrays import Array
from neurocompile.ir.linear import matrix
from neurocompile.ir.nodes import (
    AvgPool,
    BatchNorm,
    Conv,
    ConvTranspose,
    Identity,
    Linear,
    Reshape,
    Shape,
    Sparse,
    SumPool,
    Upsample,
    bias_of,
    size,
)
from neurocompile.ir.ops import decayed, wrap_once
from neurocompile.ir.registers import STATE_LIMIT, UNITY


class TorchOps:
    """The operations of a neuron step on float64 tensors.

    Every integer of a step is below 2^53, so float64 holds it exactly. Its products and
    truncations are single vector instructions, which those of int64 are not.
    """

    def divide_toward_zero(self, x: Any, power: int) -> Any:
        """x / 2**power, truncated toward 0."""
        return torch.trunc(x * 2.0**-power)

    def clip(self, x: Any, low: int, high: int) -> Any:
        """x limited to [low, high]."""
        return torch.clamp(x, low, high)

    def where(self, condition: Any, yes: Any, no: Any) -> Any:
        """`yes` where the condition holds, otherwise `no`."""
        return torch.where(condition, yes, no)

    def wrap(self, x: Any) -> Any:
        """x wrapped at most once by 2^24 into (-2^23, 2^23]; only one pass if nothing wraps."""
        if x.numel():
            low, high = torch.aminmax(x)
            if low > -STATE_LIMIT and high <= STATE_LIMIT:
                return x
        return wrap_once(self, x)

    def decay(self, x: Any, keep: Any) -> Any:
        """x keep / 4096, truncated toward 0; no computation if everything or nothing stays."""
        if isinstance(keep, float) and keep == 0.0:
            return x.new_zeros(())
        if isinstance(keep, float) and keep == UNITY:
            return x
        return decayed(self, x, keep)


@contextmanager
def one_thread() -> Iterator[None]:
    """Run torch on one thread, and restore the caller's number of threads.

    A neuron step consists of many short passes over arrays that fit the cache. Two threads that
    synchronize after each pass took 9 times as long as one (shipped autoencoder, two shared
    cores).
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@singledispatch
def apply(op: Any, x: torch.Tensor, in_shape: Shape) -> torch.Tensor:
    """A linear node on a batch: (rows, *in_shape) -> (rows, *out_shape), bias included."""
    raise Unsupported(f"{type(op).__name__} has no torch kernel.")


@apply.register
def _(op: Linear, x: torch.Tensor, in_shape: Shape) -> torch.Tensor:
    return F.linear(x, tensor(op.weight, x), _bias(op, x))


@apply.register
def _(op: Conv, x: torch.Tensor, in_shape: Shape) -> torch.Tensor:
    run = F.conv1d if op.weight.ndim == 3 else F.conv2d
    weight = tensor(op.weight, x)
    return run(x, weight, _bias(op, x), op.stride, op.padding, op.dilation, op.groups)


@apply.register
def _(op: ConvTranspose, x: torch.Tensor, in_shape: Shape) -> torch.Tensor:
    run = F.conv_transpose1d if op.weight.ndim == 3 else F.conv_transpose2d
    weight = tensor(op.weight, x)
    extra = op.output_padding
    return run(x, weight, _bias(op, x), op.stride, op.padding, extra, op.groups, op.dilation)


@apply.register
def _(op: Sparse, x: torch.Tensor, in_shape: Shape) -> torch.Tensor:
    m = matrix(op, in_shape).astype(np.float64 if x.dtype == torch.float64 else np.float32)
    rows = x.reshape(len(x), -1).numpy(force=True)
    out = torch.from_numpy(np.ascontiguousarray((m @ rows.T).T)).to(x)
    bias = _bias(op, x)
    if bias is not None:
        out = out + bias
    return out.reshape(len(x), *op.out_shape)


@apply.register
def _(op: BatchNorm, x: torch.Tensor, in_shape: Shape) -> torch.Tensor:
    channels = (-1, *(1,) * (len(in_shape) - 1))
    out = x * tensor(op.weight, x).reshape(channels)
    bias = _bias(op, x)
    return out if bias is None else out + bias.reshape(channels)


@apply.register
def _(op: SumPool | AvgPool, x: torch.Tensor, in_shape: Shape) -> torch.Tensor:
    run = F.avg_pool1d if len(op.kernel) == 1 else F.avg_pool2d
    if isinstance(op, SumPool):
        return run(x, op.kernel, op.stride, op.padding, False, True) * size(op.kernel)
    return run(x, op.kernel, op.stride, op.padding, False, op.count_include_pad)


@apply.register
def _(op: Upsample, x: torch.Tensor, in_shape: Shape) -> torch.Tensor:
    for axis, scale in enumerate(op.scale, start=2):
        x = x.repeat_interleave(scale, dim=axis)
    return x


@apply.register
def _(op: Reshape, x: torch.Tensor, in_shape: Shape) -> torch.Tensor:
    return x.reshape(len(x), *op.shape)


@apply.register
def _(op: Identity, x: torch.Tensor, in_shape: Shape) -> torch.Tensor:
    return x


def tensor(values: Array, like: torch.Tensor) -> torch.Tensor:
    """An array as a tensor of the type and on the device of another."""
    return torch.from_numpy(np.array(values)).to(like)


def _bias(op: Any, x: torch.Tensor) -> torch.Tensor | None:
    bias = bias_of(op)
    return None if bias is None else tensor(bias, x)
