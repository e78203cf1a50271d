"""One rule per operator: what each linear map of a plain ONNX file becomes in a FLOAT graph.

In:  a `Call` with a signal among its inputs, and the graph under construction.
Out: the signal after it. A node of the graph is called like its ONNX node.
Whatever a rule does not know of an operator is refused, never read past.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from neurocompile.formats.onnx_plain.call import Call, PlainSignal
from neurocompile.formats.onnx_plain.graph import Building
from neurocompile.ir.arrays import Array
from neurocompile.ir.nodes import (
    AvgPool,
    BatchNorm,
    Conv,
    ConvTranspose,
    Identity,
    Linear,
    Shape,
    Upsample,
)


def gemm(call: Call, graph: Building) -> PlainSignal:
    """alpha x W + beta c: a Linear."""
    call.at_most(3)
    call.only("transA", call.whole("transA", 0), 0)
    weight = _matrix(call, call.constant(1, "the weight"))
    if not call.whole("transB", 0):
        weight = weight.T
    weight = _times(weight, call.real("alpha", 1.0))
    bias, beta = call.optional(2, "the bias"), call.real("beta", 1.0)
    x = call.one_step()
    if bias is not None:
        bias = _times(_each(call, bias, weight.shape[0], "bias"), beta)
    return graph.add(call, Linear(weight, bias), x)


def matmul(call: Call, graph: Building) -> PlainSignal:
    """X W with W last: a Linear; an Add of a constant after it is its bias."""
    call.at_most(2)
    weight = _matrix(call, call.constant(1, "the weight"))
    return graph.add(call, Linear(weight.T), call.signal())


def conv(call: Call, graph: Building) -> PlainSignal:
    """A convolution over one or two axes."""
    weight, bias, axes = _kernel(call)
    op = Conv(
        weight,
        bias,
        stride=call.wholes("strides", (1,) * axes),
        padding=same_pads(call, axes),
        dilation=call.wholes("dilations", (1,) * axes),
        groups=call.whole("group", 1),
    )
    return graph.add(call, op, call.one_step())


def conv_transpose(call: Call, graph: Building) -> PlainSignal:
    """A transposed convolution; less padding at the end is an output_padding."""
    weight, bias, axes = _kernel(call)
    if call.given("output_shape"):
        call.refuse("its 'output_shape' is not read. Give pads and output_padding instead.")
    begin, end = _pads(call, axes)
    extra = call.wholes("output_padding", (0,) * axes)
    if len(extra) != axes:
        call.refuse(f"its output_padding is {extra}, allowed are {axes} whole numbers.")
    op = ConvTranspose(
        weight,
        None,
        stride=call.wholes("strides", (1,) * axes),
        padding=begin,
        output_padding=tuple(n + b - e for n, b, e in zip(extra, begin, end, strict=True)),
        dilation=call.wholes("dilations", (1,) * axes),
        groups=call.whole("group", 1),
    )
    if bias is not None:
        op = replace(op, bias=bias)
    return graph.add(call, op, call.one_step())


def average_pool(call: Call, graph: Building) -> PlainSignal:
    """A mean over windows."""
    call.at_most(1)
    kernel = call.wholes("kernel_shape", ())
    axes = len(kernel)
    call.only("ceil_mode", call.whole("ceil_mode", 0), 0)
    call.only("dilations", call.wholes("dilations", (1,) * axes), (1,) * axes)
    op = AvgPool(
        kernel,
        stride=call.wholes("strides", (1,) * axes),
        padding=same_pads(call, axes),
        count_include_pad=bool(call.whole("count_include_pad", 0)),
    )
    return graph.add(call, op, call.one_step())


def global_average_pool(call: Call, graph: Building) -> PlainSignal:
    """A mean over the whole image."""
    call.at_most(1)
    x = call.one_step()
    kernel = x.shape[1:]
    return graph.add(call, AvgPool(kernel, kernel, (0,) * len(kernel)), x)


def resize(call: Call, graph: Building) -> PlainSignal:
    """Nearest-neighbour upsampling by whole numbers, in the ways that only repeat values."""
    x = call.one_step()
    mode = call.text("mode", "nearest")
    call.only("mode", mode, "nearest")
    upsample = call.node.op_type == "Upsample"
    if not upsample and call.opset >= 11:
        asked = (
            call.text("coordinate_transformation_mode", "half_pixel"),
            call.text("nearest_mode", "round_prefer_floor"),
        )
        rounded = ("round_prefer_floor", "round_prefer_ceil")
        exact = [("asymmetric", "floor")]
        exact += [(c, r) for c in ("half_pixel", "pytorch_half_pixel") for r in rounded]
        if asked not in exact:
            call.refuse(
                f"it samples by {asked[0]} and {asked[1]}, which does not repeat each value. Use "
                "asymmetric and floor."
            )
        for unused in ("cubic_coeff_a", "extrapolation_value"):
            call.real(unused, 0.0)
        call.whole("exclude_outside", 0)
        policy = call.text("keep_aspect_ratio_policy", "stretch")
        call.only("keep_aspect_ratio_policy", policy, "stretch")
        call.only("antialias", call.whole("antialias", 0), 0)
    scale = _scales(call, x, upsample or call.opset < 11)
    if len(scale) != len(x.dims) or scale[:2] != (1, 1):
        call.refuse(
            f"its scales are {scale}, allowed is 1 for the batch, 1 for the channels and a whole "
            "number for each axis of the image."
        )
    return graph.add(call, Upsample(scale[2:]), x)


def batch_normalization(call: Call, graph: Building) -> PlainSignal:
    """Batch norm at inference, as a product and a sum for each channel."""
    call.at_most(5)
    call.only("training_mode", call.whole("training_mode", 0), 0)
    call.one_output("is read for inference only")
    call.real("momentum", 0.9)
    if call.opset < 9:
        call.only("spatial", call.whole("spatial", 1), 1)
    names = ("scale", "bias", "mean", "variance")
    gamma, beta, mean, var = (
        call.constant(i, f"the {name}").astype(np.float64) for i, name in enumerate(names, 1)
    )
    x = call.one_step()
    for values in (gamma, beta, mean, var):
        _each(call, values, x.shape[0], "number per channel")
    epsilon = call.real("epsilon", 1e-5)
    with np.errstate(all="ignore"):  # what is not finite is refused by layer
        weight = gamma / np.sqrt(var + epsilon)
        bias = beta - mean * weight
    return graph.add(call, BatchNorm(weight, bias), x)


def unchanged(call: Call, graph: Building) -> PlainSignal:
    """What changes nothing at inference: Identity, Dropout, a Cast between real numbers."""
    op = call.node.op_type
    call.one_output("its mask exists in training only")
    if op == "Dropout":
        call.at_most(3)
        training = call.optional(2, "training_mode")
        if training is not None and training.any():
            call.refuse("it drops values at random. Export the model for inference.")
        call.real("ratio", 0.5)
        if call.given("seed"):
            call.whole("seed", 0)
    if op == "Cast":
        call.only("to", call.whole("to", 0), 1, 11)  # float and double
        call.whole("saturate", 1)
    return graph.add(call, Identity(), call.signal())


def _kernel(call: Call) -> tuple[Array, Array | None, int]:
    """Weight, bias and number of axes of a convolution."""
    call.at_most(3)
    weight, bias = call.constant(1, "the weight"), call.optional(2, "the bias")
    axes = weight.ndim - 2
    if axes not in (1, 2):
        call.refuse(f"its weight has shape {weight.shape}, allowed are 1 or 2 axes of an image.")
    call.only("kernel_shape", call.wholes("kernel_shape", weight.shape[2:]), weight.shape[2:])
    return weight, bias, axes


def _pads(call: Call, axes: int) -> tuple[Shape, Shape]:
    """Padding at the beginning and at the end of each axis."""
    auto = call.text("auto_pad", "NOTSET")
    if auto not in ("NOTSET", ""):
        call.refuse(f"its auto_pad is {auto[:20]!r}, allowed is 'NOTSET'. Give it pads.")
    pads = call.wholes("pads", (0,) * (2 * axes))
    if len(pads) != 2 * axes:
        call.refuse(f"its pads are {pads[:8]}, allowed are {2 * axes} whole numbers.")
    return pads[:axes], pads[axes:]


def same_pads(call: Call, axes: int) -> Shape:
    """Padding of each axis, which is the same at both of its ends."""
    begin, end = _pads(call, axes)
    if begin != end:
        call.refuse(f"its pads are {begin} before and {end} after, allowed are equal ones.")
    return begin


def _scales(call: Call, x: PlainSignal, early: bool) -> tuple[int, ...]:
    """The scales of a Resize or Upsample as whole numbers."""
    where = 1 if early else 2
    call.at_most(where + (1 if early else 2))
    given = call.optional(where, "the scales")
    sizes = None if early else call.optional(3, "the sizes")
    if sizes is not None:
        before = (1, *x.shape)
        after = [1, *(int(n) for n in sizes.ravel()[1:])]
        if len(after) != len(before) or any(m % n for m, n in zip(after, before, strict=True)):
            call.refuse(f"its sizes {after[1:]} are no whole multiples of {x.shape}.")
        return tuple(m // n for m, n in zip(after, before, strict=True))
    scales = np.zeros(0) if given is None else given.ravel().astype(np.float64)
    whole = np.isfinite(scales) & (scales == np.floor(scales)) & (abs(scales) < 2**31)
    if not scales.size or not whole.all():
        call.refuse(f"its scales are {scales.tolist()[:8]}, allowed are whole numbers.")
    return tuple(int(n) for n in scales)


def _matrix(call: Call, weight: Array) -> Array:
    if weight.ndim != 2:
        call.refuse(f"its weight has shape {weight.shape}, allowed are two axes.")
    return weight


def _each(call: Call, values: Array, count: int, what: str) -> Array:
    """One number for each of a layer's outputs, from as many or from a single one."""
    if values.size not in (1, count) or values.ndim > 2:
        call.refuse(f"its {what} has shape {values.shape}, allowed is ({count},).")
    return np.broadcast_to(values.ravel(), (count,))


def _times(values: Array, factor: float) -> Array:
    return values if factor == 1.0 else (values * values.dtype.type(factor))
