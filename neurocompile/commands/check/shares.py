"""The effect of each changed layer by itself, if a baseline kept its whole network.

In:  the network of the baseline, the current one, the names of the nodes that changed.
Out: by population, the error of the old network with only this population from the new one.
A population is exchanged with its synapses: both share a scale, and spikes have none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from neurocompile.commands.check.digests import describe
from neurocompile.errors import BadInput, NeurocompileError
from neurocompile.formats.load_onnx import load_onnx
from neurocompile.ir.fixed import AlwaysOn, ChipNeuron
from neurocompile.ir.graph import Graph
from neurocompile.ir.verify import verify


def read_network(file: Path, layers: dict[str, Any]) -> Graph:
    """Read the network that was kept beside a baseline.

    Raises:
        BadInput: If it is missing, broken, or not the baseline's network.
    """
    if not file.is_file():
        raise BadInput(
            f"the baseline names the network {file}, which is not there. Bring it back from "
            "version control, or renew the baseline with --update --keep-network FILE.onnx."
        )
    graph = load_onnx(file)
    if describe(graph) != layers:
        raise BadInput(
            f"{file} is not the network of its baseline. Bring both back from version control, or "
            "renew the baseline with --update --keep-network FILE.onnx."
        )
    return graph


def shares(
    old: Graph, now: Graph, changed: Iterable[str], error_of: Callable[[Graph], float | None]
) -> dict[str, float | None]:
    """Error by changed population; None if the old network does not run with it.

    Args:
        old, now: FIXED graphs.
        changed: Names of nodes that differ.
        error_of: Function that runs a graph and returns its error.
    """
    errors: dict[str, float | None] = {}
    for name in populations(now, changed):
        if not isinstance(old.nodes.get(name), ChipNeuron):
            continue
        try:
            errors[name] = error_of(verify(_mixed(old, now, name), "fixed"))
        except NeurocompileError:
            errors[name] = None
    return errors


def populations(graph: Graph, changed: Iterable[str]) -> list[str]:
    """The populations that nodes belong to, in the order of the graph."""
    names = set(changed)
    return [name for name, _ in graph.of(ChipNeuron) if names & _group(graph, name)]


def _group(graph: Graph, name: str) -> set[str]:
    """A population, its synapses, and the sources that feed only it."""
    before = set(graph.before(name))
    sources = {s for b in before for s in graph.before(b) if isinstance(graph.nodes[s], AlwaysOn)}
    return {name, *before, *sources}


def _mixed(old: Graph, now: Graph, name: str) -> Graph:
    """The old network with one population, and its group, from the new one."""
    out, new = _group(old, name), _group(now, name)
    nodes = {n: node for n, node in old.nodes.items() if n not in out}
    nodes |= {n: now.nodes[n] for n in new}
    order = [n for n in now.nodes if n in nodes]
    order = [n for n in old.nodes if n in nodes and n not in now.nodes] + order
    edges = [e for e in old.edges if e[1] not in out] + [e for e in now.edges if e[1] in new]
    return Graph({n: nodes[n] for n in order}, tuple(edges), now.settings)
