"""Remove nodes that pass everything on unchanged.

In:  FLOAT graph, perhaps with Identity nodes (dropout, Norse's RegularizationCell).
Out: FLOAT graph without them, except where one keeps two edges between the same nodes apart
     (x + x).
"""

from neurocompile.ir.graph import Graph
from neurocompile.ir.nodes import Identity


def drop_identities(graph: Graph) -> Graph:
    """Connect the neighbours of every Identity directly."""
    for name, _ in tuple(graph.of(Identity)):
        (before,) = graph.before(name)
        if not set(graph.after(name)) & set(graph.after(before)):
            graph = graph.without(name)
    return graph
