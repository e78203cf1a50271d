"""Products of whole numbers in 8 bits with sums in 32, by oneDNN through torch.

In:  bits or small payloads, int8 weights.
Out: exact sums; or the reason why there are none on this machine.
A processor with VNNI adds four products straight to a sum of 32 bits, so a sum that fits 32 bits is
right in any order. One without it adds two products in 16 bits, which stop at 2^15 - 1: it is
refused. torch's functions are private, so they are held to exact sums once before their first use.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import llvmlite.binding as llvm
import numpy as np
import torch

from neurocompile.engines.fixed.result import EXACT_FLOAT32
from neurocompile.errors import first_line
from neurocompile.ir.arrays import Array
from neurocompile.ir.nodes import Conv, Shape

Product = Callable[[torch.Tensor], torch.Tensor]

LARGEST = 127  # of a payload's size
DIGIT_BITS = 7
LARGEST_OF_TWO = (LARGEST << DIGIT_BITS) + (1 << DIGIT_BITS - 1) - 1  # of one in two digits
EXACT_INT32 = 1 << 31
UNITS = ("avx512vnni", "avxvnni")
ROWS = 256  # for which oneDNN lays out a kernel
ZERO = 128  # what stands for a payload of 0, where oneDNN takes no negative numbers


@cache
def why_not() -> str:
    """Why no product is computed in int8 here; "" if they are."""
    features = llvm.get_host_cpu_features()
    if not any(features.get(unit, False) for unit in UNITS):
        return f"the processor has neither {' nor '.join(UNITS)}"
    try:
        wrong = _wrong()
    except (AttributeError, NotImplementedError, RuntimeError, TypeError) as error:
        return f"torch {torch.__version__} computes none: {first_line(error)}"
    return f"torch {torch.__version__} computes a wrong {wrong}" if wrong else ""


def matrix(weights: Array) -> Product:
    """Product of int8 (rows, n) with int8 weights (n, m); int32 (rows, m), exact modulo 2^32."""
    right = torch.from_numpy(weights)
    return lambda x: torch._int_mm(x, right)


def digits(payloads: Array) -> tuple[Array, Array]:
    """Payloads of at most LARGEST_OF_TWO as 128 high + low, both int8.

    The sum of 128 times one product and the other is exact modulo 2^32, and so exact if it fits.
    """
    half = 1 << DIGIT_BITS - 1
    low = ((payloads + half) & (1 << DIGIT_BITS) - 1) - half
    return ((payloads - low) >> DIGIT_BITS).astype(np.int8), low.astype(np.int8)


def convolution(weights: Array, op: Conv, shape: Shape, *, signed: bool) -> Product:
    """Convolution of an image with an int8 kernel, exact if every sum is below 2^24.

    Args:
        weights: int8, in the shape of the kernel.
        op: Its strides, padding, dilation and groups.
        shape: Of an image, (channels, *space).
        signed: Whether the values of an image are int8; otherwise uint8.

    Returns:
        Function of (rows, *shape) that returns float32 (rows, channels, *space).
    """
    flat = weights.ndim == 3
    if flat:  # one row of pixels
        weights, shape = weights[:, :, None], (shape[0], 1, *shape[1:])
    stride, dilation = [1, *op.stride][-2:], [1, *op.dilation][-2:]
    padding = [0, *op.padding][-2:]
    zero = ZERO if signed else 0
    units, zeros = torch.ones(len(weights)), torch.zeros(len(weights), dtype=torch.int32)
    ops = torch.ops.onednn
    packed = ops.qconv_prepack(
        torch.from_numpy(weights), units, 1.0, zero, stride, padding, dilation, op.groups,
        [ROWS, *shape],
    )  # fmt: skip

    def run(x: torch.Tensor) -> torch.Tensor:
        if signed:
            x = x.view(torch.uint8) ^ ZERO  # adds 128 to two's complement
        out = ops.qconv_pointwise(
            x.unsqueeze(2) if flat else x, 1.0, zero, packed, units, zeros, None, stride, padding,
            dilation, op.groups, 1.0, 0, torch.float32, "none", [], "",
        )  # fmt: skip
        return out.squeeze(2) if flat else out  # type: ignore[no-any-return]

    return run


def _wrong() -> str:
    """Name of a product that is not exact on random or extreme numbers, or ""."""
    draw = np.random.default_rng(0)
    for lowest, largest in ((0, 1), (1, 1), (-LARGEST, LARGEST), (-LARGEST, -LARGEST)):
        for weight in (-128, 127, None):
            w = draw.integers(-128, 128, (40, 37)) if weight is None else np.full((40, 37), weight)
            x = draw.integers(lowest, largest, (9, 40), endpoint=True)
            product = matrix(w.astype(np.int8))
            found: Any = product(torch.from_numpy(x.astype(np.int8))).numpy()
            if not np.array_equal(found, x @ w):
                return "matrix product"
            # A kernel as large as the image: the sums of a matrix, and at its sides fewer.
            op = Conv(w.T.reshape(37, 8, 1, 5), None, (1, 1), (0, 2), (1, 1), 1)
            signed = lowest < 0
            run = convolution(op.weight.astype(np.int8), op, (8, 1, 5), signed=signed)
            image = x.astype(np.int8 if signed else np.uint8).reshape(9, 8, 1, 5)
            wide = np.pad(image.astype(np.int64), ((0, 0), (0, 0), (0, 0), (2, 2)))
            expected = np.stack(
                [wide[..., i : i + 5].reshape(9, 40) @ w for i in range(5)], axis=-1
            )
            if not np.array_equal(run(torch.from_numpy(image)).numpy()[:, :, 0], expected):
                return "convolution"
    assert 40 * 128 * LARGEST < EXACT_FLOAT32
    return ""
