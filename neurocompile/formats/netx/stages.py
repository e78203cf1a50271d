"""A FIXED graph as one line of layers, the only structure of a `.net` file.

In:  a verified FIXED graph.
Out: its populations in order, each with the synapses into it; or Unsupported, by layer.
"""

from __future__ import annotations

from dataclasses import dataclass

from neurocompile.errors import Unsupported
from neurocompile.ir.fixed import AlwaysOn, BiasInput, SpikeInput
from neurocompile.ir.graph import Graph


@dataclass(frozen=True, eq=False)
class NetxStage:
    """A population with all that leads to it.

    Attributes:
        name: Name of the population.
        forward: Names of the synapses from the population before; empty after a BiasInput.
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


def _stage(graph: Graph, name: str, source: str | None) -> NetxStage:
    into = {s: graph.before(s)[0] for s in graph.before(name) if graph.before(s)}
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
