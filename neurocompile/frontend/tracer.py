"""Recording a forward pass with torch.fx, with the shapes that its signals will have.

In:  a module to record, an example of its input.
Out: torch.fx's record; each node knows its step and the line of the forward that it comes from.
A forward may ask a signal for its shape, loop over its axes and write it into a tensor of zeros.
It may not ask for a value: there is none.
"""

from __future__ import annotations

import operator
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import torch
from norse import torch as norse
from torch import Tensor, fx, nn
from torch.fx.node import map_aggregate
from torch.overrides import TorchFunctionMode

from neurocompile.errors import Unsupported
from neurocompile.frontend import functions
from neurocompile.frontend.given import inside_of_compiled
from neurocompile.frontend.lines import line_text, users_line
from neurocompile.frontend.peers import PACKAGES
from neurocompile.frontend.rules import (
    NEURON_MODULES,
    RECURRENT,
    WEIGHTED,
    has_rule,
    lengthens,
    returns_state,
)
from neurocompile.frontend.stateful import calling_of, copy_of, expansion_of, is_stateful
from neurocompile.nn.network import SpikingNetwork

LIBRARIES = ("torch.nn.", "torch.ao.", "norse.torch.module.", *PACKAGES)
CONTAINERS = (nn.Sequential, norse.SequentialState, norse.RecurrentSequential)

SHAPE_ATTRIBUTES = frozenset({"shape", "ndim", "dtype", "device", "is_cuda", "layout"})
SHAPE_METHODS = frozenset({"size", "dim", "numel", "nelement", "ndimension", "get_device"})
VIEWS = frozenset({"T", "mT"})
NEW: dict[str, Callable[..., Tensor]] = {
    "new_zeros": Tensor.new_zeros,
    "new_empty": Tensor.new_empty,
    "new_full": Tensor.new_full,
    "new_ones": Tensor.new_ones,
}
CREATIONS = frozenset({torch.zeros, torch.empty, torch.full, torch.ones, *NEW.values()})
CREATIONS_LIKE = frozenset({torch.zeros_like, torch.empty_like, torch.full_like, torch.ones_like})


class ShapedProxy(fx.Proxy):
    """A value in a record, with an example of it: a tensor of its shape, or None if unknown."""

    def __init__(self, node: fx.Node, tracer: Tracer, example: Any):
        super().__init__(node, tracer)
        self.example = example

    def __getattr__(self, name: str) -> Any:
        example = self.__dict__.get("example")
        if isinstance(example, Tensor):
            if name in SHAPE_ATTRIBUTES or name in SHAPE_METHODS:
                return getattr(example, name)
            if name in VIEWS:
                return self.tracer.create_proxy("call_function", getattr, (self, name), {})
            if name in NEW:
                return lambda *args, **kwargs: NEW[name](example, *args, **kwargs)
        if isinstance(example, tuple) and name in ("values", "indices"):
            return self[0 if name == "values" else 1]  # of torch.max and its like
        return super().__getattr__(name)

    def __getitem__(self, index: Any) -> fx.Proxy:
        return self.tracer.create_proxy("call_function", operator.getitem, (self, index), {})

    def __len__(self) -> int:
        if isinstance(self.example, Tensor | tuple | list):
            return len(self.example)
        raise TypeError(f"a value of the forward ('{self.node.name}') has no length yet")

    def __iter__(self) -> Iterator[Any]:
        if isinstance(self.example, Tensor | tuple | list):
            return (self[index] for index in range(len(self.example)))
        if self.example is None:  # of a layer that could not be run: most often (output, state)
            return iter((self[0], self[1]))
        return super().__iter__()

    def __setitem__(self, index: Any, value: Any) -> None:
        written = self.tracer.create_proxy(
            "call_function", operator.setitem, (self, index, value), {}
        )
        self.node = written.node  # from here on the name stands for what was written


class Tracer(fx.Tracer):
    """Looks into users' modules and containers; a layer of a library is one call.

    Attributes:
        step: The step that is being recorded.
    """

    def __init__(self, example: Tensor) -> None:
        super().__init__()
        self.step = 0
        self._input = example
        self._examples: dict[fx.Node, Any] = {}
        self._outputs: dict[tuple[Any, ...], Any] = {}  # by layer and shape of its input
        self._blanks: dict[tuple[Any, ...], Tensor] = {}
        self._evaluating = False

    def record(self, root: nn.Module) -> fx.Graph:
        """The record of a module's forward."""
        with _Creations(self):
            return self.trace(root)

    def example_of(self, node: fx.Node) -> Any:
        """A tensor of the shape of a recorded value, or a tuple of them; None if unknown."""
        return self._examples.get(node)

    def created(self, tensor: Tensor) -> fx.Proxy:
        """A tensor that the forward made, as a value that can be written to."""
        node: Any = self.create_arg(tensor)
        return self.proxy(node)

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Whether a module is recorded as one call."""
        if has_rule(m) or is_stateful(m) or isinstance(m, SpikingNetwork):
            return True
        is_container = type(m) in CONTAINERS or expansion_of(m) == "traced"
        return type(m).__module__.startswith(LIBRARIES) and not is_container

    def call_module(self, m: nn.Module, forward: Any, args: Any, kwargs: Any) -> Any:
        """What a module returns: the two parts of a pair, where it returns one."""
        if self._evaluating:
            return forward(*args, **kwargs)
        if inside_of_compiled(m) is not m:
            return inside_of_compiled(m)(*args, **kwargs)
        result: Any = super().call_module(m, forward, args, kwargs)
        states = _states_of(m)
        is_tuple = states > 0 and isinstance(result, fx.Proxy)
        return tuple(result[part] for part in range(states + 1)) if is_tuple else result

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Any]) -> Any:
        """A parameter as a recorded value, outside of the layers that are one call."""
        if self._evaluating:
            return attr_val
        return super().getattr(attr, attr_val, parameter_proxy_cache)

    def create_node(self, *args: Any, **kwargs: Any) -> fx.Node:
        """A node that knows its step and its line."""
        node = super().create_node(*args, **kwargs)
        node.meta["step"] = self.step
        node.meta["line"] = users_line()
        return node

    def proxy(self, node: fx.Node) -> fx.Proxy:
        """A recorded value with an example of it."""
        if node not in self._examples:
            self._examples[node] = node.meta["example"] = self._evaluate(node)
        return ShapedProxy(node, self, self._examples[node])

    @property
    def evaluating(self) -> bool:
        """Whether a layer is being run for the shape of its output."""
        return self._evaluating

    def _evaluate(self, node: fx.Node) -> Any:
        """An example of what a node gives, whose values mean nothing; None where it has none."""
        self._evaluating = True
        try:
            return self._blank(self._run(node))
        except Exception:  # what a wrong shape raises is said later, with the layer's name
            return None
        finally:
            self._evaluating = False

    def _run(self, node: fx.Node) -> Any:
        if node.op == "placeholder":
            return self._input
        if node.op == "get_attr":
            value: Any = self.root
            for part in str(node.target).split("."):
                value = getattr(value, part)
            return value
        arguments: Any = (node.args, node.kwargs)
        args, kwargs = map_aggregate(
            arguments, lambda v: self._examples.get(v) if isinstance(v, fx.Node) else v
        )
        if node.op == "call_module":
            return self._output_of(str(node.target), args[0])
        if node.target is operator.setitem:
            return args[0]
        return functions.evaluate(node.target, args, kwargs)

    def _output_of(self, target: str, x: Tensor) -> Any:
        """What a layer makes of an example; a neuron layer is not run, for it may keep a state."""
        key = (target, x.shape, x.dtype)
        if key not in self._outputs:
            module: Any = self.root.get_submodule(target)
            inner = module.lifted_module if isinstance(module, norse.Lift) else module
            if isinstance(inner, (*RECURRENT, *WEIGHTED)):
                out: Any = x.new_zeros(*x.shape[:-1], inner.hidden_size)
            elif isinstance(inner, (*NEURON_MODULES, norse.RegularizationCell)):
                out = x
            elif lengthens(inner):
                out = x.new_zeros(inner.seq_length, *x.shape)
            elif calling_of(module) is not None:
                out = x
            elif expansion_of(module) is not None:
                out = copy_of(module).forward(x)  # which may hold neurons
            else:
                out = module.forward(x)
                out = out[0] if returns_state(module) else out
            states = _states_of(module)
            self._outputs[key] = (out, *(None,) * states) if states else out
        return self._outputs[key]

    def _blank(self, value: Any) -> Any:
        """Tensors of the same shapes that are shared, so that a long record stays small."""
        if isinstance(value, nn.Parameter) or not isinstance(value, Tensor | tuple | list):
            return value
        if not isinstance(value, Tensor):
            return tuple(self._blank(v) for v in value)
        key = (value.shape, value.dtype, value.device)
        if key not in self._blanks:
            self._blanks[key] = torch.zeros_like(value, memory_format=torch.contiguous_format)
        return self._blanks[key]


def _states_of(module: nn.Module) -> int:
    """How many values a layer returns beside its output."""
    calling = calling_of(module)
    return calling.states if calling is not None else int(returns_state(module))


class _Creations(TorchFunctionMode):
    """Records the tensors that a forward makes, so that it can write signals into them."""

    def __init__(self, tracer: Tracer):
        super().__init__()
        self.tracer = tracer

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if self.tracer.evaluating or _is_of_peer(sys._getframe(1)):
            return func(*args, **kwargs)
        if func in CREATIONS_LIKE and args and isinstance(args[0], ShapedProxy):
            args = (args[0].example, *args[1:])
        _check_written(func, args, kwargs)
        result = func(*args, **kwargs)
        made = func in CREATIONS or func in CREATIONS_LIKE
        return self.tracer.created(result) if made and isinstance(result, Tensor) else result


def _is_of_peer(frame: FrameType | None) -> bool:
    """Whether a neighbour's own code makes a tensor: the state from which its layer starts."""
    while frame is not None and str(frame.f_globals.get("__name__", "")).startswith("torch"):
        frame = frame.f_back
    return frame is not None and str(frame.f_globals.get("__name__", "")).startswith(PACKAGES)


def _check_written(func: Any, args: Any, kwargs: Any) -> None:
    """A signal that is written into a tensor which the forward did not make would be lost."""
    name = getattr(func, "__name__", "")
    writes = name == "__setitem__" or (name.endswith("_") and not name.startswith("__"))
    if not writes or not args or isinstance(args[0], fx.Proxy):
        return
    given: list[Any] = []
    map_aggregate((tuple(args[1:]), kwargs), lambda v: given.append(v))
    if any(isinstance(v, fx.Proxy) for v in given):
        raise Unsupported(
            "the forward writes a signal into a tensor that it did not make itself "
            f"({line_text(users_line())}). Collect the steps in a list, outs.append(z), and "
            "return torch.stack(outs); or make the tensor in the forward by torch.zeros."
        )
