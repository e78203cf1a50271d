"""What must hold between the steps of the pipeline, and for every graph from a file.

In:  a graph at a stage, which may come from an untrusted file.
Out: the graph, or a BadInput that names the node, what was found, what is allowed.
The table at the end is the whole list. A rule may rely on those above it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, Literal

from neurocompile.errors import BadInput
from neurocompile.ir import verify_fields, verify_fixed, verify_float
from neurocompile.ir.adapting import NEURONS
from neurocompile.ir.checks import expect, naming_layer
from neurocompile.ir.fixed import Synapse
from neurocompile.ir.graph import FIXED_NODES, Graph
from neurocompile.ir.nodes import JOINS, LINEAR_OPS, Delay, Input

Stage = Literal["float", "fixed"]
Rule = Callable[[Graph], None]

FLOAT_NODES: tuple[type, ...] = (Input, *LINEAR_OPS, *JOINS, Delay, *NEURONS)
MAX_NODES = 10_000
MAX_EDGES = 4 * MAX_NODES  # a synapse has two; an Add or Concat has one per source
MAX_NAME = 1000  # characters; the name of a composed synapse joins those of its parts


def verify(graph: Graph, stage: Stage) -> Graph:
    """Check everything that must hold at a stage, and return the graph.

    Args:
        graph: Graph to check; its fields may hold anything.
        stage: Key into the table of rules.

    Raises:
        BadInput: At the first rule that does not hold; names the node.
    """
    for rule in RULES[stage]:
        rule(graph)
    return graph


def few_nodes_and_edges(graph: Graph) -> None:
    """There are enough nodes for a network, and not so many that they only keep a machine busy."""
    nodes, edges = len(graph.nodes), len(graph.edges)
    expect(1 <= nodes <= MAX_NODES, f"the graph has {nodes} nodes, allowed are 1 to {MAX_NODES}.")
    expect(edges <= MAX_EDGES, f"the graph has {edges} edges, allowed are up to {MAX_EDGES}.")


def names_are_printable(graph: Graph) -> None:
    """Every file format and every message can hold a name."""
    for name in graph.nodes:
        good = isinstance(name, str) and 1 <= len(name) <= MAX_NAME and name.isprintable()
        if not good or "/" in name or name in (".", ".."):
            raise BadInput(
                f"a layer is called {str(name)[:60]!a}, allowed are 1 to {MAX_NAME} printable "
                "letters without '/', and more than '.' or '..'. Rename the layer."
            )


def edges_lead_forward(graph: Graph) -> None:
    """Every edge joins a node to a later one, once; only what is delayed may lead backwards."""
    position = {name: i for i, name in enumerate(graph.nodes)}
    for edge in graph.edges:
        if not isinstance(edge, tuple) or len(edge) != 2:
            raise BadInput(f"an edge is {str(edge)[:60]!a}, allowed is a pair of names.")
        a, b = edge
        for end in edge:
            if not isinstance(end, str) or end not in position:
                raise BadInput(
                    f"an edge leads from {str(a)[:60]!a} to {str(b)[:60]!a}, but there is no layer "
                    f"{str(end)[:60]!a}. Name a layer of the graph."
                )
        if position[a] >= position[b] and not _is_delayed(graph.nodes[a]):
            raise BadInput(
                f"the edge from '{a}' to '{b}' leads backwards, but only a Delay or a Synapse with "
                "a delay of 1 step or more may. Delay what comes back in a loop, and order the "
                "other layers so that each comes after those that feed it."
            )
    for (a, b), count in Counter(graph.edges).items():
        expect(count == 1, f"the edge from '{a}' to '{b}' occurs {count} times, allowed is once.")


def _is_delayed(node: Any) -> bool:
    """Whether the output of a node entered it before this step. Its fields may hold anything."""
    if isinstance(node, Synapse):
        return isinstance(node.delay, int) and node.delay >= 1
    return isinstance(node, Delay) and isinstance(node.steps, int) and node.steps >= 1


def only_float_nodes(graph: Graph) -> None:
    """Every node is one that people write."""
    _only(graph, FLOAT_NODES, "FLOAT")


def only_fixed_nodes(graph: Graph) -> None:
    """Every node is one that a chip has."""
    _only(graph, FIXED_NODES, "FIXED")


def _only(graph: Graph, kinds: tuple[type, ...], stage: str) -> None:
    names = ", ".join(sorted(kind.__name__ for kind in kinds))
    for name, node in graph.nodes.items():
        with naming_layer(name, node):
            expect(
                type(node) in kinds,
                f"it is not a node of the {stage} vocabulary, allowed are {names}.",
            )


RULES: dict[Stage, tuple[Rule, ...]] = {
    "float": (
        few_nodes_and_edges,
        names_are_printable,
        edges_lead_forward,
        only_float_nodes,
        verify_fields.fields_have_their_types,
        verify_fields.numbers_are_finite,
        verify_fields.sparse_maps_are_sound,
        verify_float.parameters_are_floats,
        verify_float.one_input,
        verify_float.layers_have_their_sources,
        verify_float.delays_are_steps,
        verify_float.shapes_fit,
        verify_float.one_value_or_one_per_neuron,
        verify_float.time_constants_are_positive,
        verify_float.changes_have_a_threshold,
    ),
    "fixed": (
        few_nodes_and_edges,
        names_are_printable,
        edges_lead_forward,
        only_fixed_nodes,
        verify_fields.fields_have_their_types,
        verify_fields.numbers_are_finite,
        verify_fields.sparse_maps_are_sound,
        verify_fixed.one_input,
        verify_fixed.inputs_have_no_source,
        verify_fixed.populations_are_fed_by_synapses,
        verify_fixed.synapses_join_two_populations,
        verify_fixed.synapses_lead_into_a_sum_of_their_target,
        verify_fixed.bias_inputs_and_axons_lead_to_one,
        verify_fixed.populations_have_shapes,
        verify_fixed.synapses_fit_their_populations,
        verify_fixed.weights_are_on_the_grid,
        verify_fixed.exponents_and_delays_are_a_chips,
        verify_fixed.registers_are_in_range,
        verify_fixed.what_the_host_writes_fits,
    ),
}
