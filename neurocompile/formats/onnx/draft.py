"""An ONNX graph under construction, into which layers write.

In:  a checked graph, then each of its layers.
Out: nodes, inputs, outputs, initializers, and the JSON entries that describe the layers.
Every array is kept once, and every value has its own name.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from onnx import AttributeProto, NodeProto, TensorProto, ValueInfoProto, helper

from neurocompile.errors import BadInput
from neurocompile.formats.onnx.fields import encode, halved
from neurocompile.formats.onnx.ops import DOMAIN, TYPES, NodeList, tensor
from neurocompile.formats.onnx.tensors import chunks
from neurocompile.ir.arrays import Array
from neurocompile.ir.fixed import BiasInput, ChipNeuron, SpikeInput, Synapse
from neurocompile.ir.graph import Graph
from neurocompile.ir.nodes import Input, Shape
from neurocompile.ir.payloads import payload_type

BATCH_STEPS = ".batch_steps"  # no layer has an empty name, so none collides


def every_node(nodes: Iterable[NodeProto]) -> Iterator[NodeProto]:
    """Every node, each followed by those in the body of its loop."""
    for node in nodes:
        yield node
        for attribute in node.attribute:
            if attribute.type == AttributeProto.GRAPH:
                yield from every_node(attribute.g.node)


def held_back(nodes: NodeList, value: str, steps: int, axes: int) -> str:
    """Name of a value (batch, steps, ...) with `axes` more axes, delayed, with zeros before it."""
    pads = np.zeros((2, axes + 2), dtype=np.int64)
    pads[0, 1] = steps
    longer = nodes.add("Pad", value, nodes.constant(pads.ravel(), np.int64))
    start, end, axis = (nodes.constant([n], np.int64) for n in (0, -steps, 1))
    return nodes.add("Slice", longer, start, end, axis)


class Draft:
    """An ONNX graph under construction.

    Attributes:
        graph: Graph that is written.
        shapes: Output shape of each node.
        values: Name of the output value of each node.
        nodes, inputs, outputs, initializers: Parts of the ONNX graph.
        entries: One JSON entry per node of the graph.
        carried: Names of the tensors that the nodes of our own ops carry for readers.
        looped: Names of the layers in a loop.
        apart: Values that do not go into the file, by name of their initializer.
    """

    def __init__(self, graph: Graph, shapes: dict[str, Shape], apart: Iterable[str] = ()) -> None:
        self.graph = graph
        self.shapes = shapes
        self.values: dict[str, str] = {}
        self.nodes: list[NodeProto] = []
        self.inputs: list[ValueInfoProto] = []
        self.outputs: list[ValueInfoProto] = []
        self.initializers: dict[str, TensorProto] = {}
        self.entries: list[dict[str, Any]] = []
        self.carried: dict[str, set[str]] = defaultdict(set)
        self.looped: set[str] = set()
        self.apart: dict[str, Iterator[Array]] = dict.fromkeys(apart, iter(()))
        self._batch_steps: str | None = None

    def node_list(self, name: str) -> NodeList:
        """A list whose nodes go directly into this graph."""
        return NodeList(name, self.nodes)

    def lasting(self, nodes: NodeList) -> NodeList:
        """The list for what no step changes: here the same as for everything else."""
        return nodes

    def delayed(self, nodes: NodeList, name: str, source: str, delay: int) -> str:
        """Name of a node's output, `delay` steps later, for the layer that asks for it.

        Zeros come before it; what is later than the last step is lost.
        """
        return held_back(nodes, self.values[source], delay, len(self.shapes[source]))

    def staggered(
        self,
        lists: tuple[NodeList, NodeList],
        name: str,
        values: str,
        late: Array,
        dtype: Any = np.int64,
    ) -> str:
        """What is sent or arrives, (batch, steps, n), later by a number of steps of each neuron.

        Args:
            lists: List to which the nodes are appended, and that for what no step changes.
            name: Name of the layer, whose `late` is stored.
            values: Name of the value.
            late: Further steps of each neuron, (n,).
            dtype: Type of the value.
        """
        nodes, lasting = lists
        stored, at = self.graph.nodes[name].late, f"{name}.late"
        if stored.dtype != np.int64:
            at = lasting.cast(at, np.int64)
        if stored.shape != late.shape:
            at = lasting.add("Reshape", at, lasting.constant(late.shape, np.int64))
        total = ""
        for steps in np.unique(late).tolist():
            due = self.earlier(nodes, name, values, steps, (late, dtype)) if steps else values
            these = nodes.add("Equal", at, nodes.constant(steps, np.int64))
            due = nodes.add("Where", these, due, nodes.constant(0, dtype))
            total = nodes.add("Add", total, due) if total else due
        return total

    def earlier(
        self, nodes: NodeList, name: str, values: str, steps: int, what: tuple[Array, Any]
    ) -> str:
        """Values of a layer, (batch, steps, n), some steps ago; `what` are all steps and a type."""
        return held_back(nodes, values, steps, axes=1)

    def span(
        self, nodes: NodeList, name: str, value: str, shape: Shape, longest: int, dtype: Any
    ) -> str:
        """A value (batch, longest + steps, *shape): it, after as many steps before it."""
        pads = np.zeros((2, len(shape) + 2), dtype=np.int64)
        pads[0, 1] = longest
        return nodes.add("Pad", value, nodes.constant(pads.ravel(), np.int64))

    def add_input(self, name: str, elem_type: int, shape: Shape) -> None:
        """Declare an input, with batch and steps as its first axes."""
        self.inputs.append(_info(name, elem_type, shape))
        self.values[name] = name

    def add_output(self, value: str, elem_type: int, shape: Shape) -> str:
        """Declare a value as an output and return it."""
        self.outputs.append(_info(value, elem_type, shape))
        return value

    def describe(self, name: str) -> dict[str, TensorProto]:
        """Record a node's fields, and return the tensors that its ONNX node must carry."""
        node = self.graph.nodes[name]
        carried: dict[str, TensorProto] = {}

        def store(path: str, array: Array) -> dict[str, Any]:
            entry: dict[str, Any] = {"array": f"{name}.{path}"}
            weights = isinstance(node, Synapse) and path == f"op_{node.op.weight_field}"
            if weights:
                entry["dtype"] = str(array.dtype)
            if self._only_for_readers(name, path):
                carried[path] = tensor(array)
            else:
                self._initialize(f"{name}.{path}", array, weights)
            return entry

        self.entries.append({"name": name, **encode(node, store)})
        return carried

    def _initialize(self, name: str, array: Array, weights: bool) -> None:
        """Store an array as an initializer; weights of a synapse halved to int8."""
        if name not in self.apart:
            self.initializers[name] = tensor(halved(array) if weights else array, name)
            return
        elem_type = TensorProto.INT8 if weights else TYPES[array.dtype]
        self.initializers[name] = TensorProto(name=name, data_type=elem_type, dims=array.shape)
        self.apart[name] = (halved(part) if weights else part for part in chunks(array))

    def call(
        self, op: str, inputs: list[str], outputs: list[str], name: str, **carried: TensorProto
    ) -> None:
        """Append a node of our own domain, with the tensors that it carries."""
        self.nodes.append(
            helper.make_node(op, inputs, outputs, name=name, domain=DOMAIN, **carried)
        )
        self.carried[op].update(carried)

    def host_bias(self, name: str) -> bool:
        """Whether the host writes the bias registers of a population."""
        nodes = self.graph.nodes
        return any(isinstance(nodes[before], BiasInput) for before in self.graph.before(name))

    def batch_steps(self) -> str:
        """Name of the value [batch, steps], taken from the first input."""
        if self._batch_steps is None:
            first, _ = self.first_input()
            nodes = self.node_list(".batch")
            self._batch_steps = nodes.add("Shape", first, out=BATCH_STEPS, start=0, end=2)
        return self._batch_steps

    def first_input(self) -> tuple[str, Any]:
        """Name of the first input, which every file has, and the type of its values."""
        name, node = next(self.graph.of(Input, SpikeInput, BiasInput))
        types = {Input: np.float32, SpikeInput: payload_type(node), BiasInput: np.int32}
        return name, types[type(node)]

    def refuse_collisions(self) -> None:
        """Raise BadInput if two values share a name because of how layers are called."""
        names = Counter(
            [o for node in every_node(self.nodes) for o in node.output]
            + list(self.initializers)
            + [i.name for i in self.inputs]
        )
        twice = [name for name, count in names.items() if count > 1]
        if twice:
            raise BadInput(
                f"two values of the ONNX file would be called '{twice[0]}'. Rename a layer so "
                "that no name is another's followed by '.'."
            )

    def _only_for_readers(self, name: str, path: str) -> bool:
        """Whether the file keeps an array without computing with it."""
        node = self.graph.nodes[name]
        if isinstance(node, ChipNeuron):
            replaced = path == "bias_mant" and self.host_bias(name)
            return replaced or path not in node.registers
        return isinstance(node, BiasInput)


def _info(name: str, elem_type: int, shape: Shape) -> ValueInfoProto:
    return helper.make_tensor_value_info(name, elem_type, ["batch", "steps", *shape])
