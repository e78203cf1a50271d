"""Write a FIXED graph as a `.net` file, which lava-dl's netx loads.

In:  a FIXED graph that `netx_hold` finds it can hold.
Out: HDF5 bytes, the same for the same graph.
netx reads the group `layer` and nothing else; the text `neurocompile` beside it names what
netx does not know (names, scales, dt), so that the graph comes back as it was.
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np

from neurocompile.errors import Unsupported
from neurocompile.formats.netx.hold import Held, hold
from neurocompile.formats.netx.layer import NEVER, UNCLEARED, NetxLayer
from neurocompile.formats.netx.resonators import NAMES
from neurocompile.formats.netx.sigma_delta import ACTIVATION, SDNN
from neurocompile.formats.netx.stages import stages_of
from neurocompile.ir.arrays import Array
from neurocompile.ir.fixed import BiasInput, ChipNeuron, CubaLIF, SpikeInput, Synapse
from neurocompile.ir.graph import Graph
from neurocompile.ir.nodes import Conv, Linear
from neurocompile.ir.schema import fields_of

ABOUT = "neurocompile"
VERSION = 1


@dataclass(frozen=True)
class NetworkNet:
    """network.net of a FIXED graph, or why there is none.

    Attributes:
        content: Bytes of the file; None where it cannot hold the network.
        loaded_by: The call that loads it in lava-dl; "" where there is no file.
        reason: Which layer the file cannot hold, and why; "" where there is a file.
    """

    content: bytes | None
    loaded_by: str = ""
    reason: str = ""


def network_net(graph: Graph, steps: int) -> NetworkNet:
    """lava-dl's file of a FIXED graph, where it can hold it, for samples of `steps` steps."""
    try:
        return NetworkNet(to_bytes(graph), loaded_by=loaded_by(graph, steps))
    except Unsupported as error:
        return NetworkNet(None, reason=str(error))


def to_bytes(graph: Graph) -> bytes:
    """The file of a graph.

    Raises:
        Unsupported: Naming the layers that the file cannot hold, and why.
    """
    held = hold(graph)
    about = json.dumps(describe(graph, held), allow_nan=False, separators=(",", ":"))
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", libver=("earliest", "v108"), track_order=False) as file:
        number = 0
        for layer in held.layers:
            if layer.flat:
                _put(file, f"layer/{number}/type", np.bytes_("flatten"))
                number += 1
            for key, value in _entries(layer).items():
                _put(file, f"layer/{number}/{key}", value)
            number += 1
        _put(file, ABOUT, np.bytes_(about.encode()))
    return buffer.getvalue()


def loaded_by(graph: Graph, steps: int) -> str:
    """The call after which netx gives the spikes of the graph, for samples of `steps` steps."""
    held = hold(graph)
    if held.start == "plain":
        return "load with netx.hdf5.Network('network.net'); one sample a run"
    offset = 1 if held.layers[0].cells is None else 0
    reset = f"reset_interval={steps}, reset_offset={offset}"
    many = "" if all(layer.simple for layer in held.layers) else "; one sample a run"
    return f"load with netx.hdf5.Network('network.net', {reset}){many}"


def describe(graph: Graph, held: Held) -> dict[str, Any]:
    """What the layers do not say, as JSON values.

    Raises:
        Unsupported: Where a scale is not a finite number.
    """
    _, stages = stages_of(graph)
    first = 1 if stages[0].forward else 0  # the input is a layer of its own
    layer_of = {stage.name: i for i, stage in enumerate(stages, start=first)}
    nodes = []
    for name, node in graph.nodes.items():
        entry: dict[str, Any] = {"name": name, "kind": type(node).__name__}
        if isinstance(node, SpikeInput):
            entry |= {"shape": node.shape}
            entry |= {"payload_bits": node.payload_bits} if node.payload_bits else {}
        elif isinstance(node, BiasInput):
            entry |= {"shape": node.shape, "in_shape": node.in_shape}
        elif isinstance(node, CubaLIF):
            entry |= {"layer": layer_of[name], **_population(name, node)}
        elif isinstance(node, UNCLEARED):
            entry |= _whole_population(name, node)
        elif isinstance(node, Synapse):
            (source,), (target,) = graph.before(name), graph.after(name)
            entry |= {"layer": layer_of[target], "back": source == target, **_synapse(node)}
        nodes.append(entry)
    return {
        "version": VERSION,
        "start": held.start,
        "settings": graph.settings.to_dict(),
        "nodes": nodes,
        "edges": graph.edges,
    }


def _population(name: str, node: CubaLIF) -> dict[str, Any]:
    _check_finite(name, node)
    numbers = {key: getattr(node, key).tolist() for key in ("v_init", "bias_exp")}
    floats = {key: getattr(node, key).tolist() for key in ("scale", "offset")}
    each = bool(node.bias_mant.ndim)
    return {"shape": node.shape, "readout": node.readout, "bias_each": each, **numbers, **floats}


def _check_finite(name: str, node: ChipNeuron) -> None:
    if not (np.all(np.isfinite(node.scale)) and np.all(np.isfinite(node.offset))):
        raise Unsupported(f"layer '{name}': its scale or offset is not a finite number.")


def _whole_population(name: str, node: ChipNeuron) -> dict[str, Any]:
    """A population whole: its units are not those of the file."""
    _check_finite(name, node)
    values = {field.name: getattr(node, field.name) for field in fields_of(type(node))}
    return {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in values.items()}


def _synapse(node: Synapse) -> dict[str, Any]:
    assert isinstance(node.op, Linear | Conv)
    return {
        "in_shape": node.in_shape,
        "out_shape": node.out_shape,
        "weight_exp": node.weight_exp,
        "bits": node.bits,
        "delay": node.delay,
        "type": node.op.weight.dtype.name,
        **_late(node),
        **({} if node.into is None else {"into": node.into}),
    }


def _late(node: Synapse) -> dict[str, Any]:
    """Further steps; those of weights are in the layer's own entry, but for weights of 0."""
    if node.late is None:
        return {}
    if node.late_of == "weight":
        return {"late": {"of_zeros": node.late[node.op.weights == 0].tolist()}}
    return {"late": node.late.tolist()}


def _entries(layer: NetxLayer) -> dict[str, Any]:
    """The datasets of a layer, in lava-dl's names and orders."""
    entries: dict[str, Any] = {"type": np.bytes_(layer.kind), "shape": np.array(layer.shape)}
    if layer.weight is not None:
        part = "weight" if layer.imag is None else "weight/real"
        entries[part] = layer.weight.astype(np.int16)
    if layer.imag is not None:
        entries["weight/imag"] = layer.imag.astype(np.int16)
    if layer.recurrent is not None:
        entries["weight_rec"] = layer.recurrent.astype(np.int16)
    if layer.delay is not None:
        entries["delay"] = layer.delay.astype(np.int8)
    if layer.geometry is not None:
        for key in ("stride", "padding", "dilation", "groups"):
            entries[key] = np.array(getattr(layer.geometry, key))
    if layer.cells is None:
        return entries
    assert layer.bias is not None
    if np.any(layer.bias):
        entries["bias"] = _each_channel(layer)
    return entries | {f"neuron/{key}": value for key, value in _neuron(layer).items()}


def _neuron(layer: NetxLayer) -> dict[str, Any]:
    """The entries of a layer's neurons."""
    if layer.cells == "sigma":
        return {"type": np.bytes_(SDNN), "sigma_output": np.array(True)}
    if layer.imag is not None:
        (name,) = (name for name, cells in NAMES.items() if cells == layer.cells)
        decays = {"sinDecay": layer.sin_decay, "cosDecay": layer.cos_decay}
        return {"type": np.bytes_(name), "vThMant": layer.vth, **decays}
    if layer.cells != "cuba":
        activation = np.bytes_(ACTIVATION)
        return {"type": np.bytes_(SDNN), "activation": activation, "vThMant": layer.vth}
    assert layer.du is not None
    assert layer.dv is not None
    return {
        "type": np.bytes_("CUBA"),
        "iDecay": _reversed(layer.du) + 1,
        "vDecay": _reversed(layer.dv),
        "vThMant": np.array(NEVER) if layer.vth is None else _reversed(layer.vth),
        "refDelay": np.array(1),
        "gradedSpike": np.array(False),
    }


def _reversed(values: Array) -> Array:
    """netx hands arrays on to Lava as they are, whose order is (W, H, C)."""
    return np.ascontiguousarray(values.T)


def _each_channel(layer: NetxLayer) -> Array:
    """A conv layer's bias; netx wants one for each channel or for each neuron."""
    assert layer.bias is not None
    if layer.kind == "conv" and not layer.bias.ndim:
        return np.full(layer.shape[0], layer.bias)
    return _reversed(layer.bias)


def _put(file: h5py.File, name: str, value: Any) -> None:
    file.create_dataset(name, data=value, track_times=False)
