"""Choose a coarser grid for a network that has integers already.

In:  a FIXED graph with fine weights, such as 8-bit ones out of `quantize`.
Out: the graph on a grid of fewer bits, and what its weights were before they were rounded.
All that meets in a population is scaled together, so only the rounding changes what it does.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from neurocompile.errors import DoesNotFit
from neurocompile.ir.arrays import Array
from neurocompile.ir.fixed import CubaLIF, Synapse
from neurocompile.ir.graph import Graph

FACTORS = 2.0 ** np.arange(-1, 5, 1 / 16)  # of the weights; the best is tried out
SMALLEST_EXPONENT = -8


def coarser(graph: Graph, bits: int) -> tuple[Graph, dict[str, Array]]:
    """Bring all weights to a grid of `bits`, each population at its own best scale.

    A population's weights, threshold, bias and v_init are multiplied by one factor: that with
    which rounding the weights (a share of the weights' own square) loses least. The exponent
    falls where the factor is above 1, so currents and potentials do not outgrow 24 bits.

    Args:
        graph: FIXED graph.
        bits: 2..8.

    Returns:
        The FIXED graph, and by synapse the weights that it rounds, float64 in units of its grid.

    Raises:
        DoesNotFit: If a weight exponent would leave the chip's range.
    """
    nodes = dict(graph.nodes)
    exact: dict[str, Array] = {}
    for name, node in graph.of(CubaLIF):
        links = [b for b in graph.before(name) if isinstance(graph.nodes[b], Synapse)]
        if not links:
            continue
        largest = max(links, key=lambda link: graph.nodes[link].op.weights.size)
        factor = best_factor(graph.nodes[largest].op.weights.astype(np.float64), bits)
        down = int(np.ceil(np.log2(factor)))
        for link in links:
            synapse = graph.nodes[link]
            exponent = synapse.weight_exp - down
            if exponent < SMALLEST_EXPONENT:
                raise DoesNotFit(
                    f"synapse '{link}': with {bits} bits its exponent would be {exponent}, but the "
                    f"smallest is {SMALLEST_EXPONENT}. Use more bits."
                )
            exact[link] = synapse.op.weights * factor
            op = synapse.op.with_weights(on_grid(exact[link], bits))
            nodes[link] = replace(synapse, op=op, weight_exp=exponent, bits=bits)
        nodes[name] = scaled(node, factor / 2.0**down)
    return replace(graph, nodes=nodes), exact


def best_factor(weights: Array, bits: int) -> float:
    """The factor with which rounding to the grid loses the least squares of the weights."""
    flat = weights.ravel()
    losses = [np.square(on_grid(flat * f, bits) / f - flat).sum() for f in FACTORS]
    return float(FACTORS[int(np.argmin(losses))])


def on_grid(values: Array, bits: int) -> Array:
    """The nearest weights of the grid, int16; ties to even, beyond its ends its ends."""
    low, high = grid_ends(bits)
    step = 1 << (9 - bits)
    return np.clip(np.rint(values / step) * step, low, high).astype(np.int16)


def grid_ends(bits: int) -> tuple[int, int]:
    """Smallest and largest weight; two bits are ternary, -128, 0 and 128."""
    return (-128, 128) if bits == 2 else (-256, 256 - (1 << (9 - bits)))


def scaled(node: CubaLIF, factor: float) -> CubaLIF:
    """A population in which every potential is multiplied by a factor of at most 1."""
    return replace(
        node,
        vth=node.vth if node.readout else np.rint(node.vth * factor).astype(np.int64),
        bias_mant=np.rint(node.bias_mant * factor).astype(np.int64),
        v_init=np.rint(node.v_init * factor).astype(np.int64),
        scale=node.scale / factor,
    )
