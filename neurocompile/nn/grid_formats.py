"""Choose a coarser grid for a network that has integers already.

In:  a FIXED graph with fine weights, such as 8-bit weights from `quantize`.
Out: the graph on a grid of fewer bits, and its weights before they were rounded.
Everything that meets in a population is scaled together, so only the rounding has an effect.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from neurocompile.errors import DoesNotFit, Unsupported
from neurocompile.ir.arrays import Array
from neurocompile.ir.fixed import ChipNeuron, Synapse
from neurocompile.ir.graph import Graph
from neurocompile.ir.registers import WEIGHT_EXPONENTS, Grid
from neurocompile.nn.grid_changes import CHANGES

FACTORS = 2.0 ** np.arange(-1, 5, 1 / 16)  # factors on the weights that are tried


def coarser(graph: Graph, bits: int) -> tuple[Graph, dict[str, Array]]:
    """Bring all weights to a grid of `bits`, each population at its own best scale.

    A population's weights, threshold, bias and v_init are multiplied by one factor. With it,
    rounding the weights has the smallest squared error, relative to the weights' own square.
    The exponent falls where the factor is above 1, so currents and potentials stay in 24 bits.

    Args:
        graph: FIXED graph.
        bits: Width of a weight, 2..8.

    Returns:
        The FIXED graph, and by synapse the unrounded weights, float64 in units of its grid.

    Raises:
        DoesNotFit: If a weight exponent would leave the chip's range.
    """
    grid = Grid(bits)
    for name, node in graph.of(*CHANGES):
        raise Unsupported(
            f"layer '{name}' ({type(node).__name__}): what it sends has a unit, too, so no "
            "layer is brought to a coarser grid by itself. Compile the float network with "
            f"bits={bits}."
        )
    nodes = dict(graph.nodes)
    exact: dict[str, Array] = {}
    for name, node in graph.of(ChipNeuron):
        links = [b for b in graph.before(name) if isinstance(graph.nodes[b], Synapse)]
        if not links:
            continue
        largest = max(links, key=lambda link: graph.nodes[link].op.weights.size)
        factor = best_factor(graph.nodes[largest].op.weights.astype(np.float64), grid)
        down = int(np.ceil(np.log2(factor)))
        for link in links:
            synapse = graph.nodes[link]
            exponent = synapse.weight_exp - down
            if exponent < WEIGHT_EXPONENTS[0]:
                raise DoesNotFit(
                    f"synapse '{link}': with {bits} bits its exponent would be {exponent}, but the "
                    f"smallest is {WEIGHT_EXPONENTS[0]}. Use more bits."
                )
            exact[link] = synapse.op.weights * factor
            op = synapse.op.with_weights(grid.nearest(exact[link]))
            nodes[link] = replace(synapse, op=op, weight_exp=exponent, bits=bits)
        nodes[name] = scaled(node, factor / 2.0**down)
    return replace(graph, nodes=nodes), exact


def best_factor(weights: Array, grid: Grid) -> float:
    """The factor with which rounding to the grid has the smallest squared error."""
    flat = weights.ravel()
    losses = [np.square(grid.nearest(flat * f) / f - flat).sum() for f in FACTORS]
    return float(FACTORS[int(np.argmin(losses))])


def scaled(node: Any, factor: float) -> Any:
    """A population in which every potential is multiplied by a factor of at most 1."""
    return replace(
        node,
        **{
            name: np.rint(getattr(node, name) * factor).astype(np.int64)
            for name in ("vth", "theta_0", "theta_step")
            if name in node.registers and not node.readout
        },
        bias_mant=np.rint(node.bias_mant * factor).astype(np.int64),
        v_init=np.rint(node.v_init * factor).astype(np.int64),
        scale=node.scale / factor,
    )
