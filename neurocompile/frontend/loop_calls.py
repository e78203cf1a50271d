"""The calls of neuron layers in a forward: they count its steps.

In:  torch.fx's record of a forward; the module that holds its layers.
Out: each call with its step; whether the forward loops over time; the form of one step, in code.
The call that takes no state is of step 0, the one that takes what that returned is of step 1.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from torch import fx, nn

from neurocompile.errors import Unsupported
from neurocompile.frontend import functions
from neurocompile.frontend.lines import line_text
from neurocompile.frontend.peers import PACKAGES
from neurocompile.frontend.record import ROOT
from neurocompile.frontend.rules import NEURON_MODULES, lengthens, returns_state
from neurocompile.frontend.stateful import calling_of, is_stateful

STATE_NAMES = ("state", "hx", "spk", "syn", "mem")


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
        norses = isinstance(getattr(module, "lifted_module", module), NEURON_MODULES)
        if calling is None and not norses and not _is_refused(module, node):
            continue
        path = str(node.target).removeprefix(ROOT).lstrip(".")
        own = returns_state(module) if norses else calling is None or state_of(node) is not None
        before = numbered.get(_origin(state_of(node))) if own else hidden.get(path)
        if before is None:
            names[path] = names.get(path, 0) + 1
            base = path or type(module).__name__.lower()
            name = base if names[path] == 1 else f"{base}_{names[path]}"
            numbered[node] = Call(path, name, 0)
        else:
            numbered[node] = Call(path, before.name, before.step + 1)
        hidden[path] = numbered[node]
    return numbered


def _is_refused(module: Any, node: fx.Node) -> bool:
    """Whether this calls a neighbour's layer that no rule reads, with a state: it is refused later.

    Its calls count the steps too, so that nothing else is refused because of it.
    """
    peers = isinstance(module, nn.Module) and type(module).__module__.startswith(PACKAGES)
    takes_states = len(node.args) > 1 or bool({*STATE_NAMES} & {*node.kwargs})
    return (peers or is_stateful(module)) and takes_states


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


def state_of(call: fx.Node) -> Any:
    """The state that a neuron layer is called with."""
    given = [call.kwargs[name] for name in STATE_NAMES if name in call.kwargs]
    return call.args[1] if len(call.args) > 1 else next(iter(given), None)


def _origin(state: Any) -> Any:
    """The call that returned a state."""
    picked = isinstance(state, fx.Node) and functions.picks(state.target)
    return state.args[0] if picked else None


def one_step(numbered: Iterable[Call]) -> str:
    """The lines of code of the form in which every network can be read."""
    layers = {call.name: call.layer for call in numbered} or {"lif": "lif"}
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
