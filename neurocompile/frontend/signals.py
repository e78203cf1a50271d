"""What travels between layers while a record is read, and what must hold of it.

In:  signals, states, and the layers they meet.
Out: refusals that name the layer.
A neuron layer starts at its own state and gets it back in the next step: anything else is
recurrence or a neuron without memory, which a graph would not show.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from norse import torch as norse
from norse.torch.module.snn import SNN, SNNRecurrent
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from neurocompile.errors import BadInput, Unsupported, a_or_an
from neurocompile.frontend.recurrence import is_silent
from neurocompile.frontend.rules import CELLS, NEURON_MODULES
from neurocompile.frontend.stateful import Calling, copy_of

HOOKS = (
    *("_forward_hooks", "_forward_pre_hooks"),
    *("_forward_hooks_with_kwargs", "_forward_pre_hooks_with_kwargs"),
)

POTENTIAL, CURRENT = "membrane potential", "synaptic current"
DELAYS = (
    "A delay of several steps is neurocompile.nn.Delay(steps), between layers that take all steps "
    "at once: torch.nn.Linear, norse.torch.LIF, norse.torch.Lift of a convolution, or the layers "
    "of neurocompile.nn."
)
SEED = 7  # of the input on which hooks are tried


@dataclass(frozen=True, eq=False)
class TracedSignal:
    """A value that travels between layers.

    Attributes:
        value: An example of it, (N, ...) or (T, N, ...).
        source: Name of the node it comes from.
        step: In which of the recorded steps.
    """

    value: Tensor
    source: str
    step: int


@dataclass(frozen=True, eq=False)
class Stack:
    """Signals of one shape along a new first axis: norse.torch.RecurrentSequential sums them."""

    signals: tuple[TracedSignal, ...]


@dataclass(frozen=True)
class TracedState:
    """The state of a neuron layer after a step; only that layer can read it.

    Attributes:
        layer: Its name.
        part: Which of the values that it returns beside its output.
        what: What its user calls it.
    """

    layer: str
    part: int = 0
    what: str = field(default="state", compare=False)


@dataclass(frozen=True)
class TracedNothing:
    """The spikes of a readout, which it returns but never resets at: nobody can read them."""

    layer: str


def check_signal(x: Any, step: int, where: str) -> None:
    """A layer or operation takes the signal of a layer, of this step."""
    if isinstance(x, tuple):
        raise BadInput(
            f"{where} is given an (output, state) pair, but takes a tensor. "
            "Use norse.torch.SequentialState, which keeps the two apart."
        )
    if isinstance(x, TracedNothing):
        raise Unsupported(
            f"{where} is given the spikes of layer '{x.layer}', which never resets, so that it is "
            "a readout here. Go on with its potential, or let it reset at a spike."
        )
    if not isinstance(x, TracedSignal):
        cure = f" Zeros stand for a signal in the first step only. {DELAYS}"
        raise Unsupported(
            f"{where} is not given the signal of a layer, but {_short(x)}."
            f"{cure if is_silent(x) else ''}"
        )
    if x.step != step:
        raise Unsupported(
            f"{where} is given the output of layer '{x.source}' of {step - x.step} steps before. "
            "A state hands a signal on to the next step only: hand it on once per step, and start "
            f"with zeros. {DELAYS}"
        )


def check_output(output: Any) -> None:
    """The network returns the signal of a layer."""
    if isinstance(output, TracedState) and output.what == POTENTIAL:
        raise Unsupported(
            f"the network returns {_short(output)} as its output, but only spikes leave a neuron "
            "that spikes. Return its spikes first, (spikes, potential), and read them by "
            "Settings(decoder=Decoder('rate')); or make it a readout, whose potential is the "
            "output, and train it so: reset_mechanism='none' in snnTorch."
        )
    if not isinstance(output, TracedSignal):
        raise Unsupported(
            f"the network returns {_short(output)} as its output, but one tensor is expected. "
            "Return (output, state), or only the output."
        )


def check_state(path: str, module: nn.Module, given: list[Any], step: int, x: Tensor) -> None:
    """A neuron layer starts from its own state, given or not, and goes on from what it returned."""
    state = next((g for g in given if g is not None), None)
    if step == 0 and state is not None and not _is_initial(module, state, x):
        raise Unsupported(
            f"layer '{path}' ({type(module).__name__}) starts from {_short(state)}, not from "
            "its own state. Call it without a state in the first step."
        )
    if step > 0 and state != TracedState(path):
        raise Unsupported(
            f"layer '{path}' ({type(module).__name__}) goes on from {_short(state)}, not from "
            "the state that it returned in the step before. Return (output, state) and take "
            "the state back: forward(x, state=None)."
        )


def check_given_back(
    path: str, module: nn.Module, calling: Calling, given: list[Any], step: int
) -> None:
    """A layer is given zeros or nothing first, and what it returned from then on.

    Without anything it goes on from the state that it keeps to itself.
    """
    own: list[Any] = [TracedState(path, part) for part in range(calling.states)]
    if calling.own_spikes:
        own.insert(0, path)
    for found, wanted in zip(given, own, strict=False):
        late = isinstance(found, TracedSignal) and found.step == step - 1
        same = found.source == path if late else found == wanted
        if not (found is None or (step > 0 and same) or (step == 0 and is_silent(found))):
            name = found.source if isinstance(found, TracedSignal) else _short(found)
            raise Unsupported(
                f"layer '{path}' ({type(module).__name__}) goes on from {name}, not from what it "
                "returned in the step before. Give it its own state back, and zeros at the start."
            )
    if len(given) > len(own):
        raise Unsupported(
            f"layer '{path}' ({type(module).__name__}) is given {len(given)} states, but it has "
            f"{len(own)}. Give it what it returned."
        )


def check_time(module: nn.Module, inner: nn.Module, path: str, leads: int) -> None:
    """A layer takes one step where the network does, and all of them where it does.

    Args:
        module: As called.
        inner: What it lifts, or itself.
        path: Its name.
        leads: Axes before those of a sample: 1 for a step, 2 for all.
    """
    kind = type(inner).__name__
    lifted = module is not inner or getattr(inner, "step_mode", "s") == "m"
    if leads == 1 and isinstance(module, SNN | SNNRecurrent | norse.Lift):
        raise Unsupported(
            f"layer '{path}' ({kind}) runs over time inside a network that is given a step at "
            "a time. Use the cell of that name."
        )
    if leads == 2 and isinstance(inner, _BatchNorm) and not lifted:
        raise Unsupported(
            f"layer '{path}' ({kind}) does a single step, but other layers take all steps at "
            f"once: it would take the batch for channels. Use norse.torch.Lift({kind}(...))."
        )
    if leads == 2 and isinstance(inner, CELLS) and not lifted:
        raise Unsupported(
            f"layer '{path}' ({kind}) does a single step, but other layers take all steps at "
            f"once. Use {over_time_form(kind)}norse.torch.Lift({kind}(...)) in a forward of your "
            "own, for it returns (output, state), which SequentialState would hand on."
        )
    if lifted and isinstance(inner, NEURON_MODULES) and not isinstance(inner, CELLS):
        raise Unsupported(f"layer '{path}' ({kind}) runs over time already. Do not lift it.")


def over_time_form(kind: str) -> str:
    """The layer of Norse that takes all steps where a cell takes one, where there is one."""
    name = kind.removesuffix("Cell")
    return f"norse.torch.{name}, or " if hasattr(norse, name) else ""


def check_hooks(module: nn.Module, path: str, x: Tensor) -> None:
    """Hooks that watch are harmless; one that changes the output is no part of any rule.

    The hooked call comes first: weight norm and pruning of PyTorch's older kind make the weights
    in a hook, and are fresh after it.
    """
    if module._forward_hooks or module._forward_pre_hooks:
        x = _random_like(x)
        hooked, plain = (_first(call(x)) for call in (module, module.forward))
        _check_equal(path, module, plain, hooked)


def check_hooks_of(module: nn.Module, path: str, x: Tensor) -> None:
    """The same of a layer that keeps its state: each run is one of a copy."""
    x = _random_like(x)
    plain, hooked = copy_of(module), copy_of(module)
    for name in HOOKS:
        setattr(hooked, name, getattr(module, name))
    _check_equal(path, module, _first(plain.forward(x)), _first(hooked(x)))


def _random_like(x: Tensor) -> Tensor:
    """Values of both signs, the same each time: a hook that scales would not show on zeros."""
    random = torch.Generator().manual_seed(SEED)
    return torch.randn(x.shape, generator=random, dtype=x.dtype).to(x.device)


def _check_equal(path: str, module: nn.Module, plain: Tensor, hooked: Tensor) -> None:
    if not torch.equal(plain, hooked):
        raise Unsupported(
            f"layer '{path}' ({type(module).__name__}) has a forward hook that changes its input "
            "or output, which no file holds. Do its work in a layer of its own, or fold it into "
            "the weights, and check the network before saving it: without the hook it is "
            "another network."
        )


def pattern_like(x: Tensor) -> Tensor:
    """0 and 1 by turns: spikes that stand for those of a neuron layer that is not run."""
    return (torch.arange(x.numel(), device=x.device) % 2).reshape(x.shape).to(x.dtype)


def _is_initial(module: Any, state: Any, x: Tensor) -> bool:
    """Whether a state has the values that the layer itself starts from."""
    own = getattr(module, "state_fallback", None)
    if own is None or not isinstance(state, tuple):
        return False
    return _has_values_of(state, own(x))


def _has_values_of(state: Any, wanted: Any) -> bool:
    """Whether a state, of which a part may be a state itself, has the values of another."""
    if isinstance(wanted, tuple):
        same_parts = isinstance(state, tuple) and len(state) == len(wanted)
        return same_parts and all(map(_has_values_of, state, wanted))
    return isinstance(state, Tensor) and torch.equal(
        *torch.broadcast_tensors(state.to(wanted), wanted)
    )


def _first(result: Any) -> Tensor:
    tensor: Tensor = result[0] if isinstance(result, tuple) else result
    return tensor


def _short(value: Any) -> str:
    if value is None:
        return "no state"
    if isinstance(value, TracedState):
        return f"the {value.what} of layer '{value.layer}'"
    return f"{a_or_an(type(value).__name__)}"
