"""The entries of a `.net` file as layers, each number checked.

In:  the groups and datasets of a file, as `read_hdf5` gives them.
Out: layers in order, the input first, and the entries of training that were read past.
netx ignores what it does not know and casts the rest; here an unknown entry is refused, and so
is a number that netx would change.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np

from neurocompile.errors import BadInput, Refusals, Unsupported
from neurocompile.formats.hdf5.read import Tree
from neurocompile.formats.netx.layer import (
    MOST_NETX_DELAY,
    NETX_WEIGHTS,
    NEVER,
    Geometry,
    NetxLayer,
    check_weights,
    is_odd,
)
from neurocompile.formats.netx.numbers import (
    check_range,
    narrow,
    one,
    pair,
    shape_of,
    text,
    whole,
)
from neurocompile.formats.netx.resonators import NAMES, RESONATOR_ENTRIES, with_resonator
from neurocompile.formats.netx.sigma_delta import SDNN, SDNN_ENTRIES, with_sigma_delta
from neurocompile.ir.arrays import Array
from neurocompile.ir.nodes import Conv, Shape, size
from neurocompile.ir.registers import LARGEST_THRESHOLD, MANTISSAS, UNITY
from neurocompile.ir.shapes import out_shape

# What lava-dl's exporters write and netx does not read; the weights say the same.
DESCRIBING = {"inFeatures", "outFeatures", "inChannels", "outChannels", "kernelSize"}
CONVOLVING = {"stride", "padding", "dilation", "groups"}
ENTRIES = {
    "input": {"type", "shape", "neuron", "weight", "bias"},
    "dense": {"type", "shape", "neuron", "weight", "bias", "delay", *DESCRIBING},
    "dense_rec": {"type", "shape", "neuron", "weight", "weight_rec", "bias", *DESCRIBING},
    "conv": {"type", "shape", "neuron", "weight", "bias", "delay", *CONVOLVING, *DESCRIBING},
    "flatten": {"type", "shape"},
}
NEURON = {"type", "iDecay", "vDecay", "vThMant", "refDelay", "gradedSpike"}
# What SLAYER's descriptions of a neuron hold for training; the registers beside them are enough.
TRAINING = {"theta", "tauSr", "tauRef", "scaleRef", "tauRho", "scaleRho"}
NEURONS = ("CUBA", "LOIHI", SDNN, *NAMES)
OTHER_NEURONS = {  # by how their names begin
    "RF": "resonate-and-fire neurons, with complex weights and a state of two parts",
    "ADRF": "resonate-and-fire neurons with a threshold that adapts",
    "ALIF": "neurons with a threshold that adapts",
    "ADLIF": "neurons with a threshold that adapts",
}


@dataclass(frozen=True)
class NetxFile:
    """What a `.net` file holds.

    Attributes:
        layers: In order, the input first.
        passed: Names of entries of training, which neither netx nor this reader needs.
        transform: What an input layer of sigma-delta neurons says about x, weight and bias; None
            where it says nothing. netx leaves it to whoever feeds the network.
    """

    layers: list[NetxLayer]
    passed: tuple[str, ...]
    transform: tuple[int, int] | None = None


def layers_in(tree: Tree, input_shape: Shape | None = None) -> NetxFile:
    """The layers of a file.

    Args:
        tree: Its content.
        input_shape: (n,) or (C, H, W), for a file that has no input layer.

    Raises:
        BadInput: If an entry is missing or of the wrong kind.
        Unsupported: If layers are of a kind, or have numbers, that netx or this reader lack.
    """
    group = tree.get("layer")
    if not isinstance(group, dict) or set(group) != {str(i) for i in range(len(group))}:
        raise BadInput("it has no group 'layer' with layers 0, 1, ..., as a .net file has.")
    layers: list[NetxLayer] = []
    passed: set[str] = set()
    flat = False
    refusals = Refusals()
    for number in range(len(group)):
        entry = group[str(number)]
        try:
            kind = _kind_of(entry)
            passed |= _check_neurons(entry)
            if kind == "flatten":
                flat = True
                continue
            if kind == "input" and layers:
                raise Unsupported("it is an input layer after another layer.")
            if kind != "input" and not layers:
                layers.append(_input_before(kind, entry, input_shape))
            layers.append(_READERS[kind](entry, layers[-1] if layers else None, flat))
        except BadInput as error:
            refusals.errors.append(error.within(f"layer {number}"))
            declared = _declared(entry)
            if declared is None:
                break
            layers.append(declared)
        flat = False
    refusals.answer()
    if not layers or layers[-1].cells is None:
        raise BadInput("it has no layer of neurons.")
    if input_shape not in (None, layers[0].shape):
        raise BadInput(
            f"its input layer has the shape {layers[0].shape}, but input_shape= "
            f"(--input-shape) says {input_shape}. Leave it out."
        )
    transform = None
    if layers[0].cells == "delta" and {"weight", "bias"} & set(group["0"]):
        transform = _transform(group["0"])
    return NetxFile(layers, tuple(sorted(passed)), transform)


def _declared(entry: Any) -> NetxLayer | None:
    """A layer of the shape that a refused one declares, so that those after it can be read."""
    try:
        return NetxLayer("dense", shape_of(entry)) if isinstance(entry, dict) else None
    except BadInput:
        return None


def _kind_of(entry: Any) -> str:
    if not isinstance(entry, dict):
        raise BadInput("it is no group of entries.")
    kind = text(entry, "type")
    if kind not in ENTRIES:
        raise Unsupported(
            f"its type is '{kind}', but lava-dl's netx loads only {', '.join(ENTRIES)}."
        )
    _check_known(entry, ENTRIES[kind], f"a {kind} layer")
    return kind


def _check_known(entry: Tree, known: set[str], what: str) -> None:
    unknown = sorted(set(entry) - known)
    if unknown:
        why = {
            "delay": "where netx applies it to both matrices and loses the scale of the weights",
            "messageBits": "for graded spikes, on which netx fails",
        }.get(unknown[0], "which netx ignores")
        raise Unsupported(
            f"it has the entry '{unknown[0]}', {why}. {what[0].upper()}{what[1:]} has: "
            f"{_list(known)}."
        )


def _check_neurons(entry: Tree) -> set[str]:
    """Refuse neurons of another kind first, for they have other entries too.

    Returns:
        The entries of training that they have.
    """
    neuron = entry.get("neuron")
    if not isinstance(neuron, dict):
        return set()
    kind = text(neuron, "type")
    if kind not in NEURONS:
        what = next((w for name, w in OTHER_NEURONS.items() if kind.upper().startswith(name)), "")
        raise Unsupported(
            f"its neurons are '{kind}'{', ' if what else ''}{what}; allowed are "
            f"{', '.join(NEURONS)}."
        )
    return TRAINING & set(neuron)


def _list(names: set[str]) -> str:
    return ", ".join(sorted(names))


def _input_before(kind: str, entry: Tree, shape: Shape | None) -> NetxLayer:
    """The input that a file leaves out: what the user says, or as wide as the first matrix."""
    if shape is not None:
        return NetxLayer("input", shape)
    if kind == "conv":
        raise Unsupported(
            "it is a convolution without an input layer before it, so the height and width that "
            "it takes are not known. Give input_shape= (--input-shape C,H,W)."
        )
    rows, weight = prod(shape_of(entry)), narrow(entry, "weight", NETX_WEIGHTS)
    return NetxLayer("input", (weight.size // rows,))


def _input(entry: Tree, before: NetxLayer | None, flat: bool) -> NetxLayer:
    layer = NetxLayer("input", shape_of(entry))
    if "neuron" not in entry:
        return layer
    neurons = _with_neurons(layer, entry)
    if neurons.cells == "delta":
        return neurons
    weight, bias = _transform(entry)
    check_range(np.array(bias), "bias", MANTISSAS)
    return replace(neurons, weight=np.array(weight), bias=np.array(bias))


def _transform(entry: Tree) -> tuple[int, int]:
    """Weight and bias of an input layer, or those that netx takes where the file has none."""
    return one(entry, "weight", 64), one(entry, "bias", 0)


def _dense(entry: Tree, before: NetxLayer | None, flat: bool) -> NetxLayer:
    assert before is not None
    rows, columns = prod(shape_of(entry)), size(before.shape)
    if len(before.shape) > 1 and not flat:
        raise BadInput(
            f"it is dense after the shape {before.shape}. Put a layer of type 'flatten' between."
        )
    if isinstance(entry.get("weight"), dict):
        return _complex(entry, rows, columns, len(before.shape) > 1)
    weight = _matrix(entry, "weight", rows, columns)
    recurrent = _matrix(entry, "weight_rec", rows, rows) if "weight_rec" in entry else None
    check_weights(weight, recurrent)
    kind: Any = "dense" if recurrent is None else "dense_rec"
    if kind != text(entry, "type"):
        raise BadInput("a dense_rec layer has weight_rec, and a dense one has not.")
    layer = NetxLayer(
        kind,
        (rows,),
        flat=len(before.shape) > 1,
        weight=weight,
        recurrent=recurrent,
        delay=_delay(entry, weight),
        bias=_bias(entry, (rows,)),
    )
    return _with_neurons(layer, entry)


def _complex(entry: Tree, rows: int, columns: int, flat: bool) -> NetxLayer:
    """A dense layer with complex weights, of neurons that resonate."""
    ignored = {"bias", "delay"} & set(entry)
    neuron = entry.get("neuron")
    if ignored or text(entry, "type") != "dense":
        what = ", ".join(sorted(ignored)) or "loops"
        raise Unsupported(f"its weights are complex, and netx then ignores {what}. Leave that out.")
    if not isinstance(neuron, dict) or text(neuron, "type") not in NAMES:
        raise Unsupported(
            "its weights are complex (weight/real, weight/imag), which only neurons that resonate "
            f"take ({', '.join(NAMES)}). Use real ones."
        )
    parts = [_matrix(entry["weight"], part, rows, columns) for part in ("real", "imag")]
    for part in parts:
        check_weights(part)
    layer = NetxLayer("dense", (rows,), flat, weight=parts[0], imag=parts[1])
    return _with_neurons(layer, entry)


def _conv(entry: Tree, before: NetxLayer | None, flat: bool) -> NetxLayer:
    assert before is not None
    if flat or len(before.shape) != 3:
        raise Unsupported(f"it is a convolution after the shape {before.shape}, not (C, H, W).")
    shape, weight = shape_of(entry), _weights(entry, "weight")
    if weight.ndim < 4 or prod(weight.shape[4:]) != 1:
        raise BadInput(f"its weight has the shape {weight.shape}, allowed is (out, in, KH, KW).")
    weight = weight.reshape(weight.shape[:4]) if weight.ndim > 4 else weight
    if "delay" in entry and np.any(whole(entry, "delay")):
        raise Unsupported("its convolution has a delay, which netx ignores.")
    stride, padding, dilation = (pair(entry, key) for key in ("stride", "padding", "dilation"))
    geometry = Geometry(stride, padding, dilation, one(entry, "groups"))
    parts = geometry.stride, geometry.padding, geometry.dilation, geometry.groups
    made = out_shape(Conv(weight, None, *parts), before.shape)
    if made != shape:
        raise BadInput(f"its shape is {shape}, but its weights make {made} out of {before.shape}.")
    layer = NetxLayer("conv", shape, weight=weight, geometry=geometry, bias=_bias(entry, shape))
    return _with_neurons(layer, entry)


_READERS: dict[str, Callable[[Tree, NetxLayer | None, bool], NetxLayer]] = {
    "input": _input,
    "dense": _dense,
    "dense_rec": _dense,
    "conv": _conv,
}


def _with_neurons(layer: NetxLayer, entry: Tree) -> NetxLayer:
    """A layer with its du, dv and vth; netx's own are those of a dense layer without any."""
    shape = layer.shape
    if "neuron" not in entry and layer.kind.startswith("dense"):
        return replace(layer, cells="cuba", du=np.array(-1), dv=np.array(UNITY))
    neuron = entry.get("neuron")
    if not isinstance(neuron, dict):
        raise BadInput("its entry 'neuron' is missing, or no group.")
    if text(neuron, "type") == SDNN:
        _check_known(neuron, SDNN_ENTRIES, "a sigma-delta neuron")
        return with_sigma_delta(layer, neuron, "bias" in entry)
    if (name := text(neuron, "type")) in NAMES:
        _check_known(neuron, RESONATOR_ENTRIES, "a neuron that resonates")
        return with_resonator(layer, neuron, name)
    optional = {key for key in ("weight_exp", "wgtExp") if not np.any(neuron.get(key, 1))}
    _check_known(neuron, NEURON | TRAINING | optional, "a neuron")
    if one(neuron, "refDelay", 1) != 1:
        raise Unsupported(
            f"its refDelay is {one(neuron, 'refDelay', 1)}, which netx ignores; allowed is 1."
        )
    if np.any(neuron.get("gradedSpike", False)):
        raise Unsupported("its spikes are graded (gradedSpike), and here a spike is 0 or 1.")
    current = _each(neuron, "iDecay", shape, (0, UNITY))
    threshold = _each(neuron, "vThMant", shape, (0, NEVER))
    never = bool(np.all(threshold > LARGEST_THRESHOLD))
    if not never:
        check_range(threshold, "vThMant", (0, LARGEST_THRESHOLD))
    dv = _each(neuron, "vDecay", shape, (0, UNITY))
    return replace(layer, cells="cuba", du=current - 1, dv=dv, vth=None if never else threshold)


def _bias(entry: Tree, shape: Shape) -> Array:
    """One bias, one for each neuron or, of a convolution, one for each channel."""
    if "bias" not in entry:
        return np.array(0)
    bias = whole(entry, "bias")
    if len(shape) == 3 and bias.shape == shape[:1]:
        bias = np.broadcast_to(bias[:, None, None], shape)
        check_range(bias, "bias", MANTISSAS)
        return bias
    return _each(entry, "bias", shape, MANTISSAS)


def _delay(entry: Tree, weight: Array) -> Array | None:
    """Steps for each weight, as netx spreads them: of the neuron after it, or of the one before."""
    if "delay" not in entry:
        return None
    delay = narrow(entry, "delay", (0, MOST_NETX_DELAY))
    if delay.ndim == 1 and delay.size == weight.shape[0]:
        delay = delay[:, None]
    elif delay.ndim == 1 and delay.size != weight.shape[1]:
        raise BadInput(f"its delay has {delay.size} entries, but its weights are {weight.shape}.")
    elif delay.ndim > 1 and delay.shape != weight.shape:
        raise BadInput(f"its delay has the shape {delay.shape}, but its weights {weight.shape}.")
    delay = np.where(weight == 0, 0, delay)
    return delay if delay.any() else None


def _matrix(entry: Tree, key: str, rows: int, columns: int) -> Array:
    weight = _weights(entry, key)
    if weight.size != rows * columns or weight.shape[:1] not in ((rows,), (weight.size,)):
        raise BadInput(f"its {key} has the shape {weight.shape}, allowed is {(rows, columns)}.")
    return weight if weight.ndim == 2 else weight.reshape(rows, columns)


def _weights(entry: Tree, key: str) -> Array:
    """Weights on the chip's 8-bit grid: even, or small enough for one bit more."""
    weight = narrow(entry, key, NETX_WEIGHTS)
    if not weight.size:
        raise BadInput(f"its {key} is empty.")
    if is_odd(weight) and (weight.min() < -128 or weight.max() > 127):
        raise Unsupported(
            f"its {key} is odd in places and goes from {weight.min()} to {weight.max()}, which no "
            f"8-bit synapse holds: even weights in {NETX_WEIGHTS[0]}..{NETX_WEIGHTS[1]}, or all in "
            "-128..127."
        )
    return weight


def _each(entry: Tree, key: str, shape: Shape, allowed: tuple[int, int]) -> Array:
    """A register: one value, or one per neuron in netx's order (W, H, C)."""
    values = whole(entry, key)
    check_range(values, key, allowed)
    if values.ndim and values.shape == shape[::-1]:
        return np.ascontiguousarray(values.T)
    if values.size != 1:
        raise BadInput(f"its {key} has the shape {values.shape}, allowed are () and {shape[::-1]}.")
    return values.reshape(())
