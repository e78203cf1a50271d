"""Neurons as ONNX functions: their own step, repeated over the time axis by a Scan.

In:  a neuron of either vocabulary.
Out: a model-local function of our domain, its body in standard ONNX.
The step is the neuron's own `step` method; what is written here is the loop around it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import numpy as np
from onnx import FunctionProto, helper

from neurocompile.exchange.onnx_ops import DOMAIN, OPSET, TYPES, Block, OnnxOps, Symbol
from neurocompile.ir.fixed import CubaLIF, FixedConstants
from neurocompile.ir.neurons import Neuron, StepParameters

# The registers of a population that go into its function, in the order of its inputs.
REGISTERS = CubaLIF.registers
_LEAKS = {"tau_mem_inv": "mem_leak", "tau_syn_inv": "syn_leak"}


def float_op(neuron: Neuron) -> str:
    """Name of the function that runs a FLOAT neuron: its class, and its reset if not "zero"."""
    return type(neuron).__name__ + _reset_suffix(getattr(neuron, "reset", "zero"))


def fixed_op(node: CubaLIF, host_bias: bool) -> str:
    """Name of the function that runs a population."""
    return type(node).__name__ + _reset_suffix(node.reset) + ("HostBias" if host_bias else "")


def _reset_suffix(reset: str) -> str:
    return "" if reset == "zero" else reset.capitalize()


def parameter_names(neuron: Neuron) -> list[str]:
    """Names of the arrays of a FLOAT neuron, in the order of its function's inputs."""
    return [f.name for f in fields(neuron) if f.name != "reset"]


def float_function(neuron: Neuron) -> FunctionProto:
    """The function of a FLOAT neuron, in float32.

    Inputs: x (batch, steps, *shape) float32; dt () float64, seconds; the neuron's arrays,
    float32 or float64. Outputs: membrane (batch, steps, *shape) float32 after the reset;
    before it, of a neuron that spikes, spikes (batch, steps, *shape) float32 of 0 and 1.
    """
    outer, body = Block("value"), Block("step")
    names = parameter_names(neuron)
    values: dict[str, Any] = dict.fromkeys(("mem_leak", "syn_leak", "v_leak", "v_th", "v_reset"))
    for name in names:
        value = name
        if name in _LEAKS:  # in the precision of tau_inv, as `ir.neurons.leak` says
            value = outer.add("Mul", outer.add("CastLike", "dt", name), name)
        values[_LEAKS.get(name, name)] = outer.cast(value, np.float32)

    state_shape = _state_shape(outer, "x")
    zero = outer.constant(0.0, np.float32)
    starts = {"v": values["v_leak"]}  # at the start v = v_leak and i = 0
    initial = [outer.add("Expand", starts.get(s, zero), state_shape) for s in neuron.state_names]

    symbols = {k: v and Symbol(body, v, np.float32) for k, v in values.items()}
    state = tuple(Symbol(body, s, np.float32) for s in neuron.state_names)
    done = neuron.step(
        OnnxOps(), state, Symbol(body, "x_now", np.float32), StepParameters(**symbols)
    )

    records = [body.add("Identity", done.state[0].name, out="membrane_now")]
    outputs = ["membrane"]
    if neuron.spiking:
        records.insert(0, body.cast(done.out.name, np.float32, out="spikes_now"))
        outputs.insert(0, "spikes")
    _scan(
        outer,
        body,
        dtype=np.float32,
        states=list(zip(neuron.state_names, initial, done.state, strict=True)),
        scanned=[("x_now", "x", np.float32)],
        recorded=list(zip(records, outputs, [np.float32] * len(records), strict=True)),
    )
    return _function(float_op(neuron), ["x", "dt", *names], outputs, outer)


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
    du, dv, vth = (Symbol(outer, name, np.int64) for name in ("du", "dv", "vth"))
    # Powers are looked up, for ONNX shifts unsigned integers only.
    power = outer.add("Gather", outer.constant(1 << np.arange(8), np.int64), "bias_exp")
    if host_bias:
        mantissa = Symbol(body, body.cast("bias_now", np.int64), np.int64)
        bias = mantissa * Symbol(body, power, np.int64)
    else:
        bias = Symbol(outer, "bias_mant", np.int64) * Symbol(outer, power, np.int64)
    constants = node.constants_of(du, dv, vth, bias)
    state_shape = _state_shape(outer, "a")
    initial = [
        outer.add("Expand", outer.constant(0, np.int64), state_shape),
        outer.add("Expand", "v_init", state_shape),
    ]

    inside = FixedConstants(*(Symbol(body, c.name, np.int64) for c in constants))
    state = (Symbol(body, "u", np.int64), Symbol(body, "v", np.int64))
    done = node.step(OnnxOps(), state, Symbol(body, "a_now", np.int64), inside)

    spikes = body.cast(done.out.name, np.uint8, out="spikes_now")
    membrane = body.cast(done.state[1].name, np.int32, out="membrane_now")
    scanned: list[tuple[str, str, Any]] = [("a_now", "a", np.int64)]
    if host_bias:
        scanned.append(("bias_now", "bias_mant", np.int32))
    _scan(
        outer,
        body,
        dtype=np.int64,
        states=list(zip(("u", "v"), initial, done.state, strict=True)),
        scanned=scanned,
        recorded=[(spikes, "spikes", np.uint8), (membrane, "membrane", np.int32)],
    )
    name = fixed_op(node, host_bias)
    return _function(name, ["a", *REGISTERS], ["spikes", "membrane"], outer, attributes)


def pass_on_function(name: str, attributes: Sequence[str]) -> FunctionProto:
    """A function that changes nothing: a named place for what only the reader needs."""
    outer = Block("value")
    outer.add("Identity", "x", out="y")
    return _function(name, ["x"], ["y"], outer, attributes)


def _state_shape(block: Block, x: str) -> str:
    """Shape of one step of x: (batch, *shape). Batch and steps stay symbolic."""
    batch = block.add("Shape", x, start=0, end=1)
    return block.add("Concat", batch, block.add("Shape", x, start=2), axis=0)


def _scan(
    outer: Block,
    body: Block,
    *,
    dtype: Any,
    states: list[tuple[str, str, Symbol]],
    scanned: list[tuple[str, str, Any]],
    recorded: list[tuple[str, str, Any]],
) -> None:
    """Append the loop over axis 1.

    Args:
        outer: Gets the Scan.
        body: Holds a step.
        dtype: Of the states.
        states: Name in the body, value at the start, value after the step.
        scanned: Name in the body, sequence outside, type.
        recorded: Name in the body, sequence outside, type.
    """
    after = [body.add("Identity", s.name, out=f"{name}_next") for name, _, s in states]
    graph = helper.make_graph(
        body.nodes,
        "step",
        [_info(n, dtype) for n, _, _ in states] + [_info(n, t) for n, _, t in scanned],
        [_info(n, dtype) for n in after] + [_info(n, t) for n, _, t in recorded],
    )
    outer.nodes.append(
        helper.make_node(
            "Scan",
            [start for _, start, _ in states] + [sequence for _, sequence, _ in scanned],
            [f"{name}_end" for name, _, _ in states] + [sequence for _, sequence, _ in recorded],
            name="time",
            body=graph,
            num_scan_inputs=len(scanned),
            scan_input_axes=[1] * len(scanned),
            scan_output_axes=[1] * len(recorded),
        )
    )


def _info(name: str, dtype: Any) -> Any:
    return helper.make_tensor_value_info(name, TYPES[np.dtype(dtype)], None)


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
