"""Where a module is in a network, and what rules ask of its options and geometry.

In:  a module in eval mode, its site.
Out: plain numbers for a node, or a refusal that names the layer and its kind.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from neurocompile.errors import Unsupported
from neurocompile.frontend.numbers import weights
from neurocompile.ir import nodes
from neurocompile.ir.arrays import Array
from neurocompile.ir.nodes import Shape
from neurocompile.ir.settings import DT


@dataclass(frozen=True)
class Site:
    """Where a module is in a network.

    Attributes:
        name: Its path in the user's model, which names the node.
        in_shape, out_shape: Of one sample in one step, as PyTorch computed them.
        dt: Length of a step where a layer has none of its own, seconds.
    """

    name: str
    in_shape: Shape
    out_shape: Shape
    dt: float = DT

    def refuse(self, module: nn.Module, why: str) -> Unsupported:
        """An error that names the layer and its kind."""
        return Unsupported(f"layer '{self.name}' ({type(module).__name__}): {why}")


def plain_name(path: str) -> str:
    """The name of a node for a path in the user's model, in letters that every format can hold."""
    return re.sub(r"[^A-Za-z0-9_.\-]", "_", path)


def scale_and_shift(module: Any, site: Site) -> tuple[Array, Array]:
    """What a batch norm in eval mode multiplies each channel with, and adds to it; float64.

    Raises:
        Unsupported: If it has no running statistics, or a variance without a square root.
    """
    if module.running_mean is None or module.running_var is None:
        raise site.refuse(
            module,
            "it normalizes by the statistics of each batch (track_running_stats=False), which a "
            "chip never sees. Train with track_running_stats=True.",
        )
    mean, variance = (
        weights(getattr(module, what), what, layer=site.name).astype(np.float64)
        for what in ("running_mean", "running_var")
    )
    least = float(variance.min()) + module.eps
    if least <= 0:
        raise site.refuse(
            module,
            f"running_var + eps is {least:.4g} in a channel, allowed is a number above 0. "
            "Load statistics from training.",
        )
    scale, shift = 1 / np.sqrt(variance + module.eps), np.zeros_like(mean)
    if module.weight is not None:
        scale = scale * weights(module.weight, "weight", layer=site.name)
    if module.bias is not None:
        shift = shift + weights(module.bias, "bias", layer=site.name)
    return scale, shift - mean * scale


def even_windows(module: Any, site: Site) -> Shape:
    """The kernel of an adaptive pool, whose windows must be of one size.

    Raises:
        Unsupported: If they are not; the message lists the sizes that give even ones.
    """
    before, after = site.in_shape[1:], site.out_shape[1:]
    if any(n % m for n, m in zip(before, after, strict=True)):
        even = [", ".join(str(m) for m in range(1, n + 1) if n % m == 0) for n in before]
        raise site.refuse(
            module,
            f"from {before} to {after} its windows differ in size. Use an output_size that divides "
            f"its input: {' by '.join(f'one of {sizes}' for sizes in even)}.",
        )
    return tuple(n // m for n, m in zip(before, after, strict=True))


def expect_zero_padding(module: Any, site: Site) -> None:
    """Refuse a convolution that pads with anything but zeros; one that pads nothing may say so."""
    pads = module.padding not in ("valid", 0) and np.any(_padding(module))
    if module.padding_mode != "zeros" and pads:
        raise site.refuse(
            module,
            f"padding_mode {module.padding_mode!r} is not supported. Use padding_mode='zeros'.",
        )


def expect_floor(module: Any, site: Site) -> None:
    """Refuse a pool whose last windows reach beyond the image."""
    axes = len(site.in_shape) - 1
    kernel = each(module.kernel_size, axes)
    stride = kernel if module.stride is None else each(module.stride, axes)
    padding = each(getattr(module, "padding", 0), axes)
    sizes = zip(site.in_shape[1:], kernel, stride, padding, strict=True)
    if module.ceil_mode and any((n + 2 * p - k) % s for n, k, s, p in sizes):
        raise site.refuse(
            module, "ceil_mode=True is not supported. Use ceil_mode=False, with padding if needed."
        )


def _padding(module: Any) -> Shape:
    """Values that a convolution pads with at each side of each axis; "same" as PyTorch does."""
    if module.padding != "same":
        return ints(module.padding)
    return tuple(d * (k - 1) for d, k in zip(module.dilation, module.kernel_size, strict=True))


def repeats(module: nn.Upsample, before: Shape, scale: Shape) -> bool:
    """Whether upsampling repeats each position `scale` times: PyTorch rounds some sizes down."""
    positions = torch.arange(nodes.size(before), dtype=torch.float64).reshape(1, 1, *before)
    upsampled: Tensor = module.forward(positions)
    repeated = positions
    for axis, times in enumerate(scale, start=2):
        repeated = repeated.repeat_interleave(times, dim=axis)
    return torch.equal(upsampled, repeated)


def each(number: Any, axes: int) -> Shape:
    """A number for each axis, from one number or one for each."""
    return ints(number if isinstance(number, tuple | list) else (number,) * axes)


def ints(numbers: Any) -> Shape:
    """The numbers as Python's own."""
    return tuple(int(n) for n in numbers)
