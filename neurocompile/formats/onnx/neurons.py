"""Neurons as ONNX functions: their own step, repeated over the time axis by a Scan.

In:  a neuron of either vocabulary.
Out: a model-local function of our domain, its body in standard ONNX: all steps, or, for a
     population in a loop of the network, one step (see `loops.py`).
The step is the neuron's own `step` method; what is written here is the loop around it.
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
    Block,
    OnnxOps,
    Scanned,
    State,
    Symbol,
    scan,
)
from neurocompile.ir.fixed import CubaLIF, FixedConstants, FixedStep
from neurocompile.ir.neurons import Neuron, Step, StepParameters
from neurocompile.ir.schema import fields_of

# The registers of a population that go into its function, in the order of its inputs.
REGISTERS = CubaLIF.registers
ONE_STEP = "Step"  # ends the name of a function that takes one step
STATE = ("u", "v")  # of a population
_LEAKS = {"tau_mem_inv": "mem_leak", "tau_syn_inv": "syn_leak"}


def float_op(neuron: Neuron) -> str:
    """Name of the function that runs a FLOAT neuron: its class, and its reset if not "zero"."""
    drop = "Drop" if "v_drop" in parameter_names(neuron) else ""
    return type(neuron).__name__ + _reset_suffix(neuron.reset) + drop


def fixed_op(node: CubaLIF, host_bias: bool) -> str:
    """Name of the function that runs a population."""
    return type(node).__name__ + _reset_suffix(node.reset) + ("HostBias" if host_bias else "")


def _reset_suffix(reset: str) -> str:
    return "" if reset == "zero" else reset.capitalize()


def parameter_names(neuron: Neuron) -> list[str]:
    """Names of the arrays of a FLOAT neuron, in the order of its function's inputs."""
    arrays = [field.name for field in fields_of(type(neuron)) if field.holds == "array"]
    return [name for name in arrays if getattr(neuron, name) is not None]


def float_function(neuron: Neuron) -> FunctionProto:
    """The function of a FLOAT neuron, in float32.

    Inputs: x (batch, steps, *shape) float32; dt () float64, seconds; the neuron's arrays,
    float32 or float64. Outputs: membrane (batch, steps, *shape) float32 after the reset;
    before it, of a neuron that spikes, spikes (batch, steps, *shape) float32 of 0 and 1.
    """
    outer, body = Block("value"), Block("step")
    values = _float_values(neuron, outer)
    state_shape = _state_shape(outer, "x")
    zero = outer.constant(0.0, np.float32)
    starts = {"v": values[neuron.start]} if neuron.start else {}  # all else starts at 0
    initial = [outer.add("Expand", starts.get(s, zero), state_shape) for s in neuron.state_names]

    done = _float_step(neuron, body, "x_now", values)
    records = [body.add("Identity", done.state[0].name, out="membrane_now")]
    outputs = ["membrane"]
    if neuron.spiking:
        records.insert(0, body.cast(done.out.name, np.float32, out="spikes_now"))
        outputs.insert(0, "spikes")
    after = _named_after(body, neuron.state_names, done.state)
    states = zip(neuron.state_names, initial, after, strict=True)
    scan(
        outer,
        body,
        name="time",
        states=[State(name, start, end, np.float32) for name, start, end in states],
        scanned=[Scanned("x_now", "x", np.float32)],
        recorded=[Scanned(*pair, np.float32) for pair in zip(records, outputs, strict=True)],
    )
    return _function(float_op(neuron), ["x", "dt", *parameter_names(neuron)], outputs, outer)


def float_step_function(neuron: Neuron) -> FunctionProto:
    """The function of one step of a FLOAT neuron.

    Inputs: its registers and x, float32; dt and its arrays as in `float_function`.
    Outputs: its registers after the step, and what leaves it: spikes, or the potential.
    """
    block = Block("value")
    done = _float_step(neuron, block, "x", _float_values(neuron, block))
    outputs = _named_after(block, neuron.state_names, done.state)
    outputs.append(block.cast(done.out.name, np.float32, out="out"))
    inputs = [*neuron.state_names, "x", "dt", *parameter_names(neuron)]
    return _function(float_op(neuron) + ONE_STEP, inputs, outputs, block)


def _float_values(neuron: Neuron, block: Block) -> dict[str, str]:
    """The numbers of a step in float32, from dt and the neuron's arrays."""
    values: dict[str, str] = {}
    for name in parameter_names(neuron):
        value = name
        if name in _LEAKS:  # in the precision of tau_inv, as `ir.neurons.leak` says
            value = block.add("Mul", block.add("CastLike", "dt", name), name)
        values[_LEAKS.get(name, name)] = block.cast(value, np.float32)
    return values


def _float_step(neuron: Neuron, block: Block, x: str, values: dict[str, str]) -> Step:
    numbers: dict[str, Any] = dict.fromkeys(f.name for f in fields(StepParameters))
    numbers.update((name, Symbol(block, value, np.float32)) for name, value in values.items())
    state = tuple(Symbol(block, s, np.float32) for s in neuron.state_names)
    return neuron.step(OnnxOps(), state, Symbol(block, x, np.float32), StepParameters(**numbers))


def fixed_function(node: CubaLIF, host_bias: bool, attributes: Sequence[str]) -> FunctionProto:
    """The function of a population, in int64.

    Inputs: a (batch, steps, *shape) int64, what the synapses bring; the registers, int64,
    () or shape. With host_bias, bias_mant is (batch, steps, *shape) int32 instead.
    Outputs: spikes (batch, steps, *shape) uint8; membrane int32, after the reset.

    Args:
        node: The population; its reset is what the function does at a spike.
        host_bias: Whether the host writes the bias mantissas.
        attributes: Names of the tensors that its nodes carry for the reader.
    """
    outer, body = Block("value"), Block("step")
    constants = _fixed_constants(node, outer, body, "bias_now" if host_bias else None)
    state_shape = _state_shape(outer, "a")
    initial = [
        outer.add("Expand", outer.constant(0, np.int64), state_shape),
        outer.add("Expand", "v_init", state_shape),
    ]

    done = _fixed_step(node, body, "a_now", constants)
    spikes = body.cast(done.out.name, np.uint8, out="spikes_now")
    membrane = body.cast(done.state[1].name, np.int32, out="membrane_now")
    scanned = [Scanned("a_now", "a", np.int64)]
    if host_bias:
        scanned.append(Scanned("bias_now", "bias_mant", np.int32))
    states = zip(STATE, initial, _named_after(body, STATE, done.state), strict=True)
    scan(
        outer,
        body,
        name="time",
        states=[State(name, start, end, np.int64) for name, start, end in states],
        scanned=scanned,
        recorded=[
            Scanned(spikes, "spikes", np.uint8),
            Scanned(membrane, "membrane", np.int32),
        ],
    )
    name = fixed_op(node, host_bias)
    return _function(name, ["a", *REGISTERS], ["spikes", "membrane"], outer, attributes)


def fixed_step_function(node: CubaLIF, host_bias: bool, attributes: Sequence[str]) -> FunctionProto:
    """The function of one step of a population, in int64.

    Inputs: u, v and a (batch, 1, *shape); the registers as in `fixed_function`, of which
    bias_mant is (batch, 1, *shape) int32 with host_bias. Outputs: u, v, spikes as uint8.
    """
    block = Block("value")
    constants = _fixed_constants(node, block, block, "bias_mant" if host_bias else None)
    done = _fixed_step(node, block, "a", constants)
    outputs = _named_after(block, STATE, done.state)
    outputs.append(block.cast(done.out.name, np.uint8, out="spikes"))
    name = fixed_op(node, host_bias) + ONE_STEP
    return _function(name, [*STATE, "a", *REGISTERS], outputs, block, attributes)


def _fixed_constants(
    node: CubaLIF, outer: Block, body: Block, bias_now: str | None
) -> FixedConstants:
    """The numbers of a step; bias_now are the mantissas that the host wrote, in the body."""
    du, dv, vth = (Symbol(outer, name, np.int64) for name in ("du", "dv", "vth"))
    # Powers are looked up, for ONNX shifts unsigned integers only.
    power = outer.add("Gather", outer.constant(1 << np.arange(8), np.int64), "bias_exp")
    if bias_now:
        mantissa = Symbol(body, body.cast(bias_now, np.int64), np.int64)
        bias = mantissa * Symbol(body, power, np.int64)
    else:
        bias = Symbol(outer, "bias_mant", np.int64) * Symbol(outer, power, np.int64)
    return node.constants_of(du, dv, vth, bias)


def _fixed_step(node: CubaLIF, block: Block, a: str, constants: FixedConstants) -> FixedStep:
    inside = FixedConstants(*(Symbol(block, c.name, np.int64) for c in constants))
    u, v = (Symbol(block, name, np.int64) for name in STATE)
    return node.step(OnnxOps(), (u, v), Symbol(block, a, np.int64), inside)


def _named_after(block: Block, names: Sequence[str], state: Sequence[Symbol]) -> list[str]:
    """The registers after a step, under names of their own."""
    pairs = zip(names, state, strict=True)
    return [block.add("Identity", s.name, out=f"{name}_next") for name, s in pairs]


def pass_on_function(name: str, attributes: Sequence[str]) -> FunctionProto:
    """A function that changes nothing: a named place for what only the reader needs."""
    outer = Block("value")
    outer.add("Identity", "x", out="y")
    return _function(name, ["x"], ["y"], outer, attributes)


def _state_shape(block: Block, x: str) -> str:
    """Shape of one step of x: (batch, *shape). Batch and steps stay symbolic."""
    batch = block.add("Shape", x, start=0, end=1)
    return block.add("Concat", batch, block.add("Shape", x, start=2), axis=0)


def _function(
    name: str,
    inputs: Sequence[str],
    outputs: Sequence[str],
    block: Block,
    attributes: Sequence[str] = (),
) -> FunctionProto:
    return helper.make_function(
        DOMAIN,
        name,
        list(inputs),
        list(outputs),
        block.nodes,
        [helper.make_opsetid("", OPSET)],
        list(attributes),
    )
