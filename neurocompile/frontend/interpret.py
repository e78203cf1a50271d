"""From torch.fx's record of a forward pass to a FLOAT graph.

In:  fx nodes in order of execution; the modules they call; an example of the input.
Out: one graph for each step that was recorded; `step_graph` writes each down.
Shapes come from running the layers on the example. Neurons are not run: they keep the shape,
and what follows them sees a pattern of 0 and 1.
"""

from __future__ import annotations

from typing import Any

import torch
from norse import torch as norse
from torch import Tensor, fx, nn
from torch.fx.node import map_aggregate
from torch.nn.parameter import is_lazy

from neurocompile.errors import BadInput, NeurocompileError, Refusals, Unsupported
from neurocompile.frontend import functions, joins
from neurocompile.frontend.hints import instead_of_operation
from neurocompile.frontend.maxima import is_maximum, pool_of
from neurocompile.frontend.record import (
    ROOT,
    attribute,
    collect,
    forward_of,
    run_layer,
    time_step,
)
from neurocompile.frontend.recurrence import Traced
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
    check_signal,
    check_state,
    check_time,
    pattern_like,
)
from neurocompile.frontend.stateful import Calling, calling_of, expansion_of, versions
from neurocompile.frontend.step_graph import INPUT, StepGraph
from neurocompile.ir.nodes import Delay
from neurocompile.ir.pools import MaxPool
from neurocompile.ir.settings import DT


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
        self.root = root
        self.example = example
        self.leads = leads
        self.dt = dt
        self.max_pool = max_pool
        self.refused = Refusals()  # what no rule covers
        self.graph = StepGraph(
            -1, example, leads, self.refused, max_pool
        )  # of the step that is read

    def run(self, record: fx.Graph) -> list[Traced]:
        """The graph of each step."""
        inputs = [n for n in record.nodes if n.op == "placeholder"]
        values: dict[fx.Node, Any] = {
            n: TracedSignal(self.example, INPUT, step) for step, n in enumerate(inputs)
        }
        steps: list[Traced] = []
        (output,) = (n for n in record.nodes if n.op == "output")
        for result in range(len(output.args[0])):
            self.graph = self.graph.next()
            for n in record.nodes:
                if n.op not in ("placeholder", "output") and n.meta["step"] == self.graph.number:
                    args, kwargs = self._look_up(n.args, values), self._look_up(n.kwargs, values)
                    self.graph.line = n.meta["line"]
                    values[n] = self._read(n, tuple(args), dict(kwargs))
            self.refused.answer()
            steps.append(self.graph.traced(self._look_up(output.args[0][result], values)))
        return steps

    def _look_up(self, arguments: Any, values: dict[fx.Node, Any]) -> Any:
        """Arguments with values in the place of nodes."""
        return map_aggregate(arguments, lambda a: values[a] if isinstance(a, fx.Node) else a)

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
        if x is None or x.step != self.graph.number:
            raise self.refused.error()
        is_pair = isinstance(example, tuple) or (example is None and n.op == "call_module")
        value = example[0] if isinstance(example, tuple) else example
        like = value if isinstance(value, Tensor) else x.value
        signal = TracedSignal(torch.zeros_like(like), x.source, self.graph.number)
        if not is_pair:
            return signal
        picked = (user.args[1] for user in n.users if functions.picks(user.target))
        states = max((part for part in picked if isinstance(part, int)), default=1)
        return (signal, *(TracedState(str(n.target), part) for part in range(max(1, states))))

    def _call(self, n: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if n.op == "get_attr":
            return attribute(self.root, str(n.target))
        if n.op == "call_module":
            return self._layer(str(n.target), args, kwargs)
        return self._operation(n, self.graph.present(args), self.graph.present(kwargs))

    def _layer(
        self, target: str, args: tuple[Any, ...], kwargs: dict[str, Any], lifted: bool = False
    ) -> Any:
        """A layer, or the layers of a container, one after the other.

        Containers are a neighbour's, and a Sequential that Norse's Lift repeats.
        """
        module = self.root.get_submodule(target)
        calling, expansion = calling_of(module), expansion_of(module)
        if calling is not None:
            return self._stateful(target, calling, args, kwargs, lifted)
        args, kwargs = self.graph.present(args), self.graph.present(kwargs)
        if isinstance(module, norse.Lift) and type(module.lifted_module) is nn.Sequential:
            expansion = "over time"
        if expansion is None and not (lifted and type(module) is nn.Sequential):
            return self._module(target, args, kwargs, lifted)
        (x,) = (*args, *kwargs.values())
        if module._forward_hooks or module._forward_pre_hooks:
            path = self._path(target, module)
            check_signal(x, self.graph.number, f"layer '{path}' ({type(module).__name__})")
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
            return self.graph.rectified(args[0], path, f"layer '{path}' (ReLU)")
        if not has_rule(inner) and not is_maximum(inner):
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
        x = self.graph.silenced(x, "") if self.graph.number == 0 else x
        check_signal(x, self.graph.number, f"layer '{path}' ({type(module).__name__})")
        is_neuron = isinstance(inner, NEURON_MODULES) or lengthens(inner)
        if is_neuron and not lengthens(inner):
            if not returns_state(inner):
                self._check_once(path, inner)
            path = self.graph.free(path)  # a cell that is called with two states is two layers
            check_state(path, inner, given, self.graph.number, x.value)
        elif not isinstance(inner, norse.RegularizationCell) and given:
            raise Unsupported(
                f"layer '{path}' ({type(inner).__name__}) is called with more than its input. "
                "Set the option when the layer is built."
            )
        if is_neuron:
            check_hooks(module, path, x.value)
            if isinstance(inner, RECURRENT):
                x, comes_back = self.graph.recurrent(path, inner, x)
            if isinstance(inner, WEIGHTED):
                x = self.graph.weighted(path, inner, x)
            out = pattern_like(x.value)
            self.graph.dts[path] = time_step(inner, path)
        elif isinstance(inner, norse.RegularizationCell):
            out = x.value  # running it would count these spikes in its state
        else:
            given = x.value.flatten(0, 1) if lifted else x.value
            check_hooks(module, path, given)
            out = run_layer(module, path, given, self._seen)
            out = out.unflatten(0, x.value.shape[:2]) if lifted else out
        signal = self.graph.add(path, inner, x, out)
        if lengthens(inner):
            self.graph.encoders.add(signal.source)
        if isinstance(inner, RECURRENT):  # its spikes come back a step later
            self.graph.connect(self.graph.put(f"{path}.late", Delay(1), signal.source), comes_back)
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
        x = self.graph.present(x)
        x = self.graph.silenced(x, "") if self.graph.number == 0 else x
        check_signal(x, self.graph.number, f"layer '{path}' ({type(module).__name__})")
        self._check_once(path, module)
        if self.leads == 2 and not (calling.over_time or lifted):
            raise Unsupported(
                f"layer '{path}' ({type(module).__name__}) does a single step, but other layers "
                "take all steps at once: it would take the steps for a batch. Let it take all "
                "steps too, step_mode='m' in SpikingJelly, or let every layer do a single step."
            )
        check_given_back(path, module, calling, given, self.graph.number)
        if module._forward_hooks or module._forward_pre_hooks:
            check_hooks_of(module, path, x.value)
        shape = tuple(x.value.shape[self.leads :])
        site = Site(path, shape, shape, self.dt)
        try:
            parts = node_of(module, site)
        except AttributeError as error:  # of another version of the package
            package = type(module).__module__.split(".")[0]
            raise site.refuse(module, f"{error}. {versions(package)}") from error
        name = parts.laid_out(path, x.source, self.graph.put, self.graph.connect)
        self.graph.dts[path] = self.dt
        signal = TracedSignal(pattern_like(x.value), name, self.graph.number)
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
        """A layer with a state does one step per step."""
        if path in self.graph.dts:
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
            args, kwargs = map_aggregate((args, kwargs), lambda v: self.graph.silenced(v, where))
            carried = []
            map_aggregate((args, kwargs), lambda v: collect(v, carried))
        x = args[0] if args else None
        if isinstance(x, TracedSignal) and functions.asks_for_numbers(target, args):
            plain = (x.value, *args[1:])
            return functions.evaluate(target, plain, kwargs)
        for value in carried:
            for signal in value.signals if isinstance(value, Stack) else (value,):
                check_signal(signal, self.graph.number, where)
        stack = joins.stack_of(target, args, kwargs)
        if stack is not None:
            return stack
        if len(carried) == 1 and joins.adds_nothing(target, args):
            return carried[0]
        if isinstance(carried[0], TracedSignal) and len(carried) == 1:
            factor = functions.factor_of(target, args, kwargs)
            if factor is not None:
                return self.graph.scaled(name, carried[0], factor)
            if target in functions.RELUS:
                return self.graph.rectified(carried[0], name, f"operation '{name}' in {where}")
        if isinstance(x, TracedSignal) and len(carried) == 1:
            if functions.keeps_values(target, x.value, args[1:], kwargs):
                return x
            module = functions.equivalent(target, args[1:], kwargs)
            if module is None and (self.max_pool or self.graph.graded(x) is not None):
                module = pool_of(target, args[1:], kwargs)
            if module is not None:
                return self.graph.add(name, module, x, run_layer(module, name, x.value, self._seen))
            if target in functions.RESHAPES:
                out = functions.evaluate(target, (x.value, *args[1:]), kwargs)
                return self.graph.add(name, None, x, out)
        join = joins.join_of(target, args, kwargs, self.leads, where)
        if join is not None:
            return self.graph.join(name, target, join, where)
        raise Unsupported(
            f"operation '{name}' in {where} is not supported. {instead_of_operation(name)}"
        )
