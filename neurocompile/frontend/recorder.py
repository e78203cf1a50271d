"""Recording a forward with torch.fx: once, or over a few steps, and without a trace in the module.

In:  a user's module, and a tensor in the shape of its input.
Out: torch.fx's record of its calls; afterwards the module is what it was.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from inspect import Parameter, signature
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.fx.node import map_aggregate

from neurocompile.errors import NeurocompileError, Unsupported, first_line
from neurocompile.frontend.lines import line_text, users_line_of
from neurocompile.frontend.record import ROOT
from neurocompile.frontend.tracer import Tracer


def as_held(example: Tensor, module: nn.Module) -> Tensor:
    """The example as the module holds its weights: their device and type."""
    held = (*module.parameters(), *module.buffers())
    weight = next((p for p in held if p.is_floating_point()), torch.zeros(()))
    return example.detach().to(device=weight.device, dtype=weight.dtype)


def record_of(tracer: Tracer, root: nn.Module, module: nn.Module) -> fx.Graph:
    """The record of a forward, or a refusal that names its line."""
    try:
        return tracer.record(root)
    except NeurocompileError:
        raise
    except Exception as error:  # whatever a user's forward raises when its input has no values
        line = users_line_of(error)
        where = f" in {line_text(line)}" if line is not None else ""
        raise Unsupported(
            f"the forward of {type(module).__name__} cannot be traced{where} "
            f"({type(error).__name__}: {first_line(error)}). It must not branch or loop on values "
            "of its input, and must be forward(x) or forward(x, state=None) -> (output, state)."
        ) from error


class Once(nn.Module):
    """Calls a module once, with all steps."""

    def __init__(self, module: nn.Module):
        super().__init__()
        self.add_module(ROOT, module)

    def forward(self, x: Tensor) -> Any:
        """Whatever the module returns."""
        return self.get_submodule(ROOT)(x)


class Steps(nn.Module):
    """Repeats a step, each with the state that the one before returned."""

    def __init__(self, module: nn.Module, count: int, tracer: Tracer):
        super().__init__()
        self.add_module(ROOT, module)
        self.count = count
        self.tracer = tracer
        self.takes_back = _taken_back(module)

    def forward(self, first: Tensor, second: Tensor, third: Tensor) -> tuple[Any, ...]:
        """Outputs of all steps, each of an input of its own."""
        results: list[Any] = []
        state: list[Any] = []
        for step, x in enumerate((first, second, third)[: self.count]):
            self.tracer.step = step
            result = self.get_submodule(ROOT)(x, *state)
            output, *state = result if isinstance(result, tuple) and result else (result,)
            state = state[: self.takes_back]
            # A copy, for SequentialState reuses lists.
            results.append(map_aggregate(output, _recorded))
        return tuple(results)


def _taken_back(module: nn.Module) -> int | None:
    """How many states a forward takes beside its input; None for any number."""
    parameters = signature(module.forward).parameters.values()
    if any(p.kind is Parameter.VAR_POSITIONAL for p in parameters):
        return None
    named = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
    return sum(p.kind in named for p in parameters) - 1


def _recorded(value: Any) -> Any:
    """The value; an attribute that was read of a proxy is recorded when its node is asked for."""
    return value if not isinstance(value, fx.Proxy) else fx.Proxy(value.node, value.tracer)


@contextmanager
def undisturbed(module: nn.Module) -> Iterator[None]:
    """Eval mode inside; afterwards every attribute of every module is what it was."""
    before = [(m, dict(m.__dict__), _tables(m)) for m in module.modules()]
    try:
        module.eval()
        for m in module.modules():
            m._compiled_call_impl = None  # what module.compile() made of it cannot be recorded
        yield
    finally:
        for m, attributes, tables in before:
            m.__dict__.clear()
            m.__dict__.update(attributes)
            for name, content in tables.items():
                m.__dict__[name].clear()
                m.__dict__[name].update(content)


def _tables(module: nn.Module) -> dict[str, dict[Any, Any]]:
    """Content of a module's dicts: its buffers, among which neighbours keep states, and others."""
    return {name: dict(held) for name, held in module.__dict__.items() if isinstance(held, dict)}
