"""One node of a plain ONNX file as its rule sees it: signals, constants, attributes, refusals.

In:  a NodeProto and the values that stand before it.
Out: `Call`, which gives a rule what it asks for or refuses by node and operator.
An attribute that no rule took is refused, so that nothing is read past.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from onnx import AttributeProto, NodeProto

from neurocompile.errors import Unsupported
from neurocompile.formats.onnx.tensors import stored
from neurocompile.ir.arrays import Array
from neurocompile.ir.nodes import Shape

BATCH, STEPS, FOLDED = "batch", "steps", "batch * steps"
Lead = tuple[str, ...]


@dataclass(frozen=True, eq=False)
class PlainSignal:
    """What leaves a layer, as an ONNX value.

    Attributes:
        layer: Name of a layer of the graph under construction.
        shape: Shape of one step of one sample.
        lead: Axes before it: (batch, steps), both folded into one, or only batch.
        alone: Whether nothing else takes it, or what lies between it and its layer.
        recorded: Whether it is a potential beside the spikes, which no layer may take.
    """

    layer: str
    shape: Shape
    lead: Lead
    alone: bool = True
    recorded: bool = False

    @property
    def dims(self) -> tuple[Any, ...]:
        """Every axis of the value."""
        return (*self.lead, *self.shape)


Value = PlainSignal | Array | None  # None: an optional input that is left out


class Call:
    """A node with its inputs.

    Attributes:
        node: The node in the file.
        name: Name of the layer that it becomes, unique in the graph.
        inputs: What comes before it.
        opset: Version of standard ONNX in the file.
    """

    def __init__(self, node: NodeProto, name: str, inputs: Sequence[Value], opset: int) -> None:
        self.node = node
        self.name = name
        self.inputs = tuple(inputs)
        self.opset = opset
        self._attributes = {a.name: a for a in node.attribute}

    def refuse(self, wrong: str) -> NoReturn:
        """Raise with this node's name and operator before the sentence."""
        raise Unsupported(f"{self}: {wrong}")

    def __str__(self) -> str:
        """How messages call it."""
        return f"node '{(self.node.name or self.name)[:80]}' ({self.node.op_type[:40]})"

    def signal(self, index: int = 0) -> PlainSignal:
        """An input that must come from a layer."""
        value = self.inputs[index] if index < len(self.inputs) else None
        if not isinstance(value, PlainSignal):
            self.refuse(f"its input {index + 1} must be the signal of a layer, not a constant.")
        if value.recorded:
            self.refuse(
                f"it takes the membrane potential of '{value.layer}', which is only for the "
                "outputs of the file. Take the spikes, the first output of those neurons."
            )
        return value

    def one_step(self, index: int = 0) -> PlainSignal:
        """A signal with one axis before its own: what Conv, Gemm and pools take."""
        signal = self.signal(index)
        if len(signal.lead) != 1:
            self.refuse(
                f"it takes (batch, ...), but its input has the axes {list(signal.dims)}. Put a "
                f"Reshape to {[-1, *signal.shape]} before it and one to "
                "(batch, steps, ...) after it, as docs/onnx.md shows."
            )
        return signal

    def constant(self, index: int, what: str) -> Array:
        """An input that must be known when the file is read."""
        value = self.optional(index, what)
        if value is None:
            self.refuse(f"its input {index + 1}, {what}, is missing.")
        return value

    def optional(self, index: int, what: str) -> Array | None:
        """A constant input, or None where it is left out."""
        value = self.inputs[index] if index < len(self.inputs) else None
        if isinstance(value, PlainSignal):
            self.refuse(f"its input {index + 1}, {what}, must be a constant of the file.")
        if value is not None and value.dtype == object:
            self.refuse(f"its input {index + 1}, {what}, depends on the batch or the steps.")
        return value

    def at_most(self, count: int) -> None:
        """Refuse inputs that no rule reads."""
        if len(self.inputs) > count:
            self.refuse(f"it has {len(self.inputs)} inputs, allowed are up to {count}.")

    def one_output(self, why: str = "has one output here") -> None:
        """Refuse the optional outputs that exist in training only."""
        if any(self.node.output[1:]):
            self.refuse(f"{why}. Remove the outputs after the first.")

    def whole(self, name: str, default: int) -> int:
        """An attribute that is a whole number."""
        attribute = self._take(name, AttributeProto.INT)
        return default if attribute is None else int(attribute.i)

    def wholes(self, name: str, default: Sequence[int]) -> tuple[int, ...]:
        """An attribute that is a list of whole numbers."""
        attribute = self._take(name, AttributeProto.INTS)
        return tuple(default) if attribute is None else tuple(attribute.ints)

    def real(self, name: str, default: float) -> float:
        """An attribute that is a real number."""
        attribute = self._take(name, AttributeProto.FLOAT)
        return default if attribute is None else float(attribute.f)

    def reals(self, name: str) -> tuple[float, ...]:
        """An attribute that is a list of real numbers, or ()."""
        attribute = self._take(name, AttributeProto.FLOATS)
        return () if attribute is None else tuple(attribute.floats)

    def text(self, name: str, default: str) -> str:
        """An attribute that is a text."""
        attribute = self._take(name, AttributeProto.STRING)
        return default if attribute is None else attribute.s.decode(errors="replace")

    def tensor(self, name: str) -> Array | None:
        """An attribute that is a tensor, or None."""
        attribute = self._take(name, AttributeProto.TENSOR)
        return None if attribute is None else stored(attribute.t, f"{self.name}.{name}").array()

    def given(self, name: str) -> bool:
        """Whether an attribute is there and not yet taken."""
        return name in self._attributes

    def only(self, name: str, value: Any, *allowed: Any) -> None:
        """Refuse an attribute's value that has no meaning here."""
        if value not in allowed:
            self.refuse(
                f"its {name} is {str(value)[:60]!r}, allowed is "
                f"{' or '.join(repr(a) for a in allowed)}."
            )

    def done(self) -> None:
        """Refuse attributes that no rule took."""
        for name in self._attributes:
            self.refuse(f"its attribute '{name[:60]}' has no meaning here. Remove it.")

    def _take(self, name: str, kind: int) -> AttributeProto | None:
        attribute = self._attributes.pop(name, None)
        if attribute is not None and (attribute.type != kind or attribute.ref_attr_name):
            self.refuse(
                f"its attribute '{name}' is not of the type "
                f"{AttributeProto.AttributeType.Name(kind)}."  # type: ignore[arg-type]
            )
        return attribute
