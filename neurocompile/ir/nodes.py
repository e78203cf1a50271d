"""The FLOAT vocabulary, synapses: the layers that people write between neurons.

Every node maps one value per neuron to another, sample by sample and step by step. Apart from
a Delay, none keeps a state. Shapes are PyTorch's without the batch: (features,), (C, L) or
(C, H, W). The meaning of each linear map is its matrix, in `linear.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import prod
from typing import Any, ClassVar, Self, cast

import numpy as np

from neurocompile.ir.arrays import LATER, Array, freeze_fields, plain_numbers

Shape = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Input:
    """Where values enter: spikes, or constant currents (see the encoder in the settings).

    Attributes:
        shape: Shape of one sample in one step.
    """

    shape: Shape

    def __post_init__(self) -> None:
        plain_numbers(self)


class LinearMap:
    """Base of every linear node: a matrix, and a bias where it has one; it keeps no state."""

    def __post_init__(self) -> None:
        plain_numbers(self)


class Weighted(LinearMap):
    """A linear map with its own weights: the only kind that a synapse of a chip holds.

    Attributes:
        weight_field: Name of the field that holds the weights.
    """

    weight_field: ClassVar[str] = "weight"

    @property
    def weights(self) -> Array:
        """The weights as they are stored: dense, shared over space, or sparse."""
        stored: Array = getattr(self, self.weight_field)
        return stored

    def with_weights(self, values: Array) -> Self:
        """The same map with other weights, of the same shape."""
        return replace(cast(Any, self), **{self.weight_field: values})


@dataclass(frozen=True, eq=False)
class Linear(Weighted):
    """Dense synapses: out = weight @ in + bias.

    Attributes:
        weight: Weights, (n_out, n_in).
        bias: Biases, (n_out,), or None.
    """

    weight: Array
    bias: Array | None = None

    def __post_init__(self) -> None:
        freeze_fields(self, None, "weight", "bias")


@dataclass(frozen=True, eq=False)
class Conv(Weighted):
    """Convolution over one or two axes as PyTorch defines it (a correlation), zero padded.

    Attributes:
        weight: Weights, (C_out, C_in / groups, *kernel).
        bias: Biases, (C_out,), or None.
        stride, padding, dilation: One number per axis.
        groups: Number of independent groups of channels.
    """

    weight: Array
    bias: Array | None
    stride: Shape
    padding: Shape
    dilation: Shape
    groups: int

    def __post_init__(self) -> None:
        freeze_fields(self, None, "weight", "bias")


@dataclass(frozen=True, eq=False)
class ConvTranspose(Weighted):
    """Transposed convolution as PyTorch defines it: the transpose of a Conv's matrix.

    Attributes:
        weight: Weights, (C_in, C_out / groups, *kernel).
        bias: Biases, (C_out,), or None.
        stride, padding, output_padding, dilation: One number per axis.
        groups: Number of independent groups of channels.
    """

    weight: Array
    bias: Array | None
    stride: Shape
    padding: Shape
    output_padding: Shape
    dilation: Shape
    groups: int

    def __post_init__(self) -> None:
        freeze_fields(self, None, "weight", "bias")


@dataclass(frozen=True, eq=False)
class Sparse(Weighted):
    """Any linear map, stored row by row (CSR): out = matrix @ in + bias.

    Attributes:
        data: Values, (nnz,).
        indices: Column of each value, (nnz,) int64, ascending within a row.
        indptr: Position at which each row starts, (n_out + 1,) int64.
        in_shape, out_shape: Shapes on either side.
        bias: Biases, (n_out,), or None.
    """

    data: Array
    indices: Array
    indptr: Array
    in_shape: Shape
    out_shape: Shape
    bias: Array | None = None

    weight_field: ClassVar[str] = "data"

    def __post_init__(self) -> None:
        freeze_fields(self, None, "data", "bias")
        freeze_fields(self, np.int64, "indices", "indptr")


@dataclass(frozen=True, eq=False)
class BatchNorm(LinearMap):
    """Batch norm at inference: out = weight * in + bias, with one number of each per channel.

    Channels lie along the first axis. In terms of PyTorch's parameters,
    weight = gamma / sqrt(running_var + eps) and bias = beta - running_mean * weight.

    Attributes:
        weight: Factors, (C,).
        bias: Biases, (C,), or None.
    """

    weight: Array
    bias: Array | None = None

    def __post_init__(self) -> None:
        freeze_fields(self, None, "weight", "bias")


@dataclass(frozen=True, eq=False)
class SumPool(LinearMap):
    """Sum over windows, channel by channel, zero padded.

    Attributes:
        kernel, stride, padding: One number per axis.
    """

    kernel: Shape
    stride: Shape
    padding: Shape


@dataclass(frozen=True, eq=False)
class AvgPool(LinearMap):
    """Mean over windows, channel by channel.

    Attributes:
        kernel, stride, padding: One number per axis.
        count_include_pad: Whether padded zeros count in the mean's divisor.
    """

    kernel: Shape
    stride: Shape
    padding: Shape
    count_include_pad: bool = True


@dataclass(frozen=True, eq=False)
class Upsample(LinearMap):
    """Nearest-neighbour upsampling: each value is repeated scale times along each axis.

    Attributes:
        scale: One whole number per axis.
    """

    scale: Shape


@dataclass(frozen=True, eq=False)
class Reshape(LinearMap):
    """The same values in another shape, in C order: Flatten, Unflatten and view.

    Attributes:
        shape: The new shape.
    """

    shape: Shape


@dataclass(frozen=True, eq=False)
class Identity(LinearMap):
    """Passes everything on unchanged: dropout at inference, Norse's RegularizationCell."""


@dataclass(frozen=True, eq=False)
class Add:
    """The sum of all its inputs, which have the same shape: a residual connection."""


@dataclass(frozen=True, eq=False)
class Concat:
    """All its inputs, one after the other along the first axis (channels, features).

    The order is that of the edges into it.
    """


@dataclass(frozen=True, eq=False)
class Delay:
    """Its input some steps earlier; 0 before that. The only node that may lead backwards.

    It comes after its source in the graph. What it leads to may come before it if `steps` is 1 or
    more, so every loop passes one.

    Attributes:
        steps: Steps that every value waits, 1..MOST_DELAY_STEPS; 0 is allowed with `late`.
        late: Further steps of each value, (*shape) int64; None where all wait alike.
    """

    steps: int
    late: Array | None = field(default=None, metadata=LATER)

    def __post_init__(self) -> None:
        freeze_fields(self, np.int64, "late")

    @property
    def longest(self) -> int:
        """Steps until the last value has passed."""
        return self.steps + (0 if self.late is None else int(self.late.max()))


JOINS = (Add, Concat)
MOST_DELAY_STEPS = 1 << 16  # longest Delay of any network; a chip's own limit is lower
WEIGHTED: tuple[type[Weighted], ...] = tuple(Weighted.__subclasses__())
LINEAR_OPS: tuple[type[LinearMap], ...] = (
    *WEIGHTED,
    *(kind for kind in LinearMap.__subclasses__() if kind is not Weighted),
)


def size(shape: Shape) -> int:
    """Number of values that a shape holds."""
    return prod(shape)


def bias_of(op: Any) -> Array | None:
    """The bias of a linear map, or None where it has none."""
    return getattr(op, "bias", None)


def scaling(factor: Array, shape: Shape) -> BatchNorm | Sparse | None:
    """Each value times a factor of its own; None where all are 1.

    Args:
        factor: () or shape.
        shape: Of the layer.
    """
    if np.all(factor == 1):
        return None
    each = np.broadcast_to(factor, shape).astype(np.float64)
    channels = each.reshape(shape[0], -1)
    if np.all(channels == channels[:, :1]):
        return BatchNorm(channels[:, 0], np.zeros(shape[0]))
    count = np.arange(size(shape) + 1)
    return Sparse(each.ravel(), count[:-1], count, shape, shape)
