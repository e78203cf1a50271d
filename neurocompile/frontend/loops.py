"""A forward that loops over time, as the record of one step after another.

In:  torch.fx's record of the whole forward, with all of its rounds.
Out: a record in which every call has its step, for the interpreter; how the result is read.
A neuron layer's calls count the steps (`loop_calls`). Any other call is of the latest step among
its arguments.
What is computed from the whole input, before the loop, is computed in every step anew. That the
rounds are then one and the same is not assumed here: `recurrence` compares them.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import Any

import torch
from norse import torch as norse
from torch import Tensor, fx, nn
from torch.fx.node import map_aggregate

from neurocompile.frontend import functions, joins
from neurocompile.frontend.loop_calls import Call, calls, one_step, state_of
from neurocompile.frontend.loop_input import InputPart, moved, moves
from neurocompile.frontend.loop_record import StepRecord
from neurocompile.frontend.loop_result import Reading, Result
from neurocompile.frontend.loop_values import AfterLoop, At, Constant, Each, Filling, Series
from neurocompile.frontend.record import attribute, ends_here
from neurocompile.frontend.recurrence import is_silent
from neurocompile.frontend.rules import lengthens
from neurocompile.frontend.tracer import Tracer

EACH_LAYER = (nn.Linear, nn.Identity, nn.Dropout, nn.ReLU)
EACH_FUNCTION = frozenset(
    {*functions.PRODUCTS, *functions.QUOTIENTS, *functions.RELUS, *joins.ADDITIONS}
)


@dataclass(frozen=True, eq=False)
class Loop:
    """A forward over time.

    Attributes:
        record: One step after another, with an input and a result for each.
        example: One step of the example input, (N, ...).
        steps: How many there are.
        axis: Where the input has time; None where every step sees the same input.
        reading: What the forward returns of the steps.
        rate: Probability of a spike per unit of the input, where Norse's Poisson encoder makes
            the spikes; None without it.
        calls: Of neuron layers, in their order.
        advice: How to write the forward where this reading of it is wrong.
    """

    record: fx.Graph
    example: Tensor
    steps: int
    axis: int | None
    reading: Reading
    rate: float | None
    calls: tuple[Call, ...]
    advice: str


class Unrolled:
    """Walks the record of all rounds once."""

    def __init__(self, record: fx.Graph, root: nn.Module, tracer: Tracer, example: Tensor):
        """Hold the record and count its steps.

        Args:
            record: Of one call of the module.
            root: Has the traced module as its child ROOT.
            tracer: That recorded it, which knows the shapes.
            example: What it was given: with a time axis, or without where every step sees all.
        """
        self.old, self.root, self.tracer, self.example = record, root, tracer, example
        self.calls = calls(record, root)
        self.steps = max((call.step + 1 for call in self.calls.values()), default=0)
        for node in record.nodes:
            module: Any = root.get_submodule(str(node.target)) if node.op == "call_module" else None
            self.steps = max(self.steps, module.seq_length if lengthens(module) else 0)
        self.record = StepRecord(tracer, example, self.steps, one_step(self.calls.values()))
        self.refuse = self.record.refuse
        self.values = self.record.values
        self.begun: dict[str, int] = {}  # calls of layers whose first call got zeros
        self.rate: float | None = None
        self.result = Result(
            self.values,
            self.steps,
            self._module,
            tracer.example_of,
            self.record.applied,
            self.record.alike,
            self.refuse,
        )

    def read(self) -> Loop:
        """The forward as one step after another.

        Raises:
            Unsupported: Naming the line that is no part of a loop over time.
        """
        self._check_lengths()
        result: Reading | None = None
        for node in self.old.nodes:
            if node.op == "placeholder":
                ids = torch.arange(self.example.numel()).reshape(self.example.shape)
                self.values[node] = InputPart(ids)
            elif node.op == "output":
                result = self.result.reading(node.args[0])
            else:
                self.values[node] = self._value(node)
        if self.record.axis is not None and self.record.whole is not None:
            raise self.refuse(self.record.whole, "the input is used with all of its steps at once")
        assert result is not None  # every record ends in its output
        ends_here(self.record.graph, [value.node for value in result.values])
        axis = self.record.axis
        example = self.example if axis is None else self.example.select(axis, 0)
        return Loop(
            self.record.graph,
            example,
            self.steps,
            axis,
            result,
            self.rate,
            tuple(self.calls.values()),
            self.record.advice,
        )

    def _check_lengths(self) -> None:
        lengths: dict[str, tuple[fx.Node, int]] = {}
        for node, call in self.calls.items():
            lengths[call.name] = (node, call.step + 1)
        for name, (node, length) in lengths.items():
            if length != self.steps:
                raise self.refuse(
                    node,
                    f"layer '{name}' is called in {length} of {self.steps} steps, or goes on from "
                    "another state than its last",
                )

    def _value(self, node: fx.Node) -> Any:
        """What a call gives."""
        args: list[Any] = []

        def look_up(value: Any) -> Any:
            looked_up = self.values[value] if isinstance(value, fx.Node) else value
            args.append(looked_up)
            return looked_up

        arguments: Any = (node.args, node.kwargs)
        known_args, known_kwargs = map_aggregate(arguments, look_up)
        x, *others = known_args or (None,)
        if isinstance(x, Filling) and self.result.parts(x):
            x = Series(x.values, x.axis)
        if node.op == "get_attr":
            value = attribute(self.root, str(node.target))
            return Constant(self.record.copy(node, 0), is_silent(value))
        if node.op == "call_module" and lengthens(self._module(node)):
            return self._encoded(node, x)
        if isinstance(x, InputPart) and moves(node.target, others):
            return moved(node.target, x, others, known_kwargs)
        if functions.picks(node.target) and isinstance(x, tuple):
            return x[others[0]]
        if node.target is operator.setitem:
            return self._written(node, x, *others)
        if isinstance(x, list | tuple):
            series = self._put_together(node, x, others, known_kwargs)
            if series is not None:
                return series
        if isinstance(x, Series):
            return self._of_series(node, x, args, others, known_kwargs)
        if any(isinstance(a, Series | Filling | AfterLoop) for a in args):
            return self._of_all_series(node, args) or AfterLoop()
        return self._in_a_step(node, args)

    def _put_together(self, node: fx.Node, x: Any, others: list[Any], kwargs: Any) -> Series | None:
        """Values of steps that follow each other, stacked; or series of them, concatenated."""
        example = self.tracer.example_of(node)
        axis = others[0] if others else kwargs.get("dim", 0)
        axis = axis % example.dim() if isinstance(example, Tensor) else axis
        values: list[At] = []
        for value in x:
            if node.target in joins.STACKS and isinstance(value, At):
                values.append(value)
            elif (
                node.target in joins.CONCATENATIONS
                and isinstance(value, Series)
                and value.axis == axis
            ):
                values += value.values
            else:
                return None
        steps = [value.step for value in values]
        follow = steps == list(range(steps[0], steps[0] + len(steps)))
        return Series(tuple(values), axis) if follow and len(steps) > 1 else None

    def _of_series(
        self, node: fx.Node, x: Series, args: list[Any], others: list[Any], kwargs: Any
    ) -> Any:
        """What a call makes of the values of all steps: one of them, all in another shape, ..."""
        example = self.tracer.example_of(node.all_input_nodes[0])
        if moves(node.target, others) and isinstance(example, Tensor):
            ids = torch.arange(example.numel()).reshape(example.shape)
            result = moved(node.target, InputPart(ids), others, kwargs)
            single = isinstance(result, InputPart)
            values = [self._moved(node, x, ids, part) for part in ([result] if single else result)]
            if all(value is not None for value in values):
                return values[0] if single else tuple(values)
        return self._of_all_series(node, args) or AfterLoop()

    def _moved(self, node: fx.Node, x: Series, ids: Tensor, part: InputPart) -> Any:
        """A step of a series, or all steps in another shape; None where it is neither."""
        if len(x.values) == self.steps:
            flat = part.ids.reshape(-1)
            for at in x.values:
                if torch.equal(flat, ids.select(x.axis, at.step).reshape(-1)):
                    return self.record.reshaped(node, at, tuple(part.ids.shape))
        for axis, length in enumerate(part.ids.shape):
            steps = [(part.ids.select(axis, s), ids.select(x.axis, s)) for s in range(self.steps)
                     ] if length == self.steps else []  # fmt: skip
            if steps and all(torch.equal(a.reshape(-1), b.reshape(-1)) for a, b in steps):
                shape = tuple(steps[0][0].shape)
                return Series(tuple(self.record.reshaped(node, at, shape) for at in x.values), axis)
        return None

    def _of_all_series(self, node: fx.Node, args: list[Any]) -> Series | None:
        """A call on all steps at once that does the same to each; None where it may not."""
        series = [a for a in args if isinstance(a, Series)]
        axes = {a.axis for a in series}
        layer = self._module(node) if node.op == "call_module" else None
        same = isinstance(layer, EACH_LAYER) or node.target in EACH_FUNCTION
        joined = node.target in joins.CONCATENATIONS
        plain = all(not isinstance(a, At | Filling | AfterLoop) for a in args)
        if not (same or joined) or len(axes) != 1 or not plain:
            return None
        (axis,) = axes
        dims = self.tracer.example_of(node).dim()
        call_args, call_kwargs = node.args, node.kwargs
        if joined:
            along = call_args[1] if len(call_args) > 1 else call_kwargs.get("dim", 0)
            along = along % dims
            if along == axis:
                return None
            call_args, call_kwargs = (call_args[0], along - (along > axis)), {}
        elif isinstance(layer, nn.Linear) and axis == dims - 1:
            return None
        values = []
        for step in range(self.steps):
            args_, kwargs_ = self.record.arguments(node, (call_args, call_kwargs), step)
            shape = list(self.tracer.example_of(node).shape)
            del shape[axis]
            copy = self.record.put(node, node.op, node.target, args_, kwargs_, step, shape)
            values.append(At(copy, step))
        return Series(tuple(values), axis)

    def _in_a_step(self, node: fx.Node, args: list[Any]) -> Any:
        """A call inside of a round, or before the loop."""
        ats = [self.record.as_step(node, a) for a in args if isinstance(a, At | Each | InputPart)]
        latest = max((a.step for a in ats if isinstance(a, At)), default=None)
        call = self.calls.get(node)
        if call is not None:
            given = state_of(node)
            state = self.values.get(given) if isinstance(given, fx.Node) else None
            if isinstance(state, At) and state.step != call.step - 1:
                raise self.refuse(node, "the state is not that of the step before")
            if latest is not None and latest > call.step:
                raise self.refuse(
                    node,
                    f"call {call.step + 1} of this layer is given a value of step {latest + 1}. "
                    "Every round takes its own step",
                )
            return At(self.record.copy(node, call.step), call.step)
        if latest is not None:
            target = str(node.target)
            if node.op == "call_module" and target in self.begun:
                self.begun[target] += 1
                latest = max(latest, self.begun[target])
            return At(self.record.copy(node, latest), latest)
        if ats:
            return Each(tuple(self.record.copy(node, step) for step in range(self.steps)))
        if node.op == "call_module":
            step = self.begun[str(node.target)] = self.begun.get(str(node.target), -1) + 1
            return At(self.record.copy(node, step), step)
        return Constant(self.record.copy(node, 0), False)

    def _module(self, node: fx.Node) -> nn.Module:
        return self.root.get_submodule(str(node.target))

    def _encoded(self, node: fx.Node, x: Any) -> Series:
        """What an encoder of Norse makes of the input: a value in each step, time first."""
        if not isinstance(x, InputPart | Each):
            raise self.refuse(node, "this encodes what is no constant input")
        module: Any = self._module(node)
        if module.seq_length != self.steps:
            raise self.refuse(
                node, f"this encodes {module.seq_length} steps, the loop has {self.steps}"
            )
        each = self.record.as_step(node, x)
        if not isinstance(each, Each):
            raise self.refuse(node, "this encodes one step of an input over time")
        nodes, shape = each.nodes, self.tracer.example_of(node).shape[1:]
        if isinstance(module, norse.PoissonEncoder):
            self.rate = module.dt * module.f_max
            self.record.shapes.update((x, tuple(self.example.shape)) for x in self.record.inputs)
        else:
            nodes = tuple(
                self.record.put(node, node.op, node.target, (nodes[step],), {}, step, shape)
                for step in range(self.steps)
            )
        return Series(tuple(At(n, step) for step, n in enumerate(nodes)), 0)

    def _written(self, node: fx.Node, x: Any, index: Any, value: Any) -> Filling:
        """A tensor of the forward after a step was written into it."""
        shape = self.tracer.example_of(node).shape
        marked = torch.zeros(shape, dtype=torch.bool)
        marked[index] = True
        axes = [
            axis
            for axis in range(marked.dim())
            if marked.shape[axis] > 1 and int(marked.any(_others(marked, axis)).sum()) == 1
        ]
        before = x.values if isinstance(x, Filling) else ()
        step = len(before)
        if not isinstance(value, At) or not isinstance(x, Constant | Filling) or len(axes) != 1:
            raise self.refuse(node, "this writes something else than one step into a tensor")
        (axis,) = axes
        full = marked.select(axis, step) if step < marked.shape[axis] else marked.new_zeros(1)
        if value.step != step or not bool(full.all()):
            raise self.refuse(node, "this writes steps in another order than they come in")
        return Filling((*before, value), axis, int(marked.shape[axis]))


def _others(tensor: Tensor, axis: int) -> tuple[int, ...]:
    return tuple(other for other in range(tensor.dim()) if other != axis)
