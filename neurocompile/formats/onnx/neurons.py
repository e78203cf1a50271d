"""Neurons as ONNX functions: their own step, repeated over the time axis by a Scan.

In:  a neuron of either vocabulary.
Out: a model-local function of our domain, its body in standard ONNX: all steps, or, for a
     population in a loop of the network, one step (see `loops.py`).
The step is the neuron's own `step` method; only the loop around it is written here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import numpy as np
from onnx import FunctionProto, helper

from neurocompile.formats.onnx.ops import (
    DOMAIN,
    OPSET,
    LoopState,
    NodeList,
    OnnxOps,
    OnnxValue,
    Scanned,
    scan,
)
from neurocompile.ir.fixed import ChipNeuron, FixedStep
from neurocompile.ir.neurons import LEAKS, Neuron, Step, StepParameters
from neurocompile.ir.payloads import payload_type
from neurocompile.ir.schema import fields_of

ONE_STEP = "Step"  # end of the name of a function that takes one step


def float_op(neuron: Neuron) -> str:
    """Name of the function that runs a FLOAT neuron: its class, and its reset if not "zero"."""
    drop = "Drop" if "v_drop" in parameter_names(neuron) else ""
    return type(neuron).__name__ + _reset_suffix(neuron.reset) + drop


def fixed_op(node: ChipNeuron, host_bias: bool) -> str:
    """Name of the function that runs a population."""
    return node.function + ("HostBias" if host_bias else "")


def _reset_suffix(reset: str) -> str:
    return "" if reset == "zero" else reset.capitalize()


def parameter_names(neuron: Neuron) -> list[str]:
    """Names of the arrays of a FLOAT neuron, in the order of its function's inputs."""
    arrays = [field.name for field in fields_of(type(neuron)) if field.holds == "array"]
    return [name for name in arrays if getattr(neuron, name) is not None]


def float_function(neuron: Neuron) -> FunctionProto:
    """The function of a FLOAT neuron, in float32.

    Inputs: x (batch, steps, *shape) float32; dt () float64, seconds; the neuron's arrays,
    float32 or float64. Outputs: membrane (batch, steps, *shape) float32 after the reset.
    For a neuron that spikes, the first output is spikes (batch, steps, *shape) float32 of 0
    and 1.
    """
    outer, body = NodeList("value"), NodeList("step")
    values = _float_values(neuron, outer)
    state_shape = _state_shape(outer, "x")
    zero = outer.constant(0.0, np.float32)
    starts = {state: values[at] for state, at in neuron.rest.items()}  # others start at 0
    starts |= {"v": values[neuron.start]} if neuron.start else {}
    initial = [outer.add("Expand", starts.get(s, zero), state_shape) for s in neuron.state_names]

    after_step = _float_step(neuron, body, "x_now", values)
    records = [body.add("Identity", after_step.state[0].name, out="membrane_now")]
    outputs = ["membrane"]
    if neuron.spiking:
        records.insert(0, body.cast(after_step.out.name, np.float32, out="spikes_now"))
        outputs.insert(0, "spikes")
    ends = _named_after(body, neuron.state_names, after_step.state)
    states = zip(neuron.state_names, initial, ends, strict=True)
    scan(
        outer,
        body,
        name="time",
        states=[LoopState(name, start, end, np.float32) for name, start, end in states],
        scanned=[Scanned("x_now", "x", np.float32)],
        recorded=[Scanned(*pair, np.float32) for pair in zip(records, outputs, strict=True)],
    )
    return _function(float_op(neuron), ["x", "dt", *parameter_names(neuron)], outputs, outer)


def float_step_function(neuron: Neuron) -> FunctionProto:
    """The function of one step of a FLOAT neuron.

    Inputs: its registers and x, float32; dt and its arrays as in `float_function`.
    Outputs: its registers after the step, and its output: spikes, or the potential.
    """
    nodes = NodeList("value")
    after_step = _float_step(neuron, nodes, "x", _float_values(neuron, nodes))
    outputs = _named_after(nodes, neuron.state_names, after_step.state)
    outputs.append(nodes.cast(after_step.out.name, np.float32, out="out"))
    inputs = [*neuron.state_names, "x", "dt", *parameter_names(neuron)]
    return _function(float_op(neuron) + ONE_STEP, inputs, outputs, nodes)


def _float_values(neuron: Neuron, nodes: NodeList) -> dict[str, str]:
    """The parameters of a step in float32, from dt and the neuron's arrays."""
    values: dict[str, str] = {}
    for name in parameter_names(neuron):
        value = name
        if name in LEAKS:  # in the precision of tau_inv, as in `ir.neurons.leak`
            value = nodes.add("Mul", nodes.add("CastLike", "dt", name), name)
        values[LEAKS.get(name, name)] = nodes.cast(value, np.float32)
    return values


def _float_step(neuron: Neuron, nodes: NodeList, x: str, values: dict[str, str]) -> Step:
    numbers: dict[str, Any] = dict.fromkeys(f.name for f in fields(StepParameters))
    numbers.update((name, OnnxValue(nodes, value, np.float32)) for name, value in values.items())
    state = tuple(OnnxValue(nodes, s, np.float32) for s in neuron.state_names)
    return neuron.step(OnnxOps(), state, OnnxValue(nodes, x, np.float32), StepParameters(**numbers))


def fixed_function(node: ChipNeuron, host_bias: bool, attributes: Sequence[str]) -> FunctionProto:
    """The function of a population, in int64.

    Inputs: a (batch, steps, *shape) int64, the sum from the synapses, or a_real and a_imag; the
    registers, int64, () or shape. With host_bias, bias_mant is (batch, steps, *shape) int32
    instead. Outputs: spikes (batch, steps, *shape), uint8 bits or int32 payloads; membrane int32,
    after the reset.

    Args:
        node: Population whose step the function takes.
        host_bias: Whether the host writes the bias mantissas.
        attributes: Names of the tensors that its nodes carry for the reader.
    """
    outer, body = NodeList("value"), NodeList("step")
    constants = _fixed_constants(node, outer, body, "bias_now" if host_bias else None)
    arriving = _inputs(node)
    state_shape = _state_shape(outer, arriving[0])
    v, zero = (OnnxValue(outer, name, np.int64) for name in ("v_init", _zero(outer)))
    starts = node.start(constants, v, zero)
    initial = [outer.add("Expand", start.name, state_shape) for start in starts]

    after_step = _fixed_step(node, body, [f"{a}_now" for a in arriving], constants)
    sent = payload_type(node)
    spikes = body.cast(after_step.out.name, sent, out="spikes_now")
    v_now = after_step.state[node.state_names.index("v")]
    membrane = body.cast(v_now.name, np.int32, out="membrane_now")
    scanned = [Scanned(f"{a}_now", a, np.int64) for a in arriving]
    if host_bias:
        scanned.append(Scanned("bias_now", "bias_mant", np.int32))
    names = node.state_names
    states = zip(names, initial, _named_after(body, names, after_step.state), strict=True)
    scan(
        outer,
        body,
        name="time",
        states=[LoopState(name, start, end, np.int64) for name, start, end in states],
        scanned=scanned,
        recorded=[
            Scanned(spikes, "spikes", sent),
            Scanned(membrane, "membrane", np.int32),
        ],
    )
    name = fixed_op(node, host_bias)
    inputs = [*arriving, *node.registers]
    return _function(name, inputs, ["spikes", "membrane"], outer, attributes)


def fixed_step_function(
    node: ChipNeuron, host_bias: bool, attributes: Sequence[str]
) -> FunctionProto:
    """The function of one step of a population, in int64.

    Inputs: its states and what arrives, (batch, 1, *shape); the registers as in
    `fixed_function`, of which bias_mant is (batch, 1, *shape) int32 with host_bias. Outputs: its
    states, spikes.
    """
    nodes = NodeList("value")
    constants = _fixed_constants(node, nodes, nodes, "bias_mant" if host_bias else None)
    after_step = _fixed_step(node, nodes, _inputs(node), constants)
    names = node.state_names
    outputs = _named_after(nodes, names, after_step.state)
    outputs.append(nodes.cast(after_step.out.name, payload_type(node), out="spikes"))
    name = fixed_op(node, host_bias) + ONE_STEP
    inputs = [*names, *_inputs(node), *node.registers]
    return _function(name, inputs, outputs, nodes, attributes)


def _fixed_constants(
    node: ChipNeuron, outer: NodeList, body: NodeList, bias_now: str | None
) -> Any:
    """The constants of a step; bias_now names the mantissas that the host wrote, in the body."""
    registers = {name: OnnxValue(outer, name, np.int64) for name in node.registers}
    # Powers are looked up, because ONNX shifts only unsigned integers.
    power = outer.add("Gather", outer.constant(1 << np.arange(8), np.int64), "bias_exp")
    if bias_now:
        mantissa = OnnxValue(body, body.cast(bias_now, np.int64), np.int64)
        bias = mantissa * OnnxValue(body, power, np.int64)
    else:
        bias = registers["bias_mant"] * OnnxValue(outer, power, np.int64)
    return node.constants_of(registers, bias)


def _inputs(node: ChipNeuron) -> list[str]:
    """Names of what arrives: a, or one for each part of a complex sum."""
    return ["a" if part is None else f"a_{part}" for part in node.inputs]


def _fixed_step(node: ChipNeuron, nodes: NodeList, sums: list[str], constants: Any) -> FixedStep:
    inside = node.Constants(*(OnnxValue(nodes, c.name, np.int64) for c in constants))
    state = tuple(OnnxValue(nodes, name, np.int64) for name in node.state_names)
    arriving = node.arriving([OnnxValue(nodes, a, np.int64) for a in sums])
    return node.step(OnnxOps(), state, arriving, inside)


def _zero(nodes: NodeList) -> str:
    return nodes.constant(0, np.int64)


def _named_after(nodes: NodeList, names: Sequence[str], state: Sequence[OnnxValue]) -> list[str]:
    """Names of the registers after a step, each with its own name."""
    pairs = zip(names, state, strict=True)
    return [nodes.add("Identity", s.name, out=f"{name}_next") for name, s in pairs]


def pass_on_function(name: str, attributes: Sequence[str]) -> FunctionProto:
    """A function that changes nothing: a node that carries what only the reader needs."""
    outer = NodeList("value")
    outer.add("Identity", "x", out="y")
    return _function(name, ["x"], ["y"], outer, attributes)


def _state_shape(nodes: NodeList, x: str) -> str:
    """Shape of one step of x: (batch, *shape). Batch and steps stay symbolic."""
    batch = nodes.add("Shape", x, start=0, end=1)
    return nodes.add("Concat", batch, nodes.add("Shape", x, start=2), axis=0)


def _function(
    name: str,
    inputs: Sequence[str],
    outputs: Sequence[str],
    nodes: NodeList,
    attributes: Sequence[str] = (),
) -> FunctionProto:
    return helper.make_function(
        DOMAIN,
        name,
        list(inputs),
        list(outputs),
        nodes.protos,
        [helper.make_opsetid("", OPSET)],
        list(attributes),
    )
