"""Layers with a state that are not Norse's: how they are called, and what nodes they are.

In:  a layer of a neighbour; `peers/` has one file of rules for each.
Out: how its forward is to be read, the nodes that it becomes, and a refusal where the two differ.
Every such layer is run on random numbers against its nodes before anyone believes the rule.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from functools import singledispatch
from importlib.metadata import version
from typing import Any

import numpy as np
from torch import Tensor, nn

from neurocompile.frontend.rules import has_rule
from neurocompile.frontend.site import Site
from neurocompile.installed import pinned
from neurocompile.ir import reference
from neurocompile.ir.arrays import Array
from neurocompile.ir.graph import Edge, Graph
from neurocompile.ir.nodes import Add, Delay, Input
from neurocompile.ir.settings import Settings

PROOF_STEPS = 12
PROOF_SCALES = (0.4, 3.0, 25.0)  # of the input against the threshold: rare spikes, and many


@dataclass(frozen=True)
class Calling:
    """How a layer is called.

    Attributes:
        states: Values that it returns beside its output, and takes back; 0 where it keeps its
            state to itself and returns one tensor.
        own_spikes: Whether it takes its own spikes back too, before the states.
        potential: Whether it never resets, so that its potential, the last of the states, is
            what goes on.
        over_time: Whether it takes all steps in one call.
        batch_first: Whether time is then the second axis, (N, T, ...), and not the first.
    """

    states: int = 0
    own_spikes: bool = False
    potential: bool = False
    over_time: bool = False
    batch_first: bool = False


@singledispatch
def calling_rule(module: nn.Module) -> Calling | None:
    """How a kind of layer with a state is called, and what inherits its forward."""
    return None


def calling_of(module: nn.Module) -> Calling | None:
    """How a layer with a state is called; None for all others, and for those of Norse.

    A subclass with a forward of its own is another kind: no rule knows how it is called.
    """
    return calling_rule(module) if has_rule(module) else None


def is_stateful(module: nn.Module) -> bool:
    """Whether a module is a neighbour's layer with a state, or a subclass of one, read or not."""
    return calling_rule.dispatch(type(module)) is not calling_rule.dispatch(object)


@singledispatch
def expansion_of(module: nn.Module) -> str | None:
    """How a container of a neighbour runs its layers; None for what is none.

    "a step" or "over time", one after the other; "traced" where its forward is read.
    """
    return None


@singledispatch
def at_rest(module: nn.Module) -> None:
    """Let a neighbour's layer forget its state, and give its spikes in the type of its input."""


def takes_all_steps(module: nn.Module) -> bool:
    """Whether a layer takes all steps in one call."""
    calling = calling_of(module)
    return expansion_of(module) == "over time" or (calling is not None and calling.over_time)


def takes_batch_first(module: nn.Module) -> bool:
    """Whether a layer takes all steps in one call, (N, T, ...)."""
    calling = calling_of(module)
    return calling is not None and calling.over_time and calling.batch_first


@dataclass(frozen=True, eq=False)
class Parts:
    """The nodes of a layer with a state.

    Attributes:
        neuron: What keeps the state.
        gain: Map that its input goes through first; None for none.
        recurrent: Map that its own spikes go through on their way back, a step later, before the
            gain; None for none.
        entering: Map that its input goes through first of all; None for none.
    """

    neuron: Any
    gain: Any = None
    recurrent: Any = None
    entering: Any = None

    def laid_out(
        self, path: str, source: str, put: Callable[..., str], join: Callable[[str, str], None]
    ) -> str:
        """Put the nodes after a source; returns the name of the neuron.

        Args:
            path: Name of the layer.
            source: Name of the node before it.
            put: Adds a node of a name after its sources and returns the name it got.
            join: Adds an edge.
        """
        if self.entering is not None:
            source = put(f"{path}.input_weights", self.entering, source)
        if self.gain is not None:
            source = put(f"{path}.gain", self.gain, source)
        if self.recurrent is None:
            return put(path, self.neuron, source)
        returning = end = put(f"{path}.recurrent_weights", self.recurrent)
        if self.gain is not None:
            end = put(f"{path}.recurrent_gain", self.gain, returning)
        total = put(f"{path}.sum", Add(), source, end)
        name = put(path, self.neuron, total)
        join(put(f"{path}.late", Delay(1), name), returning)
        return name


def copy_of(module: nn.Module) -> Any:
    """A copy of a layer, also of one whose state still belongs to the graph of a training."""
    memo: dict[int, Any] = {}
    for part in module.modules():
        tables = [held for held in part.__dict__.values() if isinstance(held, dict)]
        for value in (*part.__dict__.values(), *(v for held in tables for v in held.values())):
            if isinstance(value, Tensor) and not value.is_leaf:
                memo[id(value)] = value.detach().clone()
    copied: Any = object.__new__(type(module))  # some classes copy themselves, and share layers
    memo[id(module)] = copied  # what its own methods are bound to
    copied.__dict__.update(deepcopy(module.__dict__, memo))
    return copied


def just_below(threshold: Array) -> Array:
    """The largest float64 below a threshold: v > it where v >= threshold."""
    return np.nextafter(np.asarray(threshold, dtype=np.float64), -np.inf)


def prove(
    module: nn.Module, parts: Parts, site: Site, run: Callable[[Array], Array], package: str
) -> Parts:
    """The parts, after a run of the layer itself gave what they give.

    Args:
        module: The layer.
        parts: What its rule made of it.
        site: Where it is.
        run: The layer on (steps, *shape) float64 from its start: its spikes, or its potential.
        package: Whose layer it is.

    Raises:
        Unsupported: If they differ.
    """
    neuron = parts.neuron
    level = float(np.max(np.abs(neuron.v_th))) if neuron.spiking else 1.0
    rng = np.random.default_rng(0)
    for scale in PROOF_SCALES:
        x = rng.normal(0.3, 1.0, (PROOF_STEPS, *site.in_shape)) * scale * (level or 1.0)
        try:
            theirs = run(x)
        except Exception as error:  # a subclass, or another version, whose step is not the known
            raise site.refuse(
                module, f"it cannot be run step by step ({error}). {versions(package)}"
            ) from error
        ours = _run_parts(parts, site, x)
        if neuron.spiking:
            wrong = int(np.sum(theirs != ours))
        else:
            wrong = int(np.sum(~np.isclose(theirs, ours, rtol=1e-9, atol=1e-9 * scale)))
        if wrong:
            raise site.refuse(
                module,
                f"{wrong} of the {theirs.size} values that it gave for random input are not those "
                f"of the step that is known here. {versions(package)}",
            )
    return parts


def versions(package: str) -> str:
    """What is installed of a neighbour, what was tried, and how to get that."""
    return (
        f"Installed is {package} {version(package)}; the rules were tried with "
        f"{pinned()[package]}. Run: neurocompile doctor --install neighbours"
    )


def _run_parts(parts: Parts, site: Site, x: Array) -> Array:
    """What the nodes give for (steps, *shape): spikes, or potentials."""
    nodes: dict[str, Any] = {"x": Input(site.in_shape)}
    edges: list[Edge] = []

    def put(name: str, node: Any, *sources: str) -> str:
        nodes[name] = node
        edges.extend((source, name) for source in sources)
        return name

    name = parts.laid_out("layer", "x", put, lambda a, b: edges.append((a, b)))
    out, _ = reference.run_float(Graph(nodes, tuple(edges), Settings(dt=site.dt)), x)
    return out[name]
