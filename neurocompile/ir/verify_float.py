"""What must hold of a FLOAT graph: one line of layers whose shapes and parameters fit.

In:  a graph of FLOAT nodes with sound fields and forward edges.
Out: nothing, or a BadInput that names the layer.
"""

from __future__ import annotations

import numpy as np

from neurocompile.errors import BadInput
from neurocompile.ir.checks import check_floats, check_one_or_each, expect, layer
from neurocompile.ir.graph import Graph
from neurocompile.ir.neurons import NEURONS
from neurocompile.ir.nodes import Input
from neurocompile.ir.shapes import shapes
from neurocompile.ir.verify_fields import arrays

INDICES = ("indices", "indptr")  # the only arrays that count something


def parameters_are_floats(graph: Graph) -> None:
    """Weights and neuron constants are real numbers."""
    for name, node in graph.nodes.items():
        with layer(name, node):
            for what, values in arrays(node):
                if what not in INDICES:
                    check_floats(values, what)


def one_input(graph: Graph) -> None:
    """A network has one Input, and something behind it."""
    names = [name for name, _ in graph.of(Input)]
    if len(names) != 1:
        raise BadInput(
            f"the graph has {len(names)} inputs ({', '.join(names[:3]) or 'none'}), allowed is one "
            "Input."
        )
    expect(len(graph.nodes) > 1, "the graph has no layer behind its input. Add one.")


def one_source_a_layer(graph: Graph) -> None:
    """Layers stand in a tree: an Input has nothing before it, every other node one."""
    for name, node in graph.nodes.items():
        with layer(name, node):
            found, allowed = len(graph.before(name)), 0 if isinstance(node, Input) else 1
            expect(found == allowed, f"{found} layers lead to it, allowed are exactly {allowed}.")


def shapes_fit(graph: Graph) -> None:
    """Every layer can take the shape before it, and none is too large."""
    shapes(graph)


def one_value_or_one_a_neuron(graph: Graph) -> None:
    """A neuron's parameters are () or exactly the layer's shape."""
    shape = shapes(graph)
    for name, neuron in graph.of(*NEURONS):
        with layer(name, neuron):
            for what, values in arrays(neuron):
                check_one_or_each(values, what, shape[name])


def time_constants_are_positive(graph: Graph) -> None:
    """A leak takes from a state; it neither keeps it for ever nor adds to it."""
    for name, neuron in graph.of(*NEURONS):
        with layer(name, neuron):
            for what, values in arrays(neuron):
                good = not what.startswith("tau_") or bool(np.all(values > 0))
                expect(
                    good,
                    f"its {what} is {float(values.min()):.4g} 1/s, allowed is a number above 0. "
                    "A time constant is longer than 0 s and finite.",
                )
