"""Maximum pools of a module: of spikes they become neurons, where their user asked for that.

In:  a pool of PyTorch or of a library that inherits from it, and where it is.
Out: the sum over its windows and the neurons after it, or a refusal.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from neurocompile.frontend.site import Site, each
from neurocompile.ir.neurons import IAF
from neurocompile.ir.nodes import LinearMap
from neurocompile.ir.pools import Windows, any_spike

POOLS = (nn.MaxPool1d, nn.MaxPool2d)
FORWARDS: set[Any] = {kind.forward for kind in POOLS}  # a library adds those of its subclasses
CALLS: dict[Any, Any] = {
    F.max_pool1d: nn.MaxPool1d,
    F.max_pool2d: nn.MaxPool2d,
    torch.max_pool1d: nn.MaxPool1d,
    torch.max_pool2d: nn.MaxPool2d,
}


def is_maximum(module: Any) -> bool:
    """Whether a module is a maximum pool that may become neurons."""
    return isinstance(module, POOLS) and type(module).forward in FORWARDS


def pool_of(target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> nn.Module | None:
    """The maximum pool that a call is, or None.

    Args:
        target: What is called.
        args, kwargs: Arguments after the signal.
    """
    kind = None if isinstance(target, str) else CALLS.get(target)
    if kind is None:
        return None
    names = ("kernel_size", "stride", "padding", "dilation", "ceil_mode", "return_indices")
    given = {**dict(zip(names, args, strict=False)), **kwargs}
    given["stride"] = given.get("stride") or None  # an empty list is PyTorch's own default
    pool: nn.Module = kind(**given)
    return pool


def neurons_of(module: Any, site: Site, graded: str | None) -> tuple[LinearMap, IAF]:
    """The nodes that a maximum pool is.

    Args:
        module: The pool.
        site: Where it is.
        graded: The layer whose values come to it and are not spikes, in words; None if all are.

    Raises:
        Unsupported: If it takes no spikes, or its windows are no sum's.
    """
    axes = 1 if isinstance(module, nn.MaxPool1d) else 2
    if graded is not None:
        raise site.refuse(
            module,
            f"it takes the maximum of what {graded} gives, which is not spikes of 0 and 1, so no "
            "neurons can hold it. Put the pool after the spiking layer, where max_pool='neurons' "
            f"reads it, or use AvgPool{axes}d here, and train again.",
        )
    if module.return_indices:
        raise site.refuse(module, "return_indices=True is not supported. Use False.")
    windows = Windows(
        each(module.kernel_size, axes),
        each(module.stride, axes),
        each(module.padding, axes),
        each(module.dilation, axes),
    )
    wrong = windows.wrong(site.in_shape[1:], site.out_shape[1:])
    if wrong:
        raise site.refuse(module, f"{wrong}.")
    return any_spike(windows, site.in_shape[0])
