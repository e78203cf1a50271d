"""A PyTorch network as a FLOAT graph.

In:  an nn.Module of supported layers, and an example of its input.
Out: a graph whose nodes have the names of the user's modules.
Three steps are recorded and must be the same, so that no recurrence and no forgotten state
goes unseen (see `recurrence`). The module is left as it was found.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from norse import torch as norse
from torch import Tensor, fx, nn
from torch.fx.node import map_aggregate

from neurocompile.errors import BadInput, NeurocompileError, Unsupported, first_line
from neurocompile.frontend.interpret import Interpreter
from neurocompile.frontend.record import ROOT
from neurocompile.frontend.recurrence import Traced, one_of
from neurocompile.frontend.rules import TIME_FIRST, has_rule, returns_state
from neurocompile.ir.graph import Graph
from neurocompile.ir.settings import Settings
from neurocompile.nn.network import SpikingNetwork

LIBRARIES = ("torch.nn.", "torch.ao.", "norse.torch.module.")
CONTAINERS = (nn.Sequential, norse.SequentialState, norse.RecurrentSequential)


def trace(module: nn.Module, example_input: Tensor, settings: Settings | None = None) -> Graph:
    """The FLOAT graph of a network.

    Args:
        module: Does one step, forward(x) or forward(x, state=None) -> (output, state); or takes
            all steps at once, where it holds Norse's layers over time (LIF, LI, Lift) or those
            of neurocompile.nn; or is a SpikingNetwork.
        example_input: One batch: (N, ...) for a single step, (T, N, ...) for all steps at once;
            what `forward` takes for a SpikingNetwork. Only its shape matters.
        settings: Time, input and output. By default those of a SpikingNetwork, else the
            defaults with the layers' dt.

    Returns:
        One Input node "input" with the shape of a sample, then the layers in order of execution.

    Raises:
        Unsupported: If the network holds what no rule covers.
        BadInput: If a parameter is not finite, dt differs between layers, or shapes do not fit.
    """
    _check_example(example_input)
    if isinstance(module, norse.Lift) and not has_rule(module.lifted_module):
        return trace(module.lifted_module, example_input[0], settings)
    with _undisturbed(module), torch.no_grad():
        if isinstance(module, SpikingNetwork):
            spikes = module.settings.encoder.kind == "spikes"
            one_step = example_input[:, 0] if spikes else example_input
            traced = _trace(module.layers, one_step, leads=1, steps=1)
            return _with_settings(traced, settings or module.settings)
        over_time = any(isinstance(m, TIME_FIRST) for m in module.modules())
        if over_time:
            _check_fed_back(module)
        leads, steps = (2, 1) if over_time else (1, 3)
        traced = _trace(module, example_input, leads=leads, steps=steps)
        return _with_settings(traced, settings)


def _check_fed_back(module: nn.Module) -> None:
    """What feeds back from call to call does so from step to step, or not as its user thinks."""
    for name, inner in module.named_modules():
        if isinstance(inner, norse.RecurrentSequential):
            raise Unsupported(
                f"layer '{name or 'the network'}' (RecurrentSequential) feeds its output back in "
                "its next call, but other layers take all steps in one call. Use cells (LIFCell, "
                "LICell, ...) everywhere, and trace the forward pass of a single step."
            )


def _check_example(example: Any) -> None:
    if not isinstance(example, Tensor):
        raise BadInput(
            f"example_input is a {type(example).__name__}. Give a tensor: one batch of samples, "
            "such as torch.zeros(1, 28, 28)[None]."
        )


def _trace(module: nn.Module, example: Tensor, leads: int, steps: int) -> Traced:
    """The one graph of all recorded steps."""
    axes = "(N, ...)" if leads == 1 else "(T, N, ...)"
    if example.dim() <= leads or example.numel() == 0:
        raise BadInput(
            f"example_input has shape {tuple(example.shape)}, but {axes} with at least one value "
            "is expected: the batch comes first, also for one sample."
        )
    held = (*module.parameters(), *module.buffers())
    weight = next((p for p in held if p.is_floating_point()), torch.zeros(()))
    example = example.detach().to(device=weight.device, dtype=weight.dtype)
    tracer = _Tracer()
    root = _Steps(module, steps, tracer)
    try:
        record = tracer.trace(root)
    except NeurocompileError:
        raise
    except Exception as error:  # whatever a user's forward raises when its input has no values
        if first_line(error).startswith("'len' is not supported"):
            raise Unsupported(
                f"the forward of {type(module).__name__} asks for len(x), which Python wants as a "
                "number before there is one. Ask for x.shape[0]."
            ) from error
        raise Unsupported(
            f"the forward of {type(module).__name__} cannot be traced ({type(error).__name__}: "
            f"{first_line(error)}). It must not branch or loop on values of its input, and "
            "must be forward(x) or forward(x, state=None) -> (output, state)."
        ) from error
    return one_of(Interpreter(root, example, leads).run(record), type(module).__name__)


class _Steps(nn.Module):
    """Repeats a step, each with the state that the one before returned."""

    def __init__(self, module: nn.Module, count: int, tracer: _Tracer):
        super().__init__()
        self.add_module(ROOT, module)
        self.count = count
        self.tracer = tracer

    def forward(self, first: Tensor, second: Tensor, third: Tensor) -> tuple[Any, ...]:
        """Outputs of all steps, each of an input of its own."""
        results: list[Any] = []
        state: list[Any] = []
        for step, x in enumerate((first, second, third)[: self.count]):
            self.tracer.step = step
            result = self.get_submodule(ROOT)(x, *state)
            output, *state = result if isinstance(result, tuple) and result else (result,)
            # A copy, for SequentialState reuses lists.
            results.append(map_aggregate(output, _recorded))
        return tuple(results)


class _Tracer(fx.Tracer):
    """Looks into users' modules and containers; a layer of a library is one call."""

    step = 0

    def __init__(self) -> None:
        # By itself torch.fx cannot record zeros whose shape it does not know yet.
        super().__init__(autowrap_functions=(torch.zeros,))
        self._autowrap_search.append(torch)

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Whether a module is recorded as one call."""
        return _is_leaf(m)

    def call_module(self, m: nn.Module, *args: Any, **kwargs: Any) -> Any:
        """What a module returns: the two parts of a pair, where it returns one."""
        result = super().call_module(m, *args, **kwargs)
        is_pair = isinstance(result, fx.Proxy) and returns_state(m)
        return (result[0], result[1]) if is_pair else result

    def create_node(self, *args: Any, **kwargs: Any) -> fx.Node:
        """A node that knows its step."""
        node = super().create_node(*args, **kwargs)
        node.meta["step"] = self.step
        return node


def _recorded(value: Any) -> Any:
    """The value; an attribute that was read of a proxy is recorded when its node is asked for."""
    return value if not isinstance(value, fx.Proxy) else fx.Proxy(value.node, value.tracer)


def _is_leaf(module: nn.Module) -> bool:
    if has_rule(module) or isinstance(module, SpikingNetwork):
        return True
    is_container = type(module) in CONTAINERS
    return type(module).__module__.startswith(LIBRARIES) and not is_container


@contextmanager
def _undisturbed(module: nn.Module) -> Iterator[None]:
    """Eval mode inside; afterwards every attribute of every module is what it was."""
    before = [(m, dict(m.__dict__)) for m in module.modules()]
    try:
        module.eval()
        yield
    finally:
        for m, attributes in before:
            m.__dict__.clear()
            m.__dict__.update(attributes)


def _with_settings(traced: Traced, settings: Settings | None) -> Graph:
    """The graph with its settings, whose dt is that of every neuron layer."""
    if traced.dts:
        first, dt = next(iter(traced.dts.items()))
        for name, other in traced.dts.items():
            if other != dt:
                raise BadInput(
                    f"layer '{first}' has dt = {dt} s, but layer '{name}' has {other} s. "
                    "Use one dt for all layers."
                )
        settings = settings or Settings(dt=dt)
        if settings.dt != dt:
            raise BadInput(
                f"the settings have dt = {settings.dt} s, but layer '{first}' has {dt} s. "
                "Use one dt."
            )
    return replace(traced.graph, settings=settings or Settings())
