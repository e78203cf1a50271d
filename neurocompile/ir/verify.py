"""What must hold between the steps of the pipeline.

In:  a graph at a stage.
Out: nothing, or an error that names the node and the rule it breaks.
The table at the end is the whole list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal

import numpy as np

from neurocompile.errors import BadInput
from neurocompile.ir.fixed import POPULATIONS, AlwaysOn, BiasInput, CubaLIF, SpikeInput, Synapse
from neurocompile.ir.graph import FIXED_NODES, Graph
from neurocompile.ir.neurons import NEURONS
from neurocompile.ir.nodes import LINEAR_OPS, Input, Sparse, size
from neurocompile.ir.shapes import out_shape, shapes

Stage = Literal["float", "fixed"]
Broken = Iterator[tuple[str, str]]  # (node, what is wrong with it)

RANGES = {  # inclusive; lava-nc 0.10.0, lava/proc/lif/models.py, PyLifModelBitAcc
    "du": (-1, 4095),
    "dv": (0, 4096),
    "vth": (0, (1 << 17) - 1),
    "bias_mant": (-4096, 4095),
    "bias_exp": (0, 7),
    "v_init": (-(1 << 23) + 1, (1 << 23) - 1),
}


def verify(graph: Graph, stage: Stage) -> Graph:
    """Check everything that must hold at a stage; gives the graph back.

    Raises:
        BadInput: Naming the first node that breaks a rule, and the rule.
    """
    for rule in RULES[stage]:
        for name, wrong in rule(graph):
            raise BadInput(f"'{name}': {wrong}")
    return graph


def _edges_join_known_nodes(graph: Graph) -> Broken:
    order = {name: i for i, name in enumerate(graph.nodes)}
    for a, b in graph.edges:
        for end in (a, b):
            if end not in order:
                yield end, "an edge names this node, but the graph has none of that name."
        if a in order and b in order and order[a] >= order[b]:
            yield b, f"it comes before its source '{a}'. Loops are not in this version."


def _only_float_nodes(graph: Graph) -> Broken:
    for name, node in graph.nodes.items():
        if not isinstance(node, (Input, *LINEAR_OPS, *NEURONS)):
            yield name, f"{type(node).__name__} is not a node of the FLOAT vocabulary."


def _one_input(graph: Graph) -> Broken:
    inputs = [n for n, _ in graph.of(Input, SpikeInput, BiasInput)]
    if len(inputs) != 1:
        yield ", ".join(inputs) or "graph", f"a network has one input, this one has {len(inputs)}."


def _one_source_a_node(graph: Graph) -> Broken:
    for name, node in graph.nodes.items():
        expected = 0 if isinstance(node, Input) else 1
        if len(graph.before(name)) != expected:
            yield name, f"{len(graph.before(name))} edges enter it, but it takes {expected}."


def _shapes_fit(graph: Graph) -> Broken:
    try:
        shapes(graph)
    except BadInput as error:
        yield "shapes", str(error)


def _numbers_are_finite(graph: Graph) -> Broken:
    for name, node in graph.nodes.items():
        for field, value in vars(node).items():
            if isinstance(value, np.ndarray) and not np.all(np.isfinite(value)):
                yield (
                    name,
                    f"{field} holds {int((~np.isfinite(value)).sum())} values that are not "
                    "finite numbers. Train again from a checkpoint before the loss diverged.",
                )


def _leaks_are_positive(graph: Graph) -> Broken:
    for name, node in graph.of(*NEURONS):
        for field in ("tau_mem_inv", "tau_syn_inv"):
            value = getattr(node, field, None)
            if value is not None and np.any(value <= 0):
                yield name, f"{field} = {float(np.min(value)):.4g} 1/s. It must be above 0."


def _only_fixed_nodes(graph: Graph) -> Broken:
    for name, node in graph.nodes.items():
        if not isinstance(node, FIXED_NODES):
            yield name, f"{type(node).__name__} is not a node of the FIXED vocabulary."


def _synapses_join_two_populations(graph: Graph) -> Broken:
    for name, node in graph.of(Synapse):
        ends = graph.before(name) + graph.after(name)
        if len(ends) != 2:
            yield name, f"a synapse joins two populations, this one touches {len(ends)}."
            continue
        source, target = (graph.nodes[e] for e in ends)
        if not isinstance(source, POPULATIONS) or not isinstance(target, CubaLIF):
            yield name, f"it joins {type(source).__name__} to {type(target).__name__}."
        elif (size(node.in_shape), size(node.out_shape)) != (
            size(source.shape),
            size(target.shape),
        ):
            yield name, f"{node.in_shape} -> {node.out_shape} does not match its populations."
        elif out_shape(node.op, node.in_shape) != node.out_shape:
            yield name, f"its weights give {out_shape(node.op, node.in_shape)}, not its out_shape."


def _weights_are_on_the_grid(graph: Graph) -> Broken:
    for name, node in graph.of(Synapse):
        if not 2 <= node.bits <= 8:
            yield name, f"{node.bits} weight bits. A chip has 2..8."
            continue
        step = 1 << (9 - node.bits)
        weights: Any = node.op.data if isinstance(node.op, Sparse) else node.op.weight
        if not np.issubdtype(weights.dtype, np.integer):
            yield name, f"its weights are {weights.dtype}, not integers."
        elif np.any(weights % step) or np.any(weights < -256) or np.any(weights > 256 - step):
            yield name, f"a weight leaves the grid -256..{256 - step} in steps of {step}."
        if not -8 <= node.weight_exp <= 7:
            yield name, f"weight exponent {node.weight_exp}. A chip has -8..7."
        if not 0 <= node.delay <= 62:
            yield name, f"delay {node.delay}. A chip has 0..62 on top of the step of a synapse."


def _registers_are_in_range(graph: Graph) -> Broken:
    for name, node in graph.of(CubaLIF):
        for field, (low, high) in RANGES.items():
            value = getattr(node, field)
            if value.shape not in ((), node.shape):
                yield name, f"{field} has shape {value.shape}, the population {node.shape}."
            elif np.any(value < low) or np.any(value > high):
                worst = int(value.flat[np.argmax(np.abs(value))])
                yield name, f"{field} = {worst}, but the register holds {low}..{high}."


def _populations_have_sources(graph: Graph) -> Broken:
    for name, node in graph.nodes.items():
        sources = [graph.nodes[b] for b in graph.before(name)]
        if isinstance(node, SpikeInput | AlwaysOn | BiasInput):
            if sources:
                yield name, "an input has a source."
        elif isinstance(node, CubaLIF) and not all(
            isinstance(s, Synapse | BiasInput) for s in sources
        ):
            yield name, "something other than a synapse or a bias input enters a population."


RULES: dict[Stage, tuple[Callable[[Graph], Broken], ...]] = {
    "float": (
        _edges_join_known_nodes,
        _only_float_nodes,
        _one_input,
        _one_source_a_node,
        _shapes_fit,
        _numbers_are_finite,
        _leaks_are_positive,
    ),
    "fixed": (
        _edges_join_known_nodes,
        _only_fixed_nodes,
        _one_input,
        _populations_have_sources,
        _synapses_join_two_populations,
        _weights_are_on_the_grid,
        _registers_are_in_range,
        _numbers_are_finite,
    ),
}
