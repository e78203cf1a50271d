"""Emit ONNX nodes by writing ordinary arithmetic: the `ops` of a neuron's step, as a file.

In:  a neuron's own `step`, called with `OnnxOps` and ONNX values instead of arrays.
Out: the same step as ONNX nodes, in the order in which Python evaluated it.
Nothing here knows any neuron: a step is written once, in `ir`, and only replayed here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from onnx import NodeProto, TensorProto, helper, numpy_helper

from neurocompile.ir.arrays import Array
from neurocompile.ir.ops import decayed, wrap_once

DOMAIN = "ai.neurocompile"
DOMAIN_VERSION = 1
OPSET = 18  # the first with AveragePool, Pad and ScatterElements as used here
IR_VERSION = 9

TYPES: dict[Any, int] = {
    np.dtype(np.float32): TensorProto.FLOAT,
    np.dtype(np.float64): TensorProto.DOUBLE,
    np.dtype(np.int8): TensorProto.INT8,
    np.dtype(np.uint8): TensorProto.UINT8,
    np.dtype(np.int16): TensorProto.INT16,
    np.dtype(np.int32): TensorProto.INT32,
    np.dtype(np.int64): TensorProto.INT64,
}


class NodeList:
    """Nodes under construction, in order: of a graph, of a function or of a loop's body.

    Attributes:
        prefix: Prefix of the name of every value made here, so that names do not collide.
        protos: Nodes so far. If a list is given, the new nodes are appended to it.
    """

    def __init__(self, prefix: str, protos: list[NodeProto] | None = None) -> None:
        self.prefix = prefix
        self.protos = [] if protos is None else protos
        self._count = 0
        self._constants: dict[tuple[Any, ...], str] = {}

    def add(
        self,
        op_type: str,
        *inputs: str,
        out: str | None = None,
        name: str | None = None,
        domain: str = "",
        **attributes: Any,
    ) -> str:
        """Append a node with one output and return the name of that output.

        Args:
            op_type: ONNX operator or function.
            inputs: Names of the input values.
            out: Name of the output; a new one if None.
            name: Name of the node; that of the output if None.
            domain: Domain of the operator.
            attributes: Attributes of the node.
        """
        if out is None:
            out = f"{self.prefix}/{self._count}"
            self._count += 1
        self.protos.append(
            helper.make_node(
                op_type,
                list(inputs),
                [out],
                name=name or out,
                domain=domain or None,
                **attributes,
            )
        )
        return out

    def constant(self, values: Any, dtype: Any) -> str:
        """Name of a constant; the same numbers are written once per list."""
        array = np.asarray(values, dtype=dtype)
        key = (array.dtype, array.shape, array.tobytes())
        if key not in self._constants:
            self._constants[key] = self.add("Constant", value=tensor(array))
        return self._constants[key]

    def cast(self, value: str, dtype: Any, out: str | None = None) -> str:
        """A value in another number type."""
        return self.add("Cast", value, out=out, to=TYPES[np.dtype(dtype)])


@dataclass(frozen=True, eq=False)
class OnnxValue:
    """A value in a file under construction; arithmetic on it appends nodes.

    Attributes:
        nodes: List to which its operations go: that of the value, or that of a loop inside.
        name: Name of the value.
        dtype: Type that plain numbers get in an operation with it.
    """

    nodes: NodeList
    name: str
    dtype: Any

    def _emit(self, op_type: str, *operands: Any) -> OnnxValue:
        names = [operand_name(self, x) for x in operands]
        return OnnxValue(self.nodes, self.nodes.add(op_type, *names), self.dtype)

    def __add__(self, other: Any) -> OnnxValue:
        return self._emit("Add", self, other)

    def __radd__(self, other: Any) -> OnnxValue:
        return self._emit("Add", other, self)

    def __sub__(self, other: Any) -> OnnxValue:
        return self._emit("Sub", self, other)

    def __rsub__(self, other: Any) -> OnnxValue:
        return self._emit("Sub", other, self)

    def __mul__(self, other: Any) -> OnnxValue:
        return self._emit("Mul", self, other)

    def __rmul__(self, other: Any) -> OnnxValue:
        return self._emit("Mul", other, self)

    def __gt__(self, other: Any) -> OnnxValue:
        return self._emit("Greater", self, other)

    def __lt__(self, other: Any) -> OnnxValue:
        return self._emit("Less", self, other)


class OnnxOps:
    """The operations of `ir.ops.Ops` as ONNX nodes."""

    def divide_toward_zero(self, x: OnnxValue, power: int) -> OnnxValue:
        """x / 2**power, the fraction cut off, as ONNX's Div does with integers."""
        return x._emit("Div", x, 1 << power)

    def clip(self, x: OnnxValue, low: int, high: int) -> OnnxValue:
        """x limited to [low, high]."""
        return x._emit("Clip", x, low, high)

    def where(self, condition: OnnxValue, yes: Any, no: Any) -> OnnxValue:
        """Yes where the condition holds, else no."""
        value = yes if isinstance(yes, OnnxValue) else no
        names = [operand_name(value, x) for x in (yes, no)]
        name = value.nodes.add("Where", condition.name, *names)
        return OnnxValue(value.nodes, name, value.dtype)

    def wrap(self, x: OnnxValue) -> Any:
        """x brought once by 2^24 into (-2^23, 2^23]."""
        return wrap_once(self, x)

    def decay(self, x: OnnxValue, keep: OnnxValue) -> Any:
        """x keep / 4096, the fraction cut off."""
        return decayed(self, x, keep)


def operand_name(neighbour: OnnxValue, x: Any) -> str:
    """Name of an operand; a plain number becomes a constant in the type of its neighbour."""
    return x.name if isinstance(x, OnnxValue) else neighbour.nodes.constant(x, neighbour.dtype)


def tensor(array: Array, name: str | None = None) -> TensorProto:
    """An array as a tensor in little-endian bytes."""
    return numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), name)


class LoopState(NamedTuple):
    """A value that a loop over time keeps from step to step.

    Attributes:
        name: Name in the body, before the step.
        start: Name of the initial value, outside the loop.
        after: Name in the body, after the step.
        dtype: Type of all three.
    """

    name: str
    start: str
    after: str
    dtype: Any


class Scanned(NamedTuple):
    """A sequence of which a loop over time reads or writes one slice per step.

    Attributes:
        now: Name of the slice, in the body.
        sequence: Name of the whole sequence, outside the loop.
        dtype: Type of both.
    """

    now: str
    sequence: str
    dtype: Any


def scan(
    outer: NodeList,
    body: NodeList,
    *,
    name: str,
    states: list[LoopState],
    scanned: list[Scanned],
    recorded: list[Scanned],
) -> None:
    """Append a loop over axis 1 to the outer nodes; the body holds one step."""
    graph = helper.make_graph(
        body.protos,
        "step",
        [_info(s.name, s.dtype) for s in states] + [_info(s.now, s.dtype) for s in scanned],
        [_info(s.after, s.dtype) for s in states] + [_info(s.now, s.dtype) for s in recorded],
    )
    outer.protos.append(
        helper.make_node(
            "Scan",
            [s.start for s in states] + [s.sequence for s in scanned],
            [f"{s.name}_end" for s in states] + [s.sequence for s in recorded],
            name=name,
            body=graph,
            num_scan_inputs=len(scanned),
            scan_input_axes=[1] * len(scanned),
            scan_output_axes=[1] * len(recorded),
        )
    )


def scan_through(
    outer: NodeList,
    body: NodeList,
    name: str,
    each: tuple[str, str],
    total: tuple[str, str, str],
) -> str:
    """Append a loop over axis 0 of a sequence of whole numbers, which adds to a total.

    Args:
        outer, body: Lists around and in the loop.
        name: Name of the loop.
        each: Name of an entry in the body, and of the sequence outside.
        total: Names of the total in the body before, of its start outside, in the body after.

    Returns:
        Name of the total at the end, int64.
    """
    before, start, after = total
    takes = [_info(taken, np.int64) for taken in (before, each[0])]
    graph = helper.make_graph(body.protos, "turn", takes, [_info(after, np.int64)])
    inputs, end = [start, each[1]], f"{before}_end"
    node = helper.make_node("Scan", inputs, [end], name=name, body=graph, num_scan_inputs=1)
    outer.protos.append(node)
    return end


def _info(name: str, dtype: Any) -> Any:
    return helper.make_tensor_value_info(name, TYPES[np.dtype(dtype)], None)
