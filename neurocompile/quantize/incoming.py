"""Read what a FLOAT neuron layer and the chain before it say, in float64.

In:  simplified FLOAT graph, a neuron layer.
Out: its weights with the membrane leak in them, its biases, and the level of the
     potential that the chip calls 0.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from neurocompile.errors import Unsupported
from neurocompile.ir.arrays import Array
from neurocompile.ir.graph import Graph
from neurocompile.ir.linear import full_bias
from neurocompile.ir.neurons import Neuron, has_current, step_parameters
from neurocompile.ir.nodes import Conv, ConvTranspose, Input, Linear, Reshape, Shape, Sparse
from neurocompile.simplify.compose_synapses import chain_before

Weighted = Linear | Conv | ConvTranspose | Sparse


@dataclass(frozen=True, eq=False)
class Incoming:
    """A neuron layer and what arrives at it.

    Attributes:
        name, neuron, shape: The layer.
        dt: Length of a step, seconds.
        origin: The neuron layer or input before it.
        link: Name of the synapse, None where currents enter the neurons directly.
        op: The synapse in float64, its bias apart.
        in_shape, out_shape: Shapes on either side of the synapse.
        bias: The synapse's bias for each neuron, (n,) or None.
        numbers: The step's parameters.
        by_host: Whether real-valued input meets this layer, to be written into biases.
    """

    name: str
    neuron: Neuron
    shape: Shape
    dt: float
    origin: str
    link: str | None
    op: Weighted | None
    in_shape: Shape
    out_shape: Shape
    bias: Array | None
    numbers: dict[str, Any]
    by_host: bool

    @property
    def level(self) -> Array:
        """Potential that the chip calls 0: where a spike resets to, or a readout rests."""
        if not self.neuron.spiking:
            return np.asarray(self.numbers["v_leak"])
        if getattr(self.neuron, "reset", "zero") == "zero":
            return np.asarray(self.numbers["v_reset"])
        return np.zeros(())

    @property
    def leak(self) -> Array:
        """Part of v lost each step, () or shape."""
        return np.asarray(self.numbers["mem_leak"])

    @property
    def current_joins_bias(self) -> bool:
        """Whether a bias can stand in the bias register: no synaptic current behind it."""
        return not has_current(self.neuron)

    def register_bias(self) -> Array:
        """What the bias register adds each step, () or shape, float membrane units."""
        drift = np.asarray(self.numbers["v_leak"] - self.level)
        if self.bias is not None and self.current_joins_bias:
            drift = drift + self.bias.reshape(self.shape)
        return np.asarray(self.leak * drift)

    def leaked_op(self) -> Weighted | None:
        """The synapse with each target's leak multiplied into its weights.

        Raises:
            Unsupported: If the leak differs between neurons that share weights.
        """
        if self.op is None:
            return None
        if self.leak.ndim == 0:
            return with_weights(self.op, weights_of(self.op) * self.leak)
        leak = np.broadcast_to(self.leak, self.shape).ravel()
        if isinstance(self.op, Linear) and len(self.op.weight) == leak.size:
            return with_weights(self.op, self.op.weight * leak[:, None])
        if isinstance(self.op, Sparse):
            return with_weights(self.op, self.op.data * np.repeat(leak, np.diff(self.op.indptr)))
        raise Unsupported(
            f"layer '{self.name}': a tau_mem for every neuron behind a {type(self.op).__name__}, "
            "whose weights are shared, is not in this version. Use one tau_mem for the layer."
        )


def read_incoming(graph: Graph, name: str, shape: dict[str, Shape]) -> Incoming:
    """Everything that a neuron layer of a simplified FLOAT graph says about itself."""
    neuron = graph.nodes[name]
    chain = chain_before(graph, name)
    before = in_shape = out_shape = shape[chain.origin]
    link: str | None = None
    op: Any = None
    bias = None
    for step in chain.names:
        node = graph.nodes[step]
        if not isinstance(node, Reshape):
            link, in_shape, out_shape = step, before, shape[step]
            bias = full_bias(node, in_shape)
            op = with_weights(replace(node, bias=None), weights_of(node).astype(np.float64))
        before = shape[step]
    return Incoming(
        name=name,
        neuron=neuron,
        shape=shape[name],
        dt=graph.settings.dt,
        origin=chain.origin,
        link=link,
        op=op,
        in_shape=in_shape,
        out_shape=out_shape,
        bias=None if bias is None else bias.astype(np.float64),
        numbers=step_parameters(neuron, graph.settings.dt),
        by_host=isinstance(graph.nodes[chain.origin], Input)
        and graph.settings.encoder.kind == "current",
    )


def weights_of(op: Weighted) -> Array:
    """The weights of a synapse: `weight`, or `data` where it is stored sparsely."""
    return op.data if isinstance(op, Sparse) else op.weight


def with_weights(op: Weighted, values: Array) -> Weighted:
    """The same synapse with other weights."""
    return replace(op, data=values) if isinstance(op, Sparse) else replace(op, weight=values)
