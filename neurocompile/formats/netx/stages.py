"""A FIXED graph as one line of layers, the only structure of a `.net` file.

In:  a verified FIXED graph.
Out: its populations in order, each with the synapses into it; or Unsupported, by layer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from neurocompile.errors import Unsupported
from neurocompile.formats.netx.sigma_delta import one_to_one
from neurocompile.ir.arrays import same_fields
from neurocompile.ir.fixed import AlwaysOn, BiasInput, SpikeInput
from neurocompile.ir.graph import Graph
from neurocompile.ir.payloads import graded


@dataclass(frozen=True, eq=False)
class NetxStage:
    """A population with all that leads to it.

    Attributes:
        name: Name of the population.
        forward: Names of the synapses from the population before; empty of the neurons of an
            input layer, after a BiasInput or payloads.
        back: Names of the synapses from itself.
    """

    name: str
    forward: tuple[str, ...]
    back: tuple[str, ...]


def stages_of(graph: Graph) -> tuple[str, list[NetxStage]]:
    """Name of the input, and the populations after it, each with what leads to it.

    Raises:
        Unsupported: Where the graph is not one line of layers.
    """
    for name, _ in graph.of(AlwaysOn):
        (synapse,) = graph.after(name)
        raise Unsupported(
            f"layer '{graph.after(synapse)[0]}': its bias comes through '{name}', an axon that "
            "spikes in every step, and a .net layer has only bias registers. Use a neuron "
            "without synaptic current, or no bias; where few bits made the bias large, more bits."
        )
    ((last, source),) = graph.of(SpikeInput, BiasInput)
    first, stages = last, []
    if isinstance(source, BiasInput):
        (last,) = graph.after(first)
        stages.append(_stage(graph, last, None))
    elif _is_payloads(source):
        last = _taking_payloads(graph, first)
        stages.append(_stage(graph, last, None))
    while True:
        targets = {t: None for s in graph.after(last) for t in graph.after(s) if t != last}
        if not targets:
            break
        if len(targets) > 1:
            raise Unsupported(
                f"layer '{last}': it leads to {len(targets)} layers ({', '.join(targets)}), and a "
                ".net file is one line of layers."
            )
        (target,) = targets
        stages.append(_stage(graph, target, last))
        last = target
    return first, stages


def _taking_payloads(graph: Graph, first: str) -> str:
    """The population that takes the payloads of an input one to one."""
    synapses = graph.after(first)
    target = graph.after(synapses[0])[0]
    node = graph.nodes[synapses[0]]
    if len(synapses) > 1 or not same_fields(node, one_to_one(graph.nodes[target].shape)):
        raise Unsupported(
            f"layer '{target}': it takes payloads from outside through weights, and netx takes "
            "them only one to one, into an input layer of Delta neurons. Put Delta neurons before "
            "it."
        )
    return target


def _stage(graph: Graph, name: str, source: str | None) -> NetxStage:
    into = {
        s: graph.before(s)[0]
        for s in graph.before(name)
        if graph.before(s) and not _is_payloads(graph.nodes[graph.before(s)[0]])
    }
    others = [origin for origin in into.values() if origin not in (source, name)]
    if others:
        raise Unsupported(
            f"layer '{name}': spikes of '{others[0]}' lead to it as well, and a .net layer takes "
            "only those of the layer before it (no skips, sums or loops over several layers)."
        )
    return NetxStage(
        name,
        tuple(s for s, origin in into.items() if origin == source),
        tuple(s for s, origin in into.items() if origin == name),
    )


def _is_payloads(node: Any) -> bool:
    """Whether a node is an input of payloads."""
    return isinstance(node, SpikeInput) and graded(node)
