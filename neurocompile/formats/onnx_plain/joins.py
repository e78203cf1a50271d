"""Sums, products and concatenations in a plain ONNX file.

In:  a `Call` on signals, or on a signal and a constant.
Out: an Add or Concat of signals; a constant becomes the bias of the layer before it, where that
     layer has none and nothing else sees it, else a number for each channel (BatchNorm).
Signals are joined as they are: one that ONNX would broadcast is refused.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from neurocompile.formats.onnx_plain.call import Call, PlainSignal
from neurocompile.formats.onnx_plain.graph import Building
from neurocompile.ir.arrays import Array
from neurocompile.ir.nodes import Add, BatchNorm, Concat, Conv, ConvTranspose, Linear


def add(call: Call, graph: Building) -> PlainSignal:
    """A sum of signals, or of a signal and a constant."""
    if call.node.op_type == "Add" and len(call.inputs) != 2:
        call.refuse(f"it has {len(call.inputs)} inputs, allowed are 2.")
    constants = [i for i, value in enumerate(call.inputs) if not isinstance(value, PlainSignal)]
    if constants and len(call.inputs) == 2:
        constant = call.constant(constants[0], "what it adds")
        return _biased(call, graph, call.signal(1 - constants[0]), constant)
    parts = [call.signal(i) for i in range(len(call.inputs))]
    first = parts[0]
    for other in parts[1:]:
        if other.dims != first.dims:
            call.refuse(
                f"it adds signals of the axes {list(first.dims)} and {list(other.dims)}, allowed "
                "are equal ones."
            )
    if len(parts) == 1:
        call.refuse("it adds a single signal. Use Identity.")
    return graph.join(call, Add(), parts, first.shape)


def subtract(call: Call, graph: Building) -> PlainSignal:
    """A signal less a constant."""
    call.at_most(2)
    if isinstance(call.inputs[0], PlainSignal):
        if isinstance(call.inputs[-1], PlainSignal):
            call.refuse("it subtracts a signal. Multiply that one by -1 with Mul, then Add both.")
        return _biased(call, graph, call.signal(), -call.constant(1, "what it subtracts"))
    x = call.signal(1)
    bias = _channels(call, x, call.constant(0, "what it subtracts from"))
    return graph.add(call, BatchNorm(-np.ones_like(bias), bias), x)


def scaled(call: Call, graph: Building) -> PlainSignal:
    """A product with, or a quotient by, one constant number for each channel: a BatchNorm."""
    call.at_most(2)
    first = 0 if isinstance(call.inputs[0], PlainSignal) else 1
    if call.node.op_type == "Div" and first == 1:
        call.refuse("it divides by a signal, which no synapse can do.")
    if isinstance(call.inputs[0], PlainSignal) and isinstance(call.inputs[-1], PlainSignal):
        call.refuse("it multiplies two signals, which no synapse can do.")
    x = call.signal(first)
    weight = _channels(call, x, call.constant(1 - first, "the factor"))
    if call.node.op_type == "Div":
        with np.errstate(all="ignore"):  # what is not finite is refused by layer
            weight = 1 / weight
    return graph.add(call, BatchNorm(weight), x)


def concat(call: Call, graph: Building) -> PlainSignal:
    """Signals one after the other along their channels."""
    parts = [call.signal(i) for i in range(len(call.inputs))]
    first = parts[0]
    axis = call.whole("axis", 0)
    axis += len(first.dims) if axis < 0 else 0
    if axis != len(first.lead):
        call.refuse(
            f"its axis is {axis}, allowed is {len(first.lead)}, that of the channels or features."
        )
    for other in parts[1:]:
        if other.lead != first.lead or other.shape[1:] != first.shape[1:]:
            call.refuse(
                f"it joins signals of the axes {list(first.dims)} and {list(other.dims)}. After "
                "the channels they must be equal."
            )
    if len(parts) == 1:
        call.refuse("it joins a single signal. Use Identity.")
    channels = sum(part.shape[0] for part in parts)
    return graph.join(call, Concat(), parts, (channels, *first.shape[1:]))


def _biased(call: Call, graph: Building, x: PlainSignal, constant: Array) -> PlainSignal:
    """A signal and a constant: the bias of its layer, if that can have it."""
    layer = graph.nodes[x.layer]
    if x.alone and getattr(layer, "bias", layer) is None:
        axis = len(x.shape) - 1 if isinstance(layer, Linear) else 0
        bias = _along(x, constant, axis)
        if bias is not None and isinstance(layer, Linear | Conv | ConvTranspose | BatchNorm):
            graph.nodes[x.layer] = replace(layer, bias=bias)
            return x
    bias = _channels(call, x, constant)
    return graph.add(call, BatchNorm(np.ones_like(bias), bias), x)


def _channels(call: Call, x: PlainSignal, constant: Array) -> Array:
    """A constant as one number for each channel."""
    numbers = _along(x, constant, 0)
    if numbers is None:
        call.refuse(
            f"its constant has shape {constant.shape} beside the axes {list(x.dims)}, allowed is "
            f"one number, or one for each of the {x.shape[0]} channels."
        )
    return numbers


def _along(x: PlainSignal, constant: Array, axis: int) -> Array | None:
    """A constant as one number for each place along an axis of a step, if it is that."""
    spread = (1,) * (len(x.dims) - constant.ndim) + constant.shape
    count = x.shape[axis]
    where = len(x.lead) + axis
    others = spread[:where] + spread[where + 1 :]
    if len(spread) != len(x.dims) or set(others) - {1} or spread[where] not in (1, count):
        return None
    return np.broadcast_to(constant.ravel(), (count,))
