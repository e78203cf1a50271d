"""What must hold of a FLOAT graph: layers whose sources, shapes and parameters fit.

In:  a graph of FLOAT nodes with sound fields, in which only a Delay leads backwards.
Out: nothing, or a BadInput that names the layer.
"""

from __future__ import annotations

import numpy as np

from neurocompile.errors import BadInput
from neurocompile.ir.checks import check_floats, check_one_or_each, expect, naming_layer
from neurocompile.ir.graph import Graph
from neurocompile.ir.neurons import MAY_LAST, Neuron
from neurocompile.ir.nodes import JOINS, MOST_DELAY_STEPS, Delay, Input
from neurocompile.ir.shapes import shapes
from neurocompile.ir.verify_fields import arrays

INDICES = ("indices", "indptr", "late")  # the only arrays that hold whole numbers


def parameters_are_floats(graph: Graph) -> None:
    """Weights and neuron constants are real numbers."""
    for name, node in graph.nodes.items():
        with naming_layer(name, node):
            for what, values in arrays(node):
                if what not in INDICES:
                    check_floats(values, what)


def one_input(graph: Graph) -> None:
    """A network has one Input, and a layer after it."""
    names = [name for name, _ in graph.of(Input)]
    if len(names) != 1:
        raise BadInput(
            f"the graph has {len(names)} inputs ({', '.join(names[:3]) or 'none'}), allowed is one "
            "Input."
        )
    expect(len(graph.nodes) > 1, "the graph has no layer after its input. Add one.")


def layers_have_their_sources(graph: Graph) -> None:
    """An Input has no source, an Add or Concat two or more, every other node one."""
    for name, node in graph.nodes.items():
        with naming_layer(name, node):
            sources, allowed = len(graph.before(name)), 0 if isinstance(node, Input) else 1
            if isinstance(node, JOINS):
                expect(sources >= 2, f"{sources} layers lead to it, allowed are 2 or more.")
            else:
                expect(
                    sources == allowed,
                    f"{sources} layers lead to it, allowed are exactly {allowed}. "
                    "Only Add and Concat take several.",
                )


def delays_are_steps(graph: Graph) -> None:
    """A Delay holds its input back for at least one step, or each value for its own number."""
    for name, node in graph.of(Delay):
        with naming_layer(name, node):
            least = 1 if node.late is None else 0
            good = least <= node.steps <= MOST_DELAY_STEPS
            expect(good, f"its steps are {node.steps}, allowed are {least}..{MOST_DELAY_STEPS}.")
            if node.late is not None and node.late.size:
                low, longest = int(node.late.min()), node.longest
                expect(low >= 0, f"its late is {low}, allowed are 0..{MOST_DELAY_STEPS}.")
                good = longest <= MOST_DELAY_STEPS
                expect(good, f"its longest delay is {longest}, allowed are 0..{MOST_DELAY_STEPS}.")


def shapes_fit(graph: Graph) -> None:
    """Every layer can take its input shape, and none is too large."""
    shapes(graph)


def one_value_or_one_per_neuron(graph: Graph) -> None:
    """A neuron's parameters have the shape () or exactly that of the layer."""
    shape = shapes(graph)
    for name, neuron in graph.of(Neuron):
        with naming_layer(name, neuron):
            for what, values in arrays(neuron):
                check_one_or_each(values, what, shape[name])


def time_constants_are_positive(graph: Graph) -> None:
    """A leak takes from a state; it adds nothing to it, and only what spikes leave may last."""
    for name, neuron in graph.of(Neuron):
        with naming_layer(name, neuron):
            for what, values in arrays(neuron):
                if not what.startswith("tau_"):
                    continue
                least, lasting = float(values.min()), what in MAY_LAST
                expect(
                    least > 0 or (lasting and least == 0),
                    f"its {what} is {least:.4g} 1/s, allowed is a number above 0"
                    + (", or 0 for what never decays. " if lasting else ". ")
                    + "A time constant must be longer than 0 s and finite.",
                )


def changes_have_a_threshold(graph: Graph) -> None:
    """What sends changes sends none of 0."""
    for name, neuron in graph.of(Neuron):
        if not neuron.graded:
            continue
        with naming_layer(name, neuron):
            least = float(np.min(neuron.v_th))
            expect(
                least > 0,
                f"its v_th is {least:.4g}, allowed is a number above 0. With 0 every step would "
                "send a message.",
            )
