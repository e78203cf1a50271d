"""Count the synapses whose weight is not 0, by source neuron.

In:  a synapse.
Out: (source neurons,) int64.
A kernel is counted tap by tap, so no connection is ever listed: a tap reaches a box of source
neurons.
"""

from __future__ import annotations

from functools import singledispatch
from itertools import product
from typing import Any

import numpy as np

from neurocompile.ir.arrays import Array
from neurocompile.ir.entries import entries
from neurocompile.ir.nodes import Conv, ConvTranspose, Linear, Shape, size


@singledispatch
def effective_fan_out(op: Any, in_shape: Shape, out_shape: Shape) -> Array:
    """(source neurons,) int64, targets of each neuron that it reaches by weights other than 0."""
    connections = entries(op, in_shape)
    return np.bincount(connections.columns[connections.values != 0], minlength=size(in_shape))


@effective_fan_out.register
def _(op: Linear, in_shape: Shape, out_shape: Shape) -> Array:
    once = np.count_nonzero(op.weight, axis=0)
    return np.tile(once, size(in_shape) // once.size)


@effective_fan_out.register
def _(op: Conv, in_shape: Shape, out_shape: Shape) -> Array:
    outs, (ins, *kernel) = op.weight.shape[0] // op.groups, op.weight.shape[1:]
    grouped = op.weight.reshape(op.groups, outs, ins, *kernel)
    used = np.count_nonzero(grouped, axis=1).reshape(in_shape[0], *kernel)
    return _by_tap(op, used, in_shape, out_shape)


@effective_fan_out.register
def _(op: ConvTranspose, in_shape: Shape, out_shape: Shape) -> Array:
    return _by_tap(op, np.count_nonzero(op.weight, axis=1), in_shape, out_shape)


def _by_tap(op: Conv | ConvTranspose, used: Array, in_shape: Shape, out_shape: Shape) -> Array:
    """Sums over taps of `used` (source channels, *kernel) at the sources that each tap connects.

    A tap k connects position o of the small side to o s - p + k d of the large side, if that
    position exists.
    """
    forward = isinstance(op, Conv)
    large, small = (in_shape, out_shape) if forward else (out_shape, in_shape)
    counts = np.zeros(in_shape, np.int64)
    axes = range(len(op.stride))
    taps = used.reshape(in_shape[0], -1)
    for number, tap in enumerate(product(*map(range, used.shape[1:]))):
        reached = [np.arange(in_shape[0])]
        for axis in axes:
            to = np.arange(small[1 + axis])
            at = to * op.stride[axis] - op.padding[axis] + tap[axis] * op.dilation[axis]
            inside = (at >= 0) & (at < large[1 + axis])
            reached.append((at if forward else to)[inside])
        counts[np.ix_(*reached)] += taps[:, number].reshape(-1, *(1 for _ in axes))
    return counts.ravel()
