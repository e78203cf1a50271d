"""Loops of a network: one Scan over time for all layers that feed each other.

In:  layers that form a loop, and the draft of the file.
Out: a Scan whose body takes one step of all of them; outside, their values like any layer's.
In the body, a value is one step wide, (batch, 1, *shape), so that the rules of `layers.py`
write it unchanged. The loop keeps the registers of neurons, and the content of each delay.
"""

from __future__ import annotations

from functools import singledispatch
from typing import Any

import numpy as np
from onnx import TensorProto

from neurocompile.formats.onnx.draft import Draft
from neurocompile.formats.onnx.layers import arrivals, parameters, payload_elements, write_layer
from neurocompile.formats.onnx.neurons import ONE_STEP, fixed_op, float_op
from neurocompile.formats.onnx.ops import LoopState, NodeList, Scanned, scan, tensor
from neurocompile.ir.arrays import Array
from neurocompile.ir.fixed import ChipNeuron, Synapse
from neurocompile.ir.neurons import Neuron
from neurocompile.ir.nodes import Delay, Shape
from neurocompile.ir.payloads import payload_type


def write_loop(names: tuple[str, ...], draft: Draft) -> None:
    """Append the layers of a loop, in the order of the graph, to the draft."""
    loop = Loop(names, draft)
    # The output of a delay entered it in an earlier step, so it comes before its source.
    first = [name for name in names if _delay(draft.graph.nodes[name])]
    for name in first + [name for name in names if name not in first]:
        step_layer(draft.graph.nodes[name], name, loop)
    loop.finish()


def _delay(node: Any) -> int:
    """Steps by which a layer holds its input back."""
    if isinstance(node, Synapse):
        return node.delay
    return node.steps if isinstance(node, Delay) else 0


class Loop(Draft):
    """One step of the layers of a loop, under construction.

    Attributes:
        outside: The draft around it, with which it shares everything but nodes and values.
        names: Names of its layers.
    """

    def __init__(self, names: tuple[str, ...], outside: Draft) -> None:
        super().__init__(outside.graph, outside.shapes)
        self.outside = outside
        self.names = dict.fromkeys(names)
        self.initializers = outside.initializers
        self.entries = outside.entries
        self.carried = outside.carried
        self.apart = outside.apart
        self._name = f"{names[0]}/loop"
        self._around = outside.node_list(self._name)
        self._here = NodeList(f"{self._name}/now", self.nodes)
        first, end = (self._around.constant([n], np.int64) for n in (0, 1))
        self._batch = self._around.add("Slice", outside.batch_steps(), first, end)
        self._states: list[LoopState] = []
        self._scanned: list[Scanned] = []
        self._recorded: list[Scanned] = []
        self._late: list[tuple[str, str, str, int]] = []
        outside.looped.update(names)
        for before in dict.fromkeys(b for name in names for b in outside.graph.before(name)):
            if before not in self.names:
                self._take(before)
        if not self._scanned:  # a loop that only biases feed still has to know how long it runs
            clock, dtype = outside.first_input()
            self._scanned.append(Scanned(f"{self._name}/clock", clock, dtype))

    def node_list(self, name: str) -> NodeList:
        """A list whose nodes go into the body."""
        return NodeList(f"{name}/now", self.nodes)

    def lasting(self, nodes: NodeList) -> NodeList:
        """A list outside the loop, where a layer puts what no step changes."""
        return NodeList(nodes.prefix.removesuffix("/now"), self.outside.nodes)

    def batch_steps(self) -> str:
        """The value [batch, 1]: a step is one step long."""
        if self._batch_steps is None:
            one = self._around.constant([1], np.int64)
            self._batch_steps = self._around.add("Concat", self._batch, one, axis=0)
        return self._batch_steps

    def start(self, value: str, shape: Shape) -> str:
        """Name of a value (batch, 1, *shape) from one outside, as the start of a state."""
        whole = self._around.constant(shape, np.int64)
        target = self._around.add("Concat", self.batch_steps(), whole, axis=0)
        return self._around.add("Expand", value, target)

    def zeros(self, shape: Shape, dtype: Any) -> str:
        """Name of a value (batch, *shape) of zeros, as the start of a state."""
        whole = self._around.constant(shape, np.int64)
        target = self._around.add("Concat", self._batch, whole, axis=0)
        return self._around.add("ConstantOfShape", target, value=tensor(np.zeros(1, dtype)))

    def keep(self, name: str, start: str, dtype: Any) -> LoopState:
        """Keep a value from step to step, with the given start."""
        state = LoopState(name, start, f"{name}_next", dtype)
        self._states.append(state)
        return state

    def record(self, now: str, sequence: str, dtype: Any) -> None:
        """Let a value of the body leave the loop, with all its steps in one sequence."""
        axis = self._here.constant([1], np.int64)
        self._recorded.append(Scanned(self._here.add("Squeeze", now, axis), sequence, dtype))

    def delayed(self, nodes: NodeList, name: str, source: str, delay: int) -> str:
        """Name of what entered a layer `delay` steps ago: the oldest value that it keeps."""
        shape: Shape = self.shapes[source]
        dtype = payload_type(self.graph.nodes[source]) if self.graph.fixed else np.float32
        state = self.keep(f"{name}/late", self.zeros((delay, *shape), dtype), dtype)
        self._late.append((state.name, state.after, source, delay))
        if delay == 1:
            return state.name
        start, end, axis = (nodes.constant([n], np.int64) for n in (0, 1, 1))
        return nodes.add("Slice", state.name, start, end, axis)

    def earlier(
        self, nodes: NodeList, name: str, values: str, steps: int, what: tuple[Array, Any]
    ) -> str:
        """Values of a layer some steps ago, from those that it keeps: the oldest come first."""
        late, dtype = what
        longest = int(late.max())
        kept = self._kept(name, values, late.shape, longest, dtype)
        if longest == 1:
            return kept
        ends = (nodes.constant([n], np.int64) for n in (longest - steps, longest - steps + 1, 1))
        return nodes.add("Slice", kept, *ends)

    def span(
        self, nodes: NodeList, name: str, value: str, shape: Shape, longest: int, dtype: Any
    ) -> str:
        """A value (batch, longest + 1, *shape): it, after as many steps before it."""
        if not longest:
            return value
        kept = self._kept(name, value, shape, longest, dtype)
        return nodes.add("Concat", kept, value, axis=1)

    def _kept(self, name: str, value: str, shape: Shape, longest: int, dtype: Any) -> str:
        """The name of a layer's values in the steps before, which it keeps."""
        kept = f"{name}/sums"  # no layer has a slash in its name
        if kept not in self.values:
            state = self.keep(kept, self.zeros((longest, *shape), dtype), dtype)
            self._late.append((state.name, state.after, kept, longest))
            self.values[kept] = value
        return kept

    def finish(self) -> None:
        """Append the Scan to the draft outside, and record what leaves the loop."""
        nodes = self._here
        for state, after, source, delay in self._late:
            now = self.values[source]
            if delay == 1:
                nodes.add("Identity", now, out=after)
                continue
            start, end, axis = (nodes.constant([n], np.int64) for n in (1, delay, 1))
            rest = nodes.add("Slice", state, start, end, axis)
            nodes.add("Concat", rest, now, out=after, axis=1)
        for name in self.names:
            inside = all(after in self.names for after in self.graph.after(name))
            if name not in self.outside.values and not inside:  # FLOAT: a map, a join, a delay
                self.outside.values[name] = f"{name}/value"
                self.record(self.values[name], self.outside.values[name], np.float32)
        scan(
            self._around,
            nodes,
            name=self._name,
            states=self._states,
            scanned=self._scanned,
            recorded=self._recorded,
        )

    def _take(self, before: str) -> None:
        """Bring the value of a layer outside into the body, step by step."""
        now, node = f"{self._name}/{before}", self.graph.nodes[before]
        dtype: Any = np.float32
        if self.graph.fixed:  # the sums of a synapse, or what the host writes
            dtype = np.int64 if isinstance(node, Synapse) else np.int32
        self._scanned.append(Scanned(now, self.outside.values[before], dtype))
        self.values[before] = self._here.add("Unsqueeze", now, self._here.constant([1], np.int64))


@singledispatch
def step_layer(node: Any, name: str, loop: Loop) -> None:
    """Append one step of a layer to the body of a loop; by default as outside a loop."""
    write_layer(node, name, loop)


@step_layer.register
def _(node: ChipNeuron, name: str, loop: Loop) -> None:
    carried = loop.describe(name)
    nodes = loop.node_list(name)
    sums, registers = arrivals(node, name, loop, nodes)
    starts = {"v": f"{name}.v_init"}
    for state, constant in {**node.rest, **node.begins}.items():
        value = getattr(node.constants(), constant)
        starts[state] = loop.lasting(nodes).constant(value, np.int64)
    states = {}
    for state in node.state_names:
        at = starts.get(state)
        start = loop.start(at, node.shape) if at else loop.zeros((1, *node.shape), np.int64)
        states[state] = loop.keep(f"{name}/{state}", start, np.int64)
    spikes = f"{name}/spikes"
    op = fixed_op(node, loop.host_bias(name)) + ONE_STEP
    inputs = [*(state.name for state in states.values()), *sums, *registers]
    outputs = [*(state.after for state in states.values()), spikes]
    loop.call(op, inputs, outputs, name, **carried)
    loop.values[name] = spikes
    outside = loop.outside
    outside.values[name] = outside.add_output(f"{name}.spikes", payload_elements(node), node.shape)
    loop.record(spikes, outside.values[name], payload_type(node))
    membrane = outside.add_output(f"{name}.membrane", TensorProto.INT32, node.shape)
    loop.record(nodes.cast(states["v"].after, np.int32), membrane, np.int32)


@step_layer.register
def _(node: Neuron, name: str, loop: Loop) -> None:
    loop.describe(name)
    shape = loop.shapes[name]
    starts, lasting = {}, loop.lasting(loop.node_list(name))
    for state, at in {**node.rest, **({"v": node.start} if node.start else {})}.items():
        starts[state] = loop.start(lasting.cast(f"{name}.{at}", np.float32), shape)
    states = [
        loop.keep(f"{name}/{s}", starts.get(s) or loop.zeros((1, *shape), np.float32), np.float32)
        for s in node.state_names
    ]
    (before,) = loop.graph.before(name)
    inputs = [*(s.name for s in states), loop.values[before], *parameters(node, name, loop)]
    loop.values[name] = f"{name}/out"
    outputs = [*(s.after for s in states), loop.values[name]]
    loop.call(float_op(node) + ONE_STEP, inputs, outputs, name)
    recorded = {"spikes": loop.values[name]} if node.spiking else {}
    recorded["membrane"] = states[0].after
    for what, now in recorded.items():
        sequence = loop.outside.add_output(f"{name}.{what}", TensorProto.FLOAT, shape)
        loop.outside.values.setdefault(name, sequence)
        loop.record(now, sequence, np.float32)
