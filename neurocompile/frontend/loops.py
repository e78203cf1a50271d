"""A forward that loops over time, as the record of one step after another.

In:  torch.fx's record of the whole forward, with all of its rounds.
Out: a record in which every call has its step, for the interpreter; how the result is read.
A neuron layer's calls count the steps: the call that takes no state is of step 0, the one that
takes what that returned is of step 1. Any other call is of the latest step among its arguments.
What is computed from the whole input, before the loop, is computed in every step anew. That the
rounds are then one and the same is not assumed here: `recurrence` compares them.
"""

from __future__ import annotations

import operator
from collections import Counter
from dataclasses import dataclass
from typing import Any

import torch
from norse import torch as norse
from torch import Tensor, fx, nn
from torch.fx.node import map_aggregate

from neurocompile.errors import Unsupported
from neurocompile.frontend import functions, joins
from neurocompile.frontend.lines import line_text
from neurocompile.frontend.loop_input import InputPart, moved, moves
from neurocompile.frontend.loop_result import Reading, Result
from neurocompile.frontend.loop_values import At, Behind, Constant, Each, Filling, Series
from neurocompile.frontend.record import ROOT, attribute, ends_here
from neurocompile.frontend.recurrence import is_silent
from neurocompile.frontend.rules import NEURON_MODULES, lengthens, returns_state
from neurocompile.frontend.stateful import calling_of
from neurocompile.frontend.tracer import Tracer

STATE_NAMES = ("state", "hx", "spk", "syn", "mem")
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


@dataclass(frozen=True)
class Call:
    """One call of a neuron layer.

    Attributes:
        layer: Its path in the user's module.
        name: Of its neurons: a cell that is called with two states is two layers of neurons.
        step: Counts the calls.
    """

    layer: str
    name: str
    step: int


def calls(record: fx.Graph, root: nn.Module) -> dict[fx.Node, Call]:
    """The calls of neuron layers in a record, each with its step."""
    numbered: dict[fx.Node, Call] = {}
    hidden: dict[str, Call] = {}  # layers that keep their states themselves
    names: dict[str, int] = {}
    for node in record.nodes:
        module: Any = root.get_submodule(str(node.target)) if node.op == "call_module" else None
        calling = calling_of(module) if isinstance(module, nn.Module) else None
        if calling is None and not isinstance(
            getattr(module, "lifted_module", module), NEURON_MODULES
        ):
            continue
        path = str(node.target).removeprefix(ROOT).lstrip(".")
        own = returns_state(module) if calling is None else _state_of(node) is not None
        before = numbered.get(_origin(_state_of(node))) if own else hidden.get(path)
        if before is None:
            names[path] = names.get(path, 0) + 1
            base = path or type(module).__name__.lower()
            name = base if names[path] == 1 else f"{base}_{names[path]}"
            numbered[node] = Call(path, name, 0)
        else:
            numbered[node] = Call(path, before.name, before.step + 1)
        hidden[path] = numbered[node]
    return numbered


def loops(record: fx.Graph, root: nn.Module) -> bool:
    """Whether a record holds more than one step."""
    modules = [root.get_submodule(str(n.target)) for n in record.nodes if n.op == "call_module"]
    numbered = calls(record, root)
    started = Counter((c.layer, n.meta["line"]) for n, c in numbered.items() if c.step == 0)
    again = [node for node, c in numbered.items() if started[c.layer, node.meta["line"]] > 2]
    if again:  # SequentialState has several calls on one line, but each of another layer
        raise Unsupported(
            f"{line_text(again[0].meta['line'])}: layer '{numbered[again[0]].layer}' is called in "
            "every round without the state that it returned, and starts anew each time. Hand the "
            "state on: z, s = self.lif(x, s), with s = None before the loop."
        )
    return any(c.step > 0 for c in numbered.values()) or any(lengthens(m) for m in modules)


def _state_of(call: fx.Node) -> Any:
    """The state that a neuron layer is called with."""
    given = [call.kwargs[name] for name in STATE_NAMES if name in call.kwargs]
    return call.args[1] if len(call.args) > 1 else next(iter(given), None)


def _origin(state: Any) -> Any:
    """The call that returned a state."""
    picked = isinstance(state, fx.Node) and functions.picks(state.target)
    return state.args[0] if picked else None


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
        self.new = fx.Graph()
        self.inputs = tuple(self.new.placeholder(f"x{step}") for step in range(self.steps))
        self.values: dict[fx.Node, Any] = {}
        # Shapes of what is in the record of steps.
        self.shapes: dict[fx.Node, tuple[int, ...]] = {}
        self.axis: int | None = None
        self.whole: fx.Node | None = None  # where the input was used with all its steps at once
        self.begun: dict[str, int] = {}  # calls of layers whose first call got zeros
        self.rate: float | None = None
        self.result = Result(
            self.values,
            self.steps,
            self._module,
            tracer.example_of,
            self._applied,
            self._alike,
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
        if self.axis is not None and self.whole is not None:
            raise self.refuse(self.whole, "the input is used with all of its steps at once")
        assert result is not None  # every record ends in its output
        ends_here(self.new, [value.node for value in result.values])
        example = self.example if self.axis is None else self.example.select(self.axis, 0)
        return Loop(
            self.new,
            example,
            self.steps,
            self.axis,
            result,
            self.rate,
            tuple(self.calls.values()),
            self.one_step(),
        )

    def refuse(self, node: fx.Node | None, found: str) -> Unsupported:
        """An error that names a line of the forward and shows the form of one step."""
        where = "" if node is None else f"{line_text(node.meta['line'])}: "
        return Unsupported(f"{where}{found}. {self.one_step()}")

    def one_step(self) -> str:
        """The lines of code of the form in which every network can be read."""
        layers = {call.name: call.layer for call in self.calls.values()} or {"lif": "lif"}
        if len(layers) == 1:
            (layer,) = layers.values()
            body = f"        z, state = self.{layer}(..., state)\n        return z, state"
        else:
            names = [f"s{i}" for i in range(len(layers))]
            body = f"        {', '.join(names)} = state or [None] * {len(names)}\n"
            for name, layer in zip(names, layers.values(), strict=True):
                body += f"        z, {name} = self.{layer}(..., {name})\n"
            body += f"        return z, ({', '.join(names)})"
        return (
            "Write what one round does as a forward of one step, and give save an example of one "
            "step:\n"
            "    def forward(self, x, state=None):  # x: (N, ...)\n"
            f"{body}"
        )

    def _alike(self, last: At) -> tuple[At, ...]:
        """A value of the last step, with those of the other steps that are computed like it."""
        like: list[list[fx.Node]] = [[] for _ in range(self.steps)]
        for node in self.new.nodes:
            if (node.op, node.target) == (last.node.op, last.node.target):
                like[node.meta["step"]].append(node)
        place = like[last.step].index(last.node)
        nodes = [of_step[min(place, len(of_step) - 1)] for of_step in like if of_step]
        if len(nodes) == self.steps:
            return tuple(At(node, step) for step, node in enumerate(nodes))
        # What is only done to the last step is done to each.
        given = [n for n in last.node.all_input_nodes if n.meta.get("step") == last.step]
        others = {n: self._alike(At(n, last.step)) for n in given}
        copies = []
        for step in range(self.steps):

            def argument(value: Any, step: int = step) -> Any:
                known = others.get(value) if isinstance(value, fx.Node) else None
                return value if known is None else known[step].node

            arguments: Any = (last.node.args, last.node.kwargs)
            args, kwargs = map_aggregate(arguments, argument)
            shape = self.shapes[last.node]
            copy = self._put(last.node, last.node.op, last.node.target, args, kwargs, step, shape)
            copies.append(At(copy, step))
        return tuple(copies)

    def _applied(self, node: fx.Node, values: tuple[At, ...]) -> tuple[At, ...]:
        """What a layer behind the loop makes of the value of each step."""
        shape = getattr(self.tracer.example_of(node), "shape", ())
        return tuple(
            At(self._put(node, node.op, node.target, (at.node,), {}, at.step, shape), at.step)
            for at in values
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
            return Constant(self._copy(node, 0), is_silent(value))
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
        if any(isinstance(a, Series | Filling | Behind) for a in args):
            return self._of_all_series(node, args) or Behind()
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
        return self._of_all_series(node, args) or Behind()

    def _moved(self, node: fx.Node, x: Series, ids: Tensor, part: InputPart) -> Any:
        """A step of a series, or all steps in another shape; None where it is neither."""
        if len(x.values) == self.steps:
            flat = part.ids.reshape(-1)
            for at in x.values:
                if torch.equal(flat, ids.select(x.axis, at.step).reshape(-1)):
                    return self._reshaped(node, at, tuple(part.ids.shape))
        for axis, length in enumerate(part.ids.shape):
            steps = [(part.ids.select(axis, s), ids.select(x.axis, s)) for s in range(self.steps)
                     ] if length == self.steps else []  # fmt: skip
            if steps and all(torch.equal(a.reshape(-1), b.reshape(-1)) for a, b in steps):
                shape = tuple(steps[0][0].shape)
                return Series(tuple(self._reshaped(node, at, shape) for at in x.values), axis)
        return None

    def _reshaped(self, node: fx.Node, at: At, shape: tuple[int, ...]) -> At:
        """A value of a step in a shape."""
        if self.shapes[at.node] == shape:
            return at
        args = (at.node, shape)
        reshaped = self._put(node, "call_function", torch.reshape, args, {}, at.step, shape)
        return At(reshaped, at.step)

    def _of_all_series(self, node: fx.Node, args: list[Any]) -> Series | None:
        """A call on all steps at once that does the same to each; None where it may not."""
        series = [a for a in args if isinstance(a, Series)]
        axes = {a.axis for a in series}
        layer = self._module(node) if node.op == "call_module" else None
        same = isinstance(layer, EACH_LAYER) or node.target in EACH_FUNCTION
        joined = node.target in joins.CONCATENATIONS
        plain = all(not isinstance(a, At | Filling | Behind) for a in args)
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
            args_, kwargs_ = self._arguments(node, (call_args, call_kwargs), step)
            shape = list(self.tracer.example_of(node).shape)
            del shape[axis]
            copy = self._put(node, node.op, node.target, args_, kwargs_, step, shape)
            values.append(At(copy, step))
        return Series(tuple(values), axis)

    def _in_a_step(self, node: fx.Node, args: list[Any]) -> Any:
        """A call inside of a round, or before the loop."""
        ats = [self._as_step(node, a) for a in args if isinstance(a, At | Each | InputPart)]
        latest = max((a.step for a in ats if isinstance(a, At)), default=None)
        call = self.calls.get(node)
        if call is not None:
            given = _state_of(node)
            state = self.values.get(given) if isinstance(given, fx.Node) else None
            if isinstance(state, At) and state.step != call.step - 1:
                raise self.refuse(node, "the state is not that of the step before")
            if latest is not None and latest > call.step:
                raise self.refuse(
                    node,
                    f"call {call.step + 1} of this layer is given a value of step {latest + 1}. "
                    "Every round takes its own step",
                )
            return At(self._copy(node, call.step), call.step)
        if latest is not None:
            target = str(node.target)
            if node.op == "call_module" and target in self.begun:
                self.begun[target] += 1
                latest = max(latest, self.begun[target])
            return At(self._copy(node, latest), latest)
        if ats:
            return Each(tuple(self._copy(node, step) for step in range(self.steps)))
        if node.op == "call_module":
            step = self.begun[str(node.target)] = self.begun.get(str(node.target), -1) + 1
            return At(self._copy(node, step), step)
        return Constant(self._copy(node, 0), False)

    def _copy(self, node: fx.Node, step: int) -> fx.Node:
        """The call in the record of steps."""
        args, kwargs = self._arguments(node, (node.args, node.kwargs), step)
        shape = getattr(self.tracer.example_of(node), "shape", ())
        return self._put(node, node.op, node.target, args, kwargs, step, shape)

    def _arguments(self, node: fx.Node, arguments: Any, step: int) -> Any:
        """The arguments of a call in the record of steps."""

        def argument(value: Any) -> Any:
            if not isinstance(value, fx.Node):
                return value
            copied = self.values[value]
            copied = (
                copied.values[step] if isinstance(copied, Series) else self._as_step(node, copied)
            )
            return copied.nodes[step] if isinstance(copied, Each) else copied.node

        return map_aggregate(arguments, argument)

    def _put(
        self, node: fx.Node, op: str, target: Any, args: Any, kwargs: Any, step: int, shape: Any
    ) -> fx.Node:
        """A call in the record of steps, with what is known of the one that it stands for."""
        copy = self.new.create_node(op, target, args, kwargs)
        copy.meta.update(node.meta)
        copy.meta["step"] = step
        self.shapes[copy] = tuple(shape)
        return copy

    def _as_step(self, node: fx.Node, value: Any) -> Any:
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

    def _shaped(
        self, node: fx.Node, step: int, before: tuple[int, ...], shape: tuple[int, ...]
    ) -> fx.Node:
        """The input of a step in the shape in which a call takes it."""
        x = self.inputs[step]
        self.shapes[x] = before
        return self._reshaped(node, At(x, step), shape).node

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
        each = self._as_step(node, x)
        if not isinstance(each, Each):
            raise self.refuse(node, "this encodes one step of an input over time")
        nodes, shape = each.nodes, self.tracer.example_of(node).shape[1:]
        if isinstance(module, norse.PoissonEncoder):
            self.rate = module.dt * module.f_max
            self.shapes.update((x, tuple(self.example.shape)) for x in self.inputs)
        else:
            nodes = tuple(
                self._put(node, node.op, node.target, (nodes[step],), {}, step, shape)
                for step in range(self.steps)
            )
        return Series(tuple(At(n, step) for step, n in enumerate(nodes)), 0)

    def _written(self, node: fx.Node, x: Any, index: Any, value: Any) -> Filling:
        """A tensor of the forward behind the write of a step into it."""
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
