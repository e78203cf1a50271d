"""Another length of a step, for a network that was trained without one.

In:  a graph whose dt was assumed: its layers hold what is lost per step, not per second.
Out: the same graph with the dt that a user gave; what it does in each step stays.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from neurocompile.ir.graph import Graph
from neurocompile.ir.neurons import Neuron, leak, rate_of

RATES = ("tau_mem_inv", "tau_syn_inv")


def with_dt(graph: Graph, dt: float) -> Graph:
    """The graph with steps of another length, in which neurons lose the same part of their state.

    Args:
        graph: Of either stage, whose dt was assumed.
        dt: Length of a step, seconds.
    """
    old = graph.settings.dt
    changed: dict[str, Any] = {}
    for name, neuron in graph.of(Neuron):
        held = {rate: getattr(neuron, rate) for rate in RATES if hasattr(neuron, rate)}
        rates = {rate: rate_of(leak(tau_inv, old), dt) for rate, tau_inv in held.items()}
        changed[name] = replace(neuron, **rates)
    return replace(graph.with_nodes(**changed), settings=graph.settings.given(dt=dt))
