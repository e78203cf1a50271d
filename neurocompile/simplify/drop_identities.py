"""Remove nodes that pass everything on unchanged.

In:  FLOAT graph, perhaps with Identity nodes (dropout, Norse's RegularizationCell).
Out: FLOAT graph without any.
"""

from neurocompile.ir.graph import Graph
from neurocompile.ir.nodes import Identity


def drop_identities(graph: Graph) -> Graph:
    """Join the neighbours of every Identity directly."""
    for name, _ in tuple(graph.of(Identity)):
        graph = graph.without(name)
    return graph
