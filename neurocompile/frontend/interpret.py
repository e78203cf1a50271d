"""From torch.fx's record of a forward pass to a FLOAT graph.

In:  fx nodes in order of execution; the modules they call; an example of the input.
Out: one graph for each step that was recorded.
Shapes come from running the layers on the example. Neurons are not run: they keep the shape,
and what follows them sees a pattern of 0 and 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from norse import torch as norse
from torch import Tensor, fx, nn
from torch.fx.node import map_aggregate
from torch.nn.parameter import is_lazy

from neurocompile.errors import BadInput, NeurocompileError, Refusals, Unsupported
from neurocompile.frontend import functions, joins
from neurocompile.frontend.hints import instead_of_operation
from neurocompile.frontend.lines import Line
from neurocompile.frontend.maxima import is_maximum, neurons_of, pool_of
from neurocompile.frontend.numbers import weights
from neurocompile.frontend.record import (
    ROOT,
    attribute,
    check_behind,
    check_leads,
    collect,
    forward_of,
    run_layer,
    time_step,
)
from neurocompile.frontend.recurrence import Rectified, Silent, Traced, in_order, is_silent
from neurocompile.frontend.rules import (
    NEURON_MODULES,
    RECURRENT,
    WEIGHTED,
    Site,
    has_rule,
    lengthens,
    node_of,
    refusal,
    returns_state,
)
from neurocompile.frontend.signals import (
    CURRENT,
    POTENTIAL,
    Stack,
    TracedNothing,
    TracedSignal,
    TracedState,
    check_given_back,
    check_hooks,
    check_hooks_of,
    check_output,
    check_signal,
    check_state,
    check_time,
    pattern_like,
)
from neurocompile.frontend.site import plain_name
from neurocompile.frontend.stateful import Calling, calling_of, expansion_of, versions
from neurocompile.ir.checks import naming_layer
from neurocompile.ir.graph import Edge, Graph
from neurocompile.ir.nodes import (
    Add,
    AvgPool,
    BatchNorm,
    Concat,
    Delay,
    Identity,
    Input,
    Linear,
    Reshape,
    SumPool,
    Upsample,
)
from neurocompile.ir.pools import CARRIERS, MaxPool, cost, graded
from neurocompile.ir.settings import DT, Assumption
from neurocompile.ir.shapes import out_shape

INPUT = "input"
KEEP_SIGN = (Add, AvgPool, Concat, Identity, Reshape, SumPool, Upsample)


class Interpreter:
    """Walks the record once, step after step."""

    def __init__(
        self,
        root: nn.Module,
        example: Tensor,
        leads: int,
        dt: float = DT,
        max_pool: MaxPool | None = None,
    ):
        """Hold what all steps share.

        Args:
            root: Has the traced module as its child ROOT.
            example: (N, ...) or (T, N, ...).
            leads: Axes before those of a sample: 1 or 2.
            dt: Length of a step for layers that have none of their own, seconds.
            max_pool: "neurons" where a maximum pool of spikes becomes neurons; None refuses it.
        """
        self.dt = dt
        self.max_pool = max_pool
        self.said: dict[str, Assumption] = {}  # what maximum pools became, by node
        self.root = root
        self.example = example
        self.leads = leads
        self.step = -1
        self.nodes: dict[str, Any] = {}
        self.before: dict[str, Any] = {}  # the nodes of the step before
        self.edges: list[Edge] = []
        self.refused = Refusals()  # what no rule covers
        self.line: Line = ("", 0)  # of the user's forward, that is being read
        self.lines: dict[str, Line] = {}
        self.dts: dict[str, float] = {}
        self.in_place: list[tuple[str, str]] = []  # what was added to in place, and where
        self.encoders: set[str] = set()  # neurons that are an encoder of Norse
        self.late: dict[str, str] = {}  # Delay by its source, which is of the step before

    def run(self, record: fx.Graph) -> list[Traced]:
        """The graph of each step."""
        inputs = [n for n in record.nodes if n.op == "placeholder"]
        values: dict[fx.Node, Any] = {
            n: TracedSignal(self.example, INPUT, step) for step, n in enumerate(inputs)
        }
        steps: list[Traced] = []
        (output,) = (n for n in record.nodes if n.op == "output")
        for result in range(len(output.args[0])):
            self._begin()
            for n in record.nodes:
                if n.op not in ("placeholder", "output") and n.meta["step"] == self.step:
                    args, kwargs = self._look_up(n.args, values), self._look_up(n.kwargs, values)
                    self.line = n.meta["line"]
                    values[n] = self._read(n, tuple(args), dict(kwargs))
            self.refused.answer()
            steps.append(self._finish(self._look_up(output.args[0][result], values)))
        return steps

    def _look_up(self, arguments: Any, values: dict[fx.Node, Any]) -> Any:
        """Arguments with values in the place of nodes."""
        return map_aggregate(arguments, lambda a: values[a] if isinstance(a, fx.Node) else a)

    def _present(self, arguments: Any) -> Any:
        """Arguments, in which a signal of the step before comes out of a Delay."""

        def present(value: Any) -> Any:
            if not isinstance(value, TracedSignal) or value.step != self.step - 1:
                return value
            if value.source not in self.late:
                self.late[value.source] = self._put(f"{value.source}.late", Delay(1))
            return TracedSignal(value.value, self.late[value.source], self.step)

        return map_aggregate(arguments, present)

    def _begin(self) -> None:
        shape = tuple(self.example.shape[self.leads :])
        self.step += 1
        self.before = self.nodes
        self.nodes, self.edges, self.dts = {INPUT: Input(shape)}, [], {}
        self.in_place, self.late, self.encoders, self.lines = [], {}, set(), {}
        self.said = {}

    @property
    def _seen(self) -> str:
        """How the example was read, for one whose axes are others than its user thinks."""
        shape = tuple(self.example.shape)
        one = shape[self.leads :]
        if self.leads == 1:
            return (
                f"The example {shape} is read as one step, (N, ...), of samples of shape {one}: "
                "where its first axis is time, give one step of it, or let all layers take all "
                "steps (step_mode='m' in SpikingJelly)."
            )
        return (
            f"The example {shape} is read as all steps, (T, N, ...), of samples of shape {one}: "
            "put time first and a batch after it, or let all layers do one step (step_mode='s' in "
            "SpikingJelly)."
        )

    def _finish(self, output: Any) -> Traced:
        """The graph of what leads to the output, without what only led to an unused value."""
        if isinstance(output, Stack):
            raise Unsupported(f"the network returns a stack. {instead_of_operation('stack')}")
        check_output(output)
        check_signal(output, self.step, "the output of the network")
        self._check_rectified()
        nodes, edges = in_order(self.nodes, self.edges, self.late)
        for name, where in self.in_place:
            used = [*edges, (output.source, "")]
            joins.check_in_place(name, self.nodes, used, where)
        needed: set[str] = set()
        pending = [output.source]
        while pending:
            name = pending.pop()
            needed.add(name)
            pending += [a for a, b in edges if b == name and a not in needed]
        nodes = {n: node for n, node in nodes.items() if n in needed | {INPUT}}
        kept = tuple(e for e in edges if e[0] in nodes and e[1] in nodes)
        late = frozenset(self.late.values())
        lines, said = dict(self.lines), tuple(v for n, v in self.said.items() if n in nodes)
        return Traced(Graph(nodes, kept), self.dts, output.source, late, lines, said)

    def _read(self, n: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """What a call gives; one that is refused gives a signal like its own, to read on with."""
        try:
            return self._call(n, args, kwargs)
        except Unsupported as error:
            self.refused.errors.append(error)
        except NeurocompileError as error:
            if self.refused:  # what follows a refusal may be wrong for no other reason
                raise self.refused.error() from error
            raise
        carried: list[Any] = []
        map_aggregate((args, kwargs), lambda v: collect(v, carried))
        x = next((value for value in carried if isinstance(value, TracedSignal)), None)
        example = n.meta.get("example")
        if x is None or x.step != self.step:
            raise self.refused.error()
        is_pair = isinstance(example, tuple) or (example is None and n.op == "call_module")
        value = example[0] if isinstance(example, tuple) else example
        like = value if isinstance(value, Tensor) else x.value
        signal = TracedSignal(torch.zeros_like(like), x.source, self.step)
        return (signal, TracedState(str(n.target))) if is_pair else signal

    def _call(self, n: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if n.op == "get_attr":
            return attribute(self.root, str(n.target))
        if n.op == "call_module":
            return self._layer(str(n.target), args, kwargs)
        return self._operation(n, self._present(args), self._present(kwargs))

    def _layer(
        self, target: str, args: tuple[Any, ...], kwargs: dict[str, Any], lifted: bool = False
    ) -> Any:
        """A layer, or the layers of a container, one behind the other.

        Containers are a neighbour's, and a Sequential that Norse's Lift repeats.
        """
        module = self.root.get_submodule(target)
        calling, expansion = calling_of(module), expansion_of(module)
        if calling is not None:
            return self._stateful(target, calling, args, kwargs, lifted)
        args, kwargs = self._present(args), self._present(kwargs)
        if isinstance(module, norse.Lift) and type(module.lifted_module) is nn.Sequential:
            expansion = "over time"
        if expansion is None and not (lifted and type(module) is nn.Sequential):
            return self._module(target, args, kwargs, lifted)
        (x,) = (*args, *kwargs.values())
        if module._forward_hooks or module._forward_pre_hooks:
            path = self._path(target, module)
            check_signal(x, self.step, f"layer '{path}' ({type(module).__name__})")
            check_hooks_of(module, path, x.value.flatten(0, 1) if lifted else x.value)
        for name, _ in module.named_children():
            x = self._layer(f"{target}.{name}", (x,), {}, lifted or expansion == "over time")
        return x

    def _module(
        self, target: str, args: tuple[Any, ...], kwargs: dict[str, Any], lifted: bool
    ) -> Any:
        """A layer of PyTorch or Norse; a lifted one is given all steps as one batch."""
        module = self.root.get_submodule(target)
        path = self._path(target, module)
        inner = module.lifted_module if isinstance(module, norse.Lift) else module
        if isinstance(inner, nn.ReLU) and args:
            return self._rectified(args[0], path, f"layer '{path}' (ReLU)")
        if not has_rule(inner) and not (self.max_pool and is_maximum(inner)):
            is_container = next(inner.children(), None) is not None
            raise refusal(module if is_container else inner, path)
        if any(is_lazy(p) for p in (*inner.parameters(), *inner.buffers())):
            raise BadInput(
                f"layer '{path}' ({type(inner).__name__}) has no weights yet. "
                "Run the model once before exporting it."
            )
        if not lifted:
            check_time(module, inner, path, self.leads)
        x, *given = (*args, *kwargs.values())  # by name or not, the input comes first
        x = self._silenced(x, "") if self.step == 0 else x
        check_signal(x, self.step, f"layer '{path}' ({type(module).__name__})")
        is_neuron = isinstance(inner, NEURON_MODULES) or lengthens(inner)
        if is_neuron and not lengthens(inner):
            if path in self.dts and not returns_state(inner):
                raise Unsupported(
                    f"layer '{path}' ({type(inner).__name__}) is called twice in a step, but it "
                    "has one state. Use a layer of its own for each call, and trace the forward "
                    "pass of a single step."
                )
            path = self._free(path)  # a cell that is called with two states is two layers
            check_state(path, inner, given, self.step, x.value)
        elif not isinstance(inner, norse.RegularizationCell) and given:
            raise Unsupported(
                f"layer '{path}' ({type(inner).__name__}) is called with more than its input. "
                "Set the option when the layer is built."
            )
        if is_neuron:
            check_hooks(module, path, x.value)
            if isinstance(inner, RECURRENT):
                x, comes_back = self._recurrent(path, inner, x)
            if isinstance(inner, WEIGHTED):
                x = self._weighted(path, inner, x)
            out = pattern_like(x.value)
            self.dts[path] = time_step(inner, path)
        elif isinstance(inner, norse.RegularizationCell):
            out = x.value  # running it would count these spikes in its state
        else:
            given = x.value.flatten(0, 1) if lifted else x.value
            check_hooks(module, path, given)
            out = run_layer(module, path, given, self._seen)
            out = out.unflatten(0, x.value.shape[:2]) if lifted else out
        signal = self._add(path, inner, x, out)
        if lengthens(inner):
            self.encoders.add(signal.source)
        if isinstance(inner, RECURRENT):  # its spikes come back a step later
            self.edges.append((self._put(f"{path}.late", Delay(1), signal.source), comes_back))
        return (signal, TracedState(path)) if returns_state(module) else signal

    def _stateful(
        self,
        target: str,
        calling: Calling,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        lifted: bool,
    ) -> Any:
        """A neighbour's layer with a state: its nodes, and what it returns beside its output."""
        module = self.root.get_submodule(target)
        path = self._path(target, module)
        x, *given = (*args, *kwargs.values())
        x = self._present(x)
        x = self._silenced(x, "") if self.step == 0 else x
        check_signal(x, self.step, f"layer '{path}' ({type(module).__name__})")
        self._check_once(path, module)
        if self.leads == 2 and not (calling.over_time or lifted):
            raise Unsupported(
                f"layer '{path}' ({type(module).__name__}) does a single step, but other layers "
                "take all steps at once: it would take the steps for a batch. Let it take all "
                "steps too, step_mode='m' in SpikingJelly, or let every layer do a single step."
            )
        check_given_back(path, module, calling, given, self.step)
        if module._forward_hooks or module._forward_pre_hooks:
            check_hooks_of(module, path, x.value)
        shape = tuple(x.value.shape[self.leads :])
        site = Site(path, shape, shape, self.dt)
        try:
            parts = node_of(module, site)
        except AttributeError as error:  # of another version of the package
            package = type(module).__module__.split(".")[0]
            raise site.refuse(module, f"{error}. {versions(package)}") from error
        name = parts.laid_out(path, x.source, self._put, lambda a, b: self.edges.append((a, b)))
        self.dts[path] = self.dt
        signal = TracedSignal(pattern_like(x.value), name, self.step)
        if not calling.states:
            return signal
        last = calling.states - 1
        hidden: list[Any] = [TracedState(path, part, CURRENT) for part in range(last)]
        hidden.append(TracedState(path, last, POTENTIAL))
        if calling.potential:
            return (TracedNothing(path), *hidden[:-1], signal)
        return (signal, *hidden)

    def _path(self, target: str, module: nn.Module) -> str:
        """The name of a layer in the user's model."""
        return target.removeprefix(ROOT).lstrip(".") or type(module).__name__.lower()

    def _check_once(self, path: str, module: nn.Module) -> None:
        """A layer with a state does one step a step."""
        if path in self.dts:
            raise Unsupported(
                f"layer '{path}' ({type(module).__name__}) is called twice in a step, but it "
                "has one state. Use a layer of its own for each call, and trace the forward "
                "pass of a single step."
            )

    def _operation(self, n: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A function or method call."""
        target: Any = n.target
        name = functions.name_of(target)
        where = forward_of(n)
        carried: list[Any] = []
        map_aggregate((args, kwargs), lambda v: collect(v, carried))
        states = [v for v in carried if isinstance(v, TracedState)]
        if functions.picks(target) and isinstance(args[0], tuple | list | dict):
            return args[0][args[1]]
        if states:
            raise Unsupported(
                f"{where} reads the {states[0].what} of layer '{states[0].layer}' ('{name}'). "
                "Only what a layer gives out can go on to the next."
            )
        if not carried:
            return functions.evaluate(target, args, kwargs)
        if joins.joins(target):
            args, kwargs = map_aggregate((args, kwargs), lambda v: self._silenced(v, where))
            carried = []
            map_aggregate((args, kwargs), lambda v: collect(v, carried))
        x = args[0] if args else None
        if isinstance(x, TracedSignal) and functions.asks_for_numbers(target, args):
            plain = (x.value, *args[1:])
            return functions.evaluate(target, plain, kwargs)
        for value in carried:
            for signal in value.signals if isinstance(value, Stack) else (value,):
                check_signal(signal, self.step, where)
        stack = joins.stack_of(target, args, kwargs)
        if stack is not None:
            return stack
        if len(carried) == 1 and joins.adds_nothing(target, args):
            return carried[0]
        if isinstance(carried[0], TracedSignal) and len(carried) == 1:
            factor = functions.factor_of(target, args, kwargs)
            if factor is not None:
                return self._scaled(name, carried[0], factor)
            if target in functions.RELUS:
                return self._rectified(carried[0], name, f"operation '{name}' in {where}")
        if isinstance(x, TracedSignal) and len(carried) == 1:
            if functions.keeps_values(target, x.value, args[1:], kwargs):
                return x
            module = functions.equivalent(target, args[1:], kwargs)
            if module is None and self.max_pool:
                module = pool_of(target, args[1:], kwargs)
            if module is not None:
                return self._add(name, module, x, run_layer(module, name, x.value, self._seen))
            if target in functions.RESHAPES:
                out = functions.evaluate(target, (x.value, *args[1:]), kwargs)
                return self._add(name, None, x, out)
        join = joins.join_of(target, args, kwargs, self.leads, where)
        if join is not None:
            return self._join(name, target, join, where)
        raise Unsupported(
            f"operation '{name}' in {where} is not supported. {instead_of_operation(name)}"
        )

    def _silenced(self, value: Any, where: str) -> Any:
        """Zeros that a forward starts from, in its first step, as a signal."""
        if not is_silent(value):
            return value
        if self.step > 0:
            raise Unsupported(
                f"{where} joins a signal with zeros in its second step too. What comes back "
                "through a state must come from the step before, and be zeros in the first alone."
            )
        shape = tuple(value.shape[self.leads :])
        return TracedSignal(value, self._put("silent", Silent(shape)), self.step)

    def _add(
        self, wanted: str, module: nn.Module | None, x: TracedSignal, out: Tensor
    ) -> TracedSignal:
        """A node of the graph behind a signal; without a module it reshapes."""
        name = self._free(wanted)
        before, after = (tuple(v.shape[self.leads :]) for v in (x.value, out))
        check_leads(name, x.value, out, self.leads)
        if is_maximum(module):
            return self._maximum(module, Site(name, before, after), x, out)
        node = Reshape(after) if module is None else node_of(module, Site(name, before, after))
        check_behind(name, node, before, after)
        return TracedSignal(out, self._put(name, node, x.source), self.step)

    def _maximum(self, module: Any, site: Site, x: TracedSignal, out: Tensor) -> TracedSignal:
        """A maximum pool of spikes: their sum, and neurons that fire at any."""
        nodes, edges = {**self.before, **self.nodes}, [*self.edges, *self.late.items()]
        found = None
        if not self.refused:  # else the signal stands for that of a refused layer
            found = graded(x.source, nodes, edges, (*CARRIERS, Rectified, Silent))
        words = None if found is None else f"layer '{found}' ({type(nodes[found]).__name__})"
        total, neurons = neurons_of(module, site, words)
        check_behind(site.name, total, site.in_shape, site.out_shape)
        source = self._put(f"{site.name}.sum", total, x.source)
        self.said[site.name] = cost(site.name, site.out_shape)
        return TracedSignal(out, self._put(site.name, neurons, source), self.step)

    def _put(self, wanted: str, node: Any, *sources: str) -> str:
        """A node of this name, or of one like it that is free, behind its sources."""
        name = self._free(wanted)
        self.nodes[name] = node
        self.lines[name] = self.line
        self.edges += [(source, name) for source in sources]
        return name

    def _recurrent(self, path: str, module: Any, x: TracedSignal) -> tuple[TracedSignal, str]:
        """What a recurrent layer's neurons are given, and the node that its spikes go to late."""
        entering, returning = joins.recurrent_weights(module, path)
        before = tuple(x.value.shape[self.leads :])
        with naming_layer(path, module):
            after = out_shape(entering, before)
            out_shape(returning, after)
        ends = (
            self._put(f"{path}.input_weights", entering, x.source),
            self._put(f"{path}.recurrent_weights", returning),
        )
        total = self._put(f"{path}.sum", Add(), *ends)
        value = x.value.new_zeros((*x.value.shape[: self.leads], *after))
        return TracedSignal(value, total, self.step), ends[1]

    def _weighted(self, path: str, module: Any, x: TracedSignal) -> TracedSignal:
        """What a readout with weights of its own is given."""
        entering = Linear(weights(module.input_weights, "input_weights", layer=path))
        with naming_layer(path, module):
            after = out_shape(entering, tuple(x.value.shape[self.leads :]))
        value = x.value.new_zeros((*x.value.shape[: self.leads], *after))
        return TracedSignal(
            value, self._put(f"{path}.input_weights", entering, x.source), self.step
        )

    def _rectified(self, x: Any, name: str, where: str) -> TracedSignal:
        """A relu: nothing where nothing is negative."""
        check_signal(x, self.step, where)
        if self._is_negative(x.source):
            return TracedSignal(x.value, self._put(name, Rectified(where), x.source), self.step)
        signal: TracedSignal = x
        return signal

    def _is_negative(self, name: str) -> bool:
        """Whether the values of a node may be below 0."""
        node = self.nodes[name]
        if getattr(node, "spiking", False) or isinstance(node, Silent | Rectified):
            return False
        if isinstance(node, BatchNorm):
            if np.any(node.weight < 0) or (node.bias is not None and np.any(node.bias < 0)):
                return True
        elif not isinstance(node, KEEP_SIGN):
            return True
        sources = [a for a, b in self.edges if b == name] or [
            a for a, b in self.late.items() if b == name
        ]
        return any(self._is_negative(source) for source in sources)

    def _check_rectified(self) -> None:
        """A relu before Norse's encoder of constant currents changes none of its spikes."""
        for name, node in [(n, v) for n, v in self.nodes.items() if isinstance(v, Rectified)]:
            users = [b for a, b in self.edges if a == name]
            harmless = [u for u in users if u in self.encoders and np.all(self.nodes[u].v_th >= 0)]
            if not users or harmless != users:
                raise Unsupported(
                    f"{node.where} may get negative values, and a chip has no such activation. "
                    "Use a spiking layer in its place: norse.torch.LIFBoxCell or "
                    "norse.torch.LIFCell. A relu of spikes is none, and is read."
                )
            (source,) = (a for a, b in self.edges if b == name)
            self.edges = [(source if a == name else a, b) for a, b in self.edges if b != name]
            del self.nodes[name]

    def _scaled(self, name: str, x: TracedSignal, factor: float) -> TracedSignal:
        """A signal times a number."""
        shape = tuple(x.value.shape[self.leads :])
        channels = shape[0] if shape else 1
        node = BatchNorm(np.full(channels, factor), None)
        return TracedSignal(x.value * factor, self._put(name, node, x.source), self.step)

    def _join(self, name: str, target: Any, join: joins.Join, where: str) -> TracedSignal:
        """An Add or Concat; a signal that comes twice goes through an Identity once."""
        sources: list[str] = []
        for signal in join.signals:
            if isinstance(join.node, Concat) and signal.source in self.late.values():
                # In a loop the shape of a part follows from nothing else.
                signal = self._add(f"{signal.source}.shape", None, signal, signal.value)
            again = signal.source in sources
            copy = self._put(f"{name}_again", Identity(), signal.source) if again else ""
            sources.append(copy or signal.source)
        if target in joins.IN_PLACE:
            self.in_place.append((sources[0], where))
        return TracedSignal(join.value, self._put(name, join.node, *sources), self.step)

    def _free(self, wanted: str) -> str:
        """A name that is not taken, in letters that every file format can hold."""
        base = plain_name(wanted)
        name, count = base, 1
        while name in self.nodes:
            count += 1
            name = f"{base}_{count}"
        return name
