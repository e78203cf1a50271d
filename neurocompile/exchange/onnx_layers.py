"""One rule a node: what each layer becomes in the ONNX graph.

In:  a checked node and the draft of the file.
Out: its nodes in the draft; its value is (batch, steps, *shape).
The node that does a layer's work bears the layer's name.
"""

from __future__ import annotations

from dataclasses import replace
from functools import singledispatch
from typing import Any

import numpy as np
from onnx import TensorProto

from neurocompile.errors import Unsupported
from neurocompile.exchange.onnx_draft import Draft
from neurocompile.exchange.onnx_fields import HALVED
from neurocompile.exchange.onnx_linear import Place, emit
from neurocompile.exchange.onnx_neurons import REGISTERS, fixed_op, float_op, parameter_names
from neurocompile.exchange.onnx_ops import Block, tensor
from neurocompile.ir.fixed import AlwaysOn, BiasInput, CubaLIF, SpikeInput, Synapse
from neurocompile.ir.neurons import LI, LIF, LIBox, LIFBox, Neuron
from neurocompile.ir.nodes import (
    AvgPool,
    Conv,
    ConvTranspose,
    Identity,
    Input,
    Linear,
    LinearOp,
    Reshape,
    Shape,
    Sparse,
    SumPool,
    Upsample,
)

DT = ".dt"  # the one number of the settings that a file computes with


@singledispatch
def write_layer(node: Any, name: str, draft: Draft) -> None:
    """Append a layer to the draft.

    Raises:
        Unsupported: For a node without a rule here.
    """
    raise Unsupported(f"layer '{name}' is a {type(node).__name__}, which has no ONNX form.")


@write_layer.register
def _(node: Input, name: str, draft: Draft) -> None:
    draft.describe(name)
    draft.add_input(name, TensorProto.FLOAT, node.shape)


@write_layer.register
def _(node: SpikeInput, name: str, draft: Draft) -> None:
    draft.describe(name)
    draft.add_input(name, TensorProto.UINT8, node.shape)


@write_layer.register
def _(node: BiasInput, name: str, draft: Draft) -> None:
    carried = draft.describe(name)
    draft.add_input(name, TensorProto.INT32, node.shape)
    draft.values[name] = f"{name}.mantissas"
    draft.call("BiasInput", [name], [draft.values[name]], name, **carried)


@write_layer.register
def _(node: AlwaysOn, name: str, draft: Draft) -> None:
    draft.describe(name)
    draft.values[name] = _full(draft, draft.block(name), 1, np.uint8, node.shape, name)


@write_layer.register
def _(node: Synapse, name: str, draft: Draft) -> None:
    draft.describe(name)
    block = draft.block(name)
    (source,), (target,) = draft.graph.before(name), draft.graph.after(name)
    place = Place(
        block=block,
        name=name,
        x=_delayed(block, draft.values[source], node.delay, len(draft.shapes[source])),
        in_shape=node.in_shape,
        out_shape=draft.shapes[target],
        array=lambda field: f"{name}.op_{field}",
        has=lambda field: False,
        fixed=True,
        batch_steps=draft.batch_steps,
    )
    if draft.shapes[source] != node.in_shape:
        place = replace(place, x=place.shape_as(place.x, node.in_shape))
    y = block.cast(emit(node.op, place), np.int64)
    y = _shifted(block, y, node.weight_exp)
    if not isinstance(node.op, Conv | ConvTranspose):
        y = place.shape_as(y, draft.shapes[target])
    draft.values[name] = y


def _delayed(block: Block, x: str, delay: int, axes: int) -> str:
    """X later by some steps, silence before it; what leaves the run is lost."""
    if delay == 0:
        return x
    pads = np.zeros((2, axes + 2), dtype=np.int64)
    pads[0, 1] = delay
    longer = block.add("Pad", x, block.constant(pads.ravel(), np.int64))
    start, end, axis = (block.constant([n], np.int64) for n in (0, -delay, 1))
    return block.add("Slice", longer, start, end, axis)


def _shifted(block: Block, y: str, weight_exp: int) -> str:
    """2 y 2**weight_exp, rounded down as a shift of bits does; y is a sum of halved weights."""
    y = block.add("Mul", y, block.constant(HALVED << max(weight_exp, 0), np.int64))
    if weight_exp < 0:  # Div cuts toward zero, so that the remainder goes first
        divisor = block.constant(1 << -weight_exp, np.int64)
        y = block.add("Sub", y, block.add("Mod", y, divisor))
        y = block.add("Div", y, divisor)
    return y


@write_layer.register
def _(node: CubaLIF, name: str, draft: Draft) -> None:
    carried = draft.describe(name)
    block, graph = draft.block(name), draft.graph
    registers = {register: f"{name}.{register}" for register in REGISTERS}
    arrivals = []
    for before in graph.before(name):
        if isinstance(graph.nodes[before], BiasInput):
            registers["bias_mant"] = draft.values[before]
        else:
            arrivals.append(draft.values[before])
    a = arrivals[0] if arrivals else _full(draft, block, 0, np.int64, node.shape)
    for other in arrivals[1:]:
        a = block.add("Add", a, other)
    outputs = [
        draft.add_output(f"{name}.spikes", TensorProto.UINT8, node.shape),
        draft.add_output(f"{name}.membrane", TensorProto.INT32, node.shape),
    ]
    op = fixed_op(node, draft.host_bias(name))
    draft.call(op, [a, *registers.values()], outputs, name, **carried)
    draft.values[name] = outputs[0]


@write_layer.register(Linear)
@write_layer.register(Conv)
@write_layer.register(ConvTranspose)
@write_layer.register(Sparse)
@write_layer.register(SumPool)
@write_layer.register(AvgPool)
@write_layer.register(Upsample)
@write_layer.register(Reshape)
@write_layer.register(Identity)
def _(node: LinearOp, name: str, draft: Draft) -> None:
    draft.describe(name)
    block = draft.block(name)
    (before,) = draft.graph.before(name)
    place = Place(
        block=block,
        name=name,
        x=draft.values[before],
        in_shape=draft.shapes[before],
        out_shape=draft.shapes[name],
        array=lambda field: f"{name}.{field}",
        has=lambda field: getattr(node, field) is not None,
        fixed=False,
        batch_steps=draft.batch_steps,
    )
    value = emit(node, place)
    if not draft.graph.after(name):
        value = block.add("Identity", value, out=f"{name}.value")
        draft.add_output(value, TensorProto.FLOAT, draft.shapes[name])
    draft.values[name] = value


@write_layer.register(LIF)
@write_layer.register(LIFBox)
@write_layer.register(LI)
@write_layer.register(LIBox)
def _(node: Neuron, name: str, draft: Draft) -> None:
    draft.describe(name)
    (before,) = draft.graph.before(name)
    shape = draft.shapes[name]
    draft.initializers.setdefault(DT, tensor(np.array(draft.graph.settings.dt, np.float64), DT))
    recorded = ("spikes", "membrane") if node.spiking else ("membrane",)
    outputs = [draft.add_output(f"{name}.{r}", TensorProto.FLOAT, shape) for r in recorded]
    arrays = [f"{name}.{field}" for field in parameter_names(node)]
    inputs = [draft.values[before], DT, *arrays]
    draft.call(float_op(node), inputs, outputs, name)
    draft.values[name] = outputs[0]


def _full(
    draft: Draft, block: Block, fill: int, dtype: Any, shape: Shape, name: str | None = None
) -> str:
    """(batch, steps, *shape) of one number."""
    target = block.add("Concat", draft.batch_steps(), block.constant(shape, np.int64), axis=0)
    return block.add(
        "ConstantOfShape",
        target,
        name=name,
        out=f"{name}.spikes" if name else None,
        value=tensor(np.full(1, fill, dtype)),
    )
