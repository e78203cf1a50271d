"""From torch.fx's record of a forward pass to a FLOAT graph.

In:  fx nodes in order of execution; the modules they call; an example of the input.
Out: one graph for each step that was recorded.
Shapes come from running the layers on the example. Neurons are not run: they keep the shape,
and what follows them sees a pattern of 0 and 1.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from norse import torch as norse
from torch import Tensor, fx, nn
from torch.fx.node import map_aggregate
from torch.nn.parameter import is_lazy

from neurocompile.errors import BadInput, Unsupported
from neurocompile.frontend import functions, joins
from neurocompile.frontend.hints import instead_of_operation
from neurocompile.frontend.record import (
    ROOT,
    attribute,
    collect,
    forward_of,
    run_layer,
    time_step,
)
from neurocompile.frontend.rules import (
    NEURON_MODULES,
    RECURRENT,
    Site,
    has_rule,
    node_of,
    refusal,
    returns_state,
)
from neurocompile.frontend.signals import (
    Signal,
    State,
    check_hooks,
    check_signal,
    check_state,
    check_time,
    pattern_like,
)
from neurocompile.ir.checks import layer
from neurocompile.ir.graph import Edge, Graph
from neurocompile.ir.nodes import LINEAR_OPS, Add, Delay, Identity, Input, Reshape, Shape
from neurocompile.ir.shapes import out_shape

INPUT = "input"


@dataclass(frozen=True, eq=False)
class Traced:
    """One step of a network.

    Attributes:
        graph: With default settings.
        dts: Length of a step by neuron layer, seconds.
    """

    graph: Graph
    dts: dict[str, float]


class Interpreter:
    """Walks the record once, step after step."""

    def __init__(self, root: nn.Module, example: Tensor, leads: int):
        """Hold what all steps share.

        Args:
            root: Has the traced module as its child ROOT.
            example: (N, ...) or (T, N, ...).
            leads: Axes before those of a sample: 1 or 2.
        """
        self.root = root
        self.example = example
        self.leads = leads
        self.step = -1
        self.nodes: dict[str, Any] = {}
        self.edges: list[Edge] = []
        self.dts: dict[str, float] = {}
        self.in_place: list[tuple[str, str]] = []  # what was added to in place, and where

    def run(self, record: fx.Graph) -> list[Traced]:
        """The graph of each step."""
        values: dict[fx.Node, Any] = {}
        steps: list[Traced] = []
        (output,) = (n for n in record.nodes if n.op == "output")
        for result in range(len(output.args[0])):
            self._begin()
            for n in record.nodes:
                if n.op != "output" and n.meta["step"] == self.step:
                    args, kwargs = self._look_up(n.args, values), self._look_up(n.kwargs, values)
                    values[n] = self._call(n, tuple(args), dict(kwargs))
            steps.append(self._finish(self._look_up(output.args[0][result], values)))
        return steps

    def _look_up(self, arguments: Any, values: dict[fx.Node, Any]) -> Any:
        """Arguments with values in the place of nodes; the example is this step's input."""

        def value_of(argument: Any) -> Any:
            value = values[argument] if isinstance(argument, fx.Node) else argument
            return Signal(value, INPUT, self.step) if value is self.example else value

        return map_aggregate(arguments, value_of)

    def _begin(self) -> None:
        shape = tuple(self.example.shape[self.leads :])
        self.step += 1
        self.nodes, self.edges, self.dts = {INPUT: Input(shape)}, [], {}
        self.in_place = []

    def _finish(self, result: Any) -> Traced:
        """The graph of what leads to the output, without what only led to an unused value."""
        output = result[0] if isinstance(result, tuple) and result else result
        if not isinstance(output, Signal):
            raise Unsupported(
                f"the network returns a {type(output).__name__} as its output, but one tensor is "
                "expected. Return (output, state), or the output alone."
            )
        for name, where in self.in_place:
            used = [*self.edges, (output.source, "")]
            joins.check_in_place(name, self.nodes, used, where)
        needed: set[str] = set()
        pending = [output.source]
        while pending:
            name = pending.pop()
            needed.add(name)
            pending += [a for a, b in self.edges if b == name and a not in needed]
        nodes = {n: node for n, node in self.nodes.items() if n in needed | {INPUT}}
        edges = tuple(e for e in self.edges if e[0] in nodes and e[1] in nodes)
        return Traced(Graph(nodes, edges), self.dts)

    def _call(self, n: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if n.op == "placeholder":
            return self.example
        if n.op == "get_attr":
            return attribute(self.root, str(n.target))
        if n.op == "call_module":
            return self._module(str(n.target), args, kwargs)
        return self._operation(n, args, kwargs)

    def _module(self, target: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        module = self.root.get_submodule(target)
        path = target.removeprefix(ROOT).lstrip(".") or type(module).__name__.lower()
        inner = module.lifted_module if isinstance(module, norse.Lift) else module
        if not has_rule(inner):
            is_container = next(inner.children(), None) is not None
            raise refusal(module if is_container else inner, path)
        if any(is_lazy(p) for p in inner.parameters()):
            raise BadInput(
                f"layer '{path}' ({type(inner).__name__}) has no weights yet. "
                "Run the model once before exporting it."
            )
        check_time(module, inner, path, self.leads)
        x, *given = (*args, *kwargs.values())  # by name or not, the input comes first
        check_signal(x, self.step, f"layer '{path}' ({type(module).__name__})")
        is_neuron = isinstance(inner, NEURON_MODULES)
        if is_neuron:
            if path in self.dts:
                raise Unsupported(
                    f"layer '{path}' ({type(inner).__name__}) is called twice in a step, but it "
                    "has one state. Use a layer of its own for each call, and trace the forward "
                    "pass of a single step."
                )
            check_state(path, inner, given, self.step)
        elif not isinstance(inner, norse.RegularizationCell) and given:
            raise Unsupported(
                f"layer '{path}' ({type(inner).__name__}) is called with more than its input. "
                "Set the option when the layer is built."
            )
        if is_neuron:
            check_hooks(module, path, x.value)
            if isinstance(inner, RECURRENT):
                x, comes_back = self._recurrent(path, inner, x)
            out = pattern_like(x.value)
            self.dts[path] = time_step(inner, path)
        elif isinstance(inner, norse.RegularizationCell):
            out = x.value  # running it would count these spikes in its state
        else:
            check_hooks(module, path, x.value)
            out = run_layer(module, path, x.value)
        signal = self._add(path, inner, x, out)
        if isinstance(inner, RECURRENT):  # its spikes come back a step later
            self.edges.append((self._put(f"{path}.late", Delay(1), signal.source), comes_back))
        return (signal, State(path)) if returns_state(module) else signal

    def _operation(self, n: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A function or method call."""
        target: Any = n.target
        name = functions.name_of(target)
        where = forward_of(n)
        carried: list[Signal | State] = []
        map_aggregate((args, kwargs), lambda v: collect(v, carried))
        states = [v for v in carried if isinstance(v, State)]
        if functions.picks(target) and isinstance(args[0], tuple | list | dict):
            return args[0][args[1]]
        if states:
            raise Unsupported(
                f"{where} reads the state of layer '{states[0].layer}' ('{name}'). "
                "Only what a layer gives out can go on to the next."
            )
        if not carried:
            return functions.evaluate(target, args, kwargs)
        x = args[0] if args else None
        if isinstance(x, Signal) and functions.asks_for_numbers(target, args):
            plain = (x.value, *args[1:])
            return functions.evaluate(target, plain, kwargs)
        for value in carried:
            check_signal(value, self.step, where)
        if isinstance(x, Signal) and len(carried) == 1:
            if target in functions.PASSES:
                return x
            module = functions.equivalent(target, args[1:], kwargs)
            if module is not None:
                return self._add(name, module, x, run_layer(module, name, x.value))
            if target in functions.RESHAPES:
                out = functions.evaluate(target, (x.value, *args[1:]), kwargs)
                return self._add(name, None, x, out)
        join = joins.join_of(target, args, kwargs, self.leads, where)
        if join is not None:
            return self._join(name, target, join, where)
        raise Unsupported(
            f"operation '{name}' in {where} is not supported. {instead_of_operation(name)}"
        )

    def _add(self, wanted: str, module: nn.Module | None, x: Signal, out: Tensor) -> Signal:
        """A node of the graph behind a signal; without a module it reshapes."""
        name = self._free(wanted)
        before, after = (tuple(v.shape[self.leads :]) for v in (x.value, out))
        if out.shape[: self.leads] != x.value.shape[: self.leads]:
            axes = "the batch" if self.leads == 1 else "time and the batch"
            raise BadInput(
                f"layer '{name}' turns shape {tuple(x.value.shape)} into {tuple(out.shape)}, which "
                f"changes {axes}. Leave the first {self.leads} axes alone, as in "
                f"Flatten({self.leads})."
            )
        node = Reshape(after) if module is None else node_of(module, Site(name, before, after))
        self._check_shape(name, node, before, after)
        return Signal(out, self._put(name, node, x.source), self.step)

    def _put(self, wanted: str, node: Any, *sources: str) -> str:
        """A node of this name, or of one like it that is free, behind its sources."""
        name = self._free(wanted)
        self.nodes[name] = node
        self.edges += [(source, name) for source in sources]
        return name

    def _recurrent(self, path: str, module: Any, x: Signal) -> tuple[Signal, str]:
        """What a recurrent layer's neurons are given, and the node that its spikes go to late."""
        entering, returning = joins.recurrent_weights(module, path)
        before = tuple(x.value.shape[self.leads :])
        with layer(path, module):
            after = out_shape(entering, before)
            out_shape(returning, after)
        ends = (
            self._put(f"{path}.input_weights", entering, x.source),
            self._put(f"{path}.recurrent_weights", returning),
        )
        total = self._put(f"{path}.sum", Add(), *ends)
        value = x.value.new_zeros((*x.value.shape[: self.leads], *after))
        return Signal(value, total, self.step), ends[1]

    def _join(self, name: str, target: Any, join: joins.Join, where: str) -> Signal:
        """An Add or Concat; a signal that comes twice goes through an Identity once."""
        sources: list[str] = []
        for signal in join.signals:
            again = signal.source in sources
            copy = self._put(f"{name}_again", Identity(), signal.source) if again else ""
            sources.append(copy or signal.source)
        if target in joins.IN_PLACE:
            self.in_place.append((sources[0], where))
        return Signal(join.value, self._put(name, join.node, *sources), self.step)

    def _check_shape(self, name: str, node: Any, before: Shape, after: Shape) -> None:
        if not isinstance(node, LINEAR_OPS):
            return
        with layer(name, node):
            found = out_shape(node, before)
        if found != after:
            raise AssertionError(f"layer '{name}': PyTorch gives {after}, its node {found}")

    def _free(self, wanted: str) -> str:
        """A name that is not taken, in letters that every file format can hold."""
        base = re.sub(r"[^A-Za-z0-9_.\-]", "_", wanted)
        name, count = base, 1
        while name in self.nodes:
            count += 1
            name = f"{base}_{count}"
        return name
