"""The record of a loop, one step after another, while it is written.

In:  calls of the forward's own record, and what is in hand of its values (`loop_values`).
Out: the same calls, each in its step, with the shapes of their results.
A part of the input is an input of its step; `loops` says which step a call belongs to.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, fx
from torch.fx.node import map_aggregate

from neurocompile.errors import Unsupported
from neurocompile.frontend.lines import line_text
from neurocompile.frontend.loop_input import InputPart
from neurocompile.frontend.loop_values import At, Constant, Each, Series
from neurocompile.frontend.tracer import Tracer


class StepRecord:
    """Calls of all steps, each with the shape of its result and the step that it belongs to."""

    def __init__(self, tracer: Tracer, example: Tensor, steps: int, advice: str):
        """Begin with an input for each step.

        Args:
            tracer: That recorded the forward, which knows the shapes.
            example: Input of the forward: with a time axis, or without where every step sees all.
            steps: How many there are.
            advice: How to write the forward where it cannot be read.
        """
        self.tracer, self.example, self.steps, self.advice = tracer, example, steps, advice
        self.graph = fx.Graph()
        self.inputs = tuple(self.graph.placeholder(f"x{step}") for step in range(steps))
        self.shapes: dict[fx.Node, tuple[int, ...]] = {}  # of what is in this record
        self.values: dict[fx.Node, Any] = {}  # what each call of the forward gave
        self.axis: int | None = None  # where the input has time
        self.whole: fx.Node | None = None  # where the input was used with all its steps at once

    def refuse(self, node: fx.Node | None, found: str) -> Unsupported:
        """An error that names a line of the forward and shows the form of one step."""
        where = "" if node is None else f"{line_text(node.meta['line'])}: "
        return Unsupported(f"{where}{found}. {self.advice}")

    def copy(self, node: fx.Node, step: int) -> fx.Node:
        """The call in the record of steps."""
        args, kwargs = self.arguments(node, (node.args, node.kwargs), step)
        shape = getattr(self.tracer.example_of(node), "shape", ())
        return self.put(node, node.op, node.target, args, kwargs, step, shape)

    def put(
        self, node: fx.Node, op: str, target: Any, args: Any, kwargs: Any, step: int, shape: Any
    ) -> fx.Node:
        """A call in the record of steps, with what is known of the one that it stands for."""
        copy = self.graph.create_node(op, target, args, kwargs)
        copy.meta.update(node.meta)
        copy.meta["step"] = step
        self.shapes[copy] = tuple(shape)
        return copy

    def arguments(self, node: fx.Node, arguments: Any, step: int) -> Any:
        """The arguments of a call in the record of steps."""

        def argument(value: Any) -> Any:
            if not isinstance(value, fx.Node):
                return value
            copied = self.values[value]
            copied = (
                copied.values[step] if isinstance(copied, Series) else self.as_step(node, copied)
            )
            return copied.nodes[step] if isinstance(copied, Each) else copied.node

        return map_aggregate(arguments, argument)

    def as_step(self, node: fx.Node, value: Any) -> Any:
        """A part of the input as a value of its step, or of each where it is all of the input."""
        if not isinstance(value, InputPart):
            if not isinstance(value, At | Each | Constant):
                raise self.refuse(node, "this is no call inside of a round")
            return value
        place = value.place(self.example.shape)
        if place is None:
            raise self.refuse(
                node, "this takes neither one step of the input nor all of it in its order"
            )
        axis, step = place
        shape = tuple(value.ids.shape)
        if axis is None:
            self.whole = self.whole or node
            before = tuple(self.example.shape)
            return Each(
                tuple(self._shaped(node, step, before, shape) for step in range(self.steps))
            )
        if self.axis not in (None, axis):
            raise self.refuse(node, f"this takes axis {axis} for time, others axis {self.axis}")
        self.axis = axis
        if step >= self.steps:
            raise self.refuse(node, f"this takes step {step + 1} of {self.steps} steps")
        before = tuple(self.example.select(axis, 0).shape)
        return At(self._shaped(node, step, before, shape), step)

    def reshaped(self, node: fx.Node, at: At, shape: tuple[int, ...]) -> At:
        """A value of a step in a shape."""
        if self.shapes[at.node] == shape:
            return at
        args = (at.node, shape)
        reshaped = self.put(node, "call_function", torch.reshape, args, {}, at.step, shape)
        return At(reshaped, at.step)

    def _shaped(
        self, node: fx.Node, step: int, before: tuple[int, ...], shape: tuple[int, ...]
    ) -> fx.Node:
        """The input of a step in the shape in which a call takes it."""
        x = self.inputs[step]
        self.shapes[x] = before
        return self.reshaped(node, At(x, step), shape).node

    def alike(self, last: At) -> tuple[At, ...]:
        """A value of the last step, with those of the other steps that are computed like it."""
        like: list[list[fx.Node]] = [[] for _ in range(self.steps)]
        for node in self.graph.nodes:
            if (node.op, node.target) == (last.node.op, last.node.target):
                like[node.meta["step"]].append(node)
        place = like[last.step].index(last.node)
        nodes = [of_step[min(place, len(of_step) - 1)] for of_step in like if of_step]
        if len(nodes) == self.steps:
            return tuple(At(node, step) for step, node in enumerate(nodes))
        # What is only done to the last step is done to each.
        given = [n for n in last.node.all_input_nodes if n.meta.get("step") == last.step]
        others = {n: self.alike(At(n, last.step)) for n in given}
        copies = []
        for step in range(self.steps):

            def argument(value: Any, step: int = step) -> Any:
                known = others.get(value) if isinstance(value, fx.Node) else None
                return value if known is None else known[step].node

            arguments: Any = (last.node.args, last.node.kwargs)
            args, kwargs = map_aggregate(arguments, argument)
            shape = self.shapes[last.node]
            copy = self.put(last.node, last.node.op, last.node.target, args, kwargs, step, shape)
            copies.append(At(copy, step))
        return tuple(copies)

    def applied(self, node: fx.Node, values: tuple[At, ...]) -> tuple[At, ...]:
        """What a layer after the loop makes of the value of each step."""
        shape = getattr(self.tracer.example_of(node), "shape", ())
        return tuple(
            At(self.put(node, node.op, node.target, (at.node,), {}, at.step, shape), at.step)
            for at in values
        )
