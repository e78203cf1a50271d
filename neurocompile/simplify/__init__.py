"""Simplify a FLOAT graph, one pass per file.

In:  FLOAT graph, as people build their networks.
Out: FLOAT graph of the same function, with one synapse per delay between any two neurons.
"""

from neurocompile.ir.graph import Graph
from neurocompile.simplify.compose_synapses import compose_synapses
from neurocompile.simplify.drop_identities import drop_identities
from neurocompile.simplify.spell_out_drops import spell_out_drops


def simplify(graph: Graph) -> Graph:
    """Run every pass, in order."""
    graph = spell_out_drops(graph)
    graph = drop_identities(graph)
    graph = compose_synapses(graph)
    return graph
