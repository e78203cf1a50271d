"""Linear maps as standard ONNX operators, in float32 or in whole numbers.

In:  a linear node, the value before it, (batch, steps, *shape).
Out: the value behind it: float32, or the exact int64 sum of the weight mantissas.
Integer sums are exact: uint8 spikes of 0 and 1 by int8 mantissas into int32.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import singledispatch
from typing import Any

import numpy as np

from neurocompile.errors import Unsupported
from neurocompile.formats.onnx.ops import Block, tensor
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
    size,
)


@dataclass(frozen=True, eq=False)
class Place:
    """Where a linear map is emitted.

    Attributes:
        block: Gets the nodes.
        lasting: Gets what no step changes: block itself, or the one around a loop.
        name: Of the layer, given to the node that does its work.
        x: Value before, (batch, steps, *in_shape): uint8 if fixed, else float32.
        in_shape, out_shape: Of one step of a sample.
        array: Name of a field of the node -> name of its initializer.
        has: Whether a field of the node is not None.
        fixed: Whether sums are integers.
        batch_steps: Makes the value [batch, steps].
    """

    block: Block
    lasting: Block
    name: str
    x: str
    in_shape: Shape
    out_shape: Shape
    array: Callable[[str], str]
    has: Callable[[str], bool]
    fixed: bool
    batch_steps: Callable[[], str]

    def weight(self, field: str = "weight") -> str:
        """A field in the type that the kernel multiplies with."""
        value = self.array(field)
        return value if self.fixed else self.lasting.cast(value, np.float32)

    def shape_as(self, value: str, shape: Shape) -> str:
        """(batch, steps, *any) as (batch, steps, *shape)."""
        target = self.block.constant((0, 0, *shape), np.int64)  # 0 keeps that axis
        return self.block.add("Reshape", value, target)

    def folded(self) -> str:
        """X as (batch * steps, *in_shape), which convolutions and pools take."""
        return self.block.add(
            "Reshape", self.x, self.block.constant((-1, *self.in_shape), np.int64)
        )

    def unfolded(self, value: str) -> str:
        """(batch * steps, *out_shape) as (batch, steps, *out_shape)."""
        shape = self.block.constant(self.out_shape, np.int64)
        target = self.block.add("Concat", self.batch_steps(), shape, axis=0)
        return self.block.add("Reshape", value, target)

    def work(self, op_type: str, *inputs: str, **attributes: Any) -> str:
        """The node that bears the layer's name."""
        return self.block.add(op_type, *inputs, name=self.name, **attributes)


@singledispatch
def emit(op: Any, place: Place) -> str:
    """Append a linear map and return its value, (batch, steps, *out_shape).

    Raises:
        Unsupported: For a node that is no linear map.
    """
    raise Unsupported(f"layer '{place.name}' is a {type(op).__name__}, which has no ONNX form.")


@emit.register
def _(op: Linear, place: Place) -> str:
    return _matmul(place, place.lasting.add("Transpose", place.weight(), perm=[1, 0]), place.x)


@emit.register
def _(op: Sparse, place: Place) -> str:
    """Scatter the rows into a dense matrix, which onnxruntime does once, when it loads."""
    block, n_in, n_out = place.lasting, size(op.in_shape), size(op.out_shape)
    nnz = block.add("Shape", place.array("indices"))
    # Row of each value: how many rows have ended before it.
    ends = block.add(
        "Slice",
        place.array("indptr"),
        block.constant([1], np.int64),
        block.constant([n_out], np.int64),
    )
    one = block.constant(1, np.int64)
    ended = block.add(
        "ScatterElements",
        _zeros(block, block.add("Add", nnz, one), np.int64),
        ends,
        block.add("Expand", one, block.add("Shape", ends)),
        axis=0,
        reduction="add",
    )
    row = block.add("CumSum", ended, block.constant(0, np.int64))
    row = block.add("Slice", row, block.constant([0], np.int64), nnz)
    at = block.add("Mul", row, block.constant(n_in, np.int64))
    at = block.add("Add", at, place.array("indices"))
    flat = _zeros(
        block, block.constant([n_out * n_in], np.int64), np.int8 if place.fixed else np.float32
    )
    flat = block.add("ScatterElements", flat, at, place.weight("data"), axis=0)
    dense = block.add("Reshape", flat, block.constant([n_out, n_in], np.int64))
    y = _matmul(place, block.add("Transpose", dense, perm=[1, 0]), place.shape_as(place.x, (n_in,)))
    return place.shape_as(y, op.out_shape)


def _matmul(place: Place, weight: str, x: str) -> str:
    y = place.work("MatMulInteger" if place.fixed else "MatMul", x, weight)
    if place.has("bias"):
        y = place.block.add("Add", y, place.weight("bias"))
    return y


def _zeros(block: Block, shape: str, dtype: Any) -> str:
    return block.add("ConstantOfShape", shape, value=tensor(np.zeros(1, dtype)))


@emit.register
def _(op: Conv, place: Place) -> str:
    inputs = [place.folded(), place.weight()]
    if place.has("bias"):
        inputs.append(place.weight("bias"))
    y = place.work(
        "ConvInteger" if place.fixed else "Conv",
        *inputs,
        kernel_shape=op.weight.shape[2:],
        strides=op.stride,
        pads=op.padding * 2,
        dilations=op.dilation,
        group=op.groups,
    )
    return place.unfolded(y)


@emit.register
def _(op: ConvTranspose, place: Place) -> str:
    """In float32 at both stages: no integer form exists, and sums below 2^24 are exact."""
    x, weight = place.folded(), place.weight()
    if place.fixed:
        x = place.block.cast(x, np.float32)
        weight = place.lasting.cast(weight, np.float32)
    inputs = [x, weight]
    if place.has("bias"):
        inputs.append(place.weight("bias"))
    # Onnxruntime refuses output_padding >= stride; less padding at the end is the same.
    extra = tuple(e if e < s else 0 for e, s in zip(op.output_padding, op.stride, strict=True))
    less = zip(op.padding, op.output_padding, extra, strict=True)
    y = place.work(
        "ConvTranspose",
        *inputs,
        kernel_shape=op.weight.shape[2:],
        strides=op.stride,
        pads=op.padding + tuple(p - wanted + given for p, wanted, given in less),
        output_padding=extra,
        dilations=op.dilation,
        group=op.groups,
    )
    return place.unfolded(y)


@emit.register
def _(op: BatchNorm, place: Place) -> str:
    """A product and a sum: ONNX's BatchNormalization has no place for exactly these numbers."""
    channels = place.lasting.constant((-1, *(1,) * (len(place.in_shape) - 1)), np.int64)
    y = place.work("Mul", place.x, place.lasting.add("Reshape", place.weight(), channels))
    if place.has("bias"):
        bias = place.lasting.add("Reshape", place.weight("bias"), channels)
        y = place.block.add("Add", y, bias)
    return y


@emit.register
def _(op: SumPool, place: Place) -> str:
    """A convolution with ones, channel by channel: exact, unlike a mean times its divisor."""
    channels = place.in_shape[0]
    ones = place.lasting.add(
        "ConstantOfShape",
        place.lasting.constant((channels, 1, *op.kernel), np.int64),
        value=tensor(np.ones(1, np.float32)),
    )
    y = place.work(
        "Conv",
        place.folded(),
        ones,
        kernel_shape=op.kernel,
        strides=op.stride,
        pads=op.padding * 2,
        group=channels,
    )
    return place.unfolded(y)


@emit.register
def _(op: AvgPool, place: Place) -> str:
    y = place.work(
        "AveragePool",
        place.folded(),
        kernel_shape=op.kernel,
        strides=op.stride,
        pads=op.padding * 2,
        count_include_pad=int(op.count_include_pad),
    )
    return place.unfolded(y)


@emit.register
def _(op: Upsample, place: Place) -> str:
    y = place.work(
        "Resize",
        place.folded(),
        "",
        place.block.constant((1, 1, *op.scale), np.float32),
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )
    return place.unfolded(y)


@emit.register
def _(op: Reshape, place: Place) -> str:
    return place.work("Reshape", place.x, place.block.constant((0, 0, *op.shape), np.int64))


@emit.register
def _(op: Identity, place: Place) -> str:
    return place.work("Identity", place.x)
