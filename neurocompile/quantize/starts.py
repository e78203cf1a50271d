"""Start the layers of a sigma-delta network where their biases lead a chip before step 1.

In:  FIXED graph whose layers of a sigma-delta network are at rest; the FLOAT graph it came from.
Out: the same graph; these layers count as sent what they send before the first input arrives.
A sum keeps what it gets early, so it may come early. A neuron that leaks would lose part of it:
where one listens, the bias is refused.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from neurocompile.errors import Refusals, Unsupported
from neurocompile.ir.early import started_at_rest
from neurocompile.ir.fixed import ChipNeuron, SpikeInput, Synapse
from neurocompile.ir.graph import Graph
from neurocompile.quantize.changes import CHIP_CHANGES


def started_changes(fixed: Graph, simple: Graph) -> Graph:
    """A graph whose layers of a sigma-delta network start where a chip leads them from rest.

    Args:
        fixed: FIXED graph. Other neurons are left as they are; none may spike before its step 1.
        simple: FLOAT graph that it was made from; its kinds of neurons are those of messages.

    Raises:
        Unsupported: If what such a layer sends early reaches a neuron that leaks, or if
            `started_at_rest` finds no start; names the layer.
    """
    started = started_at_rest(_without_others(fixed))
    changes = {name: started.nodes[name] for name, _ in fixed.of(*CHIP_CHANGES)}
    refusals = Refusals()
    for name, _ in fixed.of(Synapse):
        (source,), (target,) = fixed.before(name), fixed.after(name)
        early = np.any(getattr(changes.get(source), "act_init", 0))
        if early and target not in changes:
            with refusals.gather():
                raise Unsupported(
                    f"layer '{source}': biases make it send before the first input arrives, but "
                    f"'{target}' ({type(simple.nodes[target]).__name__}), which gets it, leaks, "
                    "and would have lost part of it by its step 1. Leave the biases out, make "
                    "them smaller than the thresholds, or let only SigmaDelta and Sigma layers "
                    "follow."
                )
    refusals.answer()
    return fixed.with_nodes(**changes)


def _without_others(fixed: Graph) -> Graph:
    """The graph with a source that is silent in place of each other neuron; no depth changes."""
    others = {name for name, node in fixed.of(ChipNeuron) if not isinstance(node, CHIP_CHANGES)}
    silent: dict[str, Any] = {name: SpikeInput(fixed.nodes[name].shape) for name in others}
    for name, synapse in fixed.of(Synapse):
        if others & set(fixed.after(name)):
            nothing = synapse.op.with_weights(np.zeros_like(synapse.op.weights))
            silent[name] = replace(synapse, op=nothing)
    return fixed.with_nodes(**silent)
