"""Linear maps as standard ONNX operators, in float32 or in whole numbers.

In:  a linear node, and its input value, (batch, steps, *shape).
Out: its output value: float32, or the exact int64 sum of the weight mantissas.
Integer sums are exact: uint8 spikes of 0 and 1 by int8 mantissas into int32.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import singledispatch
from typing import Any

import numpy as np

from neurocompile.errors import Unsupported, a_or_an
from neurocompile.formats.onnx.ops import NodeList, tensor
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
class Emission:
    """The context in which a linear map is emitted.

    Attributes:
        nodes: List to which the nodes are appended.
        lasting: List for what no step changes: `nodes` itself, or the list around a loop.
        name: Name of the layer, given to the node that does its work.
        x: Name of the input, (batch, steps, *in_shape): uint8 if fixed, else float32.
        in_shape, out_shape: Shapes of one step of a sample.
        array: Function from the name of a field of the node to that of its initializer.
        has: Function that returns whether a field of the node is not None.
        fixed: Whether sums are integers.
        batch_steps: Function that makes the value [batch, steps].
    """

    nodes: NodeList
    lasting: NodeList
    name: str
    x: str
    in_shape: Shape
    out_shape: Shape
    array: Callable[[str], str]
    has: Callable[[str], bool]
    fixed: bool
    batch_steps: Callable[[], str]

    def weight(self, field: str = "weight") -> str:
        """A field in the type with which the kernel multiplies."""
        value = self.array(field)
        return value if self.fixed else self.lasting.cast(value, np.float32)

    def shape_as(self, value: str, shape: Shape) -> str:
        """(batch, steps, *any) as (batch, steps, *shape)."""
        target = self.nodes.constant((0, 0, *shape), np.int64)  # 0 keeps that axis
        return self.nodes.add("Reshape", value, target)

    def folded(self) -> str:
        """The input as (batch * steps, *in_shape), which convolutions and pools take."""
        return self.nodes.add(
            "Reshape", self.x, self.nodes.constant((-1, *self.in_shape), np.int64)
        )

    def unfolded(self, value: str) -> str:
        """(batch * steps, *out_shape) as (batch, steps, *out_shape)."""
        shape = self.nodes.constant(self.out_shape, np.int64)
        target = self.nodes.add("Concat", self.batch_steps(), shape, axis=0)
        return self.nodes.add("Reshape", value, target)

    def work(self, op_type: str, *inputs: str, **attributes: Any) -> str:
        """Append the node that has the layer's name."""
        return self.nodes.add(op_type, *inputs, name=self.name, **attributes)


@singledispatch
def emit(op: Any, emission: Emission) -> str:
    """Append a linear map and return its value, (batch, steps, *out_shape).

    Raises:
        Unsupported: If the node is not a linear map.
    """
    raise Unsupported(
        f"layer '{emission.name}' is {a_or_an(type(op).__name__)}, which has no ONNX form."
    )


@emit.register
def _(op: Linear, emission: Emission) -> str:
    return _matmul(
        emission, emission.lasting.add("Transpose", emission.weight(), perm=[1, 0]), emission.x
    )


@emit.register
def _(op: Sparse, emission: Emission) -> str:
    """Scatter the rows into a dense matrix; onnxruntime does this once, when it loads the file."""
    nodes, n_in, n_out = emission.lasting, size(op.in_shape), size(op.out_shape)
    nnz = nodes.add("Shape", emission.array("indices"))
    # The row of each value is the number of rows that end before it.
    ends = nodes.add(
        "Slice",
        emission.array("indptr"),
        nodes.constant([1], np.int64),
        nodes.constant([n_out], np.int64),
    )
    one = nodes.constant(1, np.int64)
    ended = nodes.add(
        "ScatterElements",
        _zeros(nodes, nodes.add("Add", nnz, one), np.int64),
        ends,
        nodes.add("Expand", one, nodes.add("Shape", ends)),
        axis=0,
        reduction="add",
    )
    row = nodes.add("CumSum", ended, nodes.constant(0, np.int64))
    row = nodes.add("Slice", row, nodes.constant([0], np.int64), nnz)
    at = nodes.add("Mul", row, nodes.constant(n_in, np.int64))
    at = nodes.add("Add", at, emission.array("indices"))
    flat = _zeros(
        nodes, nodes.constant([n_out * n_in], np.int64), np.int8 if emission.fixed else np.float32
    )
    flat = nodes.add("ScatterElements", flat, at, emission.weight("data"), axis=0)
    dense = nodes.add("Reshape", flat, nodes.constant([n_out, n_in], np.int64))
    y = _matmul(
        emission, nodes.add("Transpose", dense, perm=[1, 0]), emission.shape_as(emission.x, (n_in,))
    )
    return emission.shape_as(y, op.out_shape)


def _matmul(emission: Emission, weight: str, x: str) -> str:
    y = emission.work("MatMulInteger" if emission.fixed else "MatMul", x, weight)
    if emission.has("bias"):
        y = emission.nodes.add("Add", y, emission.weight("bias"))
    return y


def _zeros(nodes: NodeList, shape: str, dtype: Any) -> str:
    return nodes.add("ConstantOfShape", shape, value=tensor(np.zeros(1, dtype)))


@emit.register
def _(op: Conv, emission: Emission) -> str:
    inputs = [emission.folded(), emission.weight()]
    if emission.has("bias"):
        inputs.append(emission.weight("bias"))
    y = emission.work(
        "ConvInteger" if emission.fixed else "Conv",
        *inputs,
        kernel_shape=op.weight.shape[2:],
        strides=op.stride,
        pads=op.padding * 2,
        dilations=op.dilation,
        group=op.groups,
    )
    return emission.unfolded(y)


@emit.register
def _(op: ConvTranspose, emission: Emission) -> str:
    """Emit float32 at both stages: no integer form exists, and sums below 2^24 are exact."""
    x, weight = emission.folded(), emission.weight()
    if emission.fixed:
        x = emission.nodes.cast(x, np.float32)
        weight = emission.lasting.cast(weight, np.float32)
    inputs = [x, weight]
    if emission.has("bias"):
        inputs.append(emission.weight("bias"))
    # Onnxruntime refuses output_padding >= stride; less padding at the end has the same effect.
    extra = tuple(e if e < s else 0 for e, s in zip(op.output_padding, op.stride, strict=True))
    less = zip(op.padding, op.output_padding, extra, strict=True)
    y = emission.work(
        "ConvTranspose",
        *inputs,
        kernel_shape=op.weight.shape[2:],
        strides=op.stride,
        pads=op.padding + tuple(p - wanted + given for p, wanted, given in less),
        output_padding=extra,
        dilations=op.dilation,
        group=op.groups,
    )
    return emission.unfolded(y)


@emit.register
def _(op: BatchNorm, emission: Emission) -> str:
    """Emit a product and a sum: ONNX's BatchNormalization cannot hold exactly these numbers."""
    channels = emission.lasting.constant((-1, *(1,) * (len(emission.in_shape) - 1)), np.int64)
    y = emission.work(
        "Mul", emission.x, emission.lasting.add("Reshape", emission.weight(), channels)
    )
    if emission.has("bias"):
        bias = emission.lasting.add("Reshape", emission.weight("bias"), channels)
        y = emission.nodes.add("Add", y, bias)
    return y


@emit.register
def _(op: SumPool, emission: Emission) -> str:
    """Emit a convolution with ones, channel by channel: exact, unlike a mean times its divisor."""
    channels = emission.in_shape[0]
    ones = emission.lasting.add(
        "ConstantOfShape",
        emission.lasting.constant((channels, 1, *op.kernel), np.int64),
        value=tensor(np.ones(1, np.float32)),
    )
    y = emission.work(
        "Conv",
        emission.folded(),
        ones,
        kernel_shape=op.kernel,
        strides=op.stride,
        pads=op.padding * 2,
        group=channels,
    )
    return emission.unfolded(y)


@emit.register
def _(op: AvgPool, emission: Emission) -> str:
    y = emission.work(
        "AveragePool",
        emission.folded(),
        kernel_shape=op.kernel,
        strides=op.stride,
        pads=op.padding * 2,
        count_include_pad=int(op.count_include_pad),
    )
    return emission.unfolded(y)


@emit.register
def _(op: Upsample, emission: Emission) -> str:
    y = emission.work(
        "Resize",
        emission.folded(),
        "",
        emission.nodes.constant((1, 1, *op.scale), np.float32),
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )
    return emission.unfolded(y)


@emit.register
def _(op: Reshape, emission: Emission) -> str:
    return emission.work(
        "Reshape", emission.x, emission.nodes.constant((0, 0, *op.shape), np.int64)
    )


@emit.register
def _(op: Identity, emission: Emission) -> str:
    return emission.work("Identity", emission.x)
