"""That a graph read from a loop over time is the module: both run on random input in float64.

In:  the module, the graph, how its loop was read.
Out: nothing, or a refusal that names the first layer and step in which they differ.
Every spike of every neuron layer must be equal, and every potential up to rounding.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from norse import torch as norse
from torch import Tensor, nn

from neurocompile.engines.floating import FloatRecording, run_float
from neurocompile.errors import Unsupported
from neurocompile.frontend.loops import Loop
from neurocompile.frontend.stateful import at_rest, calling_of
from neurocompile.ir.arrays import Array
from neurocompile.ir.graph import Graph

SEED = 20
SAMPLES = 2  # at most; a batch of a network costs as much as its example
RATE = 0.3  # spikes per step and axon
POTENTIALS = 1e-9  # relative, between two orders of summation in float64
RESULTS = 1e-4  # relative: a forward may hold its result in float32


@dataclass(eq=False)
class _Seen:
    """What the module's layers gave out, call by call.

    Attributes:
        outputs: In order of the calls, (N, ...).
        encoded: Spikes that Norse's Poisson encoder made, (T, N, ...); None without one.
    """

    outputs: list[Array] = field(default_factory=list)
    encoded: Tensor | None = None


def prove(module: nn.Module, graph: Graph, loop: Loop, example: Tensor) -> None:
    """Run both on the same random input and compare them.

    Args:
        module: As trained, in eval mode; it is left as it was found.
        graph: FLOAT graph with its settings, which was read from it.
        loop: How.
        example: Of the module's input, all of its axes.

    Raises:
        Unsupported: Naming what differs first.
    """
    kind = type(module).__name__
    random = torch.Generator().manual_seed(SEED)
    x = torch.rand(example.shape, generator=random, dtype=torch.float64)
    if loop.axis is not None:
        x = (x < RATE).double()
    try:
        with _in_float64(module), _watched(module, loop) as seen:
            returned = module(x.to(example.device))
    except RuntimeError as error:
        raise Unsupported(
            f"the forward of {kind} cannot run in float64, in which it is compared with the graph "
            f"read from it: {str(error).splitlines()[0]}. Make its tensors as its input is, by "
            "x.new_zeros(...) or dtype=x.dtype."
        ) from error
    values = _values(x, loop, seen)
    samples = min(SAMPLES, len(values))
    called = (*(call.name for call in loop.calls), *graph.outputs())
    names = tuple(dict.fromkeys(name for name in called if name in graph.nodes))
    ours = run_float(graph, values[:samples], loop.steps, membranes=names)
    _compare(kind, loop, seen, ours, samples)
    _compare_result(kind, returned, loop, ours, graph, samples)


@contextmanager
def _in_float64(module: nn.Module) -> Iterator[None]:
    """Weights and new tensors in float64 inside, and what they were afterwards."""
    held = [t for t in (*module.parameters(), *module.buffers()) if t.is_floating_point()]
    before, default = [t.data for t in held], torch.get_default_dtype()
    try:
        for tensor in held:
            tensor.data = tensor.data.double()
        torch.set_default_dtype(torch.float64)
        for part in module.modules():
            at_rest(part)
        yield
    finally:
        torch.set_default_dtype(default)
        for tensor, data in zip(held, before, strict=True):
            tensor.data = data


@contextmanager
def _watched(module: nn.Module, loop: Loop) -> Iterator[_Seen]:
    """What the neuron layers give out inside, in the order in which they are called."""
    seen = _Seen()

    def keep(layer: nn.Module, given: Any, out: Any) -> Any:
        calling = calling_of(layer)
        shown = -1 if calling is not None and calling.potential else 0
        out = out[shown] if isinstance(out, tuple) else out
        if isinstance(layer, norse.PoissonEncoder):
            seen.encoded = out.detach().double()  # it makes float32, whatever it is given
            return seen.encoded
        if isinstance(layer, norse.ConstantCurrentLIFEncoder):
            seen.outputs += [step.detach().cpu().numpy().copy() for step in out]
        else:
            seen.outputs.append(out.detach().cpu().numpy().copy())
        return None

    layers = {call.layer: None for call in loop.calls}
    watched = [module.get_submodule(name) for name in layers]
    watched += [m for m in module.modules() if isinstance(m, norse.PoissonEncoder)]
    hooks = [layer.register_forward_hook(keep) for layer in dict.fromkeys(watched)]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


def _values(x: Tensor, loop: Loop, seen: _Seen) -> Array:
    """The graph's input: (N, T, ...) of each step, or (N, ...) where all steps see the same."""
    if seen.encoded is not None:
        shape = (*seen.encoded.shape[:2], *loop.example.shape[1:])
        values: Array = seen.encoded.reshape(shape).transpose(0, 1).cpu().numpy()
        return values
    if loop.axis is None:
        return x.numpy()
    values = x.movedim(loop.axis, 0)[: loop.steps].transpose(0, 1).numpy()
    return values


def _compare(kind: str, loop: Loop, seen: _Seen, ours: FloatRecording, samples: int) -> None:
    for call, outputs in zip(loop.calls, seen.outputs, strict=True):
        theirs = outputs[:samples]
        if call.name in ours.spikes:
            graph_values: Array = ours.spikes[call.name][:, call.step].reshape(theirs.shape)
            alike = np.array_equal(graph_values, theirs)
        elif call.name in ours.membrane:
            graph_values = ours.membrane[call.name][:, call.step].reshape(theirs.shape)
            alike = np.allclose(graph_values, theirs, rtol=POTENTIALS, atol=1e-12)
        else:
            continue
        if not alike:
            differ = int(np.sum(graph_values != theirs))
            raise Unsupported(
                f"the forward of {kind} is not the loop that was read from it: on random input, "
                f"{differ} of {graph_values.size} values of layer '{call.name}' differ in step "
                f"{call.step + 1}. {loop.advice}"
            )


def _compare_result(
    kind: str, returned: Any, loop: Loop, ours: FloatRecording, graph: Graph, samples: int
) -> None:
    """What the forward returns against the steps, read as the decoder reads them."""
    while isinstance(returned, tuple | list) and len(returned):
        returned = returned[0]
    (last,) = graph.outputs()
    steps = ours.membrane.get(last, ours.spikes.get(last))
    if not isinstance(returned, Tensor) or steps is None or loop.reading.kind == "all":
        return
    steps = ours.spikes[last].astype(np.float64) if last in ours.spikes else steps
    reduced: dict[str, Any] = {
        "last": lambda v: v[:, -1],
        "sum": lambda v: v.sum(1),
        "mean": lambda v: v.mean(1),
        "max": lambda v: v.max(1),
    }
    result = loop.reading.gain * reduced[loop.reading.kind](steps)
    theirs = returned.detach().cpu().double().numpy()[:samples].reshape(result.shape)
    if loop.reading.classifies:
        result, theirs = (v - v.max(-1, keepdims=True) for v in (result, np.log(theirs)
                         if theirs.min() >= 0 else theirs))  # fmt: skip
    if not np.allclose(result, theirs, rtol=RESULTS, atol=RESULTS):
        raise Unsupported(
            f"the forward of {kind} returns something else than the {loop.reading.kind} of its "
            f"steps: on random input they differ by {np.abs(result - theirs).max():.2g}. "
            f"{loop.advice}"
        )
