"""A PyTorch network as a FLOAT graph.

In:  an nn.Module of supported layers, and an example of its input.
Out: a graph whose nodes have the names of the user's modules.
Three steps are recorded and must be the same, so that no recurrence and no forgotten state
goes unseen (see `recurrence`); of a forward that loops over time, all of its rounds (see `loops`).
The module is left as it was found.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from norse import torch as norse
from torch import Tensor, fx, nn

from neurocompile.errors import BadInput, NeurocompileError, Unsupported, a_or_an
from neurocompile.frontend.given import module_of
from neurocompile.frontend.interpret import Interpreter
from neurocompile.frontend.lines import line_text
from neurocompile.frontend.loop_calls import loops
from neurocompile.frontend.loop_input import without_repetition
from neurocompile.frontend.loop_result import over_time
from neurocompile.frontend.loops import Loop, Unrolled
from neurocompile.frontend.peers import integers_of, meet_peers, packages_of
from neurocompile.frontend.proof import prove
from neurocompile.frontend.readout import with_readout
from neurocompile.frontend.record import ends_here
from neurocompile.frontend.recorder import Once, Steps, as_held, record_of, undisturbed
from neurocompile.frontend.recurrence import Traced, one_of
from neurocompile.frontend.rules import CELLS, NEURON_MODULES, TIME_FIRST, has_rule
from neurocompile.frontend.shown import as_given, of_example, one_step, shown
from neurocompile.frontend.signals import over_time_form
from neurocompile.frontend.site import plain_name
from neurocompile.frontend.stateful import calling_of, takes_all_steps, takes_batch_first
from neurocompile.frontend.tracer import Tracer
from neurocompile.ir.graph import Graph
from neurocompile.ir.pools import MaxPool, check_choice, check_input
from neurocompile.ir.settings import (
    Assumption,
    Decoder,
    Encoder,
    Settings,
    dt_assumed,
)
from neurocompile.nn.delays import WAITING
from neurocompile.nn.network import SpikingNetwork


def trace(
    module: nn.Module,
    example_input: Tensor,
    settings: Settings | None = None,
    max_pool: MaxPool | None = None,
) -> Graph:
    """The FLOAT graph of a network.

    Args:
        module: Does one step, forward(x) or forward(x, state=None) -> (output, state); or loops
            over the steps in its forward; or takes all steps at once, where it holds Norse's
            layers over time (LIF, LI, Lift) or those of neurocompile.nn; or is a SpikingNetwork.
        example_input: One batch: (N, ...) for a single step, (T, N, ...) for all steps at once;
            what `forward` takes where it loops, and for a SpikingNetwork. Only its shape matters.
        settings: Time, input and output. By default those of a SpikingNetwork, or what a loop
            shows (steps, encoder, decoder), else the defaults with the layers' dt.
        max_pool: "neurons" to read a maximum pool of spikes as neurons that fire at any spike of
            its window: exact, for as many neurons as it has outputs. By default it is refused.

    Returns:
        One Input node "input" with the shape of a sample, then the layers in order of execution.

    Raises:
        Unsupported: If the network holds what no rule covers.
        BadInput: If a parameter is not finite, dt differs between layers, or shapes do not fit.
    """
    check_choice(max_pool)
    module = module_of(module)
    _check_example(example_input)
    if example_input.is_meta:
        example_input = torch.zeros(example_input.shape)
    meet_peers()
    if integers_of(module) is not None:
        raise Unsupported(
            f"{type(module).__name__} is made of lava-dl's slayer blocks, whose integers are those "
            "of a chip already. Use neurocompile.save, which reads them as they are."
        )
    if isinstance(module, norse.Lift) and not has_rule(module.lifted_module):
        lifted = trace(module.lifted_module, example_input[0], settings, max_pool)
        own = of_example(lifted.settings, tuple(example_input.shape), 0)
        return replace(lifted, settings=own)
    graph = check_input(_graph_of(module, example_input, settings, max_pool))
    settings = _with_dt_said(graph.settings, module)
    said = (*settings.assumed, *_names_said(graph, module))
    own = replace(settings, assumed=said, packages=packages_of(module))
    return replace(graph, settings=own)


def _names_said(graph: Graph, module: nn.Module) -> tuple[Assumption, ...]:
    """The line on layers whose names in the graph are not those of the user's module."""
    inner = module.layers if isinstance(module, SpikingNetwork) else module
    paths = [path for path, _ in inner.named_modules() if plain_name(path) != path]
    changed = [f"'{p}' is '{plain_name(p)}'" for p in paths if plain_name(p) in graph.nodes]
    if not changed:
        return ()
    words = f"layers are named in letters, digits, '_', '.' and '-': {', '.join(changed)}."
    return (Assumption("names", words),)


def _with_dt_said(settings: Settings, module: nn.Module) -> Settings:
    """The settings, where layers say how long a step takes, or else with one that does not."""
    if not settings.assumes("dt"):
        return settings
    timeless = next((m for m in module.modules() if calling_of(m) is not None), None)
    if any(isinstance(m, NEURON_MODULES) and calling_of(m) is None for m in module.modules()):
        return settings.given(dt=settings.dt)
    if timeless is None:
        return settings
    why = f"{a_or_an(type(timeless).__name__)} does not say how long"
    return replace(settings, assumed=(*settings.without("dt"), dt_assumed(settings.dt, why)))


def _graph_of(
    module: nn.Module,
    example_input: Tensor,
    settings: Settings | None,
    max_pool: MaxPool | None,
) -> Graph:
    """The graph, by the way in which the module takes time."""
    given = settings or Settings()
    with undisturbed(module), torch.no_grad():
        if isinstance(module, SpikingNetwork):
            timed = module.settings.encoder.timed
            one_step = example_input[:, 0] if timed else example_input
            traced = _trace(module.layers, one_step, 1, given.dt, max_pool)
            own = module.settings
            return _with_settings(traced, own if settings is None else settings.over(own))
        if any(isinstance(m, TIME_FIRST) or takes_all_steps(m) for m in module.modules()):
            _check_fed_back(module)
            _check_delays(module)
            return _over_time(module, example_input, given, max_pool)
        loop = _loop(module, example_input)
        if loop is not None:
            return _of_loop(loop, module, example_input, given, max_pool)
        try:
            traced = _trace(module, example_input, 3, given.dt, max_pool)
        except Unsupported:
            _check_longer(module, example_input)
            raise
        return _with_settings(traced, given)


def _check_fed_back(module: nn.Module) -> None:
    """What feeds back from call to call does so from step to step, or not as its user thinks."""
    for name, inner in module.named_modules():
        if isinstance(inner, norse.RecurrentSequential):
            raise Unsupported(
                f"layer '{name or 'the network'}' (RecurrentSequential) feeds its output back in "
                "its next call, but other layers take all steps in one call. Use cells (LIFCell, "
                "LICell, ...) everywhere, and trace the forward pass of a single step."
            )


def _check_delays(module: nn.Module) -> None:
    """A layer that delays takes all steps at once, and so must the neurons around it."""
    waiting = [(n, m) for n, m in module.named_modules() if isinstance(m, WAITING)]
    lifted = [m.lifted_module for m in module.modules() if isinstance(m, norse.Lift)]
    for name, inner in module.named_modules() if waiting else ():
        calling, kind = calling_of(inner), type(inner).__name__
        single = isinstance(inner, CELLS) and all(inner is not m for m in lifted)
        if single or (calling is not None and not calling.over_time):
            late, delay = waiting[0]
            cure = over_time_form(kind) if single else "step_mode='m' in SpikingJelly, or "
            raise Unsupported(
                f"layer '{late}' ({type(delay).__name__}) takes all steps at once, (T, N, ...), "
                f"but layer '{name}' ({kind}) does one step. Use {cure}a layer of neurons of "
                "neurocompile.nn in its place, and call each layer once, without a loop."
            )


def _check_example(example: Any) -> None:
    if not isinstance(example, Tensor):
        raise BadInput(
            f"example_input is {a_or_an(type(example).__name__)}. Give a tensor: one batch of "
            "samples, such as torch.zeros(1, 28, 28)[None]."
        )


def _loop(module: nn.Module, example: Tensor) -> tuple[Loop, nn.Module] | None:
    """A forward that loops over time, with the root of its record; None if it does one step."""
    if example.dim() < 2 or example.numel() == 0:
        return None
    example = as_held(example, module)
    tracer = Tracer(example)
    root = Once(module)
    record = record_of(tracer, root, module)
    if not loops(record, root):
        return None
    return Unrolled(record, root, tracer, example).read(), root


def _check_longer(module: nn.Module, example: Tensor) -> None:
    """Refuse an example of one step, where a forward loops over an axis that is longer.

    Raises:
        BadInput: Naming the axis.
    """
    for axis, length in enumerate(example.shape):
        if length != 1:
            continue
        try:
            longer = _loop(module, example.repeat_interleave(3, axis))
        except NeurocompileError:
            continue  # of this longer example nothing was asked
        if longer is not None and longer[0].axis == axis:
            place = ("first", "second", "third")[axis] if axis < 3 else f"{axis + 1}th"
            form = "(T, N, ...)" if axis == 0 else "(N, T, ...)"
            shape = tuple(example.shape)
            swap = ""
            if axis == 0 and shape[1] > 1:
                swap = " Where the batch comes first, give example.transpose(0, 1)."
            raise BadInput(
                f"the {place} axis of the example {shape} is read as time and has 1 step: give "
                f"{form} with T > 1. The forward of {type(module).__name__} loops over this axis."
                f"{swap}"
            ) from None


def _over_time(
    module: nn.Module, example: Tensor, settings: Settings, max_pool: MaxPool | None
) -> Graph:
    """The graph of a network whose layers take all steps in one call."""
    example = as_held(example, module)
    tracer = Tracer(example)
    root = Once(module)
    record = record_of(tracer, root, module)
    still = without_repetition(record, example)
    example = example if still is None else still
    _check_axes(example, leads=2)

    def refuse(node: fx.Node | None, found: str) -> Unsupported:
        where = f"{line_text(node.meta['line'])}: " if node is not None else ""
        return Unsupported(
            f"{where}{found}. Return the steps as they come, and say how they are read by "
            "Settings(decoder=Decoder(...))."
        )

    def layer(node: fx.Node) -> nn.Module:
        return root.get_submodule(str(node.target))

    reading = over_time(record, layer, tracer.example_of, refuse)
    ends_here(record, [value.node for value in reading.values])
    (traced,) = Interpreter(root, example, 2, settings.dt, max_pool).run(record)
    graph = _with_settings(traced, settings)
    (last,) = graph.outputs()
    spiking = getattr(graph.nodes[last], "spiking", False)
    decoder, said = reading.decoder(len(example), spiking)
    axis = 1 if any(map(takes_batch_first, module.modules())) else 0
    if axis == 0 and len(example) == 1 < example.shape[1]:
        said = (*said, one_step(tuple(example.shape)))
    if still is not None:
        return as_given(graph, shown(len(example), Encoder("current"), decoder, said))
    if decoder != Decoder():  # the forward itself reads as many steps as the example has
        return as_given(graph, shown(len(example), Encoder(), decoder, said))
    own = of_example(graph.settings, tuple(example.shape), axis)
    graph = replace(graph, settings=own)
    return as_given(graph, shown(None, Encoder(), decoder, said))


def _check_axes(example: Tensor, leads: int) -> None:
    """The batch is there, and time where all steps come in one call."""
    axes = "(N, ...)" if leads == 1 else "(T, N, ...)"
    if example.dim() <= leads or example.numel() == 0:
        first = "the batch comes first" if leads == 1 else "time comes first, then the batch"
        raise BadInput(
            f"example_input has shape {tuple(example.shape)}, but {axes} with at least one value "
            f"is expected: {first}, also for one sample."
        )


def _trace(
    module: nn.Module, example: Tensor, steps: int, dt: float, max_pool: MaxPool | None
) -> Traced:
    """The one graph of all recorded steps."""
    _check_axes(example, leads=1)
    example = as_held(example, module)
    tracer = Tracer(example)
    root = Steps(module, steps, tracer)
    record = record_of(tracer, root, module)
    return one_of(Interpreter(root, example, 1, dt, max_pool).run(record), type(module).__name__)


def _of_loop(
    looped: tuple[Loop, nn.Module],
    module: nn.Module,
    example: Tensor,
    settings: Settings,
    max_pool: MaxPool | None,
) -> Graph:
    """The graph of a forward over time, proved on the module itself."""
    loop, root = looped
    steps = Interpreter(root, loop.example, 1, settings.dt, max_pool).run(loop.record)
    traced = one_of(steps, type(module).__name__, loop.advice)
    graph = _with_settings(traced, settings)
    (last,) = graph.outputs()
    spiking = getattr(graph.nodes[last], "spiking", False)
    decoder, said = loop.reading.decoder(loop.steps, spiking)
    encoder = Encoder() if loop.axis is not None else Encoder("current")
    if loop.rate is not None:
        encoder = Encoder("bernoulli", loop.rate)
    own = shown(loop.steps, encoder, decoder, said)
    bare = replace(graph, settings=replace(own, dt=graph.settings.dt))
    prove(module, bare, loop, as_held(example, module))
    return as_given(graph, own)


def _with_settings(traced: Traced, settings: Settings) -> Graph:
    """The graph with its settings, whose dt is that of every neuron layer."""
    if traced.dts:
        first, dt = next(iter(traced.dts.items()))
        for name, other in traced.dts.items():
            if other != dt:
                raise BadInput(
                    f"layer '{first}' has dt = {dt} s, but layer '{name}' has {other} s. "
                    "Use one dt for all layers."
                )
        if settings.assumes("dt"):
            settings = replace(settings, dt=dt)
        if settings.dt != dt:
            raise BadInput(
                f"the settings have dt = {settings.dt} s, but layer '{first}' has {dt} s. "
                "Use one dt."
            )
    settings = replace(settings, assumed=(*settings.assumed, *traced.said))
    return with_readout(replace(traced.graph, settings=settings))
