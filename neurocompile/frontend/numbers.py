"""Tensors of a module as arrays of the graph, or a refusal that names layer and parameter.

In:  weights and neuron constants as PyTorch and Norse hold them.
Out: numpy arrays in the precision in which they were held (half precision becomes float32).
A value that is NaN or infinite is refused here, with its index.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from neurocompile.errors import BadInput
from neurocompile.ir.arrays import Array
from neurocompile.ir.neurons import MAY_LAST
from neurocompile.ir.nodes import Shape

PRECISIONS = (torch.float32, torch.float64)
HALF = (torch.float16, torch.bfloat16)  # float32 holds all their values


def weights(tensor: Tensor, what: str, *, layer: str) -> Array:
    """Weights or biases of a layer.

    Args:
        tensor: Of any real floating type, on any device.
        what: Name of the parameter, for the error message.
        layer: Name of the layer, for the error message.

    Returns:
        float32, or float64 where the tensor holds that.

    Raises:
        BadInput: If a value is not finite, or the type is not a real floating one.
    """
    if tensor.dtype not in PRECISIONS + HALF:
        raise BadInput(f"layer '{layer}': {what} is {tensor.dtype}. Use float32 or float64.")
    values = tensor.detach().cpu()
    if tensor.dtype in HALF:
        values = values.float()
    return _finite(values.numpy(), what, layer)


def constants(held: Any, what: str, shape: Shape, *, layer: str) -> Array:
    """One of a neuron's constants: for the layer, or for every neuron.

    Args:
        held: A number or tensor out of Norse's parameter tuple.
        what: Its name there.
        shape: Shape of the layer, without the batch.
        layer: Name of the layer, for the error message.

    Returns:
        () or the layer's shape; float32 or float64 as held (a Python number is float64, an
        integer tensor float32, as Norse's arithmetic has them).

    Raises:
        BadInput: If it is no number, is not finite, does not fit the shape, or is an inverse
            time constant that is not above 0.
    """
    values = _finite(_held(held, what, layer), what, layer)
    lasts = what in MAY_LAST and not np.any(values < 0)
    if what.startswith("tau_") and np.any(values <= 0) and not lasts:
        raise BadInput(
            f"layer '{layer}': {what} = {_worst(values)} 1/s, but a time constant is longer than 0 "
            "and finite. Use a value above 0."
        )
    while values.ndim > len(shape) and values.shape[0] == 1:
        values = values[0]
    if values.size == 1:
        return values.reshape(())
    try:
        return np.broadcast_to(values, shape)
    except ValueError:
        raise BadInput(
            f"layer '{layer}': {what} has shape {values.shape}, but the layer has {shape}. "
            "Give one value, or one for each neuron."
        ) from None


def _held(held: Any, what: str, layer: str) -> Array:
    """A constant as numpy holds it, in the precision of Norse's arithmetic."""
    if isinstance(held, bool) or not isinstance(held, Tensor | int | float | np.ndarray):
        raise BadInput(f"layer '{layer}': {what} is {held!r}. Use a number or a tensor.")
    if not isinstance(held, Tensor):
        return np.asarray(held, dtype=np.float64)
    if held.dtype in PRECISIONS:
        return held.detach().cpu().numpy()
    if held.dtype in HALF or held.is_complex() or held.dtype == torch.bool:
        raise BadInput(f"layer '{layer}': {what} is {held.dtype}. Use float32 or float64.")
    return held.detach().cpu().float().numpy()


def _finite(values: Array, what: str, layer: str) -> Array:
    bad = ~np.isfinite(values)
    if not bad.any():
        return values
    first = tuple(int(i) for i in np.argwhere(bad)[0])
    where = f", the first at {list(first)}" if first else ""
    raise BadInput(
        f"layer '{layer}': {what} holds {int(bad.sum())} of {values.size} values that are NaN or "
        f"infinite{where} ({values[first]}). Load finite parameters."
    )


def _worst(values: Array) -> float:
    return float(values.min())
