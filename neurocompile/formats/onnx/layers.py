"""One rule per node: what each layer becomes in the ONNX graph.

In:  a checked node and the draft of the file.
Out: its nodes in the draft; its value is (batch, steps, *shape).
The node that does a layer's work has the layer's name.
"""

from __future__ import annotations

from dataclasses import replace
from functools import singledispatch
from typing import Any

import numpy as np
from onnx import TensorProto

from neurocompile.errors import Unsupported, a_or_an
from neurocompile.formats.onnx.draft import Draft
from neurocompile.formats.onnx.fields import HALVED
from neurocompile.formats.onnx.linear import Emission, emit
from neurocompile.formats.onnx.neurons import fixed_op, float_op, parameter_names
from neurocompile.formats.onnx.ops import TYPES, NodeList, scan_through, tensor
from neurocompile.formats.onnx.payloads import payload_sums
from neurocompile.ir.fixed import AlwaysOn, BiasInput, ChipNeuron, SpikeInput, Synapse
from neurocompile.ir.neurons import Neuron
from neurocompile.ir.nodes import Add, Concat, Conv, ConvTranspose, Delay, Input, LinearMap, Shape
from neurocompile.ir.payloads import graded, payload_type

DT = ".dt"  # the only number of the settings with which a file computes


@singledispatch
def write_layer(node: Any, name: str, draft: Draft) -> None:
    """Append a layer to the draft.

    Raises:
        Unsupported: For a node without a rule here.
    """
    raise Unsupported(f"layer '{name}' is {a_or_an(type(node).__name__)}, which has no ONNX form.")


@write_layer.register
def _(node: Input, name: str, draft: Draft) -> None:
    draft.describe(name)
    draft.add_input(name, TensorProto.FLOAT, node.shape)


@write_layer.register
def _(node: SpikeInput, name: str, draft: Draft) -> None:
    draft.describe(name)
    draft.add_input(name, payload_elements(node), node.shape)


@write_layer.register
def _(node: BiasInput, name: str, draft: Draft) -> None:
    carried = draft.describe(name)
    draft.add_input(name, TensorProto.INT32, node.shape)
    draft.values[name] = f"{name}.mantissas"
    draft.call("BiasInput", [name], [draft.values[name]], name, **carried)


@write_layer.register
def _(node: AlwaysOn, name: str, draft: Draft) -> None:
    draft.describe(name)
    draft.values[name] = _full(draft, draft.node_list(name), 1, np.uint8, node.shape, name)


@write_layer.register
def _(node: Synapse, name: str, draft: Draft) -> None:
    draft.describe(name)
    nodes = draft.node_list(name)
    (source,), (target,) = draft.graph.before(name), draft.graph.after(name)
    emission = Emission(
        nodes=nodes,
        lasting=draft.lasting(nodes),
        name=name,
        x=draft.delayed(nodes, name, source, node.delay) if node.delay else draft.values[source],
        in_shape=node.in_shape,
        out_shape=draft.shapes[target],
        array=lambda field: f"{name}.op_{field}",
        has=lambda field: False,
        fixed=True,
        batch_steps=draft.batch_steps,
    )
    if draft.shapes[source] != node.in_shape:
        emission = replace(emission, x=emission.shape_as(emission.x, node.in_shape))
    sender = draft.graph.nodes[source]
    if node.late_of == "source":
        emission = replace(emission, x=_sent_late(node, sender, draft, emission))
    if node.late_of == "weight":
        y = _by_weight(node, sender, draft, emission)
    else:
        y = nodes.cast(_sums(node, sender, emission), np.int64)
    y = _shifted(nodes, y, node.weight_exp)
    if node.late is not None and node.late_of == "target":
        y = emission.shape_as(y, node.late.shape)
        y = draft.staggered((nodes, emission.lasting), name, y, node.late)
    if node.late_of == "target" or not isinstance(node.op, Conv | ConvTranspose):
        y = emission.shape_as(y, draft.shapes[target])
    draft.values[name] = y


def _sums(synapse: Synapse, sender: Any, emission: Emission) -> str:
    """The sums of halved weights times what is sent: int32 or, for payloads, int64."""
    if graded(sender):
        return payload_sums(synapse, sender, emission)
    return emit(synapse.op, emission)


def _sent_late(synapse: Synapse, sender: Any, draft: Draft, emission: Emission) -> str:
    """What is sent, later by a number of steps of each source's own."""
    assert synapse.late is not None
    nodes, late, dtype = emission.nodes, synapse.late[0], payload_type(sender)
    flat = emission.shape_as(emission.x, late.shape)
    flat = draft.staggered((nodes, emission.lasting), emission.name, flat, late, dtype)
    return emission.shape_as(flat, synapse.in_shape)


def _by_weight(synapse: Synapse, sender: Any, draft: Draft, emission: Emission) -> str:
    """The sums (batch, steps, n), int64, through weights that wait a number of steps each.

    A Scan goes through the numbers of steps that occur; in each turn, all other weights are 0. So
    the file holds the matrix once, and no reader makes a matrix for each number.
    """
    assert synapse.late is not None
    nodes, name = emission.nodes, emission.name
    longest, dtype = int(synapse.late.max()), payload_type(sender)
    span = draft.span(nodes, name, emission.x, synapse.in_shape, longest, dtype)
    one, two, axis = (nodes.constant([n], np.int64) for n in (1, 2, 1))
    count = nodes.add("Slice", draft.batch_steps(), one, two)
    late = emission.lasting.cast(f"{name}.late", np.int64)
    waits = nodes.constant(np.unique(synapse.late)[:, None], np.int64)
    shape = nodes.constant(synapse.out_shape, np.int64)
    start = nodes.add("Concat", draft.batch_steps(), shape, axis=0)
    start = nodes.add("ConstantOfShape", start, value=tensor(np.zeros(1, np.int64)))
    body = NodeList(f"{name}/wait")
    wait, so_far, after = (f"{name}/{what}" for what in ("wait", "so_far", "after"))
    begin = body.add("Sub", body.constant([longest], np.int64), wait)
    sent = body.add("Slice", span, begin, body.add("Add", begin, count), axis)
    these = body.add("Equal", late, wait)
    weight = body.add("Where", these, emission.array("weight"), body.constant(0, np.int8))
    part = replace(
        emission, nodes=body, lasting=body, name=f"{name}/part", x=sent, array=lambda field: weight
    )
    sums = body.cast(_sums(synapse, sender, part), np.int64)
    body.add("Add", so_far, sums, out=after)
    return scan_through(nodes, body, name, (wait, waits), (so_far, start, after))


def _shifted(nodes: NodeList, y: str, weight_exp: int) -> str:
    """2 y 2**weight_exp, rounded down like a shift of bits; y is a sum of halved weights."""
    y = nodes.add("Mul", y, nodes.constant(HALVED << max(weight_exp, 0), np.int64))
    if weight_exp < 0:  # Div cuts toward zero, so the remainder is subtracted first
        divisor = nodes.constant(1 << -weight_exp, np.int64)
        y = nodes.add("Sub", y, nodes.add("Mod", y, divisor))
        y = nodes.add("Div", y, divisor)
    return y


@write_layer.register
def _(node: ChipNeuron, name: str, draft: Draft) -> None:
    carried = draft.describe(name)
    sums, registers = arrivals(node, name, draft, draft.node_list(name))
    outputs = [
        draft.add_output(f"{name}.spikes", payload_elements(node), node.shape),
        draft.add_output(f"{name}.membrane", TensorProto.INT32, node.shape),
    ]
    op = fixed_op(node, draft.host_bias(name))
    draft.call(op, [*sums, *registers], outputs, name, **carried)
    draft.values[name] = outputs[0]


def payload_elements(node: ChipNeuron | SpikeInput) -> int:
    """ONNX's type of what a population sends."""
    return TYPES[np.dtype(payload_type(node))]


def arrivals(
    node: ChipNeuron, name: str, draft: Draft, nodes: NodeList
) -> tuple[list[str], list[str]]:
    """By input, the sum of what synapses bring; and the registers, some from the host."""
    registers = {register: f"{name}.{register}" for register in node.registers}
    brought: dict[str | None, list[str]] = {part: [] for part in node.inputs}
    for before in draft.graph.before(name):
        source = draft.graph.nodes[before]
        if isinstance(source, BiasInput):
            registers["bias_mant"] = draft.values[before]
        else:
            brought[source.into].append(draft.values[before])
    sums = []
    for values in brought.values():
        a = values[0] if values else _full(draft, nodes, 0, np.int64, node.shape)
        for other in values[1:]:
            a = nodes.add("Add", a, other)
        sums.append(a)
    return sums, list(registers.values())


@write_layer.register
def _(node: LinearMap, name: str, draft: Draft) -> None:
    draft.describe(name)
    nodes = draft.node_list(name)
    (before,) = draft.graph.before(name)
    emission = Emission(
        nodes=nodes,
        lasting=draft.lasting(nodes),
        name=name,
        x=draft.values[before],
        in_shape=draft.shapes[before],
        out_shape=draft.shapes[name],
        array=lambda field: f"{name}.{field}",
        has=lambda field: getattr(node, field) is not None,
        fixed=False,
        batch_steps=draft.batch_steps,
    )
    _leave(name, draft, nodes, emit(node, emission))


@write_layer.register
def _(node: Add, name: str, draft: Draft) -> None:
    draft.describe(name)
    nodes = draft.node_list(name)
    values = [draft.values[before] for before in draft.graph.before(name)]
    _leave(name, draft, nodes, nodes.add("Sum", *values, name=name))


@write_layer.register
def _(node: Concat, name: str, draft: Draft) -> None:
    draft.describe(name)
    nodes = draft.node_list(name)
    values = [draft.values[before] for before in draft.graph.before(name)]
    _leave(name, draft, nodes, nodes.add("Concat", *values, name=name, axis=2))


@write_layer.register
def _(node: Delay, name: str, draft: Draft) -> None:
    draft.describe(name)
    nodes = draft.node_list(name)
    (before,) = draft.graph.before(name)
    late = draft.delayed(nodes, name, before, node.steps) if node.steps else draft.values[before]
    if node.late is not None:
        flat, shape = (nodes.constant((0, 0, *n), np.int64) for n in ((-1,), node.late.shape))
        late = nodes.add("Reshape", late, flat)
        lists = nodes, draft.lasting(nodes)
        late = draft.staggered(lists, name, late, node.late.ravel(), np.float32)
        late = nodes.add("Reshape", late, shape)
    _leave(name, draft, nodes, nodes.add("Identity", late, name=name))


def _leave(name: str, draft: Draft, nodes: NodeList, value: str) -> None:
    """Record the value of a FLOAT layer; that of a last layer is an output of the file."""
    if name in draft.graph.outputs():
        value = nodes.add("Identity", value, out=f"{name}.value")
        draft.add_output(value, TensorProto.FLOAT, draft.shapes[name])
    draft.values[name] = value


@write_layer.register
def _(node: Neuron, name: str, draft: Draft) -> None:
    draft.describe(name)
    (before,) = draft.graph.before(name)
    shape = draft.shapes[name]
    recorded = ("spikes", "membrane") if node.spiking else ("membrane",)
    outputs = [draft.add_output(f"{name}.{r}", TensorProto.FLOAT, shape) for r in recorded]
    inputs = [draft.values[before], *parameters(node, name, draft)]
    draft.call(float_op(node), inputs, outputs, name)
    draft.values[name] = outputs[0]


def parameters(node: Neuron, name: str, draft: Draft) -> list[str]:
    """What the function of a FLOAT neuron takes in addition to its input: dt and the arrays."""
    draft.initializers.setdefault(DT, tensor(np.array(draft.graph.settings.dt, np.float64), DT))
    return [DT, *(f"{name}.{field}" for field in parameter_names(node))]


def _full(
    draft: Draft, nodes: NodeList, fill: int, dtype: Any, shape: Shape, name: str | None = None
) -> str:
    """A value (batch, steps, *shape) in which every number is `fill`."""
    target = nodes.add("Concat", draft.batch_steps(), nodes.constant(shape, np.int64), axis=0)
    return nodes.add(
        "ConstantOfShape",
        target,
        name=name,
        out=f"{name}.spikes" if name else None,
        value=tensor(np.full(1, fill, dtype)),
    )
