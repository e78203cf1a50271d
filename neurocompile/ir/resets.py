"""The reset of a whole network: change it, and find the layers in which it matters.

In:  a FLOAT graph.
Out: the same graph with another reset, or the layers in which the reset has an effect.
A reset is part of the trained network: nothing here is done unless a user asked for it.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np

from neurocompile.errors import Unsupported
from neurocompile.ir.graph import Graph
from neurocompile.ir.neurons import Neuron, Reset, leak
from neurocompile.ir.pools import pools
from neurocompile.ir.settings import Assumption

WORDS = {"zero": "go to v_reset at a spike", "subtract": "subtract their threshold at a spike"}


def reset_shows(neuron: Neuron, dt: float) -> bool:
    """Whether a neuron carries its potential, and with it the reset, into the next step."""
    if not neuron.spiking or neuron.graded:
        return False
    tau_inv: Any = getattr(neuron, "tau_mem_inv", None)
    return tau_inv is None or bool(np.any(leak(tau_inv, dt) != 1))


def resetting(graph: Graph) -> dict[str, Reset]:
    """The reset of each layer in which it has an effect, by name; that of a pool is its own."""
    own = pools(graph)
    return {
        name: node.reset
        for name, node in graph.of(Neuron)
        if name not in own and _has_choice(node) and reset_shows(node, graph.settings.dt)
    }


def _has_choice(neuron: Neuron) -> bool:
    """Whether a neuron's class offers both resets."""
    return any(field.name == "reset" for field in fields(neuron))  # type: ignore[arg-type]


def with_reset(graph: Graph, reset: Reset) -> Graph:
    """The graph with one reset in every layer that spikes, but for those of a maximum pool."""
    own = pools(graph)
    changed = {
        name: replace(node, reset=reset)
        for name, node in graph.of(Neuron)
        if node.spiking and not node.graded and name not in own and _has_choice(node)
    }
    return graph.with_nodes(**changed)


def other_reset(reset: Reset) -> Reset:
    """The other of the two resets."""
    return "zero" if reset == "subtract" else "subtract"


def as_asked(graph: Graph, reset: Reset) -> Graph:
    """The graph with the reset that a user gave, and an assumption where its file differs."""
    for name, node in graph.of(Neuron):
        if node.spiking and not _has_choice(node) and node.reset != reset:
            raise Unsupported(
                f"layer '{name}' ({type(node).__name__}): its spike has one effect, which no reset "
                "changes. Leave the reset out, or use LIF or LIFBox neurons."
            )
    others = [name for name, own in resetting(graph).items() if own != reset]
    if not others:
        return graph
    named = f"layer '{others[0]}'" + (f" and {len(others) - 1} more" if len(others) > 1 else "")
    sentence = (
        f"the reset {reset} was asked for, but by the file the neurons of {named} "
        f"{WORDS[other_reset(reset)]}: it is not the network that was trained."
    )
    assumed = (*graph.settings.assumed, Assumption("reset", sentence))
    settings = replace(graph.settings, assumed=assumed)
    return replace(with_reset(graph, reset), settings=settings)
