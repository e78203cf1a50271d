"""What each node of our FLOAT vocabulary is in NIR: one rule each, or a refusal by name.

In:  a node, the shapes before and after it, dt.
Out: the fields of a NIR primitive that means the same to everyone who takes Euler's step dt.
A node that NIR cannot hold is refused, with what to do.

Source: nir 1.0.8, docstrings of nir/ir/*.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import singledispatch
from typing import Any

import numpy as np

from neurocompile.errors import Unsupported
from neurocompile.formats.nir.flat import Tree
from neurocompile.ir.adapting import ALIF, LSNN, LIFRefrac
from neurocompile.ir.arrays import Array
from neurocompile.ir.neurons import IAF, LI, LIF, Integrator, LIBox, LIFBox, leak
from neurocompile.ir.nodes import (
    AvgPool,
    BatchNorm,
    Conv,
    Delay,
    Input,
    Linear,
    Reshape,
    Shape,
    Sparse,
    SumPool,
    size,
)


@dataclass(frozen=True)
class NodeContext:
    """Where a node of ours stands.

    Attributes:
        before, shape: What arrives at it and what leaves it.
        dt: Length of a step, seconds.
        keep_subtract: Whether a reset by subtraction may be written, in our metadata only.
    """

    before: Shape
    shape: Shape
    dt: float
    keep_subtract: bool


@singledispatch
def primitive(node: Any, at: NodeContext) -> Tree:
    """The fields of a node's NIR primitive.

    Raises:
        Unsupported: If NIR has none; the sentence goes on after the layer's name.
    """
    raise Unsupported(
        "NIR has no primitive for it. Save the network as ONNX instead, or write it with the "
        "layers in docs/nir.md."
    )


def delay_primitive(delay: Delay, shape: Shape, dt: float) -> Tree:
    """NIR's Delay of some steps, or of as many as each value waits."""
    steps = delay.steps + (0 if delay.late is None else delay.late)
    return {"type": "Delay", "delay": np.broadcast_to(steps * dt, shape).copy()}


@primitive.register
def _(node: Input, at: NodeContext) -> Tree:
    return {"type": "Input", "shape": np.array(node.shape)}


@primitive.register
def _(node: Linear, at: NodeContext) -> Tree:
    if len(at.before) != 1:
        raise Unsupported(
            f"NIR's Linear takes one axis, but {at.before} arrives. Flatten it first."
        )
    if node.bias is None:
        return {"type": "Linear", "weight": node.weight}
    return {"type": "Affine", "weight": node.weight, "bias": node.bias}


@primitive.register
def _(node: Conv, at: NodeContext) -> Tree:
    bias = np.zeros(node.weight.shape[0], node.weight.dtype) if node.bias is None else node.bias
    one = len(node.stride) == 1
    each = {k: getattr(node, k) for k in ("stride", "padding", "dilation")}
    numbers = {k: np.array(v[0] if one else v) for k, v in each.items()}
    image = np.array(at.before[1] if one else at.before[1:])
    return {
        "type": "Conv1d" if one else "Conv2d",
        "input_shape": image,
        "weight": node.weight,
        **numbers,
        "groups": np.array(node.groups),
        "bias": bias,
    }


@primitive.register
def _(node: BatchNorm, at: NodeContext) -> Tree:
    if node.bias is not None:
        raise Unsupported(
            "NIR's Scale has no bias. Fold it into the layer before, as "
            "neurocompile.simplify.simplify does."
        )
    each = node.weight.reshape(-1, *(1,) * (len(at.before) - 1))
    return {"type": "Scale", "scale": np.broadcast_to(each, at.shape).copy()}


@primitive.register
def _(node: Sparse, at: NodeContext) -> Tree:
    rows = np.repeat(np.arange(len(node.indptr) - 1), np.diff(node.indptr))
    alike = np.array_equal(node.indices, rows)  # at most one entry in a row, on the diagonal
    if not alike or node.bias is not None or node.in_shape != at.before != at.shape:
        raise Unsupported(
            "NIR holds no sparse maps but a factor for each value. Write it as a Linear or Conv."
        )
    scale = np.zeros(size(at.shape), node.data.dtype)
    scale[rows] = node.data
    return {"type": "Scale", "scale": scale.reshape(at.shape)}


@primitive.register(SumPool)
@primitive.register(AvgPool)
def _(node: SumPool | AvgPool, at: NodeContext) -> Tree:
    kind = type(node).__name__
    if len(node.kernel) != len("xy"):
        raise Unsupported(f"NIR has only {kind}2d, but it has one axis. Write it as a Conv1d.")
    if isinstance(node, AvgPool) and not node.count_include_pad and any(node.padding):
        raise Unsupported("NIR's AvgPool2d counts padded zeros. Pad nothing, or count them.")
    return {
        "type": f"{kind}2d",
        "kernel_size": np.array(node.kernel),
        "stride": np.array(node.stride),
        "padding": np.array(node.padding),
    }


@primitive.register
def _(node: Reshape, at: NodeContext) -> Tree:
    axes = len(at.before)
    for start in range(axes):
        for end in range(start, axes):
            middle = size(at.before[start : end + 1])
            if (*at.before[:start], middle, *at.before[end + 1 :]) == node.shape:
                last = -1 if end == axes - 1 else end
                ends = {"start_dim": np.array(start), "end_dim": np.array(last)}
                return {"type": "Flatten", **ends, "input_type": np.array(at.before)}
    raise Unsupported(
        f"NIR's Flatten joins axes, but this makes {node.shape} of {at.before}. "
        "Keep the shape, or flatten all."
    )


@primitive.register
def _(node: LIFBox, at: NodeContext) -> Tree:
    _check_reset(node, at)
    return {"type": "LIF", "tau": _tau(node.tau_mem_inv, at), **_spiking(node, at), "r": _ones(at)}


@primitive.register
def _(node: LIF, at: NodeContext) -> Tree:
    _check_reset(node, at)
    return {"type": "CubaLIF", **_synapse(node, at), **_spiking(node, at)}


@primitive.register
def _(node: LI, at: NodeContext) -> Tree:
    return {"type": "CubaLI", **_synapse(node, at), "v_leak": _full(node.v_leak, at)}


@primitive.register
def _(node: LIBox, at: NodeContext) -> Tree:
    tau = _tau(node.tau_mem_inv, at)
    return {"type": "LI", "tau": tau, "v_leak": _full(node.v_leak, at), "r": _ones(at)}


@primitive.register
def _(node: IAF, at: NodeContext) -> Tree:
    _check_reset(node, at)
    levels = {"v_threshold": _full(node.v_th, at), "v_reset": _full(node.v_reset, at)}
    return {"type": "IF", "r": _ones(at) / at.dt, **levels}


@primitive.register(LIFRefrac)
@primitive.register(LSNN)
@primitive.register(ALIF)
def _(node: LIFRefrac | LSNN | ALIF, at: NodeContext) -> Tree:
    raise Unsupported(
        "NIR's neurons have neither a refractory period nor a threshold that adapts. Save the "
        "network as ONNX instead, whose functions carry the step."
    )


@primitive.register
def _(node: Integrator, at: NodeContext) -> Tree:
    return {"type": "I", "r": _ones(at) / at.dt}


def _synapse(node: LIF | LI, at: NodeContext) -> Tree:
    """w_in = tau_syn / dt: so a spike adds its weight to the current, as it does in ours."""
    syn = _tau(node.tau_syn_inv, at)
    mem = _tau(node.tau_mem_inv, at)
    return {"tau_syn": syn, "tau_mem": mem, "r": _ones(at), "w_in": syn / at.dt}


def _spiking(node: LIF | LIFBox, at: NodeContext) -> Tree:
    return {
        "v_leak": _full(node.v_leak, at),
        "v_threshold": _full(node.v_th, at),
        "v_reset": _full(node.v_reset, at),
    }


def _check_reset(node: LIF | LIFBox | IAF, at: NodeContext) -> None:
    if node.reset == "subtract" and not at.keep_subtract:
        raise Unsupported(
            "NIR resets to a value, but this subtracts the threshold, which other programs would "
            "not see. With keep_subtract=True it is written for neurocompile only."
        )


def _tau(tau_inv: Array, at: NodeContext) -> Array:
    """Seconds, so that dt / tau is the leak of a step."""
    return at.dt / np.broadcast_to(leak(tau_inv, at.dt), at.shape)


def _full(values: Array, at: NodeContext) -> Array:
    return np.broadcast_to(values, at.shape).copy()


def _ones(at: NodeContext) -> Array:
    return np.ones(at.shape)
